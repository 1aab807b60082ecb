package sim

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/member"
	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/test/linear"
)

const (
	// keyOperations is how often a key is used before another takes its place,
	// and keyUnknown how often with an unknown outcome: the search for an order
	// grows fast with what is open at once.
	keyOperations = 40
	keyUnknown    = 6
	// trouble is what an answer begins with that is none of the models'.
	trouble = "error: "
	// unchecked begins the names of keys that no model follows.
	unchecked = "timed:"
)

// client sends one request after the other.
type client struct {
	w       *world
	id      int
	target  uint64 // who it takes for the leader
	request *request
	stopped bool

	producer, worker bool        // of jobs
	holding          []queue.Job // a worker's
}

// key is one in use.
type key struct {
	name    string
	used    int
	unknown int
}

// request is what a client waits for: a few commands, pipelined.
type request struct {
	client *client
	keys   []string
	argvs  [][]string
	items  []machine.Item
	whole  []machine.Item // one transaction of them; nil when they are sent as they are
	writes bool
	job    func() // what an operation on jobs came to, told when it is known; nil for commands
	call   int64
}

// workload is what all clients share.
type workload struct {
	keys     map[string]*key // in use, by kind and slot
	named    map[string]*key
	made     int // keys
	values   int // handed out, each once
	requests map[*machine.Item]*request
	acked    int // writes
}

func newWorkload() workload {
	return workload{keys: map[string]*key{}, named: map[string]*key{}, requests: map[*machine.Item]*request{}}
}

// compose makes a request.
func (c *client) compose() *request {
	w := c.w
	r := &request{client: c}
	reads := w.chance(35)
	for range 1 + w.rng.IntN(3)*w.rng.IntN(2) {
		k := linear.Pick(w.rng, linear.Kinds...)
		slot := k.Name + strconv.Itoa(w.rng.IntN(2))
		current := w.load.keys[slot]
		if current == nil || current.used >= keyOperations || current.unknown >= keyUnknown {
			w.load.made++
			current = &key{name: fmt.Sprintf("%s:%d", k.Name, w.load.made)}
			w.load.keys[slot], w.load.named[current.name] = current, current
		}
		current.used++
		w.load.values++
		if reads {
			r.add(current.name, k.All)
		} else {
			r.add(current.name, k.Make(w.rng, "v"+strconv.Itoa(w.load.values)))
		}
	}
	if !reads && w.chance(8) {
		r.addTimed()
	}
	if w.chance(15) {
		r.whole = []machine.Item{machine.Transaction(r.items, nil)}
	}
	return r
}

// addTimed adds a command of which only the members' agreement is checked:
// clocks decide what is to be seen.
func (r *request) addTimed() {
	w := r.client.w
	r.add(unchecked+strconv.Itoa(w.rng.IntN(8)), []string{"SET", strconv.Itoa(w.load.values), "PX", strconv.Itoa(1 + w.rng.IntN(4000))})
}

// unwatched is a write whose answer nobody waits for.
func (w *world) unwatched(h *host) *member.Proposal {
	r := &request{client: &client{w: w}}
	r.addTimed()
	return &member.Proposal{Items: r.items, Now: h.wall(), Seed: w.rng.Uint64()}
}

// add parses a command as a server does.
func (r *request) add(key string, argv []string) {
	raw := [][]byte{[]byte(argv[0]), []byte(key)}
	for _, a := range argv[1:] {
		raw = append(raw, []byte(a))
	}
	row, err := command.Resolve(raw)
	if err == nil {
		var op machine.Op
		if op, err = row.Parse(raw); err == nil {
			write := row.Flags&command.Write != 0
			r.items = append(r.items, machine.Item{Op: op, Argv: raw, Write: write, Grows: row.Grows(), Reserved: row.Reserved(), Since: row.Since(raw)})
			r.writes = r.writes || write
		}
	}
	if err != nil {
		r.client.w.fail("command %v: %v", argv, err)
		return
	}
	r.keys, r.argvs = append(r.keys, key), append(r.argvs, argv)
}

// sent is what the member is handed.
func (r *request) sent() []machine.Item {
	if r.whole != nil {
		return r.whole
	}
	return r.items
}

