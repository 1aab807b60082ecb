package wal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/test/fixture/keyring"
)

const testSegment = 16 << 10

func entry(index, term uint64, data string) *raftpb.Entry {
	return &raftpb.Entry{Index: &index, Term: &term, Data: []byte(data)}
}

func hardState(term, commit uint64) *raftpb.HardState {
	return &raftpb.HardState{Term: &term, Vote: new(uint64), Commit: &commit}
}

// testKeys is the ring that the tests' logs are opened with.
var testKeys *vault.Ring

// bothWays tests with a plain log and with a sealed one.
func bothWays(t *testing.T, test func(t *testing.T)) {
	t.Run("plain", test)
	testKeys = keyring.New(t, 1)
	defer func() { testKeys = nil }()
	t.Run("sealed", test)
}

// payload is what entry index holds in these tests; sizes differ.
func payload(index uint64) string {
	return fmt.Sprintf("%d:%s", index, strings.Repeat("x", int(index*index*37%1900)))
}

func newDir(t testing.TB, fs vfs.FS) {
	t.Helper()
	if err := fs.MkdirAll("wal", 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := fs.OpenDir("/")
	if err == nil {
		err = root.Sync()
		root.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// readback is a log's content after an Open.
type readback struct {
	*State
	log     *Log
	entries []*raftpb.Entry // handed out, then the rest
}

func open(t testing.TB, fs vfs.FS, snapshot Mark) (readback, error) {
	t.Helper()
	var r readback
	var err error
	r.log, r.State, err = Open(Options{FS: fs, Dir: "wal", SegmentSize: testSegment, Keys: testKeys}, snapshot, func(e *raftpb.Entry) error {
		r.entries = append(r.entries, e)
		return nil
	})
	if err == nil {
		r.entries = append(r.entries, r.Entries...)
	}
	return r, err
}

func mustOpen(t testing.TB, fs vfs.FS, snapshot Mark) readback {
	t.Helper()
	r, err := open(t, fs, snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fillTo appends entries from..to, one a batch, each synced.
func fillTo(t testing.TB, l *Log, from, to uint64) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := l.Append([]*raftpb.Entry{entry(i, 1, payload(i))}, hardState(1, i-1)); err != nil {
			t.Fatal(err)
		}
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

// expect checks that the entries are from..to.
func expect(t testing.TB, r readback, from, to uint64) {
	t.Helper()
	if got := uint64(len(r.entries)); got != to+1-from {
		t.Fatalf("%d entries read back, want %d to %d", got, from, to)
	}
	for i, e := range r.entries {
		if want := from + uint64(i); e.GetIndex() != want || string(e.GetData()) != payload(want) {
			t.Fatalf("entry %d read back as %d %.20q", want, e.GetIndex(), e.GetData())
		}
	}
}

func TestReadsBackWhatWasAppended(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		fs := vfs.NewMem()
		newDir(t, fs)
		r := mustOpen(t, fs, Mark{})
		fillTo(t, r.log, 1, 100)
		if len(r.log.segments) < 4 {
			t.Fatalf("%d segments: the test wants several", len(r.log.segments))
		}
		if err := r.log.Close(); err != nil {
			t.Fatal(err)
		}
		r = mustOpen(t, fs, Mark{})
		expect(t, r, 1, 100)
		if r.HardState.GetCommit() != 99 || len(r.Entries) != 1 || r.Torn != nil {
			t.Fatalf("commit %d, %d entries uncommitted, torn %v", r.HardState.GetCommit(), len(r.Entries), r.Torn)
		}
		fillTo(t, r.log, 101, 120)
		r = mustOpen(t, fs, Mark{Index: 50, Term: 1})
		expect(t, r, 51, 120)
	})
}

func TestALaterFrameReplacesEntries(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		fs := vfs.NewMem()
		newDir(t, fs)
		l := mustOpen(t, fs, Mark{}).log
		batch := []*raftpb.Entry{entry(1, 1, payload(1)), entry(2, 1, "old"), entry(3, 1, "old")}
		for _, step := range []struct {
			entries []*raftpb.Entry
			hs      *raftpb.HardState
		}{{batch, hardState(1, 1)}, {[]*raftpb.Entry{entry(2, 2, payload(2))}, hardState(2, 1)}} {
			if err := l.Append(step.entries, step.hs); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, mustOpen(t, fs, Mark{}), 1, 2)

		if err := l.Append([]*raftpb.Entry{entry(1, 3, "again")}, hardState(3, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, fs, Mark{}); !errors.Is(err, ErrDamaged) {
			t.Fatalf("a committed entry was replaced: %v", err)
		}
	})
}

func TestReleasedSegmentsAreUsedAgain(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		fs := vfs.NewMem()
		newDir(t, fs)
		r := mustOpen(t, fs, Mark{})
		for round := uint64(0); round < 10; round++ {
			fillTo(t, r.log, round*100+1, round*100+100)
			if err := r.log.MarkSnapshot(Mark{Index: round*100 + 90, Term: 1}); err != nil {
				t.Fatal(err)
			}
			if err := r.log.Release(round*100 + 90); err != nil {
				t.Fatal(err)
			}
		}
		if names, err := fs.List("wal"); err != nil || len(names) > 12 {
			t.Fatalf("the log takes %d files: %v", len(names), err)
		}
		r = mustOpen(t, fs, Mark{Index: 990, Term: 1})
		expect(t, r, 991, 1000)
		for snapshot, want := range map[uint64]error{0: ErrGap, 500: ErrGap, 989: ErrGap} {
			if _, err := open(t, fs, Mark{Index: snapshot, Term: 1}); !errors.Is(err, want) {
				t.Fatalf("opened with the snapshot at %d: %v", snapshot, err)
			}
		}
	})
}

