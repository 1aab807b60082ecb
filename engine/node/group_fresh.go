package node

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/replica"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/server"
)

const (
	// staleBound is how old what a member shows of its own state can be: all that
	// was acknowledged so long before a read began is in its answer.
	staleBound = 10 * time.Second
	// askEvery is how often a member asks the leader up to where its own state must
	// be; one that must not show it asks at each tick.
	askEvery = time.Second
)

// Replies of redis-server's replicas.
var (
	replyReadOnly   = reply.Error("READONLY You can't write against a read only replica.")
	replyMasterDown = reply.Error("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")
	replyLoading    = reply.Error("LOADING this member does not have all of the data yet")
)

// freshness says until when a member may show its own state, whether it leads or
// not. It follows from questions of its own: the leader has a majority confirm
// that it leads, and answers up to where it has committed; a state that has so
// much shows all that was acknowledged when the question left. By the member's
// own clock, and whatever was on its way for long: an answer to an old question
// proves an old moment.
type freshness struct {
	until  atomic.Int64 // ns of monotonic
	proven atomic.Bool  // once since the start, and since a snapshot began to come

	// The loop's alone.
	asked []question // the oldest first
	last  time.Duration
}

type question struct {
	number   uint64
	begun    time.Duration
	index    uint64 // that the state must have
	answered bool
}

func (f *freshness) start() { f.until.Store(math.MinInt64) }

func (f *freshness) holds() bool { return int64(monotonic()) < f.until.Load() }

// ask asks the leader, if it is time to. What is to be sent is the next turn's.
func (g *Group) ask() {
	f, now := &g.fresh, monotonic()
	if !g.opts.Stale || f.holds() && now-f.last < askEvery {
		return
	}
	f.asked = slices.DeleteFunc(f.asked, func(q question) bool { return now-q.begun > staleBound })
	f.asked = append(f.asked, question{number: g.member.Ask(), begun: now})
	f.last = now
}

// freshen takes answers, and looks what the state proves by now.
func (g *Group) freshen(answers []replica.Read) {
	f := &g.fresh
	for _, a := range answers {
		for i := range f.asked {
			if q := &f.asked[i]; q.number == a.Number {
				q.index, q.answered = a.Index, true
			}
		}
	}
	for i := len(f.asked) - 1; i >= 0; i-- {
		if q := f.asked[i]; q.answered && q.index <= g.member.Machine().Index() {
			f.until.Store(int64(q.begun + staleBound))
			f.proven.Store(true)
			f.asked = slices.Delete(f.asked, 0, i+1)
			return
		}
	}
}

// tooOld is why the member must not show its own state; nil if it may.
func (g *Group) tooOld() *reply.Reply {
	switch {
	case g.fresh.holds():
		return nil
	case g.leader.Load() != 0 && !g.fresh.proven.Load():
		return &replyLoading
	}
	return &replyMasterDown
}

// age is for how long, in s, something may have been acknowledged that the state
// does not show; -1 when that is not known.
func (g *Group) age() int64 {
	until := g.fresh.until.Load()
	if until == math.MinInt64 {
		return -1
	}
	return int64((monotonic() - (time.Duration(until) - staleBound)).Seconds())
}

// staleReads is the group for connections that take reads which may be stale.
type staleReads struct{ group *Group }

var _ server.Executor = staleReads{}

// Read implements server.Executor.
func (s staleReads) Read(items []machine.Item) error {
	if err := s.group.Look(items); err != nil {
		return err
	}
	// Looked at behind the state, as in Group.Read.
	if why := s.group.tooOld(); why != nil {
		answer(items, *why)
	}
	return nil
}

// Look implements server.Executor. Where something is shown it is Read.
func (s staleReads) Look(items []machine.Item) error { return s.Read(items) }

// Write implements server.Executor: nothing is written.
func (s staleReads) Write(items []machine.Item, done func(error)) {
	for i := range items {
		if items[i].Write {
			items[i].Reply = replyReadOnly
		} else if err := s.Read(items[i : i+1]); err != nil {
			done(err)
			return
		}
	}
	done(nil)
}
