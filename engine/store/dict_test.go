package store

import (
	"fmt"
	"math/rand/v2"
	"runtime"
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
		if d.text != 0 || d.index != nil || len(d.blocks) > 1 {
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

// TestDictsTakeWhatIsCounted while they are filled, also behind a block's end.
func TestDictsTakeWhatIsCounted(t *testing.T) {
	kinds := map[string]func(n int) Value{
		"set": func(n int) Value {
			s := &Set{}
			for i := range n {
				s.Add(fmt.Appendf(nil, "member:%09d", i))
			}
			return s
		},
		"zset": func(n int) Value {
			z := &ZSet{}
			for i := range n {
				z.Set(fmt.Appendf(nil, "member:%09d", i), float64(i))
			}
			return z
		},
		"hash": func(n int) Value {
			h := &Hash{}
			for i := range n {
				h.Set(fmt.Appendf(nil, "member:%09d", i), []byte("value"))
			}
			return h
		},
	}
	for name, fill := range kinds {
		for _, n := range []int{130, 200, 257, 520, 1000, 5000} {
			before := heap()
			values, counted := make([]Value, 40_000/n), int64(0)
			for i := range values {
				values[i] = fill(n)
				counted += values[i].Size()
			}
			taken := heap() - before
			if ratio := float64(taken) / float64(counted); ratio < 0.87 || ratio > 1.13 {
				t.Errorf("%s of %d: %d bytes a member are counted, %d taken", name, n, counted/int64(n*len(values)), int(taken)/(n*len(values)))
			}
			runtime.KeepAlive(values)
		}
	}
}

// TestNoAddCopiesAllOthers: what one that adds a key makes anew does not grow with
// how many there are.
func TestNoAddCopiesAllOthers(t *testing.T) {
	const most = 64 << 10 // bytes; the entries of 20,000 keys take 320,000
	d := &dict[struct{}]{}
	var before, after runtime.MemStats
	for i := range 42_000 {
		key := fmt.Append(nil, i)
		if i < 20_000 { // to ask takes long
			d.add(key, struct{}{})
			continue
		}
		runtime.ReadMemStats(&before)
		d.add(key, struct{}{})
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > most {
			t.Fatalf("key %d makes %d bytes anew", i, took)
		}
	}
}

// TestAnIndexGivesItsRoomBack, once there is little in it.
func TestAnIndexGivesItsRoomBack(t *testing.T) {
	before := heap()
	d := &dict[struct{}]{}
	for i := range 100_000 {
		d.add(fmt.Append(nil, i), struct{}{})
	}
	for d.len() > 20 {
		d.remove(d.len() - 1)
	}
	if took := heap() - before; took > 20_000 {
		t.Errorf("a dict of %d keys, once 100,000, takes %d bytes", d.len(), took)
	}
	for i := range d.len() {
		if d.position([]byte(d.at(i).key)) != i {
			t.Fatalf("key %d is not found", i)
		}
	}
	runtime.KeepAlive(d)
}

// TestOneHashForTwoKeys: a key is not another of the same hash.
func TestOneHashForTwoKeys(t *testing.T) {
	d := &dict[struct{}]{}
	for i := range 20 {
		d.add(fmt.Append(nil, i), struct{}{})
	}
	d.index.insert(indexHash([]byte("absent")), 3)
	if i := d.position([]byte("absent")); i >= 0 {
		t.Errorf("it is taken for %q", d.at(i).key)
	}
}

// TestWhatIsLeftTakesWhatIsCounted, nearly, of collections that were larger; and
// lists of elements of any length while they are filled.
func TestWhatIsLeftTakesWhatIsCounted(t *testing.T) {
	text := func(i int) []byte { return fmt.Append(nil, "text ", i) }
	lists := func(sizes ...int) func() Value {
		return func() Value {
			l := &List{}
			for i := range 200 {
				l.Insert(l.Len(), make([]byte, sizes[i%len(sizes)]))
			}
			return l
		}
	}
	short := func(size int) func() Value { // behind a long one
		return func() Value {
			l := &List{}
			l.Insert(0, make([]byte, 40_000))
			for range 5000 {
				l.Insert(l.Len(), make([]byte, size))
			}
			return l
		}
	}
	shrunk := func(add func(i int), remove func(i int), left int) {
		for i := range 300 {
			add(i)
		}
		for i := left; i < 300; i++ {
			remove(i)
		}
	}
	hash := func(left int) func() Value {
		return func() Value {
			h := &Hash{}
			shrunk(func(i int) { h.Set(text(i), []byte("value")) }, func(i int) { h.Delete(text(i)) }, left)
			return h
		}
	}
	set := func(left int) func() Value {
		return func() Value {
			s := &Set{}
			shrunk(func(i int) { s.Add(text(i)) }, func(i int) { s.Remove(text(i)) }, left)
			return s
		}
	}
	for name, one := range map[string]struct {
		fill func() Value
		most float64
	}{
		"a list of nothing": {lists(0), 1.6}, "a list of 1 byte": {lists(1), 1.6}, "a long list of nothing": {short(0), 1.2}, "a long list of 3 bytes": {short(3), 1.2}, "a long list of 12 bytes": {short(12), 1.2},
		"a list of 20 bytes": {lists(20), 1.2}, "a list of 100 bytes": {lists(100), 1.2}, "a list of 600 bytes": {lists(600), 1.2},
		"a list of 1400 bytes": {lists(1400), 1.2}, "a list of 2100 bytes": {lists(2100), 1.2}, "a list of 3000 bytes": {lists(3000), 1.2},
		"a list of long and short": {lists(4097, 1), 1.3}, "a list of many short and a long": {lists(9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 5000), 1.3},
		"one field of 300": {hash(1), 4}, "60 fields of 300": {hash(60), 2.3}, "one member of 300": {set(1), 4}, "60 members of 300": {set(60), 2.3},
	} {
		const n = 80
		before, values, counted := heap(), make([]Value, n), int64(0)
		for i := range values {
			values[i] = one.fill()
			counted += values[i].Size()
		}
		if ratio := float64(heap()-before) / float64(counted); ratio > one.most {
			t.Errorf("%s: %d bytes each are counted, %.2f times as many are taken", name, counted/n, ratio)
		}
		runtime.KeepAlive(values)
	}
}
