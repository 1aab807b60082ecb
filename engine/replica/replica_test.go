package replica

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
)

// disk is what a caller would have written, and machine what it applied.
type disk struct {
	t         *testing.T
	hardState *raftpb.HardState
	entries   []*raftpb.Entry
	applied   []string // non-empty data in the order of application
	index     uint64
}

func members() *raftpb.ConfState { return &raftpb.ConfState{Voters: []uint64{1}} }

func start(t *testing.T, c Config) *Replica {
	t.Helper()
	c.ID, c.ConfState, c.Logger = 1, members(), slog.New(slog.DiscardHandler)
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// turn carries out effects until there are none.
func (d *disk) turn(r *Replica) {
	d.t.Helper()
	for {
		e, ok := r.Effects()
		if !ok {
			return
		}
		if e.HardState != nil {
			d.hardState = e.HardState
		}
		d.entries = append(d.entries, e.Entries...)
		for _, c := range e.Committed {
			if d.index > 0 && c.GetIndex() != d.index+1 {
				d.t.Fatalf("entry %d applied after %d", c.GetIndex(), d.index)
			}
			if uint64(len(d.entries)) < c.GetIndex()-d.entries[0].GetIndex()+1 {
				d.t.Fatalf("entry %d committed before it was written", c.GetIndex())
			}
			d.index = c.GetIndex()
			if len(c.GetData()) > 0 {
				d.applied = append(d.applied, string(c.GetData()))
			}
		}
		if err := r.Done(); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *disk) elect(r *Replica) {
	d.t.Helper()
	if err := r.Campaign(); err != nil {
		d.t.Fatal(err)
	}
	d.turn(r)
	if !r.Leading() {
		d.t.Fatal("not leading its group of one")
	}
}

func (d *disk) propose(r *Replica, from, to int) {
	d.t.Helper()
	for i := from; i <= to; i++ {
		if err := r.Propose(fmt.Appendf(nil, "%d", i)); err != nil {
			d.t.Fatal(err)
		}
		d.turn(r)
	}
}

func TestCommitsAndRestarts(t *testing.T) {
	d := &disk{t: t}
	r := start(t, Config{})
	if err := r.Propose([]byte("x")); !errors.Is(err, ErrNotLeader) {
		t.Fatalf("proposed without a leader: %v", err)
	}
	d.elect(r)
	d.propose(r, 1, 3000)
	if len(d.applied) != 3000 || d.applied[2999] != "3000" {
		t.Fatalf("%d applied", len(d.applied))
	}
	if first, _ := r.memory.FirstIndex(); first < 1000 {
		t.Fatalf("%d entries are still in memory", d.index-first)
	}
	index, term := r.Applied()

	// From the log alone, all entries again.
	again := &disk{t: t, entries: d.entries}
	r = start(t, Config{HardState: d.hardState, Entries: d.entries})
	again.elect(r)
	if len(again.applied) != 3000 || again.applied[0] != "1" {
		t.Fatalf("%d applied after a restart", len(again.applied))
	}
	if now := r.node.BasicStatus().GetTerm(); now <= term {
		t.Fatalf("term %d after term %d", now, term)
	}

	// From a snapshot ahead of the commit index in the log.
	if d.hardState.GetCommit() >= index {
		t.Fatalf("commit index %d was written before its entry", d.hardState.GetCommit())
	}
	snap := &disk{t: t, index: index, entries: []*raftpb.Entry{d.entries[index-1]}}
	r = start(t, Config{Applied: index, Term: term, HardState: d.hardState})
	snap.elect(r)
	snap.propose(r, 7, 7)
	if len(snap.applied) != 1 || snap.applied[0] != "7" {
		t.Fatalf("applied %v after a restart from a snapshot", snap.applied)
	}
}

func TestEffectsStayUntilDone(t *testing.T) {
	d := &disk{t: t}
	r := start(t, Config{})
	d.elect(r)
	if err := r.Propose([]byte("x")); err != nil {
		t.Fatal(err)
	}
	first, ok := r.Effects()
	again, okAgain := r.Effects()
	if !ok || !okAgain || len(first.Entries) != 1 || first.Entries[0] != again.Entries[0] || !first.MustSync || first.HardState.GetCommit() != 1 {
		t.Fatalf("effects %+v, then %+v", first, again)
	}
	if len(first.Committed) > 0 {
		t.Fatal("committed before it was written")
	}
	for range 50 { // a leader of one needs nobody's answer
		r.Tick()
	}
	d.turn(r)
	if !r.Leading() || len(d.applied) != 1 {
		t.Fatalf("leading %v, applied %v", r.Leading(), d.applied)
	}
}

// TestAProposalIsCopied: whoever proposed uses the memory again.
func TestAProposalIsCopied(t *testing.T) {
	r, d := start(t, Config{}), &disk{t: t}
	d.elect(r)
	data := []byte("first")
	if err := r.Propose(data); err != nil {
		t.Fatal(err)
	}
	copy(data, "other")
	e, ok := r.Effects()
	if !ok || len(e.Entries) != 1 || string(e.Entries[0].GetData()) != "first" {
		t.Fatalf("to be written: %v", e.Entries)
	}
}

func TestRefusesWhatDoesNotFit(t *testing.T) {
	one, five := uint64(1), uint64(5)
	for _, c := range []struct {
		name string
		Config
		want string
	}{
		{"state without hard state", Config{Applied: 5, Term: 1}, "without a hard state"},
		{"commit beyond the log", Config{HardState: &raftpb.HardState{Term: &one, Commit: &five}}, "the log ends at 0"},
		{"term behind the snapshot", Config{Applied: 9, Term: 5, HardState: &raftpb.HardState{Term: &one}}, "with term 5"},
	} {
		c.ID, c.ConfState, c.Logger = 1, members(), slog.New(slog.DiscardHandler)
		if _, err := New(c.Config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
