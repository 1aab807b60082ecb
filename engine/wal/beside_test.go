package wal

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.etcd.io/raft/v3/raftpb"
)

// TestSyncBesideMarksWhatItHadSeen: what was appended meanwhile may not be on
// the disk, and is not said to be.
func TestSyncBesideMarksWhatItHadSeen(t *testing.T) {
	fs, l := newLog(t)
	fillUnsynced(t, l, 1)
	end := l.end
	sync := l.SyncBeside()
	fillUnsynced(t, l, 2)
	if err := l.Synced(sync()); err != nil {
		t.Fatal(err)
	}
	if l.durable != end || l.end == end {
		t.Errorf("durable up to %d, %d were seen and %d written", l.durable, end, l.end)
	}
	if err := l.Sync(); err != nil || l.durable != l.end || l.SyncBeside() != nil {
		t.Errorf("durable up to %d of %d, %v", l.durable, l.end, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, mustOpen(t, fs, Mark{}), 1, 2)
}

// TestSyncBesideOutlivesItsSegment: the log may have gone on to another file
// by then.
func TestSyncBesideOutlivesItsSegment(t *testing.T) {
	l, _, err := Open(Options{FS: vfs.Default, Dir: t.TempDir(), SegmentSize: testSegment}, Mark{}, func(*raftpb.Entry) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append([]*raftpb.Entry{entry(1, 1, "a")}, hardState(1, 0)); err != nil {
		t.Fatal(err)
	}
	sync := l.SyncBeside()
	filled := make(chan error, 1)
	go func() {
		large := make([]byte, testSegment)
		filled <- l.Append([]*raftpb.Entry{entry(2, 1, string(large))}, hardState(1, 0))
	}()
	time.Sleep(100 * time.Millisecond) // for the other to come as far as it can
	synced := sync()
	if err := <-filled; err != nil {
		t.Fatal(err)
	}
	if err := l.Synced(synced); err != nil {
		t.Error(err)
	}
	if len(l.segments) != 2 || l.durable > l.end {
		t.Errorf("%d segments, durable up to %d of %d", len(l.segments), l.durable, l.end)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCloseWaitsForSyncBeside: also that of a log that has failed, whose file
// nobody else waits for.
func TestCloseWaitsForSyncBeside(t *testing.T) {
	l, _, err := Open(Options{FS: vfs.Default, Dir: t.TempDir(), SegmentSize: testSegment}, Mark{}, func(*raftpb.Entry) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	fillUnsynced(t, l, 1)
	sync := l.SyncBeside()
	_ = l.fail(errors.New("something else"))
	closed := make(chan error, 1)
	go func() { closed <- l.Close() }()
	time.Sleep(100 * time.Millisecond) // for the other to come as far as it can
	if s := sync(); s.err != nil {
		t.Errorf("the file was closed: %v", s.err)
	}
	if err := <-closed; !errors.Is(err, ErrFailed) {
		t.Errorf("closed with %v", err)
	}
}

// TestSyncHearsWhatTheOneBesideItWasTold: of what could not be written the kernel
// tells one of two that ask at a time. Nothing is acknowledged by the other.
func TestSyncHearsWhatTheOneBesideItWasTold(t *testing.T) {
	mem := vfs.NewMem()
	newDir(t, mem)
	var failing atomic.Bool
	asked, tell := make(chan struct{}), make(chan struct{})
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && failing.CompareAndSwap(true, false) {
			close(asked)
			<-tell
			return syscall.EIO
		}
		return nil
	}))
	l := mustOpen(t, fs, Mark{}).log
	fillUnsynced(t, l, 1)
	failing.Store(true)
	sync := l.SyncBeside()
	synced := make(chan Synced, 1)
	go func() { synced <- sync() }()
	<-asked
	time.AfterFunc(100*time.Millisecond, func() { close(tell) })
	fillUnsynced(t, l, 2)
	if err := l.Sync(); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Errorf("made durable: %v", err)
	}
	if err := l.Synced(<-synced); !errors.Is(err, ErrFailed) {
		t.Errorf("synced beside: %v", err)
	}
}
