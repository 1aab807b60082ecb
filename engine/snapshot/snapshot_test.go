package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/test/fixture/keyring"
)

func meta(index uint64) Meta {
	return Meta{Index: index, Term: 3, ConfState: &raftpb.ConfState{Voters: []uint64{1, 2}, Learners: []uint64{7}}}
}

// testKeys is the ring that the tests' files are sealed under.
var testKeys *vault.Ring

func dirOf(fs vfs.FS) Dir { return Dir{FS: fs, Path: "snap", Keys: testKeys} }

// bothWays tests with plain files and with sealed ones.
func bothWays(t *testing.T, test func(t *testing.T)) {
	t.Run("plain", test)
	testKeys = keyring.New(t, 1)
	defer func() { testKeys = nil }()
	t.Run("sealed", test)
}

// content is what the snapshot at index holds in these tests.
func content(index uint64, size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(index)}).Read(b)
	return b
}

// chunks hands out data in pieces.
func chunks(data []byte, size int) func() ([]byte, bool, error) {
	return func() ([]byte, bool, error) {
		n := min(size, len(data))
		chunk := slices.Clone(data[:n])
		data = data[n:]
		return chunk, len(data) == 0, nil
	}
}

func newDir(t testing.TB, fs vfs.FS) {
	t.Helper()
	if err := fs.MkdirAll("snap", 0o700); err != nil {
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

func read(t testing.TB, fs vfs.FS) (Meta, []byte, error) {
	t.Helper()
	r, err := dirOf(fs).Newest()
	if err != nil || r == nil {
		return Meta{}, nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return r.Meta, data, err
}

func TestReadsBackWhatWasWritten(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		for _, c := range []struct{ size, chunk int }{{0, 1}, {1, 1}, {100, 7}, {3 << 20, 64 << 10}, {3 << 20, 5 << 20}, {MaxChunk, MaxChunk}} {
			fs := vfs.NewMem()
			newDir(t, fs)
			data := content(9, c.size)
			size, err := dirOf(fs).Write(meta(9), chunks(data, c.chunk))
			if err != nil {
				t.Fatal(err)
			}
			m, got, err := read(t, fs)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, data) || m.Index != 9 || m.Term != 3 || !slices.Equal(m.ConfState.GetVoters(), []uint64{1, 2}) || !slices.Equal(m.ConfState.GetLearners(), []uint64{7}) {
				t.Fatalf("%+v: read back %d bytes, %v", c, len(got), m)
			}
			path := "snap/" + fileName(9)
			if info, err := fs.Stat(path); err != nil || info.Size() != size {
				t.Fatalf("size %d reported, %v", size, info.Size())
			}
			if err := verify(fs, path); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// verify reads a snapshot file to its end.
func verify(fs vfs.FS, path string) error {
	r, err := dirOf(fs).Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	_, err = io.Copy(io.Discard, r)
	return err
}

func TestPruneLeavesTheNewest(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	for _, index := range []uint64{5, 9, 100} {
		if _, err := dirOf(fs).Write(meta(index), chunks(content(index, 50), 10)); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := fs.Create("snap/"+tempName, category); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	if err := dirOf(fs).Prune(100); err != nil {
		t.Fatal(err)
	}
	if names, err := fs.List("snap"); err != nil || !slices.Equal(names, []string{fileName(100)}) {
		t.Fatalf("left: %v, %v", names, err)
	}
}

// TestEveryDamagedByteIsRefused flips each byte, and cuts the file at each.
func TestEveryDamagedByteIsRefused(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		fs := vfs.NewMem()
		newDir(t, fs)
		if _, err := dirOf(fs).Write(meta(9), chunks(content(9, 300), 100)); err != nil {
			t.Fatal(err)
		}
		path := "snap/" + fileName(9)
		good, err := fs.UnsafeGetFileDataBuffer(path)
		if err != nil {
			t.Fatal(err)
		}
		good = slices.Clone(good)
		check := func(name string, at int, data []byte) {
			f, err := fs.Create(path, category)
			if err != nil {
				t.Fatal(err)
			}
			f.Write(data)
			f.Close()
			err = verify(fs, path)
			if err == nil && name == "flipped" && at >= headerSector && at < headerSize {
				return // a key slot, of which there are two, or zeros
			}
			var d *DamageError
			if errors.Is(err, ErrVersion) {
				return
			}
			if !errors.As(err, &d) || d.File != path || d.Offset > int64(at) {
				t.Fatalf("%s at %d: %v", name, at, err)
			}
		}
		for at := range good {
			bad := slices.Clone(good)
			bad[at] ^= 0x10
			check("flipped", at, bad)
			check("cut", at, good[:at])
		}
		check("longer", len(good), append(slices.Clone(good), 0))

		swapped := slices.Clone(good)
		size, foot := 108, footerSize
		if testKeys != nil {
			size, foot = size+vault.Overhead, foot+vault.Overhead
		}
		first := len(good) - foot - 3*size
		copy(swapped[first:], good[first+size:first+2*size])
		copy(swapped[first+size:], good[first:first+size])
		check("chunks swapped", first, swapped)
	})
}

func TestNewerFormatIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	if _, err := dirOf(fs).Write(meta(9), chunks(nil, 1)); err != nil {
		t.Fatal(err)
	}
	data, err := fs.UnsafeGetFileDataBuffer("snap/" + fileName(9))
	if err != nil {
		t.Fatal(err)
	}
	data[4] = Version + 3
	if _, _, err := read(t, fs); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), fmt.Sprintf("format version %d, this engine reads up to %d", Version+3, Version)) {
		t.Fatal(err)
	}
}

