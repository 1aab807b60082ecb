package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// largeKeys are those that mutateLarge writes to, a few in one slot.
const largeKeys = 12

func largeKey(i int) []byte { return fmt.Appendf(nil, "{%d}:large:%d", i%3, i) }

// mutateLarge changes one of some large values of every kind, at any place, or puts
// another in its place.
func mutateLarge(s *Store, r *rand.Rand, now int64) {
	i := r.IntN(largeKeys)
	key, member := largeKey(i), fmt.Appendf(nil, "member:%d", r.IntN(4000))
	value := bytes.Repeat(member, 1+r.IntN(3))
	switch n := r.IntN(20_000); {
	case n < 2:
		s.Delete(key, now)
		return
	case n < 4:
		if to := largeKey(r.IntN(largeKeys)); s.Exists(key, now) && !bytes.Equal(key, to) {
			s.Rename(key, to)
		}
		return
	case n < 200:
		s.SetDeadline(key, now+1_000_000)
		return
	}
	switch i % 5 {
	case 0:
		edit(s, key, now, func(v *Hash) {
			if v.Set(member, value); r.IntN(3) == 0 {
				v.Delete(fmt.Appendf(nil, "member:%d", r.IntN(4000)))
			}
		})
	case 1:
		edit(s, key, now, func(v *ZSet) {
			if v.Set(member, float64(r.IntN(500))/4); r.IntN(3) == 0 {
				v.DeleteRange(0, min(r.IntN(3), v.Len()))
			}
		})
	case 2:
		edit(s, key, now, func(v *List) {
			for range 3 {
				v.Insert([]int{0, v.Len(), r.IntN(v.Len() + 1)}[r.IntN(3)], value)
			}
			at := r.IntN(v.Len())
			if v.Set(at, member); r.IntN(3) == 0 {
				v.Delete(at, min(at+r.IntN(4), v.Len()))
			}
			v.Remove(member, 1, r.IntN(2) == 0)
		})
	case 3:
		if _, found, err := Read[*Set](s, key, now); err == nil {
			if !found {
				s.Put(key, &Set{}, 0)
			}
			Edit(s, key, func(v *Set) bool {
				added := v.Add(member)
				return v.Remove(fmt.Appendf(nil, "member:%d", r.IntN(4000))) || added
			})
		}
	default:
		if _, found, err := Read[*Stream](s, key, now); err == nil {
			if !found {
				s.Put(key, &Stream{}, 0)
			}
			Edit(s, key, func(v *Stream) bool { return mutateStream(v, r, now, value) })
		}
	}
}

func mutateStream(v *Stream, r *rand.Rand, now int64, value []byte) bool {
	for range 3 {
		id, _ := v.LastID().Next()
		v.Add(StreamEntry{ID: id, Fields: [][]byte{[]byte("field"), value}})
	}
	v.Delete(ID{0, uint64(r.IntN(int(v.Added())))})
	v.Trim(Trim{MaxLen: 2000, Approximate: r.IntN(2) == 0})
	mutateGroups(v, r, now)
	return true
}

// TestLargeValuesAreStill: a snapshot has them as they were when it began, whatever
// happens to them meanwhile, and takes no more than a step at a time.
func TestLargeValuesAreStill(t *testing.T) {
	for seed := range uint64(4) {
		s, r, now := New().At(0), rand.New(rand.NewPCG(seed, 3)), int64(0)
		write := func(n int) {
			for range n {
				now++
				if mutateLarge(s, r, now); r.IntN(4) == 0 {
					mutate(s, r, now)
				}
			}
		}
		write(20_000)
		large := 0
		for i := range largeKeys {
			if v := s.at(t, largeKey(i)); v != nil && v.Size() >= largeValue {
				large++
			}
		}
		if large < largeKeys/2 {
			t.Fatalf("seed %d: %d large values", seed, large)
		}
		want := s.all.Hash()
		snapshot, err := s.all.BeginSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		const limit = 4000
		var stream []byte
		for step := 0; ; step++ {
			chunk, done := snapshot.Next(limit)
			if stream = append(stream, chunk...); done {
				break
			}
			if len(chunk) > limit || cap(snapshot.buf) > 100*limit {
				t.Fatalf("seed %d: a chunk of %d bytes, and room for %d", seed, len(chunk), cap(snapshot.buf))
			}
			write(10)
			if seed%4 == 1 && step == 100 {
				s.Flush()
			}
		}
		restored, err := Restore(bytes.NewReader(stream))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if restored.Hash() != want {
			t.Fatalf("seed %d: the snapshot is not of its beginning", seed)
		}
		if again := encode(t, restored.At(0)); !bytes.Equal(again, stream) {
			t.Fatalf("seed %d: what is restored is written otherwise", seed)
		}
		released(t, s)
	}
}

