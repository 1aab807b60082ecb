package job

import (
	"container/list"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/reply"
)

// maxTries is how many that wait are served by one entry of the log.
const maxTries = 256

// pulls are the requests that wait for a job: a line for each queue, in the
// order in which they came.
type pulls struct {
	d       *Dispatcher
	waiting atomic.Int64 // in all lines

	mu    sync.Mutex
	lines map[string]*line
}

// line is those that wait for a queue's jobs. While it is being served nobody
// else pulls on behalf of those in it.
type line struct {
	queue   string
	waiters list.List // of *waiter
	serving bool
	again   bool // there is more since
}

// waiter is a PULL or PULLB that waits.
type waiter struct {
	p      *pulls
	client *Client
	reqID  []byte
	single bool
	op     *queue.Pull
	timer  *time.Timer

	line   *line
	place  *list.Element // nil: it is out of the line
	trying bool          // a pull of it is on its way
	over   bool          // its time is
	denied *acl.Denied
	busy   *queue.Error
}

// lined tells whether somebody waits for the queue's jobs.
func (p *pulls) lined(name string) bool {
	if p.waiting.Load() == 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[name] != nil
}

// park has a pull wait. What became ready since it found nothing is not missed:
// the line is served once at least.
func (p *pulls) park(c *Call, op *queue.Pull, ms int64) *queue.Error {
	w := &waiter{p: p, client: c.client, reqID: clone(c.ReqID), single: c.Cmd == "PULL", op: op}
	if err := c.client.enter(w); err != nil {
		return err
	}
	c.waits = true
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.line = p.lines[op.Queue]; w.line == nil {
		w.line = &line{queue: op.Queue}
		p.lines[op.Queue] = w.line
	}
	w.place = w.line.waiters.PushBack(w)
	p.waiting.Add(1)
	w.timer = time.AfterFunc(time.Duration(ms)*time.Millisecond, w.expire)
	p.serveLine(w.line)
	return nil
}

// ready is told, under the group's lock, that a queue has a job.
func (p *pulls) ready(name string) {
	if p.waiting.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.lines[name]; l != nil {
		p.serveLine(l)
	}
}

// serveLine sees to it that a line is served from now on; p.mu is held.
func (p *pulls) serveLine(l *line) {
	if l.serving {
		l.again = true
		return
	}
	l.serving = true
	go p.serve(l)
}

// serve pulls for those in the line as long as there are jobs.
func (p *pulls) serve(l *line) {
	for {
		p.mu.Lock()
		l.again = false
		p.mu.Unlock()
		served := 0
		if tries := p.take(l, p.available(l.queue)); len(tries) > 0 {
			served = p.try(tries)
		}
		p.mu.Lock()
		if served == 0 && !l.again || l.waiters.Len() == 0 {
			l.serving = false
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
	}
}

// available asks how many jobs there are for a line.
func (p *pulls) available(name string) int {
	a := &availability{queue: name}
	if err := p.d.opts.Executor.Look([]machine.Item{{Op: a}}); err != nil {
		return 0
	}
	return a.jobs
}

// availability is how many jobs of a queue can be pulled.
type availability struct {
	queue string
	jobs  int
}

// Apply implements machine.Op.
func (a *availability) Apply(tx *machine.Tx) reply.Reply {
	a.jobs = tx.Queues.Ready(a.queue, tx.Now, queue.MaxBatch)
	return reply.OK
}

// take chooses the first in the line for whom there are jobs.
func (p *pulls) take(l *line, jobs int) (tries []*waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := l.waiters.Front(); e != nil && jobs > 0 && len(tries) < maxTries; e = e.Next() {
		w := e.Value.(*waiter)
		w.trying = true
		jobs -= w.op.Count
		tries = append(tries, w)
	}
	return tries
}

// Decide implements machine.Decider.
func (w *waiter) Decide(tx *machine.Tx, argv [][]byte) ([][]byte, bool) {
	return argv, w.denied == nil && w.busy == nil && tx.Queues.Ready(w.op.Queue, tx.Now, 1) > 0
}

// Apply implements machine.Op.
func (w *waiter) Apply(tx *machine.Tx) reply.Reply {
	w.op.Apply(tx.Queues, tx.Now, tx.Seed)
	return reply.OK
}

// try pulls for some, and says how many are served.
func (p *pulls) try(tries []*waiter) (served int) {
	items := make([]machine.Item, len(tries))
	for i, w := range tries {
		w.denied = w.client.Identity().AllowsJob(acl.JobPull, w.op.Queue)
		if w.op.Owner != 0 {
			w.busy = w.client.mayHold()
		}
		items[i] = machine.Item{Op: w, Argv: [][]byte{[]byte(Name), w.op.Append(nil)}, Write: true}
	}
	err := p.d.execute(items)
	for i, w := range tries {
		var refusal *queue.Error
		switch {
		case err != nil:
			refusal = &queue.Error{Code: CodeUnavailable, Text: "the engine is stopping"}
		case w.denied != nil:
			refusal = &queue.Error{Code: CodeDenied, Text: w.denied.Error()}
		case w.busy != nil:
			refusal = w.busy
		case items[i].Reply.Kind == reply.KindError:
			refusal = &queue.Error{Code: CodeUnavailable, Text: string(items[i].Reply.Str)}
		}
		if w.tried(refusal) {
			served++
		}
	}
	return served
}

// tried looks at what a try brought. A waiter that got nothing keeps its place.
func (w *waiter) tried(refusal *queue.Error) (served bool) {
	w.p.mu.Lock()
	w.trying = false
	served = refusal != nil || len(w.op.Result) > 0
	if served || w.over {
		w.remove()
	}
	done := w.place == nil
	w.p.mu.Unlock()
	if done {
		w.finish(refusal)
	}
	return served
}

// remove takes a waiter out of the line; p.mu is held.
func (w *waiter) remove() {
	if w.place == nil {
		return
	}
	w.line.waiters.Remove(w.place)
	w.place = nil
	w.p.waiting.Add(-1)
	if w.line.waiters.Len() == 0 && w.p.lines[w.line.queue] == w.line {
		delete(w.p.lines, w.line.queue)
	}
}

// finish answers a waiter that is out of the line. If its client is gone, its
// jobs go back at once.
func (w *waiter) finish(refusal *queue.Error) {
	w.timer.Stop()
	w.client.leave(w)
	if refusal != nil {
		w.client.opts.Deliver(w.reqID, appendError(nil, refusal.Code, refusal.Error()))
		return
	}
	if !w.client.isGone() {
		w.client.took(w.op)
		answer := append(w.client.appendPulls([]byte(`{"ok":true`), w.single, w.op), '}')
		if w.client.opts.Deliver(w.reqID, answer) {
			return
		}
	}
	w.client.giveBack(w.op.Result, w.op.Owner)
}

// expire ends the wait: with nothing, unless a try is on its way.
func (w *waiter) expire() {
	w.p.mu.Lock()
	w.over = true
	out := w.place != nil && !w.trying
	if out {
		w.remove()
	}
	w.p.mu.Unlock()
	if out {
		w.finish(nil)
	}
}

// cancel ends the wait of a client that is gone.
func (w *waiter) cancel() {
	w.timer.Stop()
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	w.over = true
	if !w.trying {
		w.remove()
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
