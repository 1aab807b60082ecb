package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// mutateAny is mutate of one of some databases, or of what they hold together.
func mutateAny(d *Databases, r *rand.Rand, now int64) {
	s, key := d.At(r.IntN(4)), fmt.Appendf(nil, "key:%d", r.IntN(400))
	switch n := r.IntN(2000); {
	case n == 0:
		s.Flush()
	case n < 4:
		d.Swap(r.IntN(5), r.IntN(5), now)
	case n < 100:
		if s.Exists(key, now) {
			s.Move(key, d.At(r.IntN(4)))
		}
	default:
		mutate(s, r, now)
	}
}

// TestSnapshotOfDatabases: it has what each held when it began, although keys are
// moved and databases swapped and flushed meanwhile.
func TestSnapshotOfDatabases(t *testing.T) {
	for seed := range uint64(12) {
		d, r, now := New(), rand.New(rand.NewPCG(seed, 2)), int64(0)
		write := func(n int) {
			for range n {
				now++
				mutateAny(d, r, now)
			}
		}
		write(4000)
		want, size, keys := d.Hash(), d.Bytes(), d.Len()
		snapshot, err := d.BeginSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		var stream []byte
		for done := false; !done; {
			var chunk []byte
			chunk, done = snapshot.Next(1 + r.IntN(1500))
			stream = append(stream, chunk...)
			write(20)
		}
		if version := binary.LittleEndian.Uint16(stream[4:]); version != 2 {
			t.Fatalf("seed %d: version %d", seed, version)
		}
		restored, err := Restore(bytes.NewReader(stream))
		if err != nil {
			t.Fatal(err)
		}
		if restored.Hash() != want || restored.Bytes() != size || restored.Len() != keys {
			t.Fatalf("seed %d: restored %d keys of %d, or another state", seed, restored.Len(), keys)
		}
		if again := encode(t, restored.At(0)); !bytes.Equal(again, stream) {
			t.Fatalf("seed %d: what is restored is written otherwise", seed)
		}
		for i := range d.at {
			if d.at[i].saving != nil {
				t.Fatal("a snapshot that is done still saves")
			}
		}
	}
}

