package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/job"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/member"
	"github.com/coffer-dev/coffer/engine/queue"
)

// Jobs are a workload of their own in every fifth seed: producers push, workers
// pull, report, acknowledge, fail, or forget what they have. Its randomness is
// its own too, so that the other seeds play as they always have.
const (
	jobSeeds = 5
	jobQueue = "work"
	jobSlots = 4   // of the queue's concurrency
	jobLease = 700 // ms
	// jobPatience outlasts the pause before a job is tried once more, which doubles
	// with each try that a crash ended.
	jobPatience = 300 * second
)

// labor is what became of jobs, as clients saw it. A job's data is a number of
// its own.
type labor struct {
	rng    *rand.Rand // nil: this seed has no jobs
	pushed int
	known  []string         // acknowledged pushes
	seen   map[string]bool  // pulled by somebody
	done   map[string]int64 // when its acknowledgement was answered
	over   bool             // nothing more is pushed
}

func (w *world) employ(seed uint64) {
	if seed%jobSeeds == 0 {
		w.labor = labor{rng: rand.New(rand.NewPCG(seed, 0x6a6f6273)), seen: map[string]bool{}, done: map[string]int64{}}
	}
}

// beginJobs starts two producers and three workers.
func (w *world) beginJobs() {
	if w.labor.rng == nil {
		return
	}
	for i := range 5 {
		c := &client{w: w, id: 1000 + i, worker: i >= 2, producer: i < 2}
		w.clients = append(w.clients, c)
		w.after(int64(i)*100*millisecond, c.next)
	}
}

// parseLogged reads back what is in the log, as package node does.
func parseLogged(argv [][]byte) (machine.Op, error) {
	if string(argv[0]) == job.Name {
		return job.Parse(argv)
	}
	return command.Parse(argv)
}

// ask makes a request of an operation; then is told its outcome if it is known.
func (c *client) ask(op queue.Op, then func()) *request {
	if err := op.Check(c.w.hosts[0].wall()); err != nil {
		c.w.fail("%T: %v", op, err)
	}
	return &request{client: c, items: []machine.Item{job.Item(op)}, writes: true, job: then}
}

// employed is a producer's or a worker's next request.
func (c *client) employed() *request {
	if c.producer {
		return c.produce()
	}
	return c.work()
}

func (c *client) produce() *request {
	w, r := c.w, c.w.labor.rng
	if w.labor.over {
		c.stopped = true
	}
	if r.IntN(20) == 0 {
		return c.ask(&queue.SetConcurrency{Queue: jobQueue, Limit: jobSlots}, func() {})
	}
	op := &queue.Push{}
	for range 1 + r.IntN(3) {
		w.labor.pushed++
		n := queue.NewJob{Queue: jobQueue, Data: fmt.Appendf(nil, "%d", w.labor.pushed), MaxAttempts: queue.None, Backoff: int64(r.IntN(50)), StallTimeout: jobLease}
		switch r.IntN(6) {
		case 0:
			n.Delay = int64(r.IntN(500))
		case 1:
			n.GroupID = "g"
		case 2:
			n.UniqueKey = fmt.Sprintf("u%d", r.IntN(3))
		case 3:
			n.RemoveOnComplete = true
		}
		op.Jobs = append(op.Jobs, n)
	}
	return c.ask(op, func() {
		if op.Err != nil {
			w.fail("push: %v", op.Err)
			return
		}
		for i, p := range op.Result {
			if !p.Duplicate {
				w.labor.known = append(w.labor.known, string(op.Jobs[i].Data))
			}
		}
		w.stats["jobs pushed"] += len(op.Result)
	})
}

// work pulls, or does something about what was pulled before.
func (c *client) work() *request {
	r := c.w.labor.rng
	if len(c.holding) == 0 {
		op := &queue.Pull{Queue: jobQueue, Count: 1 + r.IntN(2), Owner: uint64(c.id)}
		called := c.w.now
		return c.ask(op, func() { c.pulled(op, called) })
	}
	mine := c.holding[0]
	held := queue.Holder{ID: mine.ID, Token: mine.Lease.Token}
	switch r.IntN(10) {
	case 0: // it is gone, and so is what it knew
		c.holding = nil
		c.w.stats["jobs lost"]++
		return c.ask(&queue.Release{Owners: []uint64{uint64(c.id)}}, func() {})
	case 1:
		return c.ask(&queue.Renew{Jobs: []queue.Holder{held}}, func() {})
	case 2:
		c.holding = c.holding[1:]
		return c.ask(&queue.Fail{Holder: held, Error: "no luck"}, func() {})
	}
	op := &queue.Ack{Jobs: []queue.Finished{{Holder: held}}}
	c.holding = c.holding[1:]
	return c.ask(op, func() {
		if op.Err == nil {
			c.w.labor.done[mine.Payload] = c.w.now
			c.w.stats["jobs done"]++
		}
	})
}

// pulled looks at what a pull brought: nothing that was acknowledged before it
// was asked for.
func (c *client) pulled(op *queue.Pull, called int64) {
	w := c.w
	if len(op.Result) > jobSlots {
		w.fail("%d jobs were pulled at once, %d have room", len(op.Result), jobSlots)
	}
	for _, j := range op.Result {
		if at, ok := w.labor.done[j.Payload]; ok && at < called {
			w.fail("job %d (%s), acknowledged at %d, was pulled by a request of %d", j.ID, j.Payload, at, called)
		}
		w.labor.seen[j.Payload] = true
		w.stats["jobs pulled"]++
	}
	c.holding = op.Result
}

// jobsEnd has the workers work off everything: a slot, a group or a lease that
// is lost would keep a job back for ever. Every push that was acknowledged was
// then handed to somebody.
func (w *world) jobsEnd() {
	if w.labor.rng == nil {
		return
	}
	w.labor.over = true
	done := w.runUntil(w.now+jobPatience, func() bool {
		l := w.leader()
		return l != nil && l.member != nil && unfinished(l.member) == 0
	})
	if !done {
		w.fail("jobs are not worked off within %ds: %s", jobPatience/second, w.describe())
		return
	}
	for _, data := range w.labor.known {
		if !w.labor.seen[data] {
			w.fail("job %s was acknowledged to its producer, and nobody has ever pulled it", data)
		}
	}
}

func unfinished(m *member.Member) int64 {
	op := &queue.Count{Queue: jobQueue}
	op.Apply(m.Machine().Queues(), 0, 0)
	return op.Result.Unfinished()
}

// tickJobs proposes to do what is due of jobs, as a group's loop does.
func (h *host) tickJobs() {
	m := h.member
	if !m.Leading() {
		return
	}
	if due := m.Machine().Queues().NextDue(); due != 0 && due <= h.wall() {
		p := &member.Proposal{Items: []machine.Item{m.Machine().Tick(h.wall(), 0)}, Now: h.wall(), Seed: h.w.rng.Uint64()}
		h.broken(m.Propose(p))
	}
}
