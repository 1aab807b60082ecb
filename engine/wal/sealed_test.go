package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
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

var update = flag.Bool("update", false, "write golden files of the present version that are missing")

// openKeys opens the log under that ring.
func openKeys(t testing.TB, fs vfs.FS, keys *vault.Ring, size int64) (readback, error) {
	t.Helper()
	var r readback
	var err error
	salt := uint64(0x5a17)
	opts := Options{FS: fs, Dir: "wal", SegmentSize: size, Keys: keys, Salt: func() uint64 { salt++; return salt }}
	r.log, r.State, err = Open(opts, Mark{}, func(e *raftpb.Entry) error {
		r.entries = append(r.entries, e)
		return nil
	})
	if err == nil {
		r.entries = append(r.entries, r.Entries...)
	}
	return r, err
}

func mustOpenKeys(t testing.TB, fs vfs.FS, keys *vault.Ring) readback {
	t.Helper()
	r, err := openKeys(t, fs, keys, testSegment)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// buffer is a file's content, which the test may change.
func buffer(t testing.TB, fs *vfs.MemFS, name string) []byte {
	t.Helper()
	data, err := fs.UnsafeGetFileDataBuffer("wal/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestGolden reads logs as every version wrote them.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		dir  string
		keys *vault.Ring
		last uint64
	}{{"v1", nil, 7}, {"v2-plain", nil, 7}, {"v2-sealed", keyring.New(t, 7), 7}} {
		t.Run(c.dir, func(t *testing.T) {
			dir := filepath.Join("testdata", c.dir)
			if _, err := os.Stat(dir); err != nil && *update {
				writeGolden(t, dir, c.keys, c.last)
			}
			fs := vfs.NewMem()
			newDir(t, fs)
			load(t, fs, dir)
			// A ring of newer keys that still has the file's.
			keys := c.keys
			if keys != nil {
				keys = keyring.New(t, 9, 7)
			}
			r, err := openKeys(t, fs, keys, 8192)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, r, 1, c.last)
			fillTo(t, r.log, c.last+1, c.last+20)
			if r, err = openKeys(t, fs, keys, 8192); err != nil {
				t.Fatal(err)
			}
			expect(t, r, 1, c.last+20)
		})
	}
}

func writeGolden(t *testing.T, dir string, keys *vault.Ring, last uint64) {
	fs := vfs.NewMem()
	newDir(t, fs)
	r, err := openKeys(t, fs, keys, 8192)
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, r.log, 1, last)
	if err := r.log.MarkSnapshot(Mark{}); err != nil {
		t.Fatal(err)
	}
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	names, _ := fs.List("wal")
	_ = os.MkdirAll(dir, 0o755)
	for _, name := range names {
		_ = os.WriteFile(filepath.Join(dir, name), buffer(t, fs, name), 0o644)
	}
}

// load puts a directory's files into the log's.
func load(t testing.TB, fs vfs.FS, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		put(t, fs, f.Name(), data)
	}
}

