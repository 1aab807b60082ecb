package store

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// TestDictAgainstSlice does the same to a dict and to a slice, with few keys and with
// many, filling and emptying it in turns.
func TestDictAgainstSlice(t *testing.T) {
	for _, most := range []int{5, 40, 600, 3000, 20_000} {
		random := rand.New(rand.NewPCG(uint64(most), 3))
		d, model, places := &dict[int]{}, []string(nil), map[string]int{}
		for step := range 8 * most {
			key := fmt.Sprint("key ", random.IntN(most))
			filling := step/(2*most)%2 == 0
			i, found := places[key]
			if got := d.position([]byte(key)); found && got != i || !found && got >= 0 {
				t.Fatalf("%d keys: %q is at %d, not at %d (%t)", d.len(), key, got, i, found)
			}
			switch {
			case found && (!filling || random.IntN(4) == 0):
				last := len(model) - 1
				model[i], places[model[last]] = model[last], i
				delete(places, key)
				model = model[:last]
				d.remove(i)
			case !found && (filling || random.IntN(4) == 0):
				places[key] = len(model)
				model = append(model, key)
				d.add([]byte(key), step)
			}
			if step%most == 0 {
				sameDict(t, d, model)
			}
		}
		for d.len() > 0 {
			d.remove(random.IntN(d.len()))
		}
		if d.text != 0 || d.index != nil || len(d.blocks) > 2 {
			t.Errorf("an empty dict has %d bytes of text, %d blocks and an index %v", d.text, len(d.blocks), d.index)
		}
	}
}

func sameDict(t *testing.T, d *dict[int], model []string) {
	t.Helper()
	text := int64(0)
	for i, key := range model {
		if d.at(i).key != key || d.position([]byte(key)) != i {
			t.Fatalf("of %d keys %d is %q, found at %d; want %q", len(model), i, d.at(i).key, d.position([]byte(key)), key)
		}
		text += int64(len(key))
	}
	if d.len() != len(model) || d.text != text || d.weight() != dictWeight(len(model), text) {
		t.Fatalf("%d keys of %d bytes, want %d of %d", d.len(), d.text, len(model), text)
	}
}

// TestIndexPieces: hashes that have much in common do not make pieces without end, and
// those of pieces that split are found in the right half.
func TestIndexPieces(t *testing.T) {
	for name, hash := range map[string]func(i int) uint32{
		"spread":           func(i int) uint32 { return uint32(i) * 2654435761 },
		"one beginning":    func(i int) uint32 { return uint32(i) % 5000 },
		"one end":          func(i int) uint32 { return uint32(i) << 20 },
		"one hash for all": func(int) uint32 { return 1<<31 | 7 },
	} {
		x := newIndex()
		const n = 5000
		for i := range n {
			x.insert(hash(i), i)
		}
		for i := range n {
			x.move(hash(i), i, n+i)
		}
		found := 0
		for at, p := range x.pieces {
			if at > 0 && x.pieces[at-1] == p {
				continue
			}
			count := 0
			for _, place := range p.places {
				if place != 0 {
					count++
				}
			}
			if found += count; p.count != count || 8*count > 7*len(p.places) {
				t.Fatalf("%s: a piece of %d counts %d of %d places", name, count, p.count, len(p.places))
			}
		}
		if found != n || len(x.pieces) > 1<<mostDepth {
			t.Fatalf("%s: %d places in %d pieces, want %d", name, found, len(x.pieces), n)
		}
		for i := range n {
			x.remove(hash(i), n+i)
		}
		for _, p := range x.pieces {
			if p.count != 0 || name == "spread" && len(p.places) > leastPlaces {
				t.Fatalf("%s: %d of %d places are left", name, p.count, len(p.places))
			}
		}
	}
}

// TestDictsTakeWhatIsCounted, and less than a map would.
func TestDictsTakeWhatIsCounted(t *testing.T) {
	for _, n := range []int{200, 1000, 5000} {
		before := heap()
		sets, counted := make([]*Set, 200_000/n), int64(0)
		for i := range sets {
			sets[i] = &Set{}
			for j := range n {
				sets[i].Add(fmt.Appendf(nil, "member:%09d", j))
			}
			counted += sets[i].Size()
		}
		taken := heap() - before
		if ratio := float64(counted) / float64(taken); ratio < 0.85 || ratio > 1.15 {
			t.Errorf("sets of %d: %d bytes a member are counted, %d taken", n, counted/int64(n*len(sets)), int(taken)/(n*len(sets)))
		}
		runtime.KeepAlive(sets)
	}
}

// TestNoAddCopiesAllOthers: what one that adds a key makes anew does not grow with
// how many there are.
func TestNoAddCopiesAllOthers(t *testing.T) {
	d := &dict[struct{}]{}
	key := func(i int) []byte { return fmt.Append(nil, i) }
	for i := range 200_000 {
		d.add(key(i), struct{}{})
	}
	most := []float64{0}
	for i := 200_000; i < 300_000; i += 500 {
		k := key(i)
		allocated := testing.AllocsPerRun(1, func() {
			d.add(k, struct{}{})
			d.remove(d.len() - 1)
		})
		most = append(most, allocated)
		d.add(k, struct{}{})
	}
	if got := slices.Max(most); got > 20 {
		t.Errorf("one allocates %v times", got)
	}
	for _, p := range d.index.pieces {
		if len(p.places) > mostPlaces {
			t.Fatalf("a piece of the index has %d places", len(p.places))
		}
	}
	for _, b := range d.blocks[1:] {
		if cap(b) != dictBlock {
			t.Fatalf("a block has room for %d", cap(b))
		}
	}
}