func TestLargeFrameGetsASegmentOfItsOwn(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		fs := vfs.NewMem()
		newDir(t, fs)
		l := mustOpen(t, fs, Mark{}).log
		large := strings.Repeat("y", 5*testSegment)
		if err := l.Reserve(1, int64(len(large))); err != nil {
			t.Fatal(err)
		}
		if err := l.Append([]*raftpb.Entry{entry(1, 1, large)}, nil); err != nil {
			t.Fatal(err)
		}
		r := mustOpen(t, fs, Mark{})
		if len(r.entries) != 1 || string(r.entries[0].GetData()) != large {
			t.Fatal("large entry not read back")
		}
		if err := l.Reserve(1, MaxPayload); !errors.Is(err, ErrTooLarge) {
			t.Fatalf("beyond the limit: %v", err)
		}
	})
}

// damage flips a byte of a file.
func damage(t testing.TB, fs *vfs.MemFS, name string, offset int64) {
	t.Helper()
	data, err := fs.UnsafeGetFileDataBuffer("wal/" + name)
	if err != nil {
		t.Fatal(err)
	}
	data[offset] ^= 0x40
}

func TestDamage(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		build := func(t *testing.T) (*vfs.MemFS, *Log, []int64) {
			fs := vfs.NewMem()
			newDir(t, fs)
			l := mustOpen(t, fs, Mark{}).log
			var offsets []int64
			for i := uint64(1); len(l.segments) < 2 || l.end < 8000; i++ {
				offsets = append(offsets, l.end)
				fillTo(t, l, i, i)
			}
			return fs, l, offsets
		}
		first, second := fileName(1, segmentSuffix), fileName(2, segmentSuffix)
		for _, c := range []struct {
			name   string
			at     func(l *Log, offsets []int64) (file string, offset int64)
			report func(l *Log, offsets []int64) int64
		}{
			{"frame header in a full segment", func(_ *Log, o []int64) (string, int64) { return first, o[2] + 20 }, func(_ *Log, o []int64) int64 { return o[2] }},
			{"payload in a full segment", func(_ *Log, o []int64) (string, int64) { return first, o[2] + frameHeader + 3 }, func(_ *Log, o []int64) int64 { return o[2] }},
			{"first payload of the last segment", func(*Log, []int64) (string, int64) { return second, headerSize + frameHeader + 1 }, func(*Log, []int64) int64 { return headerSize }},
			{"first header of the last segment", func(*Log, []int64) (string, int64) { return second, headerSize + 25 }, func(*Log, []int64) int64 { return headerSize }},
			{"segment header", func(*Log, []int64) (string, int64) { return second, 17 }, func(*Log, []int64) int64 { return 0 }},
			{"magic", func(*Log, []int64) (string, int64) { return first, 1 }, func(*Log, []int64) int64 { return 0 }},
		} {
			t.Run(c.name, func(t *testing.T) {
				fs, l, offsets := build(t)
				file, offset := c.at(l, offsets)
				damage(t, fs, file, offset)
				before := fs.String()
				_, err := open(t, fs, Mark{})
				var d *DamageError
				if !errors.As(err, &d) {
					t.Fatalf("damage at %s %d: %v", file, offset, err)
				}
				if want := c.report(l, offsets); d.File != "wal/"+file || d.Offset != want {
					t.Fatalf("reported %s %d, want %s %d", d.File, d.Offset, file, want)
				}
				if fs.String() != before {
					t.Fatal("a refused log was changed")
				}
			})
		}
	})
}

