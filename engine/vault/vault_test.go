package vault

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files of the present version that are missing")

// key n of these tests.
func key(n byte) []byte { return bytes.Repeat([]byte{n}, KeySize) }

// ring has those keys; the first is primary.
func ring(t testing.TB, numbers ...byte) *Ring {
	t.Helper()
	files := map[string][]byte{PrimaryFile: fmt.Appendf(nil, "k%d", numbers[0])}
	for _, n := range numbers {
		files[fmt.Sprintf("k%d", n)] = []byte(hex.EncodeToString(key(n)))
	}
	r, err := Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParse(t *testing.T) {
	good := hex.EncodeToString(key(1))
	for _, c := range []struct {
		name  string
		files map[string]string
		says  string // empty: it is taken
	}{
		{"one key", map[string]string{"primary": "a", "a": good}, ""},
		{"final newlines", map[string]string{"primary": "a\n", "a": good + "\n"}, ""},
		{"empty", nil, `there is no file "primary"`},
		{"no primary", map[string]string{"a": good}, `there is no file "primary"`},
		{"primary is not there", map[string]string{"primary": "b", "a": good}, `"primary" must hold the name of one of the other files`},
		{"primary holds the key", map[string]string{"primary": good}, `"primary" must hold the name`},
		{"primary names itself", map[string]string{"primary": "primary", "a": good}, `"primary" must hold the name`},
		{"short", map[string]string{"primary": "a", "a": good[2:]}, "a: must hold a key of 32 bytes as 64 hexadecimal digits"},
		{"long", map[string]string{"primary": "a", "a": good + "00"}, "a: must hold a key of 32 bytes"},
		{"binary", map[string]string{"primary": "a", "a": string(key(200))}, "a: must hold a key of 32 bytes"},
		{"two newlines", map[string]string{"primary": "a", "a": good + "\n\n"}, "a: must hold a key of 32 bytes"},
		{"another file", map[string]string{"primary": "a", "a": good, "README": "x"}, "README: must hold a key of 32 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string][]byte{}
			for name, content := range c.files {
				files[name] = []byte(content)
			}
			r, err := Parse(files)
			if c.says == "" {
				if err != nil || r.Primary() != IDOf(key(1)) {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if !errors.Is(err, ErrRing) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want it to say %q", err, c.says)
			}
			if strings.Contains(err.Error(), good[:8]) {
				t.Fatalf("the error shows a key: %v", err)
			}
		})
	}
	many := map[string][]byte{PrimaryFile: []byte("k0")}
	for i := range maxKeys {
		many[fmt.Sprintf("k%d", i)] = []byte(good)
	}
	if _, err := Parse(many); !errors.Is(err, ErrRing) {
		t.Fatalf("%d files: %v", len(many), err)
	}
}

func TestIDIsFrozen(t *testing.T) {
	if got := IDOf(key(7)).String(); got != "24d44b5f1d11c39f" {
		t.Fatalf("id of the test's key: %s", got)
	}
}

var header = []byte("a file's header")

func TestSealAndOpen(t *testing.T) {
	s, _, err := ring(t, 1).New(header)
	if err != nil {
		t.Fatal(err)
	}
	plain, about := []byte("some data"), []byte("at 5")
	sealed := s.Seal([]byte("before"), plain, about)[6:]
	if len(sealed) != len(plain)+Overhead || bytes.Contains(sealed, plain) {
		t.Fatalf("sealed to %q", sealed)
	}
	if got, err := s.Open(nil, sealed, about); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("opened to %q, %v", got, err)
	}
	if bytes.Equal(s.Seal(nil, plain, about), s.Seal(nil, plain, about)) {
		t.Fatal("a nonce was used twice")
	}
	for i := range 8 * len(sealed) {
		bad := bytes.Clone(sealed)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := s.Open(nil, bad, about); !errors.Is(err, ErrSealed) {
			t.Fatalf("bit %d flipped: %v", i, err)
		}
	}
	other, _, _ := ring(t, 1).New(header)
	if _, err := other.Open(nil, sealed, about); !errors.Is(err, ErrSealed) {
		t.Fatalf("opened with another file's key: %v", err)
	}
	if _, err := s.Open(nil, sealed, []byte("at 6")); !errors.Is(err, ErrSealed) {
		t.Fatalf("opened elsewhere: %v", err)
	}
	if _, err := s.Open(nil, sealed[:5], about); !errors.Is(err, ErrSealed) {
		t.Fatalf("opened in part: %v", err)
	}
}

// same tells whether two data keys are the same.
func same(a, b *Slots) bool { return bytes.Equal(a.raw, b.raw) }

