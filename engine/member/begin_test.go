package member

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
)

// follower is member 3 of three, whose log has three writes of which it knows
// that the first is committed.
func follower(t *testing.T, fs vfs.FS) *Member {
	t.Helper()
	m := open(t, fs, 3, 1, 2, 3)
	from, to, term, commit, prev := uint64(1), uint64(3), uint64(2), uint64(1), uint64(0)
	kind := raftpb.MsgApp
	message := &raftpb.Message{Type: &kind, From: &from, To: &to, Term: &term, Commit: &commit, Index: &prev, LogTerm: &prev}
	for i := range uint64(3) {
		index, normal := i+1, raftpb.EntryNormal
		data := machine.AppendBatch(nil, items(t, true, "SET", fmt.Sprint("k", index), "v"), 1, 0)
		message.Entries = append(message.Entries, &raftpb.Entry{Type: &normal, Index: &index, Term: &term, Data: data})
	}
	if err := m.Step(message); err != nil {
		t.Fatal(err)
	}
	if turns(t, m); m.Machine().Index() != 1 {
		t.Fatalf("applied up to %d", m.Machine().Index())
	}
	if last, _ := m.Last(); last != 3 {
		t.Fatalf("the log ends at %d", last)
	}
	return m
}

// alone opens what follower has left, as who goes on from it.
func alone(fs vfs.FS, at uint64) (*Member, error) {
	return Open(Options{FS: fs, Dir: "data", ID: 3<<8 | 3, Voters: []uint64{1, 2, 3}, Alone: at, Parse: command.Parse, Log: slog.New(slog.DiscardHandler), SegmentSize: 16 << 10})
}

// TestAGroupBeginsFromALog: all that is in it is there, and a crash before any
// operation leaves a log from which it begins alike.
func TestAGroupBeginsFromALog(t *testing.T) {
	mem := vfs.NewCrashableMem()
	if err := follower(t, mem).Close(); err != nil {
		t.Fatal(err)
	}
	root, err := mem.OpenDir("/") // the directory itself is the caller's
	if err != nil || root.Sync() != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var crashes []vfs.FS
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			for _, percent := range []int{0, 50, 100} {
				crashes = append(crashes, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
			}
		}
		return nil
	}))
	if _, err := alone(fs, 3); err != nil {
		t.Fatal(err)
	}
	if len(crashes) == 0 {
		t.Fatal("nothing was written")
	}
	for i, crash := range append(crashes, mem.CrashClone(vfs.CrashCloneCfg{})) {
		m, err := alone(crash, 3)
		if err != nil {
			t.Fatalf("crash %d: %v", i, err)
		}
		if v := m.Members().GetVoters(); len(v) != 1 || v[0] != 3<<8|3 || len(m.Members().GetLearners()) != 0 {
			t.Fatalf("crash %d: the members are %v", i, m.Members())
		}
		// An entry to add the one, and three to take the others out.
		if last, _ := m.Last(); last != 7 {
			t.Fatalf("crash %d: the log ends at %d", i, last)
		}
		lead(t, m)
		for k := range 3 {
			get(t, m, fmt.Sprint("k", k+1), "v")
		}
		set(t, m, "since", "then")
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if m, err = alone(crash, 3); err != nil { // it goes on from where it is
			t.Fatal(err)
		}
		lead(t, m)
		get(t, m, "since", "then")
	}
}

// TestAGroupDoesNotBeginFromLess than what was looked at.
func TestAGroupDoesNotBeginFromLess(t *testing.T) {
	fs := vfs.NewMem()
	if err := follower(t, fs).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := alone(fs, 4); !errors.Is(err, ErrNotWhole) {
		t.Fatalf("began from a log that lacks an entry: %v", err)
	}
	m, err := alone(fs, 3)
	if err != nil {
		t.Fatal(err)
	}
	lead(t, m)
}

// TestWhoWasTakenOutLaterDoesNotBeginAgain: the place from which it began is
// behind it.
func TestWhoWasTakenOutLaterDoesNotBeginAgain(t *testing.T) {
	fs := vfs.NewMem()
	if err := follower(t, fs).Close(); err != nil {
		t.Fatal(err)
	}
	m, err := alone(fs, 2) // another has gone on since
	if err != nil {
		t.Fatal(err)
	}
	if v := m.Members().GetVoters(); len(v) != 3 {
		t.Fatalf("the members are %v", v)
	}
}