// TestCrashAnywhere stops the machine before every operation on the disk while
// a second snapshot replaces the first: one of the two is always there whole.
func TestCrashAnywhere(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		mem := vfs.NewCrashableMem()
		newDir(t, mem)
		rng := rand.New(rand.NewPCG(1, 2))
		written := uint64(0)
		type crash struct {
			fs    *vfs.MemFS
			least uint64
		}
		var crashes []crash
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			for _, percent := range []int{0, 50, 100} {
				crashes = append(crashes, crash{mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}), written})
			}
			return nil
		}))
		for index := uint64(1); index <= 8; index++ {
			if _, err := dirOf(fs).Write(meta(index), chunks(content(index, 30_000), 7_000)); err != nil {
				t.Fatal(err)
			}
			written = index
			if err := dirOf(fs).Prune(index); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range crashes {
			m, data, err := read(t, c.fs)
			if err != nil || m.Index < c.least {
				t.Fatalf("crash %d: at least %d was written, read %d: %v", i, c.least, m.Index, err)
			}
			if m.Index > 0 && !bytes.Equal(data, content(m.Index, 30_000)) {
				t.Fatalf("crash %d: wrong content", i)
			}
		}
	})
}

func TestFailuresLeaveTheOldOne(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		for _, c := range []struct {
			name string
			err  error
			want error
		}{{"full", syscall.ENOSPC, ErrFull}, {"broken", syscall.EIO, syscall.EIO}} {
			t.Run(c.name, func(t *testing.T) {
				for op := int32(0); ; op++ {
					mem := vfs.NewMem()
					newDir(t, mem)
					if _, err := dirOf(mem).Write(meta(1), chunks(content(1, 500), 100)); err != nil {
						t.Fatal(err)
					}
					index := errorfs.OnIndex(op)
					fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
						if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && index.MaybeError(op) != nil {
							return c.err
						}
						return nil
					}))
					_, err := dirOf(fs).Write(meta(2), chunks(content(2, 500), 100))
					if err == nil {
						if op < 8 {
							t.Fatalf("%d operations only", op)
						}
						return
					}
					if !errors.Is(err, c.want) {
						t.Fatalf("operation %d: %v", op, err)
					}
					if m, data, err := read(t, mem); err != nil || !bytes.Equal(data, content(m.Index, 500)) {
						t.Fatalf("operation %d: %v", op, err)
					}
				}
			})
		}
	})
}