func put(t testing.TB, fs vfs.FS, name string, data []byte) {
	t.Helper()
	file, err := fs.Create("wal/"+name, category)
	if err == nil {
		_, err = file.Write(data)
		file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestEveryFlippedBit of a sealed log that was closed is refused with file and
// offset, or changes nothing.
func TestEveryFlippedBit(t *testing.T) {
	keys := keyring.New(t, 1)
	fs := vfs.NewMem()
	newDir(t, fs)
	r, err := openKeys(t, fs, keys, 8192)
	if err != nil {
		t.Fatal(err)
	}
	for i := uint64(1); i <= 4; i++ {
		if err := r.log.Append([]*raftpb.Entry{entry(i, 1, payload(i)[:10])}, hardState(1, i-1)); err != nil {
			t.Fatal(err)
		}
	}
	end, seed := r.log.end, r.log.seed
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	name := fileName(1, segmentSuffix)
	good := bytes.Clone(buffer(t, fs, name))
	covered := map[int]bool{} // bytes that a checksum is over
	for at := range headerSector {
		covered[at] = true
	}
	for at := int64(headerSize); at < end; {
		f, _ := decodeFrame(good, seed, at)
		for i := range frameHeader + f.length { // not the zeros behind
			covered[int(at+i)] = true
		}
		at += f.size()
	}
	refused := 0
	for at := range good {
		if (at >= slotsOffset && at < headerSize || at > int(end)+50) && at%61 != 0 {
			continue // slots, of which package vault tries every bit; zeros; old bytes
		}
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[at] ^= 1 << bit
			put(t, fs, name, bad)
			r, err := openKeys(t, fs, keys, 8192)
			var d *DamageError
			switch {
			case err == nil:
				if len(r.entries) != 4 {
					t.Fatalf("byte %d, bit %d: %d entries read back", at, bit, len(r.entries))
				}
				for i, e := range r.entries {
					if string(e.GetData()) != payload(uint64(i + 1))[:10] || e.GetTerm() != 1 {
						t.Fatalf("byte %d, bit %d: wrong data", at, bit)
					}
				}
				if covered[at] {
					t.Fatalf("byte %d, bit %d is not noticed", at, bit)
				}
			case errors.As(err, &d):
				refused++
				if d.File != "wal/"+name || d.Offset > int64(at) {
					t.Fatalf("byte %d, bit %d: %v", at, bit, err)
				}
			case !errors.Is(err, ErrVersion):
				t.Fatalf("byte %d, bit %d: %v", at, bit, err)
			}
		}
	}
	if refused < 4000 {
		t.Fatalf("%d flips refused only", refused)
	}
}

// TestFramesOpenInTheirPlaceOnly: who can make checksums, and not the key, can
// neither alter nor move a frame, nor give a segment another's slots.
func TestFramesOpenInTheirPlaceOnly(t *testing.T) {
	name := fileName(1, segmentSuffix)
	for what, alter := range map[string]func(data []byte, seed uint32, second int64){
		"payload": func(data []byte, _ uint32, _ int64) { data[headerSize+frameHeader+20] ^= 1 },
		"term":    func(data []byte, _ uint32, _ int64) { data[headerSize+16]++ },
		"index":   func(data []byte, _ uint32, _ int64) { data[headerSize+24]++ },
		"type":    func(data []byte, _ uint32, _ int64) { data[headerSize+12] = typeHardState },
		"exchange": func(data []byte, _ uint32, second int64) {
			copy(data[headerSize:second], data[second:2*second-headerSize])
		},
		"header": func(data []byte, _ uint32, _ int64) { data[32]++; fixHeader(data) },
	} {
		t.Run(what, func(t *testing.T) {
			fs := vfs.NewMem()
			newDir(t, fs)
			r := mustOpenKeys(t, fs, keyring.New(t, 1))
			for i := uint64(1); i <= 3; i++ {
				if err := r.log.Append([]*raftpb.Entry{entry(i, 1, "twelve bytes")}, hardState(1, 0)); err != nil {
					t.Fatal(err)
				}
			}
			data, seed := buffer(t, fs, name), r.log.seed
			f, _ := decodeFrame(data, seed, headerSize)
			alter(data, seed, headerSize+f.size())
			// The checksums are made right again.
			at := int64(headerSize)
			p := data[at+frameHeader : at+frameHeader+f.length]
			binary.LittleEndian.PutUint32(data[at+8:], crc32.Update(seed, castagnoli, p))
			binary.LittleEndian.PutUint32(data[at:], frameCheck(seed, at, data[at:at+frameHeader]))
			_, err := openKeys(t, fs, keyring.New(t, 1), testSegment)
			var d *DamageError
			if !errors.As(err, &d) || d.File != "wal/"+name || !strings.Contains(d.Reason, "open") {
				t.Fatalf("%v", err)
			}
		})
	}
}

func fixHeader(data []byte) {
	binary.LittleEndian.PutUint32(data[headerCheck:], crc32.Checksum(data[:headerCheck], castagnoli))
}

func TestMissingKeyIsNamed(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	fillTo(t, mustOpenKeys(t, fs, keyring.New(t, 1)).log, 1, 3)
	before := bytes.Clone(buffer(t, fs, fileName(1, segmentSuffix)))
	for _, keys := range []*vault.Ring{nil, keyring.New(t, 2, 3)} {
		_, err := openKeys(t, fs, keys, testSegment)
		var missing *vault.KeyError
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), "wal/"+fileName(1, segmentSuffix)+": offset 512: sealed under key "+keyring.New(t, 1).Primary().String()) {
			t.Fatalf("%v", err)
		}
		for _, id := range keys.IDs() {
			if !strings.Contains(err.Error(), id.String()) {
				t.Fatalf("%v does not name %s", err, id)
			}
		}
	}
	if !bytes.Equal(before, buffer(t, fs, fileName(1, segmentSuffix))) {
		t.Fatal("a refused log was changed")
	}
}

