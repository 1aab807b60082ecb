package job

import (
	"sync"
	"time"

	"github.com/coffer-dev/coffer/engine/queue"
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

// renewals is how often a lease is renewed while it lasts, and minRenewal the
// shortest time between two of one client.
const (
	renewals   = 3
	minRenewal = 20 * time.Millisecond
)

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
		c.renewAt = now.Add(max(shortest/renewals, minRenewal))
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
	l.mu.Lock()
	now := time.Now()
	for c := range l.holders {
		if !c.renewAt.After(now) && len(owners) < queue.MaxOwners {
			owners = append(owners, c.owner)
			c.renewAt = now.Add(max(c.lease/renewals, minRenewal))
		}
		next = min(next, c.renewAt.Sub(now))
	}
	l.mu.Unlock()
	if len(owners) > 0 {
		l.d.do(&queue.Renew{Owners: owners})
	}
	return max(next, time.Millisecond)
}
