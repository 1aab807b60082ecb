package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/vault"
)

// These tests hold one safeguard each: test/mutation names which.

// bytesOf gives a segment's bytes to look at or to change.
func bytesOf(t testing.TB, fs *vfs.MemFS, number uint64) []byte {
	t.Helper()
	data, err := fs.UnsafeGetFileDataBuffer("wal/" + fileName(number, segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func newLog(t testing.TB) (*vfs.MemFS, *Log) {
	t.Helper()
	fs := vfs.NewMem()
	newDir(t, fs)
	return fs, mustOpen(t, fs, Mark{}).log
}

func TestAFailedWriteIsFinal(t *testing.T) {
	mem := vfs.NewMem()
	newDir(t, mem)
	broken := false
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken && op.Kind == errorfs.OpFileWriteAt {
			return syscall.EIO
		}
		return nil
	}))
	l := mustOpen(t, fs, Mark{}).log
	fillTo(t, l, 1, 1)
	broken = true
	if err := l.Append(nil, hardState(2, 1)); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("failed write: %v", err)
	}
	broken = false
	if err := l.Append(nil, hardState(2, 1)); !errors.Is(err, ErrFailed) {
		t.Fatalf("after a failed write: %v", err)
	}
}

// TestRotInTheLastFrameIsToldFromATear: after a clean end nothing is torn.
func TestRotInTheLastFrameIsToldFromATear(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		fs, l := newLog(t)
		fillTo(t, l, 1, 4)
		last := l.end
		fillTo(t, l, 5, 5)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		damage(t, fs, fileName(1, segmentSuffix), last+frameHeader+1)
		var d *DamageError
		if _, err := open(t, fs, Mark{}); !errors.As(err, &d) || d.Offset != last {
			t.Fatalf("the last entry before a clean end is damaged: %v", err)
		}
	})
}

func TestASegmentIsKeptForItsLastEntry(t *testing.T) {
	fs, l := newLog(t)
	next := uint64(1)
	for ; len(l.segments) < 3; next++ {
		fillTo(t, l, next, next)
	}
	snapshot := l.segments[1].last - 1
	if err := l.Release(snapshot); err != nil {
		t.Fatal(err)
	}
	if len(l.segments) != 2 {
		t.Fatalf("%d segments left, want 2", len(l.segments))
	}
	expect(t, mustOpen(t, fs, Mark{Index: snapshot, Term: 1}), snapshot+1, next-1)
}

// TestASegmentTakesItsSpaceAtOnce: an append must not need space, nor change
// what fdatasync would have to write beside the data.
func TestASegmentTakesItsSpaceAtOnce(t *testing.T) {
	fs, _ := newLog(t)
	if size := len(bytesOf(t, fs, 1)); size != testSegment {
		t.Errorf("a new segment has %d bytes, want %d", size, testSegment)
	}
}

// TestBlocksAreSetAsideWhereFsyncsAreRare: there an append must not need space
// either, and zeros would only be written beside the data.
func TestBlocksAreSetAsideWhereFsyncsAreRare(t *testing.T) {
	mem, calls, fails := vfs.NewMem(), 0, error(nil)
	newDir(t, mem)
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind != errorfs.OpFilePreallocate {
			return nil
		}
		calls++
		return fails
	}))
	const size = 8 * zerosPerSync
	l, _, err := Open(Options{FS: fs, Dir: "wal", SegmentSize: size}, Mark{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, 1, 200)
	if calls > 0 || len(l.segments) < 2 {
		t.Fatalf("%d of %d segments without zeros under frequent fsyncs", calls, len(l.segments))
	}
	next := uint64(201)
	rare := func(segments int) error {
		for segments += len(l.segments); len(l.segments) < segments; next++ {
			l.syncs = 0
			if err := l.Append([]*raftpb.Entry{entry(next, 1, payload(next))}, hardState(1, next-1)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := rare(3); err != nil || calls != 3 {
		t.Fatalf("blocks set aside for %d of 3 segments: %v", calls, err)
	}
	if fails = syscall.EOPNOTSUPP; rare(1) != nil || len(bytesOf(t, mem, l.segments[len(l.segments)-1].number)) != size {
		t.Fatal("no segment on a file system that sets no blocks aside")
	}
	if fails = syscall.ENOSPC; !errors.Is(rare(1), ErrFull) {
		t.Fatal("a segment without blocks")
	}
	fails = nil
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, mustOpen(t, mem, Mark{}), 1, next-1)
}

func TestSeedIsOfNumberAndSalt(t *testing.T) {
	h := header{number: 7, salt: 9}
	if h.seed() == (header{number: 8, salt: 9}).seed() || h.seed() == (header{number: 7, salt: 10}).seed() {
		t.Error("segments share a seed: the frames of one would pass in the other")
	}
}

// TestAFrameCountsAtItsOwnPlaceOnly: a client may write what looks like a frame,
// a disk may write a block twice.
func TestAFrameCountsAtItsOwnPlaceOnly(t *testing.T) {
	fs, l := newLog(t)
	from := l.end
	fillTo(t, l, 1, 1)
	to := l.end
	fillTo(t, l, 2, 2)
	data := bytesOf(t, fs, 1)
	copy(data[l.end:], data[from:to])
	expect(t, mustOpen(t, fs, Mark{}), 1, 2)
}

func TestAFrameEndsWithinItsSegment(t *testing.T) {
	const offset = headerSize
	data := make([]byte, offset+2*frameHeader)
	for length, want := range map[uint32]bool{frameHeader: true, frameHeader + 1: false, 1<<32 - 1: false} {
		b := data[offset:]
		b[12] = typeHardState
		binary.LittleEndian.PutUint32(b[4:], length)
		binary.LittleEndian.PutUint32(b, frameCheck(5, offset, b))
		if _, ok := decodeFrame(data, 5, offset); ok != want {
			t.Errorf("a frame of %d bytes where %d are left: taken %t", length, frameHeader, ok)
		}
	}
}

// TestJunkIsNoNewerVersion: what is not a segment at all must not send anybody
// looking for a newer engine.
func TestJunkIsNoNewerVersion(t *testing.T) {
	fs, l := newLog(t)
	fillTo(t, l, 1, 1)
	copy(bytesOf(t, fs, 1), bytes.Repeat([]byte{0xAB}, headerSector))
	if _, err := open(t, fs, Mark{}); !errors.Is(err, ErrDamaged) || errors.Is(err, ErrVersion) {
		t.Fatalf("junk: %v", err)
	}
}

// TestNewerCipherIsRefused: a later engine may seal otherwise under the same
// format version.
func TestNewerCipherIsRefused(t *testing.T) {
	fs, l := newLog(t)
	fillTo(t, l, 1, 1)
	b := bytesOf(t, fs, 1)
	b[6] = vault.KnownCiphers + 1
	binary.LittleEndian.PutUint32(b[headerCheck:], crc32.Checksum(b[:headerCheck], castagnoli))
	_, err := open(t, fs, Mark{})
	if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), fmt.Sprintf("cipher %d, this engine knows up to %d", vault.KnownCiphers+1, vault.KnownCiphers)) {
		t.Fatalf("newer cipher: %v", err)
	}
}