// TestASpareGetsANewDataKey: with the old one, the file's old bytes and its new
// ones would be sealed alike.
func TestASpareGetsANewDataKey(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	l := mustOpenKeys(t, fs, keyring.New(t, 1)).log
	fillTo(t, l, 1, 40)
	old := l.segments[0].slots
	if err := l.Release(l.segments[0].last); err != nil || len(l.spares) != 1 {
		t.Fatalf("%d spares, %v", len(l.spares), err)
	}
	for i := uint64(41); len(l.spares) > 0; i++ {
		fillTo(t, l, i, i)
	}
	sealed := old.Seal(nil, []byte("x"), nil)
	for _, s := range l.segments {
		if _, err := s.slots.Open(nil, sealed, nil); err == nil {
			t.Fatalf("%s has the data key of a released segment", s.name)
		}
	}
}

// TestAPlainLogBecomesSealed: nothing is written plain once there are keys, and
// what was goes with the segments that hold it.
func TestAPlainLogBecomesSealed(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	secret := strings.Repeat("plain text ", 100)
	append1 := func(l *Log, i uint64) {
		t.Helper()
		if err := l.Append([]*raftpb.Entry{entry(i, 1, secret)}, hardState(1, i-1)); err != nil {
			t.Fatal(err)
		}
	}
	l := mustOpenKeys(t, fs, nil).log
	last := uint64(0)
	for last < 60 || l.end > testSegment/2 { // it has room left
		last++
		append1(l, last)
	}
	if err := l.Release(25); err != nil || len(l.spares) == 0 {
		t.Fatalf("%d spares, %v", len(l.spares), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var r readback
	var err error
	r.log, r.State, err = Open(Options{FS: fs, Dir: "wal", SegmentSize: testSegment, Keys: keyring.New(t, 1)}, Mark{Index: 30, Term: 1}, func(*raftpb.Entry) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	l = r.log
	if len(l.spares) != 0 {
		t.Fatalf("plain spares are kept: %v", l.spares)
	}
	append1(l, last+1)
	if u := l.Usage(); u.Plain == 0 || !slices.Equal(u.IDs, keyring.New(t, 1).IDs()) {
		t.Fatalf("usage %v", u)
	}
	if err := l.Release(last); err != nil {
		t.Fatal(err)
	}
	if u := l.Usage(); u.Plain != 0 {
		t.Fatalf("usage %v", u)
	}
	names, _ := fs.List("wal")
	for _, name := range names {
		if bytes.Contains(buffer(t, fs, name), []byte("plain text")) {
			t.Fatalf("%s holds plain text", name)
		}
	}
}

// TestSealedFramesStayInTheirSegment: one that would just fit without what
// sealing adds goes to the next; appending never makes a file longer.
func TestSealedFramesStayInTheirSegment(t *testing.T) {
	fs := vfs.NewMem()
	newDir(t, fs)
	l := mustOpenKeys(t, fs, keyring.New(t, 1)).log
	for i := uint64(1); i < 200; i++ {
		e, hs := entry(i, 1, "x"), hardState(1, i-1)
		active := l.segments[len(l.segments)-1]
		if left := active.size - l.end; left < 3000 {
			around := int64(len(appendEntries(appendHardState(nil, hs), []*raftpb.Entry{e})))
			e = entry(i, 1, strings.Repeat("x", int(max(left-frameHeader-around-2, 1))))
		} else {
			e = entry(i, 1, strings.Repeat("x", 700))
		}
		if err := l.Append([]*raftpb.Entry{e}, hs); err != nil {
			t.Fatal(err)
		}
		if active = l.segments[len(l.segments)-1]; l.end > active.size {
			t.Fatalf("entry %d ends at %d, the segment at %d", i, l.end, active.size)
		}
	}
}

// rewrapAll wraps every segment's key.
func rewrapAll(t testing.TB, l *Log, keys *vault.Ring) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = l.Rewrap(keys); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRewrapCrashAnywhere changes the key of a log that is written to and stops
// the machine before every operation on the disk.
func TestRewrapCrashAnywhere(t *testing.T) {
	mem := vfs.NewCrashableMem()
	newDir(t, mem)
	rng := rand.New(rand.NewPCG(1, 2))
	both := keyring.New(t, 2, 1)
	type crash struct {
		fs    *vfs.MemFS
		acked uint64
		at    string
	}
	var crashes []crash
	acked := uint64(0)
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			for _, percent := range []int{0, 50, 100} {
				clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
				crashes = append(crashes, crash{clone, acked, fmt.Sprintf("op %d, %d%% survive", op.Kind, percent)})
			}
		}
		return nil
	}))
	l := mustOpenKeys(t, fs, keyring.New(t, 1)).log
	fillTo(t, l, 1, 40)
	acked, crashes = 40, nil
	for more := true; more; {
		var err error
		if more, err = l.Rewrap(both); err != nil {
			t.Fatal(err)
		}
		fillTo(t, l, acked+1, acked+1)
		acked++
	}
	rewrapAll(t, l, both)
	for _, c := range crashes {
		r, err := openKeys(t, c.fs, both, testSegment)
		if err != nil {
			t.Fatalf("%s: %v", c.at, err)
		}
		if uint64(len(r.entries)) < c.acked {
			t.Fatalf("%s: %d entries acknowledged, %d read back", c.at, c.acked, len(r.entries))
		}
		expect(t, r, 1, uint64(len(r.entries)))
		rewrapAll(t, r.log, both)
		expect(t, mustOpenKeys(t, c.fs.CrashClone(vfs.CrashCloneCfg{}), keyring.New(t, 2)), 1, uint64(len(r.entries)))
	}
	if u := l.Usage(); !slices.Equal(u.IDs, keyring.New(t, 2).IDs()) || len(crashes) < 50 {
		t.Fatalf("usage %v, %d crashes", u, len(crashes))
	}
	expect(t, mustOpenKeys(t, mem.CrashClone(vfs.CrashCloneCfg{}), keyring.New(t, 2)), 1, acked)
}

