package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/test/fixture/keyring"
)

var update = flag.Bool("update", false, "write golden files of the present version that are missing")

// under sets the ring of the tests' files until the test ends.
func under(t *testing.T, numbers ...byte) {
	t.Helper()
	testKeys = nil
	if len(numbers) > 0 {
		testKeys = keyring.New(t, numbers...)
	}
	t.Cleanup(func() { testKeys = nil })
}

func write(t testing.TB, fs vfs.FS, index uint64) []byte {
	t.Helper()
	if _, err := dirOf(fs).Write(meta(index), chunks(content(index, 300), 100)); err != nil {
		t.Fatal(err)
	}
	data, err := fs.(*vfs.MemFS).UnsafeGetFileDataBuffer("snap/" + fileName(index))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestGolden reads files as every version wrote them.
func TestGolden(t *testing.T) {
	for dir, key := range map[string]byte{"v1": 0, "v2-plain": 0, "v2-sealed": 7} {
		t.Run(dir, func(t *testing.T) {
			path := filepath.Join("testdata", dir, fileName(9))
			fs := vfs.NewMem()
			newDir(t, fs)
			if key != 0 {
				under(t, key)
			}
			if _, err := os.Stat(path); err != nil && *update {
				_ = os.MkdirAll(filepath.Dir(path), 0o755)
				_ = os.WriteFile(path, write(t, fs, 9), 0o644)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, _ := fs.Create("snap/"+fileName(9), category)
			f.Write(data)
			f.Close()
			if key != 0 {
				under(t, 9, key)
			}
			m, got, err := read(t, fs)
			if err != nil || !bytes.Equal(got, content(9, 300)) || m.Term != 3 || !slices.Equal(m.ConfState.GetLearners(), []uint64{7}) {
				t.Fatalf("%v, %d bytes: %v", m, len(got), err)
			}
		})
	}
}

// TestSealedFilesAreWhole: who can make checksums, and not the key, can neither
// alter, exchange, nor leave out chunks.
func TestSealedFilesAreWhole(t *testing.T) {
	const size = 4 + 4 + 100 + vault.Overhead
	under(t, 1)
	for what, alter := range map[string]func(data []byte, first int) []byte{
		"byte": func(data []byte, first int) []byte { data[first+30] ^= 1; return data },
		"exchange": func(data []byte, first int) []byte {
			chunk := bytes.Clone(data[first : first+size])
			copy(data[first:], data[first+size:first+2*size])
			copy(data[first+size:], chunk)
			return data
		},
		"last one left out": func(data []byte, first int) []byte {
			data = append(data[:first+2*size], data[first+3*size:]...)
			foot := data[first+2*size:]
			binary.LittleEndian.PutUint64(foot[4:], 2)
			binary.LittleEndian.PutUint64(foot[12:], 200)
			return data
		},
		"index": func(data []byte, _ int) []byte { data[16]++; return data }, // the term's
		"members": func(data []byte, _ int) []byte {
			data[headerSize+1] ^= 1
			return data
		},
	} {
		t.Run(what, func(t *testing.T) {
			fs := vfs.NewMem()
			newDir(t, fs)
			data := write(t, fs, 9)
			first := len(data) - footerSize - vault.Overhead - 3*size
			data = alter(bytes.Clone(data), first)
			fixChecks(data, first, size)
			f, _ := fs.Create("snap/"+fileName(9), category)
			f.Write(data)
			f.Close()
			_, _, err := read(t, fs)
			var d *DamageError
			if !errors.As(err, &d) || d.File != "snap/"+fileName(9) || !strings.Contains(d.Reason, "open") {
				t.Fatalf("%v", err)
			}
		})
	}
}

// fixChecks makes all checksums right.
func fixChecks(data []byte, first, size int) {
	put := func(at int, sum uint32) { binary.LittleEndian.PutUint32(data[at:], sum) }
	check := crc32.Checksum(bound(data[:headerSector], data[headerSize:first-4]), castagnoli)
	put(first-4, check)
	n := uint64(0)
	for at := first; ; at += size {
		if binary.LittleEndian.Uint32(data[at:]) == 0 {
			put(len(data)-4, footerCheck(check, n, data[at:len(data)-4]))
			return
		}
		put(at+4, crc32.Update(seed(check, n), castagnoli, data[at+8:at+size]))
		n++
	}
}

func TestMissingKeyIsNamed(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	under(t, 1)
	write(t, fs, 9)
	wanted := testKeys.Primary().String()
	for _, numbers := range [][]byte{nil, {2, 3}} {
		under(t, numbers...)
		_, _, err := read(t, fs)
		var missing *vault.KeyError
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), "snap/"+fileName(9)+": offset 512: sealed under key "+wanted) {
			t.Fatalf("%v", err)
		}
	}
}