func TestOpenNamesTheKeyItWants(t *testing.T) {
	s, area, _ := ring(t, 1).New(header)
	if got, err := ring(t, 2, 1).Open(area, header); err != nil || !same(got, s) {
		t.Fatalf("with an older key: %v", err)
	}
	_, err := ring(t, 2, 3).Open(area, header)
	var missing *KeyError
	if !errors.As(err, &missing) {
		t.Fatalf("without the key: %v", err)
	}
	for _, n := range []byte{1, 2, 3} {
		if !strings.Contains(err.Error(), IDOf(key(n)).String()) {
			t.Errorf("%v does not name key %d", err, n)
		}
	}
	if _, err = (*Ring)(nil).Open(area, header); !errors.As(err, &missing) || !strings.Contains(err.Error(), "there is no key ring") {
		t.Fatalf("without a ring: %v", err)
	}
}

// TestSlotsBelongToTheirFile: neither slots nor header serve another file, and
// slots do not serve under another sequence number or key id.
func TestSlotsBelongToTheirFile(t *testing.T) {
	r := ring(t, 1)
	_, area, _ := r.New(header)
	var damage *SlotError
	if _, err := r.Open(area, []byte("another header")); !errors.As(err, &damage) || !strings.Contains(err.Error(), IDOf(key(1)).String()) {
		t.Fatalf("opened under another header: %v", err)
	}
	for i := range slotCount {
		area[i*SlotSize+8] ^= 4 // the sequence number, by who can make checksums
		fixCheck(area[i*SlotSize : (i+1)*SlotSize])
	}
	if _, err := r.Open(area, header); !errors.As(err, &damage) || damage.Offset != 0 {
		t.Fatalf("opened with another sequence number: %v", err)
	}
}

func fixCheck(b []byte) {
	binary.LittleEndian.PutUint32(b[slotCheck:], crc32.Checksum(b[:slotCheck], castagnoli))
}

// TestEveryFlippedBitOfOneSlotIsSurvived, and both slots' damage refused.
func TestEveryFlippedBitOfOneSlotIsSurvived(t *testing.T) {
	r := ring(t, 1)
	s, area, _ := r.New(header)
	for i := range 8 * SlotsSize {
		bad := bytes.Clone(area)
		bad[i/8] ^= 1 << (i % 8)
		got, err := r.Open(bad, header)
		if err != nil || !same(got, s) {
			t.Fatalf("bit %d: %v", i, err)
		}
		if got.Wrapped(r) {
			t.Fatalf("bit %d is not noticed", i)
		}
		bad[(i/8+SlotSize)%SlotsSize] ^= 1
		var damage *SlotError
		if _, err := r.Open(bad, header); !errors.As(err, &damage) {
			t.Fatalf("both slots damaged, bit %d: %v", i, err)
		}
	}
}

// sectors is a disk of 512-byte sectors. What was not synced may be there, or
// not, or be torn anywhere.
type sectors struct {
	durable, current []byte
	ops              int
	before           func() // each operation
	fail             int    // the operation that fails, counted from 1
}

var errDisk = errors.New("disk")

func (d *sectors) op() error {
	if d.before != nil {
		d.before()
	}
	if d.ops++; d.ops == d.fail {
		return errDisk
	}
	return nil
}

func (d *sectors) WriteAt(b []byte, at int64) (int, error) {
	if err := d.op(); err != nil {
		copy(d.current[at:], b[:len(b)/3])
		return len(b) / 3, err
	}
	return copy(d.current[at:], b), nil
}

func (d *sectors) SyncData() error {
	if err := d.op(); err != nil {
		return err
	}
	d.durable = bytes.Clone(d.current)
	return nil
}

// crash is what may be left: each sector that differs is the old, the new, or
// a mixture.
func (d *sectors) crash(rng *rand.Rand) []byte {
	left := bytes.Clone(d.durable)
	for at := 0; at < len(left); at += SlotSize {
		switch cut := rng.IntN(3); cut {
		case 0:
		case 1:
			copy(left[at:at+SlotSize], d.current[at:at+SlotSize])
		default:
			from := rng.IntN(SlotSize)
			copy(left[at+from:at+SlotSize], d.current[at+from:at+SlotSize])
		}
	}
	return left
}