func TestTornTailIsRepaired(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		fs := vfs.NewMem()
		newDir(t, fs)
		l := mustOpen(t, fs, Mark{}).log
		fillTo(t, l, 1, 5)
		torn := l.end
		for i := uint64(6); i <= 8; i++ { // not synced
			if err := l.Append([]*raftpb.Entry{entry(i, 1, payload(i))}, hardState(1, 5)); err != nil {
				t.Fatal(err)
			}
		}
		damage(t, fs, fileName(1, segmentSuffix), torn+frameHeader)
		r := mustOpen(t, fs, Mark{})
		expect(t, r, 1, 5)
		if r.Torn == nil || r.Torn.Offset != torn {
			t.Fatalf("torn at %d reported as %v", torn, r.Torn)
		}
		// Entry 6 in its old size: what followed the old one must not come back.
		fillTo(t, r.log, 6, 6)
		expect(t, mustOpen(t, fs, Mark{}), 1, 6)
	})
}

func TestNewerFormatIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	fillTo(t, mustOpen(t, fs, Mark{}).log, 1, 1)
	data, err := fs.UnsafeGetFileDataBuffer("wal/" + fileName(1, segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	data[4] = Version + 6
	_, err = open(t, fs, Mark{})
	if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), fmt.Sprintf("format version %d, this engine reads up to %d", Version+6, Version)) {
		t.Fatalf("newer format: %v", err)
	}
}

func TestMissingSegmentIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	l := mustOpen(t, fs, Mark{}).log
	fillTo(t, l, 1, 100)
	if err := fs.Remove("wal/" + l.segments[1].name); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, fs, Mark{}); !errors.Is(err, ErrGap) {
		t.Fatalf("a segment is missing: %v", err)
	}
	if _, err := open(t, vfs.NewMem(), Mark{Index: 7, Term: 1}); err == nil {
		t.Fatal("a snapshot without a log was taken")
	}
}

func TestFullVolumeRefusesAndHeals(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		mem := vfs.NewMem()
		newDir(t, mem)
		full := false
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if full && op.Kind == errorfs.OpFileWriteAt && op.Offset == 0 { // a file being made
				return syscall.ENOSPC
			}
			return nil
		}))
		l := mustOpen(t, fs, Mark{}).log
		full = true
		next := uint64(1)
		for {
			err := l.Reserve(1, int64(len(payload(next))))
			if errors.Is(err, ErrFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			fillTo(t, l, next, next)
			next++
		}
		if _, err := mem.Stat("wal/" + tempName); err == nil {
			t.Fatal("the half-made segment still takes space")
		}
		// The frames of an election still fit.
		if err := l.Append(nil, hardState(2, next-1)); err != nil {
			t.Fatal(err)
		}
		full = false
		fillTo(t, l, next, next+20)
		expect(t, mustOpen(t, mem, Mark{}), 1, next+20)
	})
}

func TestAFailedSyncIsFinal(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		mem := vfs.NewMem()
		newDir(t, mem)
		broken := false
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if broken && (op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync) {
				return syscall.EIO
			}
			return nil
		}))
		l := mustOpen(t, fs, Mark{}).log
		fillTo(t, l, 1, 1)
		broken = true
		if err := l.Append([]*raftpb.Entry{entry(2, 1, "x")}, nil); err != nil {
			t.Fatal(err)
		}
		if err := l.Sync(); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
			t.Fatalf("failed fsync: %v", err)
		}
		broken = false
		for name, err := range map[string]error{
			"Sync": l.Sync(), "Append": l.Append(nil, hardState(1, 1)), "Reserve": l.Reserve(1, 1),
			"Release": l.Release(1), "MarkSnapshot": l.MarkSnapshot(Mark{}),
		} {
			if !errors.Is(err, ErrFailed) {
				t.Errorf("%s after a failed fsync: %v", name, err)
			}
		}
	})
}

// TestCrashAnywhere stops the machine before every operation on the disk, with
// none, some and all of what was not synced surviving. Whatever was synced is
// read back, and the log can be written on.
func TestCrashAnywhere(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		mem := vfs.NewCrashableMem()
		newDir(t, mem)
		rng := rand.New(rand.NewPCG(1, 2))
		var acked, snapshot uint64
		type crash struct {
			fs              *vfs.MemFS
			acked, snapshot uint64
			at              string
		}
		var crashes []crash
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				percent := []int{0, 0, 30, 70, 100}[len(crashes)%5]
				clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
				crashes = append(crashes, crash{clone, acked, snapshot, fmt.Sprintf("op %d, %d%% survive", op.Kind, percent)})
			}
			return nil
		}))
		l := mustOpen(t, fs, Mark{}).log
		for i := uint64(1); i <= 150; i++ {
			// Two batches a sync: a torn first one must not let the second pass.
			fillUnsynced(t, l, 2*i-1)
			fillUnsynced(t, l, 2*i)
			if err := l.Sync(); err != nil {
				t.Fatal(err)
			}
			acked = 2 * i
			if i%40 == 0 {
				snapshot = acked - 3
				if err := l.MarkSnapshot(Mark{Index: snapshot, Term: 1}); err != nil {
					t.Fatal(err)
				}
				if err := l.Release(snapshot); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, c := range crashes {
			r, err := open(t, c.fs, Mark{Index: c.snapshot, Term: 1})
			if err != nil {
				t.Fatalf("%s: %d acknowledged, snapshot at %d: %v", c.at, c.acked, c.snapshot, err)
			}
			got := c.snapshot + uint64(len(r.entries))
			if got < c.acked {
				t.Fatalf("%s: %d entries acknowledged, %d read back", c.at, c.acked, got)
			}
			expect(t, r, c.snapshot+1, got)
			fillTo(t, r.log, got+1, got+3)
			again := c.fs.CrashClone(vfs.CrashCloneCfg{})
			expect(t, mustOpen(t, again, Mark{Index: c.snapshot, Term: 1}), c.snapshot+1, got+3)
		}
		if len(crashes) < 300 {
			t.Fatalf("%d crashes only", len(crashes))
		}
	})
}

