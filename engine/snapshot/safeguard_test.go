package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/coffer-dev/coffer/engine/vault"
)

// These tests hold one safeguard each: test/mutation names which.

// put replaces the snapshot at an index by those bytes.
func put(t *testing.T, fs vfs.FS, index uint64, data []byte) {
	t.Helper()
	f, err := fs.Create("snap/"+fileName(index), category)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// written gives a file's bytes, and where its first chunk begins.
func written(t *testing.T, index uint64) (fs *vfs.MemFS, data []byte, first int) {
	t.Helper()
	fs = vfs.NewMem()
	newDir(t, fs)
	data = bytes.Clone(write(t, fs, index))
	return fs, data, len(data) - footerSize - 3*(8+100)
}

func TestWhatDoesNotFitIsRemoved(t *testing.T) {
	mem := vfs.NewMem()
	newDir(t, mem)
	writes := 0
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind != errorfs.OpFileWrite {
			return nil // names can be removed from a full volume
		}
		if writes++; writes > 2 {
			return syscall.ENOSPC
		}
		return nil
	}))
	d := dirOf(fs)
	if _, err := d.Write(meta(9), chunks(content(9, 300), 100)); !errors.Is(err, ErrFull) {
		t.Fatalf("on a full volume: %v", err)
	}
	if names, err := mem.List("snap"); err != nil || len(names) > 0 {
		t.Fatalf("left behind: %v, %v", names, err)
	}
}

// TestChunksAreOfTheirFile: two files of the same chunks, of which one is of
// another term.
func TestChunksAreOfTheirFile(t *testing.T) {
	fs, data, first := written(t, 9)
	m := meta(9)
	m.Term++
	if _, err := dirOf(fs).Write(m, chunks(content(9, 300), 100)); err != nil {
		t.Fatal(err)
	}
	other, err := fs.UnsafeGetFileDataBuffer("snap/" + fileName(9))
	if err != nil {
		t.Fatal(err)
	}
	copy(data[first:first+108], other[first:first+108])
	put(t, fs, 9, data)
	if _, _, err := read(t, fs); !errors.Is(err, ErrDamaged) {
		t.Fatalf("a chunk of another file: %v", err)
	}
}

// TestTheFooterCounts: a file that was written wrongly, its checksums right.
func TestTheFooterCounts(t *testing.T) {
	for what, at := range map[string]int{"chunks": 4, "bytes": 12} {
		fs, data, first := written(t, 9)
		foot := data[len(data)-footerSize:]
		foot[at]++
		fixChecks(data, first, 108)
		put(t, fs, 9, data)
		if _, _, err := read(t, fs); !errors.Is(err, ErrDamaged) {
			t.Errorf("a wrong number of %s: %v", what, err)
		}
	}
}

func TestNewerCipherIsRefused(t *testing.T) {
	fs, data, first := written(t, 9)
	data[6] = vault.KnownCiphers + 1
	fixChecks(data, first, 108)
	put(t, fs, 9, data)
	_, _, err := read(t, fs)
	if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), fmt.Sprintf("cipher %d, this engine knows up to %d", vault.KnownCiphers+1, vault.KnownCiphers)) {
		t.Fatalf("newer cipher: %v", err)
	}
}

// TestJunkIsNoNewerVersion: what is no snapshot at all must not send anybody
// looking for a newer engine.
func TestJunkIsNoNewerVersion(t *testing.T) {
	fs, data, _ := written(t, 9)
	copy(data, bytes.Repeat([]byte{0xAB}, headerSector))
	put(t, fs, 9, data)
	if _, _, err := read(t, fs); !errors.Is(err, ErrDamaged) || errors.Is(err, ErrVersion) {
		t.Fatalf("junk: %v", err)
	}
}

// TestAChunkIsBounded: its length is read before its checksum, and memory is
// taken for it.
func TestAChunkIsBounded(t *testing.T) {
	fs, data, first := written(t, 9)
	huge := bytes.Clone(data[:first])
	huge = binary.LittleEndian.AppendUint32(huge, MaxChunk+1)
	body := make([]byte, MaxChunk+1)
	check := binary.LittleEndian.Uint32(data[first-4:])
	huge = binary.LittleEndian.AppendUint32(huge, crc32.Update(seed(check, 0), castagnoli, body))
	put(t, fs, 9, append(huge, body...))
	_, _, err := read(t, fs)
	var d *DamageError
	if !errors.As(err, &d) || !strings.Contains(d.Reason, "the limit is") {
		t.Fatalf("a chunk of %d bytes: %v", MaxChunk+1, err)
	}
}

func TestARenamedSnapshotIsRefused(t *testing.T) {
	fs, _, _ := written(t, 9)
	if err := fs.Rename("snap/"+fileName(9), "snap/"+fileName(10)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := read(t, fs); !errors.Is(err, ErrDamaged) {
		t.Fatalf("the snapshot at 9 under the name of 10: %v", err)
	}
}
