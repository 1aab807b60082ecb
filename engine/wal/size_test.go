package wal

import (
	"bytes"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// fill appends n bytes in entries of 64 KiB.
func fillLog(t *testing.T, l *Log, index *uint64, n int64) {
	t.Helper()
	kind, term, data := raftpb.EntryNormal, uint64(1), bytes.Repeat([]byte("x"), 64<<10)
	for ; n > 0; n -= int64(len(data)) {
		*index++
		at := *index
		if err := l.Append([]*raftpb.Entry{{Type: &kind, Term: &term, Index: &at, Data: data}}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheLogFitsTheData: between two snapshots it takes what it was told it
// would, and a segment more, whatever was there before; and it takes the same
// files again and again.
func TestTheLogFitsTheData(t *testing.T) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("wal", 0o700); err != nil {
		t.Fatal(err)
	}
	open := func(fit int64, snapshot Mark) *Log {
		t.Helper()
		l, _, err := Open(Options{FS: fs, Dir: "wal", Fit: fit}, snapshot, func(*raftpb.Entry) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	index, l := uint64(0), open(8<<20, Mark{})
	for _, fit := range []int64{8 << 20, 40 << 20, 16 << 20, 8 << 20} {
		l.Fit(fit)
		for round := range 3 {
			fillLog(t, l, &index, fit)
			if err := l.Release(index); err != nil {
				t.Fatal(err)
			}
			segment := l.SegmentSize()
			if segment > fit/perLog || segment < min(fit/perLog/2, maxSegment) {
				t.Errorf("segments of %d bytes for a log of %d", segment, fit)
			}
			if got := l.Bytes(); round > 0 && got > fit+segment {
				t.Errorf("a log of %d bytes takes %d", fit, got)
			}
			if got := l.Bytes(); round > 1 && got < fit/2 {
				t.Errorf("of a log of %d bytes %d are left to write to again", fit, got)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(1<<20, Mark{Index: index, Term: 1})
	if got := l.Bytes(); got > 4<<20 {
		t.Errorf("%d bytes after a start that wants 1 MiB", got)
	}
}