// TestEveryFlippedBitIsNoticed of a sealed file, or changes nothing.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	under(t, 1)
	good := bytes.Clone(write(t, fs, 9))
	path := "snap/" + fileName(9)
	for at := range good {
		if at >= headerSector && at < headerSize && at%61 != 0 {
			continue // slots, of which package vault tries every bit; zeros
		}
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[at] ^= 1 << bit
			f, _ := fs.Create(path, category)
			f.Write(bad)
			f.Close()
			_, data, err := read(t, fs)
			var d *DamageError
			switch {
			case err == nil && at >= headerSector && at < headerSize && bytes.Equal(data, content(9, 300)):
			case errors.As(err, &d) && d.File == path && d.Offset <= int64(at):
			case errors.Is(err, ErrVersion) && at < 6:
			default:
				t.Fatalf("byte %d, bit %d: %v", at, bit, err)
			}
		}
	}
}

// TestRewrapCrashAnywhere changes the key of a snapshot and stops the machine
// before every operation on the disk.
func TestRewrapCrashAnywhere(t *testing.T) {
	mem := vfs.NewCrashableMem()
	newDir(t, mem)
	under(t, 1)
	write(t, mem, 9)
	rng := rand.New(rand.NewPCG(1, 2))
	var crashes []*vfs.MemFS
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		for _, percent := range []int{0, 50, 100} {
			crashes = append(crashes, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
		}
		return nil
	}))
	under(t, 2, 1)
	u, err := dirOf(fs).Rewrap()
	if err != nil || !slices.Equal(u.IDs, keyring.New(t, 2).IDs()) || u.Plain != 0 {
		t.Fatalf("usage %v, %v", u, err)
	}
	crashes = append(crashes, mem.CrashClone(vfs.CrashCloneCfg{}))
	for i, c := range crashes {
		under(t, 2, 1)
		if _, data, err := read(t, c); err != nil || !bytes.Equal(data, content(9, 300)) {
			t.Fatalf("crash %d: %v", i, err)
		}
		if i < len(crashes)-1 {
			if _, err := dirOf(c).Rewrap(); err != nil {
				t.Fatal(err)
			}
		}
		under(t, 2)
		if _, data, err := read(t, c.CrashClone(vfs.CrashCloneCfg{})); err != nil || !bytes.Equal(data, content(9, 300)) {
			t.Fatalf("crash %d, wrapped again: %v", i, err)
		}
	}
	if len(crashes) < 20 {
		t.Fatalf("%d crashes only", len(crashes))
	}
}

// TestRewrapFailures are told, and the file opens.
func TestRewrapFailures(t *testing.T) {
	for n := int32(0); ; n++ {
		mem := vfs.NewMem()
		newDir(t, mem)
		under(t, 1)
		write(t, mem, 9)
		index := errorfs.OnIndex(n)
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind != errorfs.OpFileClose && index.MaybeError(op) != nil {
				return syscall.EIO
			}
			return nil
		}))
		under(t, 2, 1)
		_, err := dirOf(fs).Rewrap()
		if _, data, readErr := read(t, mem); readErr != nil || !bytes.Equal(data, content(9, 300)) {
			t.Fatalf("operation %d: %v", n, readErr)
		}
		if err == nil {
			if n < 8 {
				t.Fatalf("%d operations only", n)
			}
			return
		}
		if !errors.Is(err, syscall.EIO) {
			t.Fatalf("operation %d: %v", n, err)
		}
	}
}

// TestUsageCountsPlainFiles, which no rewrapping changes.
func TestUsageCountsPlainFiles(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	plain := bytes.Clone(write(t, fs, 8))
	under(t, 1)
	write(t, fs, 9)
	u, err := dirOf(fs).Rewrap()
	if err != nil || u.Plain != 1 || !slices.Equal(u.IDs, testKeys.IDs()) {
		t.Fatalf("usage %v, %v", u, err)
	}
	r, err := dirOf(fs).Open("snap/" + fileName(8))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(r); err != nil || !bytes.Equal(data, content(8, 300)) || len(plain) != int(r.Size) {
		t.Fatal(err)
	}
}
