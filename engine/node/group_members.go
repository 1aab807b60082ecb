package node

import (
	"errors"
	"fmt"
	"slices"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/replica"
)

// A member's number in its group has the ordinal of its pod and one in its
// lowest bits. The others are the index of the log at which it was added, so
// that no two members ever have the same.
const ordinalBits = 8

// MaxOrdinal is the highest one that a member's number has room for.
const MaxOrdinal = 1<<ordinalBits - 2

func ordinalOf(id uint64) int { return int(id&(1<<ordinalBits-1)) - 1 }

const (
	// caughtUp is how many entries a member may be behind the leader to be
	// promoted or to take over.
	caughtUp = 256
	// changeTicks is how long a change of the members is waited for before another
	// may be asked for.
	changeTicks = 50
	// activeTicks is how long a member counts as there after it was heard of.
	activeTicks = 10
)

// tellGroup publishes who the members are.
func (g *Group) tellGroup() {
	if g.peers.network == nil {
		return
	}
	leads := g.leading.Load()
	s := &adminapi.Group{ID: g.opts.ID, Generation: g.opts.Generation, Recovered: g.recovered, Changing: g.peers.changing > 0 || g.member.Transferring()}
	s.LastIndex, s.LastTerm = g.member.Last()
	conf := g.member.Members()
	for _, id := range slices.Concat(conf.GetVoters(), conf.GetLearners()) {
		m := adminapi.GroupMember{ID: id, Voter: slices.Contains(conf.GetVoters(), id)}
		if leads {
			if g.member.Active(id) {
				g.peers.heard[id] = g.ticks
			}
			m.Match, m.Active = g.member.Match(id), g.active(id)
		}
		s.Members = append(s.Members, m)
	}
	slices.SortFunc(s.Members, func(a, b adminapi.GroupMember) int { return ordinalOf(a.ID) - ordinalOf(b.ID) })
	g.peers.status.Store(s)
}

// Members are those of the group, without what only the network knows; nil for a
// member that has no network.
func (g *Group) Members() *adminapi.Group { return g.peers.status.Load() }

// Held is how many other members have an entry that this one has applied: a
// majority does, and of the others it is asked, for the next time, who has it by
// now.
func (g *Group) Held(index uint64) int {
	s := g.Members()
	if s == nil {
		return 0
	}
	voters, held := 0, 0
	for _, m := range s.Members {
		if m.Voter {
			voters++
		}
		if m.ID != s.ID && m.Match >= index {
			held++
		}
	}
	if held < len(s.Members)-1 {
		select {
		case g.peers.events <- func() error { g.tellGroup(); return nil }:
		default: // the loop is busy, and tells in its next tick
		}
	}
	return max(held, voters/2)
}

// ErrNotNow is a change of the group that cannot be made as things are.
var ErrNotNow = errors.New("not now")

func notNow(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNotNow, fmt.Sprintf(format, args...))
}

// Change has a change of the group on its way when it returns nil. An
// adminapi.GroupAdd is of the pod with that ordinal, the others are of a number.
func (g *Group) Change(operation adminapi.GroupOperation, ordinal int, id uint64) error {
	answer := make(chan error, 1)
	if !g.post(func() error {
		answer <- g.change(operation, ordinal, id)
		return nil
	}) {
		return ErrStopped
	}
	select {
	case err := <-answer:
		return err
	case <-g.done:
		return ErrStopped
	}
}

func (g *Group) change(operation adminapi.GroupOperation, ordinal int, id uint64) error {
	if !g.leading.Load() {
		return notNow("this member does not lead")
	}
	if g.peers.changing > 0 || g.member.Transferring() {
		return notNow("another change is on its way")
	}
	voters, learners := g.member.Members().GetVoters(), g.member.Members().GetLearners()
	var what replica.Change
	switch operation {
	case adminapi.GroupAdd:
		for _, other := range slices.Concat(voters, learners) {
			if ordinalOf(other) == ordinal {
				return notNow("member %d of that pod is in the group: remove it first", other)
			}
		}
		index, _ := g.member.Applied()
		what, id = replica.AddLearner, index<<ordinalBits|uint64(ordinal+1)
	case adminapi.GroupPromote:
		if !slices.Contains(learners, id) {
			return notNow("%d is not a learner", id)
		}
		if err := g.behind(id); err != nil {
			return err
		}
		what = replica.Promote
	case adminapi.GroupRemove:
		if err := g.removable(id); err != nil {
			return err
		}
		what = replica.Remove
	case adminapi.GroupTransfer:
		return g.transfer(id)
	default:
		return notNow("%q is nothing that a leader does", operation)
	}
	if err := g.member.Change(what, id); err != nil {
		return notNow("%s", err)
	}
	g.peers.changing = changeTicks
	return nil
}

// active tells whether a member was heard of lately. Raft begins to count anew
// with every election timeout.
func (g *Group) active(id uint64) bool {
	at, ok := g.peers.heard[id]
	return ok && g.ticks-at <= activeTicks
}

// leaderHeard is who leads, as far as is known; 0 for nobody. Raft has a learner,
// which stands for no election, believe in a leader that it heard of once.
func (g *Group) leaderHeard() uint64 {
	leader := g.member.Leader()
	if slices.Contains(g.member.Members().GetLearners(), g.opts.ID) && g.ticks-g.peers.led > activeTicks {
		return 0
	}
	return leader
}

// behind says that a member has not caught up with this one, which leads.
func (g *Group) behind(id uint64) error {
	index, _ := g.member.Applied()
	if match := g.member.Match(id); match == 0 || !g.active(id) || match+caughtUp < index {
		return notNow("member %d has the log up to %d of %d", id, match, index)
	}
	return nil
}

// removable says why a member must stay.
func (g *Group) removable(id uint64) error {
	conf := g.member.Members()
	switch {
	case id == g.opts.ID:
		return notNow("member %d leads: transfer the leadership first", id)
	case slices.Contains(conf.GetLearners(), id):
		return nil
	case !slices.Contains(conf.GetVoters(), id):
		return notNow("%d is not a member", id)
	}
	left, active := 0, 0
	for _, other := range conf.GetVoters() {
		if other == id {
			continue
		}
		left++
		if g.active(other) {
			active++
		}
	}
	if active <= left/2 {
		return notNow("%d of the %d members that would be left are reached: no majority", active, left)
	}
	return nil
}

func (g *Group) transfer(id uint64) error {
	switch {
	case id == g.opts.ID:
		return nil
	case !slices.Contains(g.member.Members().GetVoters(), id):
		return notNow("%d is not a voter", id)
	}
	if err := g.behind(id); err != nil {
		return err
	}
	g.lease.end() // who takes over does not wait for it
	g.lease.over = g.member.Term()
	if err := g.member.Transfer(id); err != nil {
		return notNow("%s", err)
	}
	g.yields.Store(true)
	return nil
}
