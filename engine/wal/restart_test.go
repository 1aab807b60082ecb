package wal

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// appendTerm appends entries from..to of a term as one batch, without a sync.
func appendTerm(t *testing.T, l *Log, term, from, to uint64) {
	t.Helper()
	var entries []*raftpb.Entry
	for i := from; i <= to; i++ {
		entries = append(entries, entry(i, term, payload(i)))
	}
	if err := l.Append(entries, hardState(term, 0)); err != nil {
		t.Fatal(err)
	}
}

// terms checks which terms the uncommitted entries behind the snapshot have.
func terms(t *testing.T, r readback, snapshot uint64, want ...uint64) {
	t.Helper()
	if len(r.Entries) != len(want) {
		t.Fatalf("%d entries behind the snapshot, want %d", len(r.Entries), len(want))
	}
	for i, e := range r.Entries {
		if e.GetIndex() != snapshot+1+uint64(i) || e.GetTerm() != want[i] {
			t.Fatalf("entry %d of term %d, want entry %d of term %d", e.GetIndex(), e.GetTerm(), snapshot+1+uint64(i), want[i])
		}
	}
}

// TestSnapshotFromAnotherMemberVoidsTheLog installs a snapshot at index 20 of
// term 5 over logs that hold something else there, with and without a crash
// before Restart was durable.
func TestSnapshotFromAnotherMemberVoidsTheLog(t *testing.T) {
	mark := Mark{Index: 20, Term: 5}
	for name, c := range map[string]struct {
		before func(*Log)
		kept   []uint64 // terms of what stays when the crash came before Restart
	}{
		"shorter":          {func(l *Log) { appendTerm(t, l, 1, 1, 9) }, nil},
		"longer":           {func(l *Log) { appendTerm(t, l, 1, 1, 30) }, nil},
		"cut below":        {func(l *Log) { appendTerm(t, l, 1, 1, 30); appendTerm(t, l, 4, 15, 16) }, nil},
		"cut and regrown":  {func(l *Log) { appendTerm(t, l, 1, 1, 30); appendTerm(t, l, 4, 15, 30) }, nil},
		"the same":         {func(l *Log) { appendTerm(t, l, 5, 1, 23) }, []uint64{5, 5, 5}},
		"the same at last": {func(l *Log) { appendTerm(t, l, 1, 1, 30); appendTerm(t, l, 5, 15, 22) }, []uint64{5, 5}},
	} {
		for _, crashed := range []bool{false, true} {
			fs := vfs.NewMem()
			newDir(t, fs)
			r := mustOpen(t, fs, Mark{})
			c.before(r.log)
			var kept []uint64
			if crashed {
				r = mustOpen(t, fs, mark)
				kept = c.kept
				terms(t, r, 20, kept...)
			} else if err := r.log.Restart(mark); err != nil {
				t.Fatal(err)
			}
			r = mustOpen(t, fs, mark)
			terms(t, r, 20, kept...)
			appendTerm(t, r.log, 6, 21, 22)
			r = mustOpen(t, fs, mark)
			t.Log(name, crashed)
			terms(t, r, 20, 6, 6)
		}
	}
}

func TestRestartNeedsItsSnapshot(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	r := mustOpen(t, fs, Mark{})
	fillTo(t, r.log, 1, 9)
	if err := r.log.Restart(Mark{Index: 20, Term: 5}); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, fs, Mark{Index: 5, Term: 1}); !errors.Is(err, ErrGap) {
		t.Fatalf("opened with an older snapshot: %v", err)
	}
	// One at the end of what was committed before is no better.
	if _, err := open(t, fs, Mark{Index: 19, Term: 5}); !errors.Is(err, ErrGap) {
		t.Fatalf("opened with an older snapshot: %v", err)
	}
	terms(t, mustOpen(t, fs, Mark{Index: 24, Term: 5}), 24)
}
