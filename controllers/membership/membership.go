// Package membership decides how the members of a group come and go, and who of
// them is replaced next. Like package rotation it is pure: from what a pass has
// observed to the one act that is due. Nothing is remembered between two
// passes; the next one observes what became of the act.
//
// What may cost data is decided by what is written on the volumes' claims, and
// by nobody's memory:
//
//   - A claim whose member has a number carries it (coffer.dev/member) before
//     anything else is done. While a claim does, no group is begun anew.
//   - A member that is taken out is noted on its claim first
//     (coffer.dev/member-removed). Only what is noted so is deleted, and only
//     once the leader no longer counts it; or while there is none, on somebody's
//     request (recover.go).
package membership

import (
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// Roles, as members say.
const (
	roleLeader   = "leader"
	roleBlank    = "blank"
	roleStarting = "starting"
)

// near is how many entries a member may be behind the leader and count as
// caught up, as a leader counts that promotes one.
const near = 256

// Observed is what a pass has seen of a group.
type Observed struct {
	// Wanted is how many members the user wants.
	Wanted int
	// Pods is how many the StatefulSet makes; 0 while there is none.
	Pods int
	// Members by ordinal: those that are wanted, and those that still exist.
	Members []Member
	// Switchover is a request that has not been carried out; empty for none.
	Switchover string
	// Recover is a request to go on from one member that has not been carried out;
	// empty for none.
	Recover string
	// Object is the instance, as kubectl's commands name it.
	Object string
}

// Member is one that is wanted, or still exists.
type Member struct {
	Ordinal int
	Name    string // of its pod
	Pod     Pod
	// Status is what it says of itself; nil while it does not answer.
	Status *adminapi.Status
	Claim  Claim
}

// Pod is a member's.
type Pod struct {
	Exists, Leaving bool
	// Ready, as its node tells: it has a leader or is one.
	Ready bool
	// Older: it was made before its claim, for a claim that was there before.
	Older bool
	// Down: its container does not run.
	Down bool
	// Outdated: it is not what the StatefulSet makes now.
	Outdated bool
}

// Claim is of a member's volume.
type Claim struct {
	Exists, Leaving bool
	// Member is the number that is written on it; 0 for none.
	Member uint64
	// Removed is the number of the member that was to be taken out; 0 for none.
	Removed uint64
}

// Kind of an act.
type Kind string

// The acts.
const (
	// Mark notes Act.ID on the claim, and takes back that its member was to go.
	Mark Kind = "Mark"
	// MarkRemoved notes on the claim that its member, Act.ID, is to be taken out.
	MarkRemoved Kind = "MarkRemoved"
	// Ask has a member make Act.Change.
	Ask Kind = "Ask"
	// DeleteClaim removes the volume of a member that was taken out.
	DeleteClaim Kind = "DeleteClaim"
	// Replace deletes a pod, for the StatefulSet to make it anew.
	Replace Kind = "Replace"
)

// Act is one write.
type Act struct {
	Kind Kind
	// Ordinal is whose claim or pod it is about, or who is asked.
	Ordinal int
	ID      uint64
	Change  adminapi.GroupChange
	// Reason and Message tell of it once it is done; empty for what is not worth
	// telling.
	Reason, Message string
	// Switchover and Recover are the requests that it answers.
	Switchover, Recover string
}

// Decision is what to do, and what to say of it.
type Decision struct {
	// Act is the one that is due; nil for none.
	Act *Act
	// Pods is how many the StatefulSet is to make.
	Pods int
	// Reason and Message say what the group lacks, or is on its way to; empty
	// when it is as wanted. Passing is true for what is expected to end by itself.
	Reason, Message string
	Passing         bool
	// Switchover and Recover are the requests that need no act (any more).
	Switchover, Recover string
	// Refused is why Recover is not carried out; empty when it was.
	Refused string
}

// Next decides. What is not about members, who is replaced, NextToReplace does.
func Next(o Observed) Decision {
	m := machine{o}
	d := m.next()
	d.Pods = m.pods()
	return d
}

// machine gives names to what is observed.
type machine struct{ o Observed }

// numberOf a member, as it says; 0 for one that is blank or does not answer. One
// that was made to be alone is the first of a group that does not know yet.
func numberOf(x Member) uint64 {
	switch {
	case x.Status == nil:
		return 0
	case x.Status.Group != nil:
		return x.Status.Group.ID
	case x.Ordinal == 0 && x.Status.Role == roleLeader:
		return 1
	}
	return 0
}

// blank: its volume holds nothing, and it waits. One that starts has no number
// as yet either.
func blank(x Member) bool { return x.Status != nil && x.Status.Role == roleBlank }

// forgot: its log may lack what it had acknowledged, so it waits to be added anew,
// as one with an empty volume does. It says whose log it has.
func forgot(x Member) bool {
	return x.Status != nil && x.Status.Group != nil && x.Status.Group.Forgot != 0
}

// logOf is the number of the member whose log it has; 0 for none.
func logOf(x Member) uint64 {
	if forgot(x) {
		return x.Status.Group.Forgot
	}
	return numberOf(x)
}

// leader is who leads; of two who say so, the one of the later generation, then of
// the later term.
func (m machine) leader() *Member {
	var found *Member
	for i := range m.o.Members {
		x := &m.o.Members[i]
		if numberOf(*x) != 0 && x.Status.Role == roleLeader && (found == nil || Supersedes(x.Status, found.Status)) {
			found = x
		}
	}
	return found
}

// Supersedes says whether of two who say that they lead it is the first.
func Supersedes(a, b *adminapi.Status) bool {
	generation := func(s *adminapi.Status) uint64 {
		if s.Group == nil {
			return 0
		}
		return s.Group.Generation
	}
	return generation(a) > generation(b) || generation(a) == generation(b) && a.Term > b.Term
}

// group is what the leader knows; nil without a leader, and for one that is
// still made to be alone.
func (m machine) group() (*Member, *adminapi.Group) {
	l := m.leader()
	if l == nil {
		return nil, nil
	}
	return l, l.Status.Group
}

func (m machine) member(name string) *Member {
	for i := range m.o.Members {
		if m.o.Members[i].Name == name {
			return &m.o.Members[i]
		}
	}
	return nil
}

func (m machine) wanted(name string) bool {
	x := m.member(name)
	return x != nil && x.Ordinal < m.o.Wanted
}

// entry is the leader's of a pod; nil when it counts none.
func entry(g *adminapi.Group, name string) *adminapi.GroupMember {
	for i := range g.Members {
		if g.Members[i].Name == name {
			return &g.Members[i]
		}
	}
	return nil
}

// pods is how many the StatefulSet is to make. It never takes away one that may
// be a member: not while no leader says so, and not what was not noted to go.
func (m machine) pods() int {
	n := m.o.Wanted
	_, g := m.group()
	for _, x := range m.o.Members {
		stays := g != nil && entry(g, x.Name) != nil || x.Claim.Member != 0 && x.Claim.Removed != x.Claim.Member
		if g == nil && x.Ordinal < m.o.Pods {
			stays = true
		}
		if stays {
			n = max(n, x.Ordinal+1)
		}
	}
	return n
}

// behind is how many entries a member lacks of what the leader has applied.
func behind(leader *Member, x adminapi.GroupMember) uint64 {
	if applied := leader.Status.AppliedIndex; applied > x.Match && x.ID != leader.Status.Group.ID {
		return applied - x.Match
	}
	return 0
}

// live: the leader hears of it, and it has what it had.
func live(leader *Member, x adminapi.GroupMember) bool {
	return x.ID == leader.Status.Group.ID || x.Active && !x.Blank && x.Refused == ""
}

// healthy is a voter that is live, caught up and says itself that it serves.
func (m machine) healthy(leader *Member, x adminapi.GroupMember) bool {
	self := m.member(x.Name)
	return x.Voter && live(leader, x) && behind(leader, x) <= near &&
		self != nil && numberOf(*self) == x.ID && self.Status.Ready && !self.Pod.Leaving
}
