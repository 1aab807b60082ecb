package node

import (
	"time"

	"github.com/coffer-dev/coffer/engine/machine"
)

const (
	// jobPause is the least between two looks at what is due of jobs, and so about
	// how late it is done: what becomes due in it shares an entry.
	jobPause = 5 * time.Millisecond
	// jobRetry is how long to wait when nothing can be written.
	jobRetry = time.Second
	// jobTicks is how many entries of what is due are written before other
	// commands have their turn.
	jobTicks = 8
)

// jobTimer has the loop do what is due of jobs: delays, leases, schedules. But
// for due it is guarded by Group.working.
type jobTimer struct {
	due    chan struct{}
	timer  *time.Timer
	armed  int64 // what timer is set for, ms since the epoch; 0 for nothing
	latest time.Time
}

func (t *jobTimer) start() {
	t.due = make(chan struct{}, 1)
	t.timer = time.AfterFunc(time.Hour, func() {
		select {
		case t.due <- struct{}{}:
		default: // the loop will look
		}
	})
	t.timer.Stop()
}

// armJobs sets the timer for what is due next, if that is earlier than what it
// is set for.
func (g *Group) armJobs() {
	g.mu.Lock()
	due := g.member.Machine().Queues().NextDue()
	g.mu.Unlock()
	t := &g.jobs
	if due == 0 || t.armed != 0 && due >= t.armed {
		return
	}
	t.armed = due
	wait := max(time.Until(time.UnixMilli(due)), jobPause-time.Since(t.latest))
	if g.full.Load() || !g.leading.Load() {
		wait = jobRetry
	}
	t.timer.Reset(wait)
}

// tickJobs proposes to do what is due of jobs.
func (g *Group) tickJobs() error {
	g.jobs.armed, g.jobs.latest = 0, time.Now()
	for range jobTicks {
		if g.full.Load() || !g.leading.Load() || g.flight != nil {
			return nil
		}
		now := g.clock()
		g.mu.Lock()
		m := g.member.Machine()
		due := m.Queues().NextDue()
		var items []machine.Item
		if due != 0 && due <= now {
			items = append(items, m.Tick(now, g.opts.MaxData))
		}
		g.mu.Unlock()
		if len(items) == 0 {
			return nil
		}
		if err := g.propose(items, int64(len(items[0].Argv[1]))+64, func(error) {}); err != nil {
			return err
		}
	}
	return nil
}