func TestARenamedSegmentIsRefused(t *testing.T) {
	fs, l := newLog(t)
	fillTo(t, l, 1, 3)
	if err := fs.Rename("wal/"+fileName(1, segmentSuffix), "wal/"+fileName(2, segmentSuffix)); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, fs, Mark{}); !errors.Is(err, ErrDamaged) {
		t.Fatalf("segment 1 under the name of segment 2: %v", err)
	}
}

func TestALostLogIsMissed(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	if _, err := open(t, fs, Mark{Index: 7, Term: 1}); !errors.Is(err, ErrGap) {
		t.Fatalf("a snapshot and no log: %v", err)
	}
}

// TestALostSnapshotIsMissed: entries were applied to it that the log may not
// have any more.
func TestALostSnapshotIsMissed(t *testing.T) {
	fs, l := newLog(t)
	fillTo(t, l, 1, 5)
	if err := l.MarkSnapshot(Mark{Index: 3, Term: 1}); err != nil {
		t.Fatal(err)
	}
	expect(t, mustOpen(t, fs, Mark{Index: 3, Term: 1}), 4, 5)
	if _, err := open(t, fs, Mark{Index: 2, Term: 1}); !errors.Is(err, ErrGap) {
		t.Fatalf("an older snapshot than was taken: %v", err)
	}
}

func TestEntriesFollowEachOther(t *testing.T) {
	fs, l := newLog(t)
	fillTo(t, l, 1, 2)
	if err := l.Append([]*raftpb.Entry{entry(4, 1, "x")}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, fs, Mark{}); !errors.Is(err, ErrGap) {
		t.Fatalf("entry 3 is missing: %v", err)
	}
}

func TestWhatIsCommittedIsNotReplaced(t *testing.T) {
	fs, l := newLog(t)
	fillTo(t, l, 1, 3) // the last frame says that entry 2 is committed
	if err := l.Append([]*raftpb.Entry{entry(2, 2, "x")}, hardState(2, 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, fs, Mark{}); !errors.Is(err, ErrDamaged) {
		t.Fatalf("entry 2 was committed and comes again: %v", err)
	}
}

// TestALogThatBeginsLaterNeedsItsSnapshot, even when it has no entry that would
// show the gap.
func TestALogThatBeginsLaterNeedsItsSnapshot(t *testing.T) {
	fs, l := newLog(t)
	fillTo(t, l, 1, 5)
	if err := l.next(0); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(5); err != nil {
		t.Fatal(err)
	}
	expect(t, mustOpen(t, fs, Mark{Index: 5, Term: 1}), 6, 5)
	if _, err := open(t, fs, Mark{}); !errors.Is(err, ErrGap) {
		t.Fatalf("entries 1 to 5 are nowhere: %v", err)
	}
}

// TestAFileThatNoLogWroteIsNotRead: its size is a hostile one's to choose.
func TestAFileThatNoLogWroteIsNotRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, fileName(1, segmentSuffix))
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<42); err != nil {
		t.Fatal(err)
	}
	_, _, err := Open(Options{FS: vfs.Default, Dir: dir}, Mark{}, func(*raftpb.Entry) error { return nil })
	var damage *DamageError
	if !errors.As(err, &damage) || damage.File != path || !strings.Contains(damage.Reason, "at most") {
		t.Errorf("opened with %v", err)
	}
}
