package server

import (
	"container/list"
	"errors"
	"math"
	"time"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// parkedCost is what a key that is waited for takes in memory beside its name,
// in bytes.
const parkedCost = 256

// maxTimer is as far as timers go, in ms.
const maxTimer = math.MaxInt64 / int64(time.Millisecond)

// parked is a session's command that waits for data. It stands in the queue of
// each of its keys; who came first is served first. What serves it is a command
// like any other, which goes the way of all: with the loop's batch, through the
// log.
type parked struct {
	session *session
	cmd     *command.Command
	op      command.Waiter
	places  map[store.Key]*list.Element
	alarm   *alarm
	bytes   int64
	trying  *store.Key   // the key of the attempt that is on its way
	over    *reply.Reply // the answer if that fails: the time is up
}

// queue is those that wait for a key, in the order in which they came.
//
// As long as there are any, either the key is watched, or an attempt is on its
// way, or wake is going to be called.
type queue struct {
	waiters list.List    // of *parked
	watch   *store.Watch // nil while the key is not watched; the executor's lock guards it
}

// park carries out a command that may have to wait.
func (c *session) park(b *barrier) {
	op := b.item.Op.(command.Waiter)
	var answer reply.Reply
	var answered bool
	err := c.underLock(func(tx *machine.Tx) { op, answer, answered = op.Begin(tx) })
	switch {
	case err != nil:
		c.write(reply.Error(err.Error()))
		return
	case answered:
		c.write(c.failed(b.cmd, answer))
		return
	}
	p := &parked{session: c, cmd: b.cmd, op: op, places: map[store.Key]*list.Element{}, bytes: int64(sizeOf(b.argv))}
	c.parked = p
	for _, name := range op.Keys() {
		if key := c.key(name); p.places[key] == nil {
			p.places[key] = c.loop.queue(key).waiters.PushBack(p)
			p.bytes += int64(len(name)) + parkedCost
		}
	}
	c.srv.parked.Add(1)
	if ms := op.Timeout(); ms > 0 {
		p.alarm = c.loop.after(time.Duration(min(ms, maxTimer))*time.Millisecond, func() { p.end(reply.NullArray) })
	}
	c.wakeOwn()
}

// key names a key of the session's database.
func (c *session) key(name []byte) store.Key {
	return store.Key{Database: int(c.database), Name: string(name)}
}

func (l *loop) queue(key store.Key) *queue {
	q := l.queues[key]
	if q == nil {
		q = &queue{}
		l.queues[key] = q
	}
	return q
}

// wakeOwn has all keys that the session waits for looked at, in their order.
func (c *session) wakeOwn() {
	p := c.parked
	for _, key := range p.op.Keys() {
		if c.parked != p || c.executing {
			return
		}
		c.loop.wake(c.key(key))
	}
}

// wake serves those that wait for a key, as far as it has something for them.
func (l *loop) wake(key store.Key) {
	for {
		ready := l.look(key)
		if len(ready) == 0 {
			return
		}
		tried := false
		for _, p := range ready {
			tried = p.try(key) || tried
		}
		if tried {
			return // what comes of it wakes the key again
		}
	}
}

// look says who can be served. If nobody can, the key is watched. For whom the
// key has nothing any more the waiting ends.
func (l *loop) look(key store.Key) (ready []*parked) {
	q := l.queues[key]
	if q == nil {
		return nil
	}
	gone := map[*parked]reply.Reply{}
	items := []machine.Item{{Database: uint8(key.Database), Op: locked(func(tx *machine.Tx) {
		taken := int64(0) // by those in front
		for e := q.waiters.Front(); e != nil; e = e.Next() {
			p := e.Value.(*parked)
			switch {
			case p.tries(key):
				taken += p.op.Takes()
			case p.session.executing:
			case p.gone(tx, key, gone):
			case p.op.Ready(tx, []byte(key.Name)) > taken:
				ready = append(ready, p)
				taken += p.op.Takes()
			}
		}
		if len(ready) == 0 {
			q.watchKey(tx, l, key)
		}
	})}}
	if err := l.srv.opts.Executor.Look(items); err != nil {
		return nil // it has stopped, and the sessions are told
	}
	for p, answer := range gone {
		p.end(answer)
	}
	return ready
}

// gone notes the answer of a command that waits with what is no more.
func (p *parked) gone(tx *machine.Tx, key store.Key, answers map[*parked]reply.Reply) bool {
	op, ok := p.op.(command.Ended)
	if !ok {
		return false
	}
	answer, gone := op.Gone(tx, []byte(key.Name))
	if gone {
		answers[p] = answer
	}
	return gone
}

// watchKey has wake called when the key changes.
func (q *queue) watchKey(tx *machine.Tx, l *loop, key store.Key) {
	if q.watch != nil {
		q.watch.Stop()
	}
	q.watch = &store.Watch{Changed: func() { l.post(func() { l.wake(key) }) }}
	tx.Store.Watch(q.watch, []byte(key.Name), tx.Now)
}

// tries tells whether an attempt on the key is on its way.
func (p *parked) tries(key store.Key) bool { return p.trying != nil && *p.trying == key }

// try carries out the command on a key that has something for it, if it is still
// permitted, and says whether that is still on its way.
func (p *parked) try(key store.Key) (onItsWay bool) {
	c := p.session
	if c.parked != p || c.executing {
		return c.parked == p && p.tries(key)
	}
	if !c.mayGoOn() {
		c.end()
		return false
	}
	call := p.op.Call([]byte(key.Name))
	action := c.action(p.cmd, call)
	if c.identity.Allows(&action) != nil {
		p.answer(reply.Error(c.judge(c.database, p.cmd, action).Error()))
		return false
	}
	c.remember(p.cmd, action.Keys)
	op, err := p.cmd.Parse(call)
	if err != nil {
		p.answer(reply.Error(err.Error()))
		return false
	}
	p.trying = &key
	b, item := c.loop.batch, c.itemOf(p.cmd, op, call)
	from := len(b.items)
	b.items = append(b.items, item)
	c.execute(from, sizeOf(call), item.Write)
	return c.executing
}

// tried takes what came of an attempt.
func (p *parked) tried(item machine.Item) {
	key, r := *p.trying, item.Reply
	p.trying = nil
	switch {
	case r.Kind != reply.KindNull && r.Kind != reply.KindNullArray:
		p.answer(r)
	case p.over != nil:
		p.answer(*p.over)
	case item.Write:
		p.session.wakeOwn()
	}
	if item.Write {
		p.session.loop.wake(key)
	}
}

// end has the waiting end with that answer, unless an attempt that is on its way
// has a better one.
func (p *parked) end(r reply.Reply) {
	switch {
	case p.session.parked != p:
	case p.session.executing:
		p.over = &r
	default:
		p.answer(r)
	}
}

// answer ends the waiting. The session goes on in the next turn.
func (p *parked) answer(r reply.Reply) {
	c := p.session
	p.leave()
	c.write(c.failed(p.cmd, r))
	c.loop.again = append(c.loop.again, c)
}

// leave takes the command out of the queues.
func (p *parked) leave() {
	c := p.session
	c.parked = nil
	c.srv.parked.Add(-1)
	p.alarm.stop()
	var watches []*store.Watch
	for key, place := range p.places {
		q := c.loop.queues[key]
		q.waiters.Remove(place)
		if q.waiters.Len() > 0 {
			continue
		}
		if delete(c.loop.queues, key); q.watch != nil {
			watches = append(watches, q.watch)
		}
	}
	if len(watches) > 0 {
		_ = c.underLock(func(*machine.Tx) {
			for _, w := range watches {
				w.Stop()
			}
		})
	}
	if p.trying != nil { // what it was to take is perhaps left for another
		key := *p.trying
		c.loop.post(func() { c.loop.wake(key) })
	}
}

// attend is what is done for a session that waits: its replies so far are
// written, and its end is noticed, its client's or its user's. What the client
// says meanwhile is read as far as there is room: an end that comes behind more
// than that is seen when the waiting is over.
func (c *session) attend() {
	if c.ended || c.executing || c.held || c.blocked && !c.flush() {
		return
	}
	if !c.mayGoOn() {
		c.closing = true
	}
	if !c.flush() {
		return
	}
	for !c.closing && c.reader.Room() {
		if err := c.reader.Fill(countingReader{c}); err != nil {
			c.closing = !errors.Is(err, errWouldBlock)
			break
		}
	}
	if c.closing {
		c.end()
	}
}
