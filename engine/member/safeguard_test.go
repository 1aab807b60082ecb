package member

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/machine"
)

// This test holds one safeguard: test/mutation names which.

// elected is the leader of three members, the others of which answer as told.
func elected(t *testing.T) *Member {
	t.Helper()
	m := open(t, vfs.NewMem(), 1, 1, 2, 3)
	if err := m.Campaign(); err != nil {
		t.Fatal(err)
	}
	for _, kinds := range [][2]raftpb.MessageType{{raftpb.MsgPreVote, raftpb.MsgPreVoteResp}, {raftpb.MsgVote, raftpb.MsgVoteResp}} {
		for _, q := range turns(t, m).Messages {
			if q.GetType() == kinds[0] && q.GetTo() == 2 {
				from, to, term := uint64(2), uint64(1), q.GetTerm()
				if err := m.Step(&raftpb.Message{Type: &kinds[1], From: &from, To: &to, Term: &term}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	turns(t, m)
	if !m.Leading() {
		t.Fatal("does not lead")
	}
	return m
}

// TestAnotherLeadersEntryIsNoAnswer: at the index of what this member has
// proposed, the next leader commits something else, before this one has even
// heard that it leads no more.
func TestAnotherLeadersEntryIsNoAnswer(t *testing.T) {
	m := elected(t)
	p := &Proposal{Items: items(t, true, "SET", "k", "mine"), Now: 1}
	if err := m.Propose(p); err != nil {
		t.Fatal(err)
	}
	turns(t, m)
	index, before := p.index, m.Term()
	if index < 2 {
		t.Fatalf("proposed at %d", index)
	}
	kind, from, to, term, previous := raftpb.MsgApp, uint64(2), uint64(1), m.Term()+1, index-1
	theirs := &raftpb.Entry{Index: &index, Term: &term, Data: machine.AppendBatch(nil, items(t, true, "SET", "k", "theirs"), 1, 1)}
	message := &raftpb.Message{Type: &kind, From: &from, To: &to, Term: &term, Index: &previous, LogTerm: &before, Entries: []*raftpb.Entry{theirs}, Commit: &index}
	if err := m.Step(message); err != nil {
		t.Fatal(err)
	}
	if r := turns(t, m); len(r.Proposals) != 1 || !errors.Is(p.Err, machine.ErrLost) {
		t.Fatalf("%d proposals answered, %v", len(r.Proposals), p.Err)
	}
	read := items(t, false, "GET", "k")
	m.Machine().Read(read, 1)
	if got := string(read[0].Reply.Str); got != "theirs" {
		t.Fatalf("the state has %q", got)
	}
}