func fillUnsynced(t testing.TB, l *Log, i uint64) {
	t.Helper()
	if err := l.Append([]*raftpb.Entry{entry(i, 1, payload(i))}, hardState(1, (i-1)&^1)); err != nil {
		t.Fatal(err)
	}
}

// TestOpenDoesNotTrustThePageCache: what is read at an open counts as durable
// from then on, so it must be.
func TestOpenDoesNotTrustThePageCache(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		mem := vfs.NewCrashableMem()
		newDir(t, mem)
		l := mustOpen(t, mem, Mark{}).log
		fillUnsynced(t, l, 1)
		expect(t, mustOpen(t, mem, Mark{}), 1, 1) // a killed process, not a crashed machine
		expect(t, mustOpen(t, mem.CrashClone(vfs.CrashCloneCfg{}), Mark{}), 1, 1)
	})
}

// TestFramesOfAnotherLogDoNotPass: two logs have the same numbers and offsets,
// and differ in their salt alone.
func TestFramesOfAnotherLogDoNotPass(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		one, other := vfs.NewMem(), vfs.NewMem()
		newDir(t, one)
		newDir(t, other)
		l := mustOpen(t, one, Mark{}).log
		fillTo(t, l, 1, 1)
		end := l.end
		fillTo(t, mustOpen(t, other, Mark{}).log, 1, 3)
		to, err := one.UnsafeGetFileDataBuffer("wal/" + fileName(1, segmentSuffix))
		if err != nil {
			t.Fatal(err)
		}
		from, err := other.UnsafeGetFileDataBuffer("wal/" + fileName(1, segmentSuffix))
		if err != nil {
			t.Fatal(err)
		}
		copy(to[end:], from[end:])
		expect(t, mustOpen(t, one, Mark{}), 1, 1)
	})
}

// TestSnapshotAheadOfTheLog: entries that were applied before they were durable
// can be lost behind a snapshot that has them; the log goes on after it.
func TestSnapshotAheadOfTheLog(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		mem := vfs.NewCrashableMem()
		newDir(t, mem)
		l := mustOpen(t, mem, Mark{}).log
		fillTo(t, l, 1, 5)
		fillUnsynced(t, l, 6)
		crashed := mem.CrashClone(vfs.CrashCloneCfg{})
		r := mustOpen(t, crashed, Mark{Index: 6, Term: 1})
		expect(t, r, 7, 6)
		fillTo(t, r.log, 7, 9)
		expect(t, mustOpen(t, crashed, Mark{Index: 6, Term: 1}), 7, 9)
		if _, err := open(t, crashed, Mark{}); !errors.Is(err, ErrGap) {
			t.Fatalf("entry 6 is nowhere: %v", err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	mem := vfs.NewMem()
	newDir(f, mem)
	fillTo(f, mustOpen(f, mem, Mark{}).log, 1, 4)
	data, err := mem.UnsafeGetFileDataBuffer("wal/" + fileName(1, segmentSuffix))
	if err != nil {
		f.Fatal(err)
	}
	data = bytes.Clone(data[:10000])
	f.Add(uint16(70), byte(1))
	f.Add(uint16(3), byte(255))
	f.Fuzz(func(t *testing.T, at uint16, flip byte) {
		fs := vfs.NewMem()
		newDir(t, fs)
		mutated := bytes.Clone(data)
		mutated[int(at)%len(mutated)] ^= flip
		file, err := fs.Create("wal/"+fileName(1, segmentSuffix), category)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write(mutated); err != nil {
			t.Fatal(err)
		}
		file.Close()
		r, err := open(t, fs, Mark{})
		if err == nil {
			expect(t, r, 1, uint64(len(r.entries)))
		}
	})
}
