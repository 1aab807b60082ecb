package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// collection is what a test does to each kind alike. Element i of a hash is a field
// and its value, of a sorted set a member and its score.
type collection struct {
	empty  func() Value
	put    func(v Value, i int, text string)
	remove func(v Value, i int)
	length func(v Value) int
}

func element(i int) []byte { return fmt.Appendf(nil, "element %d", i) }

var collections = map[string]collection{
	"hash": {
		func() Value { return &Hash{} },
		func(v Value, i int, text string) { v.(*Hash).Set(element(i), []byte(text)) },
		func(v Value, i int) { v.(*Hash).Delete(element(i)) },
		func(v Value) int { return v.(*Hash).Len() },
	},
	"sorted set": {
		func() Value { return &ZSet{} },
		func(v Value, i int, text string) { v.(*ZSet).Set(element(i), float64(len(text))/2) },
		func(v Value, i int) { v.(*ZSet).Delete(element(i)) },
		func(v Value) int { return v.(*ZSet).Len() },
	},
	"set": {
		func() Value { return &Set{} },
		func(v Value, i int, text string) { v.(*Set).Add(append(element(i), text...)) },
		func(v Value, i int) { s := v.(*Set); s.Remove(s.AppendAt(nil, i%s.Len())) },
		func(v Value) int { return v.(*Set).Len() },
	},
	"list": {
		func() Value { return &List{} },
		func(v Value, _ int, text string) { l := v.(*List); l.Insert(l.Len()/2, []byte(text)) },
		func(v Value, i int) { l := v.(*List); i %= l.Len(); l.Delete(i, i+1) },
		func(v Value) int { return v.(*List).Len() },
	},
}

// TestCollectionsInCells: wherever a collection is kept, it is what the same changes
// make of one outside of any store, also to a snapshot that began before them; and
// its bytes are counted.
func TestCollectionsInCells(t *testing.T) {
	for name, kind := range collections {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			s, key, beside, in := New().At(0), []byte("key"), []byte("beside"), map[bool]int{}
			long := string(bytes.Repeat([]byte("x"), PackedBytes))
			for round := 0; round < 60; round += 5 {
				model := kind.empty()
				s.Put(key, kind.empty(), 0)
				change := func(fn func(v Value)) {
					fn(model)
					Edit(s, key, func(v Value) bool { fn(v); return true })
					s.Put(beside, kind.empty(), 0)
					for i := range 2 {
						Edit(s, beside, func(v Value) bool { kind.put(v, i, "beside"); return true })
					}
				}
				for step := range 5 + 2*round {
					i, text := random.IntN(1+round), long[:random.IntN(1+len(long)*round/60)]
					change(func(v Value) { kind.put(v, i, text) })
					if step == 3 && round%2 == 0 { // a list has more than one node then
						change(func(v Value) {
							for j := range 5000 / len(long) {
								kind.put(v, j, long)
							}
						})
					}
					if kind.length(model) > 1 && random.IntN(3) == 0 {
						change(func(v Value) { kind.remove(v, i) })
					}
					in[s.locate(key).apart == nil]++
					if random.IntN(4) == 0 {
						s.SetDeadline(key, int64(random.IntN(2))*1000)
					}
					if random.IntN(60) == 0 {
						before, snapshot := encode(t, s), begun(t, s)
						change(func(v Value) { kind.put(v, i, text) })
						if !bytes.Equal(rest(snapshot), before) {
							t.Fatal("a snapshot has what was written after it began")
						}
					}
					if got := s.Get(key, 0); got.Kind() != model.Kind() || !bytes.Equal(got.appendTo(nil), model.appendTo(nil)) {
						t.Fatalf("round %d: another collection than outside", round)
					}
				}
				s.Delete(beside, 0)
				s.SetDeadline(key, 0)
				s.Rename(key, []byte("renamed"))
				s.Rename([]byte("renamed"), key)
				if size, _ := s.SizeOf(key, 0); s.Bytes() != size+tableOverhead {
					t.Fatalf("%d bytes are counted, the key takes %d", s.Bytes(), size)
				}
				if restored, err := Restore(bytes.NewReader(encode(t, s))); err != nil || !bytes.Equal(encode(t, restored.At(0)), encode(t, s)) {
					t.Fatalf("a restart changes it: %v", err)
				}
				s.Delete(key, 0)
				if s.Bytes() != 0 {
					t.Fatalf("%d bytes are left", s.Bytes())
				}
			}
			if in[true] < 50 || in[false] < 50 {
				t.Errorf("in a cell and not: %v", in)
			}
		})
	}
}