// TestRewrapCrashAnywhere: a file opens with the old keys and the new one
// after a crash before every operation, and with the new one alone at the end.
func TestRewrapCrashAnywhere(t *testing.T) {
	const offset = 1024
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		old, both := ring(t, 1), ring(t, 2, 1)
		s, area, _ := old.New(header)
		disk := &sectors{current: append(make([]byte, offset), area...)}
		disk.durable = bytes.Clone(disk.current)
		check := func() {
			left := disk.crash(rng)
			got, err := both.Open(left[offset:], header)
			if err != nil || !same(got, s) {
				t.Fatalf("round %d, before operation %d: %v", round, disk.ops, err)
			}
			// It is taken up where the crash left it.
			again := &sectors{current: left, durable: bytes.Clone(left)}
			if err := got.Rewrap(both, again, offset); err != nil {
				t.Fatal(err)
			}
			if got, err = ring(t, 2).Open(again.durable[offset:], header); err != nil || !same(got, s) || !got.Wrapped(both) {
				t.Fatalf("round %d, wrapped again after operation %d: %v", round, disk.ops, err)
			}
		}
		disk.before = check
		if err := s.Rewrap(both, disk, offset); err != nil {
			t.Fatal(err)
		}
		if disk.ops != 4 {
			t.Fatalf("%d operations, want 4", disk.ops)
		}
		// Both slots are under the new key: either may be lost.
		for i := range slotCount {
			bad := bytes.Clone(disk.durable)
			bad[offset+i*SlotSize+30] ^= 1
			if got, err := ring(t, 2).Open(bad[offset:], header); err != nil || !same(got, s) {
				t.Fatalf("slot %d damaged: %v", i, err)
			}
		}
		if err := s.Rewrap(both, disk, offset); err != nil || disk.ops != 4 {
			t.Fatalf("wrapped once more: %d operations, %v", disk.ops, err)
		}
	}
}

// TestRewrapFailures: an operation that fails is reported, and the file opens.
func TestRewrapFailures(t *testing.T) {
	for fail := 1; fail <= 4; fail++ {
		both := ring(t, 2, 1)
		s, area, _ := ring(t, 1).New(header)
		disk := &sectors{current: area, durable: bytes.Clone(area), fail: fail}
		if err := s.Rewrap(both, disk, 0); !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "offset") {
			t.Fatalf("operation %d: %v", fail, err)
		}
		for _, left := range [][]byte{disk.durable, disk.current} {
			if got, err := both.Open(left, header); err != nil || !same(got, s) {
				t.Fatalf("operation %d: %v", fail, err)
			}
		}
	}
}

// TestRewrapOverADamagedSlot: the good slot is the last to be written.
func TestRewrapOverADamagedSlot(t *testing.T) {
	for damaged := range slotCount {
		r := ring(t, 1)
		s, area, _ := r.New(header)
		area[damaged*SlotSize+70] ^= 1
		got, err := r.Open(area, header)
		if err != nil {
			t.Fatal(err)
		}
		disk := &sectors{current: area, durable: bytes.Clone(area)}
		disk.before = func() {
			for range 20 {
				if left, err := r.Open(disk.crash(rand.New(rand.NewPCG(3, uint64(disk.ops)))), header); err != nil || !same(left, s) {
					t.Fatalf("slot %d damaged, operation %d: %v", damaged, disk.ops, err)
				}
			}
		}
		if err := got.Rewrap(r, disk, 0); err != nil || disk.ops != 2 {
			t.Fatalf("%d operations: %v", disk.ops, err)
		}
		if healed, err := r.Open(disk.durable, header); err != nil || !healed.Wrapped(r) {
			t.Fatalf("slot %d was not made good: %v", damaged, err)
		}
	}
}

// TestRewrapBack: the primary key goes back while a crash has left the slots
// under two keys.
func TestRewrapBack(t *testing.T) {
	there, back := ring(t, 2, 1), ring(t, 1, 2)
	s, area, _ := ring(t, 1).New(header)
	disk := &sectors{current: area, durable: bytes.Clone(area), fail: 3}
	if err := s.Rewrap(there, disk, 0); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	got, err := back.Open(disk.durable, header)
	if err != nil {
		t.Fatal(err)
	}
	var usage Usage
	usage.Add(got)
	usage.Add(nil)
	if want := there.IDs(); !slices.Equal(usage.IDs, want) || usage.Plain != 1 {
		t.Fatalf("in use: %v, want %v", usage, want)
	}
	disk.fail = 0
	if err := got.Rewrap(back, disk, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := ring(t, 1).Open(disk.durable, header); err != nil || !got.Wrapped(back) {
		t.Fatalf("wrapped back: %v", err)
	}
}

// TestGolden reads slots as version 1 wrote them.
func TestGolden(t *testing.T) {
	const path = "testdata/v1/slots"
	if _, err := os.Stat(path); err != nil && *update {
		s, area, _ := ring(t, 7).New(header)
		_ = os.MkdirAll("testdata/v1", 0o755)
		_ = os.WriteFile(path, append(area, s.Seal(nil, []byte("golden"), []byte("here"))...), 0o644)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ring(t, 8, 7).Open(b[:SlotsSize], header)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := s.Open(nil, b[SlotsSize:], []byte("here")); err != nil || string(plain) != "golden" {
		t.Fatalf("%q, %v", plain, err)
	}
}