// TestAFailedRewrapIsFinal: like any write of the log, and nothing is lost.
func TestAFailedRewrapIsFinal(t *testing.T) {
	for n := int32(0); ; n++ {
		mem := vfs.NewMem()
		newDir(t, mem)
		index, armed := errorfs.OnIndex(n), false
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			// A closed file that was synced before has nothing to lose.
			if armed && op.Kind != errorfs.OpFileClose && index.MaybeError(op) != nil {
				return syscall.EIO
			}
			return nil
		}))
		l := mustOpenKeys(t, fs, keyring.New(t, 1)).log
		fillTo(t, l, 1, 25)
		armed = true
		var err error
		for more := true; more && err == nil; {
			more, err = l.Rewrap(keyring.New(t, 2, 1))
		}
		armed = false
		expect(t, mustOpenKeys(t, mem, keyring.New(t, 2, 1)), 1, 25)
		if err == nil {
			if n < 8 {
				t.Fatalf("%d operations only", n)
			}
			return
		}
		if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) || !errors.Is(l.Append(nil, hardState(1, 1)), ErrFailed) {
			t.Fatalf("operation %d: %v", n, err)
		}
	}
}

// BenchmarkAppend is what a frame costs before it reaches the disk.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{128, 4 << 10, 64 << 10} {
		for name, keys := range map[string]*vault.Ring{"plain": nil, "sealed": keyring.New(b, 1)} {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				fs := vfs.NewMem()
				newDir(b, fs)
				r, err := openKeys(b, fs, keys, 16<<20)
				if err != nil {
					b.Fatal(err)
				}
				data := strings.Repeat("x", size)
				b.SetBytes(int64(size))
				for i := uint64(1); b.Loop(); i++ {
					if err := r.log.Append([]*raftpb.Entry{entry(i, 1, data)}, hardState(1, i-1)); err != nil {
						b.Fatal(err)
					}
					if i%1000 == 0 {
						if err := r.log.Release(i - 500); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
