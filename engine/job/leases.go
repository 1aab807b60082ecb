package job

import (
	"sync"
	"time"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/reply"
)

// Leases that are bound to a connection are renewed, without anybody asking,
// three times while each lasts. An idle connection costs the log nothing.
type leases struct {
	d    *Dispatcher
	wake chan struct{}

	mu      sync.Mutex
	holders map[*Client]struct{} // clients that hold some
	gone    []uint64             // owners whose jobs are to be given back
}

// renewals is how often a lease is renewed while it lasts. Between two renewals
// of one client there is minRenewal at least, and eachRenewal for each job that
// it has. An entry of the log renews about maxRenewed.
const (
	renewals    = 3
	minRenewal  = 20 * time.Millisecond
	eachRenewal = 200 * time.Microsecond
	maxRenewed  = 1000
)

// renewAfter is when the client's leases are renewed next; leases' lock is held.
func (c *Client) renewAfter(now time.Time) time.Time {
	return now.Add(max(c.lease/renewals, minRenewal, time.Duration(c.held)*eachRenewal))
}

// mayHold refuses a pull of a client that has too many jobs of its connection's.
func (c *Client) mayHold() *queue.Error {
	l := &c.d.leases
	l.mu.Lock()
	held := c.held
	l.mu.Unlock()
	if held < MaxHeld {
		return nil
	}
	count := &heldBy{owner: c.owner} // some may have been lost meanwhile, which nobody has counted
	if err := c.d.opts.Executor.Look([]machine.Item{{Op: count}}); err != nil {
		return &queue.Error{Code: CodeUnavailable, Text: "the engine is stopping"}
	}
	if count.n < MaxHeld {
		l.mu.Lock()
		c.held -= held - count.n
		l.mu.Unlock()
		return nil
	}
	return &queue.Error{Code: CodeBusy, Text: "this connection has " + itoa(MaxHeld) + " jobs: acknowledge some, or pull with lease"}
}

// heldBy counts what an owner has.
type heldBy struct {
	owner uint64
	n     int
}

// Apply implements machine.Op.
func (h *heldBy) Apply(tx *machine.Tx) reply.Reply {
	h.n = tx.Queues.Held(h.owner, MaxHeld)
	return reply.OK
}

// took notes leases that are the connection's.
func (c *Client) took(op *queue.Pull) {
	if op.Owner == 0 || len(op.Result) == 0 {
		return
	}
	l := &c.d.leases
	now := time.Now()
	shortest := time.Duration(op.Result[0].Lease.Deadline-now.UnixMilli()) * time.Millisecond
	for i := range op.Result {
		shortest = min(shortest, time.Duration(op.Result[i].Lease.Deadline-now.UnixMilli())*time.Millisecond)
	}
	l.mu.Lock()
	c.pulled = true
	sooner := c.held == 0 || shortest < c.lease
	if c.held += len(op.Result); sooner {
		c.lease = shortest
		c.renewAt = c.renewAfter(now)
		l.holders[c] = struct{}{}
	}
	l.mu.Unlock()
	if sooner {
		l.notify()
	}
	if c.isGone() { // it was closed meanwhile
		l.close(c)
	}
}

// letGo notes that a lease of the connection's is over.
func (c *Client) letGo(h queue.Holder) {
	if h.Owner == 0 {
		return
	}
	l := &c.d.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.held--; c.held <= 0 {
		c.held = 0
		delete(l.holders, c)
	}
}

// close gives back what a client that is gone holds.
func (l *leases) close(c *Client) {
	l.mu.Lock()
	delete(l.holders, c)
	c.held = 0
	pulled := c.pulled
	if pulled {
		l.gone = append(l.gone, c.owner)
	}
	l.mu.Unlock()
	if pulled {
		l.notify()
	}
}

func (l *leases) notify() {
	select {
	case l.wake <- struct{}{}:
	default: // it will look
	}
}

// run renews and gives back until the dispatcher is closed.
func (l *leases) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-l.d.stop:
			l.release()
			return
		case <-l.wake:
		case <-timer.C:
		}
		l.release()
		timer.Reset(l.renew())
	}
}

// release gives back what those hold who are gone.
func (l *leases) release() {
	l.mu.Lock()
	gone := l.gone
	l.gone = nil
	l.mu.Unlock()
	for len(gone) > 0 {
		op := &queue.Release{Owners: gone[:min(len(gone), queue.MaxOwners)]}
		l.d.do(op)
		if !op.ResultMore {
			gone = gone[len(op.Owners):]
		}
	}
}

// renew renews what is due, and says how long there is nothing to do then.
func (l *leases) renew() time.Duration {
	next := time.Hour
	var owners []uint64
	renewed := 0
	l.mu.Lock()
	now := time.Now()
	for c := range l.holders {
		if !c.renewAt.After(now) && renewed < maxRenewed {
			owners = append(owners, c.owner)
			renewed += max(c.held, 1)
			c.renewAt = c.renewAfter(now)
		}
		next = min(next, c.renewAt.Sub(now))
	}
	l.mu.Unlock()
	if len(owners) > 0 {
		l.d.do(&queue.Renew{Owners: owners})
	}
	return max(next, time.Millisecond)
}
