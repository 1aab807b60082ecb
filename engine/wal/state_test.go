package wal

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// TestReleaseKeepsTheHardState releases every segment that a hard state was
// written to: a term and a vote are kept whatever a snapshot replaces.
func TestReleaseKeepsTheHardState(t *testing.T) {
	for _, reopened := range []bool{false, true} {
		fs := vfs.NewCrashableMem()
		newDir(t, fs)
		l := mustOpen(t, fs, Mark{}).log
		fillTo(t, l, 1, 20)
		// Entries without one fill the rest, until another segment is begun.
		last := uint64(20)
		for n := len(l.segments); len(l.segments) < n+2; {
			last++
			if err := l.Append([]*raftpb.Entry{entry(last, 1, payload(last))}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
		mark := Mark{Index: last, Term: 1}
		if reopened {
			l = mustOpen(t, fs, mark).log
		}
		if err := l.Release(last); err != nil {
			t.Fatal(err)
		}
		if len(l.segments) > 2 {
			t.Fatalf("%d segments left", len(l.segments))
		}
		r := mustOpen(t, fs.CrashClone(vfs.CrashCloneCfg{}), mark)
		if r.HardState.GetTerm() != 1 || r.HardState.GetCommit() != 19 {
			t.Fatalf("reopened %v: hard state %v", reopened, r.HardState)
		}
	}
}