func begun(t *testing.T, s *Store) *Snapshot {
	t.Helper()
	n, err := s.all.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func rest(n *Snapshot) (stream []byte) {
	for done := false; !done; {
		var chunk []byte
		chunk, done = n.Next(1 << 20)
		stream = append(stream, chunk...)
	}
	return stream
}

// TestCollectionsTakeWhatIsCounted, also when they were larger before.
func TestCollectionsTakeWhatIsCounted(t *testing.T) {
	for name, kind := range collections {
		for elements, left := range map[int]int{1: 1, 10: 10, 40: 40, 60: 14, 59: 25} {
			const keys = 12_000
			before := heap()
			s := New().At(0)
			for i := range keys {
				key := fmt.Appendf(nil, "%010d", i)
				s.Put(key, kind.empty(), 0)
				Edit(s, key, func(v Value) bool {
					for j := range elements {
						kind.put(v, j, "a value")
					}
					return true
				})
				for range elements - left {
					Edit(s, key, func(v Value) bool { kind.remove(v, kind.length(v)-1); return true })
				}
			}
			least := 0.85
			if left < elements {
				least = 0.5 // of the room, which is given back then
			}
			taken := heap() - before
			if ratio := float64(s.Bytes()) / float64(taken); ratio < least || ratio > 1.15 {
				t.Errorf("%s of %d, now %d: counted as %d bytes, %d are taken", name, elements, left, s.Bytes()/int64(keys), taken/int64(keys))
			}
			runtime.KeepAlive(s)
		}
	}
}

// TestWeightsAreFrozen: what a script may do depends on them, and must not differ
// between members of two versions.
func TestWeightsAreFrozen(t *testing.T) {
	h, z, l, s := &Hash{}, &ZSet{}, &List{}, &Set{}
	for i, text := range []string{"a", "bc", "def"} {
		h.Set([]byte(text), []byte("value"))
		z.Set([]byte(text), float64(i)*1e9)
		l.Insert(i, []byte(text))
		s.Add([]byte(text))
	}
	weights := []int64{Weight(h), Weight(z), Weight(l), Weight(s), Weight(String("text"))}
	if want := []int64{147, 156, 124, 198, 28}; !slices.Equal(weights, want) {
		t.Errorf("the weights are %d, were %d", weights, want)
	}
	for i := range 200 {
		text := fmt.Append(nil, "text ", i)
		h.Set(text, []byte("value"))
		z.Set(text, float64(i))
		s.Add(text)
	}
	for _, text := range []string{"a", "bc", "def"} {
		h.Delete([]byte(text))
		z.Delete([]byte(text))
		s.Remove([]byte(text))
	}
	weights = []int64{Weight(h), Weight(z), Weight(s)}
	if want := []int64{26674, 30570, 20810}; !slices.Equal(weights, want) {
		t.Errorf("the weights of large ones are %d, were %d", weights, want)
	}
}

// TestWhatLeavesTheBenchIsItsOwn: a list that becomes several nodes by one change is
// not touched by the next change of another, wherever its former node stands then.
func TestWhatLeavesTheBenchIsItsOwn(t *testing.T) {
	of := func(element string, n int) *List {
		l := &List{}
		for range n {
			l.Insert(0, []byte(element))
		}
		return l
	}
	for name, one := range map[string]struct {
		before int
		insert []byte
		times  int
		at     func(l *List) int
	}{
		"a long one in front":   {1, bytes.Repeat([]byte("a"), 5000), 1, func(*List) int { return 0 }},
		"a long one behind":     {1, bytes.Repeat([]byte("a"), 5000), 1, (*List).Len},
		"a long one between":    {100, bytes.Repeat([]byte("a"), 5000), 1, func(l *List) int { return l.Len() / 2 }},
		"many short in front":   {150, []byte("a"), 150, func(*List) int { return 0 }},
		"many short behind":     {150, []byte("a"), 150, (*List).Len},
		"many short in between": {150, []byte("a"), 150, func(l *List) int { return l.Len() / 2 }},
	} {
		s := New().At(0)
		s.Put([]byte("list"), of("a", one.before), 0)
		s.Put([]byte("other"), of("b", 150), 0)
		Edit(s, []byte("list"), func(l *List) bool {
			for range one.times {
				l.Insert(one.at(l), one.insert)
			}
			return true
		})
		Edit(s, []byte("other"), func(l *List) bool { l.Insert(0, []byte("bbb")); return true })
		l, _, _ := Read[*List](s, []byte("list"), 0)
		for i := range l.Len() {
			if got := l.At(i); len(bytes.Trim(got, "a")) > 0 || len(got) != 1 && len(got) != len(one.insert) {
				t.Errorf("%s: element %d is %q", name, i, got)
				break
			}
		}
	}
}
