package replica

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
)

// group is replicas that hear of each other at once, unless they are cut off.
type group struct {
	t       *testing.T
	members map[uint64]*Replica
	cut     map[uint64]bool
	applied map[uint64][]string
	reads   map[uint64][]Read
	named   []*raftpb.Snapshot // in messages
	durable map[uint64]uint64  // the commit index on each one's disk
}

func newGroup(t *testing.T, voters ...uint64) *group {
	g := &group{t: t, members: map[uint64]*Replica{}, cut: map[uint64]bool{}, applied: map[uint64][]string{}, reads: map[uint64][]Read{}, durable: map[uint64]uint64{}}
	for _, id := range voters {
		g.add(id, voters)
	}
	return g
}

func (g *group) add(id uint64, voters []uint64) {
	g.t.Helper()
	r, err := New(Config{ID: id, ConfState: &raftpb.ConfState{Voters: voters}, Tail: 10, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		g.t.Fatal(err)
	}
	g.members[id] = r
}

// settle carries out effects and messages until there are none.
func (g *group) settle() {
	g.t.Helper()
	for busy := true; busy; {
		busy = false
		for id := uint64(1); id < 9; id++ {
			r := g.members[id]
			if r == nil {
				continue
			}
			e, ok := r.Effects()
			if !ok {
				continue
			}
			busy = true
			if e.HardState != nil && e.MustSync {
				g.durable[id] = e.HardState.GetCommit()
			}
			for _, c := range e.Committed {
				if c.GetType() != raftpb.EntryNormal && c.GetIndex() > g.durable[id] {
					g.t.Errorf("member %d would forget that the change at %d is committed", id, c.GetIndex())
				}
				if c.GetType() == raftpb.EntryNormal && len(c.GetData()) > 0 {
					g.applied[id] = append(g.applied[id], string(c.GetData()))
				}
			}
			g.reads[id] = append(g.reads[id], e.Reads...)
			if err := r.Done(); err != nil {
				g.t.Fatal(err)
			}
			for _, m := range append(e.Early, e.Messages...) {
				g.deliver(m)
			}
		}
	}
}

func (g *group) deliver(m *raftpb.Message) {
	g.t.Helper()
	to := g.members[m.GetTo()]
	if g.cut[m.GetFrom()] || g.cut[m.GetTo()] || to == nil {
		return
	}
	if m.GetType() == raftpb.MsgSnap {
		g.named = append(g.named, m.GetSnapshot())
		defer g.members[m.GetFrom()].ReportSnapshot(m.GetTo(), true)
	}
	if err := to.Step(m); err != nil {
		g.t.Fatal(err)
	}
}

func (g *group) lead(id uint64) *Replica {
	g.t.Helper()
	if err := g.members[id].Campaign(); err != nil {
		g.t.Fatal(err)
	}
	g.settle()
	if !g.members[id].Leading() {
		g.t.Fatalf("member %d does not lead", id)
	}
	return g.members[id]
}

func (g *group) propose(r *Replica, n int) {
	g.t.Helper()
	for i := range n {
		if err := r.Propose(fmt.Appendf(nil, "%d", i)); err != nil {
			g.t.Fatal(err)
		}
		g.settle()
	}
}

func (g *group) tick(n int) {
	for range n {
		for id := uint64(1); id < 9; id++ {
			if r := g.members[id]; r != nil {
				r.Tick()
			}
		}
		g.settle()
	}
}

func TestReplicatesAndHandsOver(t *testing.T) {
	g := newGroup(t, 1, 2, 3)
	leader := g.lead(1)
	g.propose(leader, 30)
	for id := range g.members {
		if len(g.applied[id]) != 30 {
			t.Errorf("member %d applied %d", id, len(g.applied[id]))
		}
	}
	if err := g.members[2].Transfer(3); !errors.Is(err, ErrNotLeader) {
		t.Fatalf("a follower hands over: %v", err)
	}
	if err := leader.Transfer(3); err != nil {
		t.Fatal(err)
	}
	if err := leader.Propose([]byte("x")); !errors.Is(err, ErrDropped) {
		t.Fatalf("proposed while handing over: %v", err)
	}
	g.settle()
	if leader.Leading() || !g.members[3].Leading() || g.members[2].Leader() != 3 {
		t.Fatal("the leadership was not handed over")
	}
}

func TestReadIndexNeedsAMajority(t *testing.T) {
	g := newGroup(t, 1, 2, 3)
	leader := g.lead(1)
	g.propose(leader, 3)
	if err := g.members[2].ReadIndex(1); !errors.Is(err, ErrNotLeader) {
		t.Fatalf("a follower reads: %v", err)
	}
	index, _ := leader.Applied()
	if err := leader.ReadIndex(7); err != nil {
		t.Fatal(err)
	}
	g.settle()
	if want := []Read{{7, index}}; !slices.Equal(g.reads[1], want) {
		t.Fatalf("reads %v, want %v", g.reads[1], want)
	}
	g.cut[1] = true
	if err := leader.ReadIndex(8); err != nil {
		t.Fatal(err)
	}
	g.settle()
	if len(g.reads[1]) != 1 {
		t.Fatalf("a leader that nobody hears reads: %v", g.reads[1])
	}
	g.tick(2 * electionTicks)
	if leader.Leading() {
		t.Fatal("a leader that hears nobody leads on")
	}
	g.tick(4 * electionTicks)
	if !g.members[2].Leading() && !g.members[3].Leading() {
		t.Fatal("the majority has no leader")
	}
}

// TestAFreshLeaderAloneReadsAllThatWasAcknowledged reads between the election
// and the first entry of the term. The log says that less is committed than
// was acknowledged.
func TestAFreshLeaderAloneReadsAllThatWasAcknowledged(t *testing.T) {
	d := &disk{t: t}
	r := start(t, Config{})
	d.elect(r)
	d.propose(r, 1, 5)
	last, _ := r.Applied()
	if d.hardState.GetCommit() >= last {
		t.Fatalf("commit %d is in the log", d.hardState.GetCommit())
	}
	r = start(t, Config{HardState: d.hardState, Entries: d.entries})
	if err := r.Campaign(); err != nil {
		t.Fatal(err)
	}
	asked := false
	for {
		if r.Leading() && !asked {
			asked = true
			if err := r.ReadIndex(7); err != nil {
				t.Fatal(err)
			}
		}
		e, ok := r.Effects()
		if !ok {
			t.Fatal("the read was not answered")
		}
		if err := r.Done(); err != nil {
			t.Fatal(err)
		}
		if len(e.Reads) > 0 {
			if e.Reads[0].Index < last {
				t.Fatalf("read at index %d, %d was acknowledged", e.Reads[0].Index, last)
			}
			return
		}
	}
}

func TestMembersChangeOneAtATime(t *testing.T) {
	g := newGroup(t, 1)
	leader := g.lead(1)
	g.propose(leader, 3)
	for _, id := range []uint64{2, 3} {
		g.add(id, []uint64{1})
		for _, c := range []Change{AddLearner, Promote} {
			if err := leader.Change(c, id); err != nil {
				t.Fatal(err)
			}
			g.settle()
			g.tick(2)
			if err := leader.Change(c, id); err == nil {
				t.Fatalf("change %d of %d twice", c, id)
			}
		}
	}
	if v := leader.ConfState().GetVoters(); !slices.Equal(v, []uint64{1, 2, 3}) {
		t.Fatalf("voters %v", v)
	}
	if match, applied := leader.Match(3), leader.applied; match != applied {
		t.Fatalf("member 3 has the log up to %d of %d", match, applied)
	}
	if err := g.members[2].Change(Remove, 3); !errors.Is(err, ErrNotLeader) {
		t.Fatalf("a follower changes the members: %v", err)
	}
	if err := leader.Change(Remove, 1); err != nil {
		t.Fatal(err)
	}
	g.settle()
	g.tick(6 * electionTicks)
	if leader.Leading() || !g.members[2].Leading() && !g.members[3].Leading() {
		t.Fatal("the leader was removed, and no other leads")
	}
	two := g.members[2]
	if !two.Leading() {
		two = g.members[3]
	}
	g.propose(two, 1)
	// The members that replay computes are those that raft has.
	conf := &raftpb.ConfState{Voters: []uint64{1}}
	entries, err := two.memory.Entries(1, two.applied+1, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if conf, err = Members(conf, e); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(conf.GetVoters(), two.ConfState().GetVoters()) || len(conf.GetVoters()) != 2 {
		t.Fatalf("replay has the voters %v, raft %v", conf.GetVoters(), two.ConfState().GetVoters())
	}
}

func TestALaggardIsSentASnapshot(t *testing.T) {
	g := newGroup(t, 1, 2, 3)
	leader := g.lead(1)
	g.propose(leader, 5)
	g.cut[3] = true
	g.propose(leader, 500) // beyond what patience keeps
	if first, _ := leader.memory.FirstIndex(); first < 200 {
		t.Fatalf("the log in memory begins at %d", first)
	}
	g.tick(3 * electionTicks)
	g.propose(leader, 200)
	g.cut[3] = false
	g.tick(3)
	if !leader.SnapshotWanted() || g.members[2].SnapshotWanted() || len(g.named) > 0 {
		t.Fatalf("snapshot wanted %v, sent %v", leader.SnapshotWanted(), g.named)
	}
	index, term := leader.Applied()
	leader.SetSnapshot(index, term, leader.ConfState())
	if leader.SnapshotWanted() {
		t.Fatal("a snapshot is wanted that is there")
	}
	g.tick(3)
	if len(g.named) != 1 || g.named[0].GetMetadata().GetIndex() != index || len(g.named[0].GetData()) > 0 {
		t.Fatalf("sent %v", g.named)
	}
	g.propose(leader, 3)
	if got := g.members[3].applied; got != leader.applied {
		t.Fatalf("the laggard has applied %d of %d", got, leader.applied)
	}
}

func TestRefusesWhatNoPeerSends(t *testing.T) {
	g := newGroup(t, 1, 2, 3)
	g.lead(1)
	message := func(kind raftpb.MessageType, from, to uint64) *raftpb.Message {
		return &raftpb.Message{Type: &kind, From: &from, To: &to, Term: new(uint64(1))}
	}
	for _, m := range []*raftpb.Message{
		message(raftpb.MsgApp, 2, 3), message(raftpb.MsgApp, 1, 1), message(raftpb.MsgHup, 2, 1), message(raftpb.MsgProp, 2, 1),
	} {
		if err := g.members[1].Step(m); !errors.Is(err, ErrMessage) {
			t.Errorf("%s from %d to %d: %v", m.GetType(), m.GetFrom(), m.GetTo(), err)
		}
	}
	if err := g.members[1].Step(message(raftpb.MsgAppResp, 8, 1)); err != nil {
		t.Errorf("an answer of a member that was removed: %v", err)
	}
}

// TestAMemberThatWasStartedAgainVotesLater: it may have answered a leader right
// before, who counts on it for an election timeout.
func TestAMemberThatWasStartedAgainVotesLater(t *testing.T) {
	term, vote, commit := uint64(3), uint64(1), uint64(0)
	r, err := New(Config{
		ID: 2, ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}}, HardState: &raftpb.HardState{Term: &term, Vote: &vote, Commit: &commit},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	granted := func() bool {
		t.Helper()
		kind, from, to, next, zero := raftpb.MsgPreVote, uint64(3), uint64(2), term+1, uint64(0)
		if err := r.Step(&raftpb.Message{Type: &kind, From: &from, To: &to, Term: &next, Index: &zero, LogTerm: &zero}); err != nil {
			t.Fatal(err)
		}
		e, ok := r.Effects()
		if !ok {
			return false
		}
		if err := r.Done(); err != nil {
			t.Fatal(err)
		}
		for _, m := range e.Messages {
			if m.GetType() == raftpb.MsgPreVoteResp && !m.GetReject() {
				return true
			}
		}
		return false
	}
	for tick := range electionTicks {
		if granted() {
			t.Fatalf("it votes %d ticks after its start", tick)
		}
		r.Tick()
	}
	if !granted() {
		t.Error("it does not vote at all")
	}
}

// TestAnyMemberAsksTheLeader, which answers what it is sure of.
func TestAnyMemberAsksTheLeader(t *testing.T) {
	g := newGroup(t, 1, 2, 3)
	g.members[2].Ask(1) // of nobody
	leader := g.lead(1)
	g.propose(leader, 3)
	g.members[2].Ask(2)
	leader.Ask(3)
	g.settle()
	want, _ := leader.Applied()
	for id, number := range map[uint64]uint64{2: 2, 1: 3} {
		if r := g.reads[id]; len(r) != 1 || r[0] != (Read{number, want}) {
			t.Errorf("member %d was answered %v, want %d", id, r, want)
		}
	}
	g.cut[2], g.cut[3] = true, true
	leader.Ask(4)
	g.settle()
	if n := len(g.reads[1]); n != 1 {
		t.Errorf("a leader that is alone was answered: %v", g.reads[1])
	}
}

// TestALeaderThatIsNotSettledAnswersNoQuestions: one of a single voter knows less
// to be committed, when it has started, than it had acknowledged.
func TestALeaderThatIsNotSettledAnswersNoQuestions(t *testing.T) {
	g := newGroup(t, 1)
	r := g.members[1]
	if err := r.Campaign(); err != nil {
		t.Fatal(err)
	}
	question := &raftpb.Message{Type: raftpb.MsgReadIndex.Enum(), From: new(uint64(2)), To: new(uint64(1)), Entries: []*raftpb.Entry{{Data: make([]byte, 8)}}}
	for !r.Leading() {
		if _, ok := r.Effects(); !ok {
			t.Fatal("nothing is left to do, and nobody leads")
		}
		if err := r.Done(); err != nil {
			t.Fatal(err)
		}
	}
	for settled := range 2 {
		if err := r.Step(question); err != nil {
			t.Fatal(err)
		}
		answers := 0
		for e, ok := r.Effects(); ok; e, ok = r.Effects() {
			for _, m := range e.Messages {
				if m.GetType() == raftpb.MsgReadIndexResp {
					answers++
				}
			}
			if err := r.Done(); err != nil {
				t.Fatal(err)
			}
		}
		if answers != settled {
			t.Errorf("%d answers, want %d", answers, settled)
		}
	}
}