// next lets the client send its next request.
func (c *client) next() {
	if c.stopped || c.w.err != nil {
		return
	}
	if c.producer || c.worker {
		c.send(c.employed())
		return
	}
	c.send(c.compose())
}

func (c *client) send(r *request) {
	w := c.w
	r.call = w.now
	c.request = r
	if h := w.host(c.target); h == nil || h.gone || w.chance(3) {
		c.target = linear.Pick(w.rng, w.hosts...).id
	}
	if w.chance(25) { // whoever takes itself for the leader
		if leaders := w.leading(); len(leaders) > 0 {
			c.target = linear.Pick(w.rng, leaders...).id
		}
	}
	h := w.host(c.target)
	w.after(w.between(100, 2*millisecond), func() { h.serve(r) })
	w.after(w.patience, func() {
		if c.request == r {
			w.stats["timeouts"]++
			c.done(r, linear.Unknown)
		}
	})
}

// serve is what the leader's host does with a request.
func (h *host) serve(r *request) {
	if h.member == nil || len(r.items) == 0 {
		return
	}
	h.do(func() {
		items := r.sent()
		h.w.load.requests[&items[0]] = r
		var err error
		if r.writes {
			err = h.member.Propose(&member.Proposal{Items: items, Now: h.wall(), Seed: h.w.rng.Uint64()})
		} else {
			err = h.member.Read(&member.Read{Items: items, Now: h.wall()})
		}
		if err == nil || h.broken(err) {
			return
		}
		h.w.answer(r, func() { r.client.refused(h.member) }) // it has not happened and never will
	})
}

// answered is a member's answer.
func (w *world) answered(items []machine.Item, err error) {
	r := w.load.requests[&items[0]]
	if r == nil {
		return // nobody waits
	}
	delete(w.load.requests, &items[0])
	switch {
	case err == nil && r.writes:
		w.load.acked++
		w.answer(r, func() { r.client.done(r, "") })
	case err == nil:
		w.answer(r, func() { r.client.done(r, "") })
	case r.writes:
		w.answer(r, func() { r.client.done(r, linear.Unknown) })
	default:
		w.answer(r, func() { r.client.refused(nil) })
	}
}

// answer brings an answer to its client, if it still waits.
func (w *world) answer(r *request, arrive func()) {
	w.after(w.between(100, 2*millisecond), func() {
		if r.client.request == r {
			arrive()
		}
	})
}

// refused is told that nothing has happened, and perhaps who leads.
func (c *client) refused(m *member.Member) {
	c.target = 0
	if m != nil {
		c.target = m.Leader()
	}
	if c.target == 0 {
		c.target = linear.Pick(c.w.rng, c.w.hosts...).id
	}
	c.request = nil
	c.w.stats["refused"]++
	c.w.after(c.w.between(5*millisecond, 60*millisecond), c.next)
}

// done records what came of a request.
func (c *client) done(r *request, verdict string) {
	c.request = nil
	if r.job != nil {
		if verdict == "" {
			r.job()
		} else {
			c.target = linear.Pick(c.w.rng, c.w.hosts...).id
		}
		c.w.after(c.w.between(5*millisecond, 40*millisecond), c.next)
		return
	}
	if verdict == "" && r.whole != nil {
		for i, answer := range r.whole[0].Reply.Items {
			r.items[i].Reply = answer
		}
	}
	for i, argv := range r.argvs {
		if strings.HasPrefix(r.keys[i], unchecked) {
			continue
		}
		answer := verdict
		if verdict == "" {
			answer = linear.Render(argv, r.items[i].Reply)
			if r.items[i].Reply.IsError() {
				answer = trouble + answer
			}
			for _, b := range []byte(answer) {
				c.w.mix(uint64(b))
			}
		} else if !r.items[i].Write {
			continue // a read that nobody saw proves nothing
		} else {
			c.w.load.named[r.keys[i]].unknown++
		}
		c.w.history.Add(r.keys[i], c.id, argv, r.call, c.w.now, answer)
	}
	if verdict == linear.Unknown {
		c.target = linear.Pick(c.w.rng, c.w.hosts...).id
	}
	c.w.after(c.w.between(5*millisecond, 40*millisecond), c.next)
}