// TestGoldenDatabases reads the stream of several databases as version 2 wrote it.
func TestGoldenDatabases(t *testing.T) {
	const path = "testdata/v2"
	if _, err := os.Stat(path); err != nil && *update {
		d, r := New(), rand.New(rand.NewPCG(7, 8))
		for now := range int64(3000) {
			mutateAny(d, r, now)
		}
		d.At(Count-1).PutString([]byte("last"), []byte("database"), 0)
		_ = os.WriteFile(path, encode(t, d.At(0)), 0o644)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Restore(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if d.At(0).Len() < 20 || d.At(3).Len() < 20 || d.At(Count-1).Len() != 1 || !bytes.Equal(encode(t, d.At(0)), data) {
		t.Errorf("%d keys in 0, %d in 3, %d in the last, or another encoding of them", d.At(0).Len(), d.At(3).Len(), d.At(Count-1).Len())
	}
}

// TestOneDatabaseIsVersion1: an older engine reads what it knows all of.
func TestOneDatabaseIsVersion1(t *testing.T) {
	d := New()
	d.At(0).PutString([]byte("k"), nil, 0)
	d.At(1).PutString([]byte("k"), nil, 0)
	version := func() uint16 { return binary.LittleEndian.Uint16(encode(t, d.At(0))[4:]) }
	if v := version(); v != 2 {
		t.Errorf("version %d of two databases", v)
	}
	d.At(1).Delete([]byte("k"), 0)
	if v := version(); v != 1 {
		t.Errorf("version %d of database 0 alone", v)
	}
}

func TestDatabaseRecordsAreChecked(t *testing.T) {
	d := New()
	d.At(2).PutString([]byte("k"), nil, 0)
	d.At(5).PutString([]byte("k"), nil, 0)
	stream := encode(t, d.At(0))
	second := bytes.LastIndex(stream, appendDatabase(nil, 5))
	for name, damage := range map[string]func(stream []byte){
		"none":                     nil,
		"version 1":                func(s []byte) { s[4] = 1 },
		"a number beyond the last": func(s []byte) { s[second+2] = Count },
		"a huge number":            func(s []byte) { s[second+9] = 0x80 },
		"the same number again":    func(s []byte) { s[second+2] = 2 },
		"a lower number":           func(s []byte) { s[second+2] = 1 },
	} {
		bad := slices.Clone(stream)
		if damage != nil {
			damage(bad)
		}
		if _, err := Restore(bytes.NewReader(bad)); errors.Is(err, ErrSnapshotCorrupt) != (damage != nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDatabasesAreApart: the same name is another key in each.
func TestDatabasesAreApart(t *testing.T) {
	d, key := New(), []byte("k")
	empty := d.Hash()
	seen := map[uint64]int{empty: -1}
	for i := range Count {
		s := d.At(i)
		if s.Exists(key, 0) || s.Len() != 0 {
			t.Fatalf("database %d has a key of another", i)
		}
		s.PutString(key, []byte("v"), 100)
		if other, twice := seen[d.Hash()]; twice {
			t.Errorf("the key in %d hashes as in %d", i, other)
		}
		seen[d.Hash()] = i
		if d.Len() != 1 || d.Expiring() != 1 || d.Bytes() != s.Bytes() {
			t.Errorf("database %d: %d keys, %d expiring, %d bytes", i, d.Len(), d.Expiring(), d.Bytes())
		}
		d.Flush()
	}
	if d.Hash() != empty || d.Bytes() != 0 || nothing != (slotTables{}) {
		t.Error("a flush leaves something, or what all share was written to")
	}
}

func TestMove(t *testing.T) {
	d, key := New(), []byte("k")
	d.At(3).Put(key, setOf("m"), 100)
	size := d.Bytes()
	d.At(3).Move(key, d.At(3))
	d.At(3).Move(key, d.At(4))
	if deadline, found := d.At(4).Deadline(key, 0); !found || deadline != 100 || d.At(3).Exists(key, 0) || d.Len() != 1 || d.Expiring() != 1 || d.Bytes() != size {
		t.Errorf("deadline %d, found %t, %d keys, %d bytes instead of %d", deadline, found, d.Len(), d.Bytes(), size)
	}
}

// TestWatchOfDatabases: what happens to the same name elsewhere is no change; a
// swap is one where one of the two has the key.
func TestWatchOfDatabases(t *testing.T) {
	const now = 1000
	in := func(d *Databases, database int, key string) {
		d.At(database).PutString([]byte(key), []byte("v"), 0)
	}
	for _, tt := range []struct {
		name   string
		before func(d *Databases)
		change func(d *Databases)
		broken bool
	}{
		{"another database's key", nil, func(d *Databases) { in(d, 2, "k") }, false},
		{"another database flushed", func(d *Databases) { in(d, 1, "k"); in(d, 2, "k") }, func(d *Databases) { d.At(2).Flush() }, false},
		{"all flushed", func(d *Databases) { in(d, 1, "k") }, func(d *Databases) { d.Flush() }, true},
		{"swapped, and nobody has it", nil, func(d *Databases) { d.Swap(1, 2, now) }, false},
		{"swapped away", func(d *Databases) { in(d, 1, "k") }, func(d *Databases) { d.Swap(1, 2, now) }, true},
		{"swapped in", func(d *Databases) { in(d, 2, "k") }, func(d *Databases) { d.Swap(2, 1, now) }, true},
		{"swapped for the same", func(d *Databases) { in(d, 1, "k"); in(d, 2, "k") }, func(d *Databases) { d.Swap(1, 2, now) }, true},
		{"swapped with itself", func(d *Databases) { in(d, 1, "k") }, func(d *Databases) { d.Swap(1, 1, now) }, false},
		{"others swapped", func(d *Databases) { in(d, 1, "k"); in(d, 2, "k") }, func(d *Databases) { d.Swap(2, 3, now) }, false},
		{"an expired one swapped in", func(d *Databases) { d.At(2).PutString([]byte("k"), nil, now) }, func(d *Databases) { d.Swap(1, 2, now) }, false},
		{"moved away", func(d *Databases) { in(d, 1, "k") }, func(d *Databases) { d.At(1).Move([]byte("k"), d.At(2)) }, true},
		{"moved in", func(d *Databases) { in(d, 2, "k") }, func(d *Databases) { d.At(2).Move([]byte("k"), d.At(1)) }, true},
		{"moved between others", func(d *Databases) { in(d, 2, "k") }, func(d *Databases) { d.At(2).Move([]byte("k"), d.At(3)) }, false},
	} {
		d, w := New(), Watch{}
		if tt.before != nil {
			tt.before(d)
		}
		d.At(1).Watch(&w, []byte("k"), now)
		d.At(4).Watch(&w, []byte("other"), now)
		if tt.change(d); w.Broken(d, now) != tt.broken {
			t.Errorf("%s: broken is not %t", tt.name, tt.broken)
		}
		if keys := w.Keys(); len(keys[1]) != 1 || len(keys[4]) != 1 || string(keys[4][0]) != "other" || len(keys[0]) > 0 {
			t.Errorf("%s: keys %q", tt.name, keys)
		}
		if w.Stop(); len(d.At(1).watched)+len(d.At(4).watched) > 0 {
			t.Errorf("%s: keys are still watched", tt.name)
		}
	}
}

// TestSweepOfDatabases takes the oldest deadlines first, wherever they are.
func TestSweepOfDatabases(t *testing.T) {
	d := New()
	for i := range 100 {
		d.At(i%7).PutString(fmt.Append(nil, i), nil, int64(1000-i))
	}
	if d.Due(900) || !d.Due(901) {
		t.Error("due from the first deadline on")
	}
	if n := d.Sweep(910, 3); n != 3 || d.At(99%7).Exists([]byte("99"), 0) || d.At(97%7).Exists([]byte("97"), 0) || !d.At(96%7).Exists([]byte("96"), 0) {
		t.Errorf("%d swept, or others than the oldest", n)
	}
	if n := d.Sweep(910, 100); n != 7 || d.Len() != 90 || d.Due(910) {
		t.Errorf("%d swept, %d left", n, d.Len())
	}
}

// TestPickReachesEveryDatabase about as often as it has keys; the nearest
// deadline is the nearest of all.
func TestPickReachesEveryDatabase(t *testing.T) {
	d, r := New(), rand.New(rand.NewPCG(1, 1))
	for i := range 3000 {
		d.At(i%3*5).PutString(fmt.Append(nil, i), nil, int64(i%3)*int64(10_000-i))
	}
	picked, expiring := map[int]int{}, map[int]int{}
	for range 3000 {
		c, _ := d.Pick(r.Uint64())
		picked[c.Key.Database]++
		c, found := d.PickExpiring(r.Uint64())
		if expiring[c.Key.Database]++; !found || !c.Expiring {
			t.Fatal("a key without a deadline")
		}
		if again, found := d.Candidate(c.Key); !found || again != c {
			t.Fatalf("%+v, then %+v", c, again)
		}
	}
	for _, n := range []int{picked[0], picked[5], picked[10], expiring[5], expiring[10]} {
		if n < 800 {
			t.Errorf("picked %v, of those that expire %v", picked, expiring)
		}
	}
	var deadlines []int64
	d.Nearest(func(c Candidate) bool {
		deadline, _ := d.At(c.Key.Database).Deadline([]byte(c.Key.Name), 0)
		deadlines = append(deadlines, deadline)
		return len(deadlines) < 1500
	})
	if len(deadlines) != 1500 || !slices.IsSorted(deadlines) {
		t.Errorf("%d of the nearest deadlines, or not in their order", len(deadlines))
	}
}

func TestAverageTTL(t *testing.T) {
	for name, tt := range map[string]struct {
		deadlines []int64
		want      int64
	}{
		"none":        {nil, 0},
		"one":         {[]int64{1500}, 500},
		"some":        {[]int64{1001, 1002, 1004}, 2},
		"expired":     {[]int64{10, 1010}, 5},
		"far ahead":   {[]int64{math.MaxInt64, math.MaxInt64 - 2}, math.MaxInt64 - 1001},
		"no deadline": {[]int64{0, 0, 1300}, 300},
	} {
		s := New().At(0)
		for i, deadline := range tt.deadlines {
			s.PutString(fmt.Append(nil, i), nil, deadline)
		}
		if got := s.AverageTTL(1000); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
	s := New().At(0)
	for i := range 10_000 {
		s.PutString(fmt.Append(nil, i), nil, int64(1000+i))
	}
	if got := s.AverageTTL(1000); got < 4900 || got > 5100 {
		t.Errorf("%d of many, want about 5000", got)
	}
}
