package store

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// TestTableIsAMap does the same to a table and to a map. Few places and many
// removals make keys wait behind each other and around the end.
func TestTableIsAMap(t *testing.T) {
	for round := range uint64(200) {
		random := rand.New(rand.NewPCG(round, 1))
		tab, want := newTable(newSeed(), 0), map[string]entry{}
		for range 400 {
			key := fmt.Sprint(random.IntN(4 + int(round)))
			e := entry{key: key, deadline: int64(random.IntN(2)) * 1000, text: fmt.Sprint(random.IntN(100))}
			if random.IntN(8) == 0 {
				e.text, e.apart = "", &Set{}
			}
			at, _, found := tab.find([]byte(key))
			c := cell(appendCell(nil, key, e.deadline, e.text))
			switch {
			case random.IntN(5) < 2 && found:
				tab.remove(at)
				delete(want, key)
			case found:
				tab.set(at, c, e.apart)
				want[key] = e
			default:
				tab.insert(c, e.apart)
				want[key] = e
			}
			if got := len(tab.tags); got > 8 && got > 5*(tab.count+2) {
				t.Fatalf("%d places for %d keys", got, tab.count)
			}
		}
		seen := 0
		for e := range tab.all() {
			seen++
			if e != want[e.key] {
				t.Fatalf("round %d: %+v, want %+v", round, e, want[e.key])
			}
		}
		for key, e := range want {
			if _, got, found := tab.find([]byte(key)); !found || got != e {
				t.Fatalf("round %d: key %s: %+v, want %+v", round, key, got, e)
			}
		}
		if seen != len(want) || tab.count != len(want) {
			t.Fatalf("round %d: %d keys, counted as %d, want %d", round, seen, tab.count, len(want))
		}
	}
}

func TestCellsKeepLongKeys(t *testing.T) {
	for _, size := range []int{0, 1, 63, 64, 127, 128, 8191, 8192, 70_000} {
		key := string(make([]byte, size))
		if e := decodeCell(cell(appendCell(nil, key, -1, "text"))); e.key != key || e.text != "text" || e.deadline != -1 {
			t.Errorf("a key of %d bytes came back with %d, %q, %d", size, len(e.key), e.text, e.deadline)
		}
	}
}

// TestBytesAreTheMemoryTaken: a limit of memory means what it says.
func TestBytesAreTheMemoryTaken(t *testing.T) {
	const keys = 30_000
	for _, size := range []int{32, 1024} {
		for _, deadline := range []int64{0, 1 << 40} {
			before := heap()
			s := New().At(0)
			value := make([]byte, size)
			for i := range keys {
				s.PutString(fmt.Appendf(nil, "%010d", i), value, deadline+int64(i)*deadline)
			}
			taken := heap() - before
			if ratio := float64(s.Bytes()) / float64(taken); ratio < 0.88 || ratio > 1.12 {
				t.Errorf("values of %d bytes, deadlines from %d: counted as %d bytes a key, %d are taken", size, deadline,
					s.Bytes()/int64(s.Len()), taken/int64(s.Len()))
			}
			runtime.KeepAlive(s)
		}
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