// released fails the test when something is held for a snapshot that is none.
func released(t *testing.T, s *Store) {
	t.Helper()
	for i := range largeKeys {
		held := false
		switch v := s.at(t, largeKey(i)).(type) {
		case *Hash:
			held = v.fields != nil && v.fields.still != nil
		case *ZSet:
			held = v.members != nil && v.members.still != nil
		case *Set:
			held = v.members != nil && v.members.still != nil
		}
		if held {
			t.Errorf("%s is held", largeKey(i))
		}
	}
}

// TestAbandonedSnapshotHoldsNothing, whether it came to a value, or a write did.
func TestAbandonedSnapshotHoldsNothing(t *testing.T) {
	for _, steps := range []int{0, 1, 2, 3, 5, 8, 13, 21, 34, 55} {
		s, r := New().At(0), rand.New(rand.NewPCG(1, 4))
		for now := range int64(4000) {
			mutateLarge(s, r, now)
		}
		snapshot, err := s.all.BeginSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		for range steps {
			snapshot.Next(16 << 10)
			mutateLarge(s, r, 7000)
		}
		snapshot.Close()
		released(t, s)
	}
}

// TestWhatIsGoneIsNotHeld: what a snapshot has given out of a large value is not in
// memory for it any more.
func TestWhatIsGoneIsNotHeld(t *testing.T) {
	s := New().At(0)
	for now := range int64(12_000) {
		mutateLarge(s, rand.New(rand.NewPCG(uint64(now), 5)), now)
	}
	snapshot, err := s.all.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	for len(snapshot.parts) > 0 || snapshot.large != nil {
		if _, done := snapshot.Next(16); done {
			t.Fatal("done, and nothing is to be seen")
		}
	}
	dicts := 0
	for _, held := range snapshot.held {
		switch held := held.(type) {
		case *stillDict[[]byte]:
			if dicts++; held.dict != nil || held.kept != nil {
				t.Error("a hash that is given out is held")
			}
		case *stillNodes:
			if held.encode != nil {
				t.Error("a list or stream that is given out is held")
			}
		}
	}
	if dicts == 0 {
		t.Error("there was no hash")
	}
	snapshot.Close()
}

// at is what a key holds, whatever it is.
func (s *Store) at(t *testing.T, key []byte) Value {
	t.Helper()
	p := s.locate(key)
	if !p.found {
		return nil
	}
	return p.value()
}

// BenchmarkWriteToLargeValue is a write to a hash of 100,000 fields that a snapshot
// has yet to write: the first one of it, and others.
func BenchmarkWriteToLargeValue(b *testing.B) {
	s := New().At(0)
	field := func(i int) []byte { return fmt.Appendf(nil, "field:%d", i%100_000) }
	s.Put([]byte("hash"), &Hash{}, 0)
	Edit(s, []byte("hash"), func(v *Hash) bool {
		for i := range 100_000 {
			v.Set(field(i), make([]byte, 100))
		}
		return true
	})
	for _, all := range []int{1, 1000} {
		b.Run(fmt.Sprint(all), func(b *testing.B) {
			for b.Loop() {
				n, err := s.all.BeginSnapshot()
				if err != nil {
					b.Fatal(err)
				}
				for i := range all {
					Edit(s, []byte("hash"), func(v *Hash) bool { v.Set(field(i*7), field(i)); return true })
				}
				n.Close()
			}
		})
	}
}
