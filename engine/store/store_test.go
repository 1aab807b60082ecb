package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestSlotIsRedisClusters(t *testing.T) {
	for key, want := range map[string]uint16{"": 0, "123456789": 0x31C3, "foo": 12182, "bar": 5061} {
		if got := Slot([]byte(key)); got != want {
			t.Errorf("Slot(%q) = %d, want %d", key, got, want)
		}
	}
}

// edit changes a collection, which it makes.
func edit[V any, T interface {
	*V
	Value
}](s *Store, key []byte, now int64, change func(T)) {
	_, found, err := Read[T](s, key, now)
	if err != nil {
		return
	}
	if !found {
		s.Put(key, T(new(V)), 0)
	}
	Edit(s, key, func(v T) bool {
		change(v)
		return true
	})
}

// mutate applies one random operation.
func mutate(s *Store, r *rand.Rand, now int64) {
	key := fmt.Appendf(nil, "key:%d", r.IntN(400))
	deadline := int64(0)
	if r.IntN(3) == 0 {
		deadline = now + int64(r.IntN(50)) - 5
	}
	member := fmt.Appendf(nil, "m%d", r.IntN(40))
	switch r.IntN(18) {
	case 12, 13:
		edit(s, key, now, func(v *List) { v.Insert(r.IntN(v.Len()+1), member); v.Remove([]byte("m7"), 1, false) })
	case 14, 15:
		edit(s, key, now, func(v *Hash) { v.Set(member, key); v.Delete([]byte{'m', byte(r.IntN(99))}) })
	case 16, 17:
		edit(s, key, now, func(v *ZSet) { v.Set(member, float64(r.IntN(9))); v.DeleteRange(0, r.IntN(2)*v.Len()/2) })
	case 0, 1, 2:
		s.Put(key, String(member), deadline)
	case 3:
		s.Delete(key, now)
	case 4:
		s.SetDeadline(key, deadline)
	case 5:
		if s.Exists(key, now) {
			s.Rename(key, fmt.Appendf(nil, "key:%d", r.IntN(400)))
		}
	case 6:
		s.all.Sweep(now, r.IntN(5))
	case 7, 8:
		if _, found, err := Read[*Set](s, key, now); err == nil {
			if !found {
				s.Put(key, &Set{}, deadline)
			}
			Edit(s, key, func(v *Set) bool { return v.Add(member) || v.Add([]byte{byte(r.IntN(99))}) })
		}
	case 9:
		if _, found, err := Read[*Set](s, key, now); err == nil && found {
			Edit(s, key, func(v *Set) bool { return v.Remove(member) })
		}
	default:
		if v, found, err := Read[*Stream](s, key, now); err == nil {
			if !found {
				v = &Stream{}
				s.Put(key, v, deadline)
			}
			id, _ := v.LastID().Next()
			Edit(s, key, func(v *Stream) bool {
				v.Add(StreamEntry{ID: id, Fields: [][]byte{member, []byte("value")}})
				v.Delete(ID{0, uint64(r.IntN(20))})
				v.Trim(Trim{MaxLen: 300, Approximate: r.IntN(2) == 0})
				mutateGroups(v, r, now)
				return true
			})
		}
	}
}

// mutateGroups changes the groups of a stream.
func mutateGroups(v *Stream, r *rand.Rand, now int64) {
	name, id := []byte{'g', byte('0' + r.IntN(3))}, ID{0, uint64(r.IntN(40))}
	g := v.Group(name)
	if g == nil {
		if r.IntN(2) == 0 {
			v.CreateGroup(name, id, int64(r.IntN(5))-1)
		}
		return
	}
	c := g.See([]byte{'c', byte('0' + r.IntN(4))}, now)
	switch r.IntN(8) {
	case 0:
		v.DestroyGroup(g)
	case 1:
		g.DeleteConsumer(c)
	case 2, 3:
		g.Acknowledge(id)
	case 4:
		g.Deliver(id)
	default:
		p := g.Assign(id, c)
		p.Delivered, p.Deliveries = now, p.Deliveries+1
	}
}

func TestAccountingReturnsToZero(t *testing.T) {
	s, r := New().At(0), rand.New(rand.NewPCG(1, 2))
	for now := range int64(30_000) {
		mutate(s, r, now)
	}
	if s.Len() == 0 || s.Bytes() <= 0 || s.Expiring() == 0 {
		t.Fatalf("%d keys, %d bytes, %d expiring after many writes", s.Len(), s.Bytes(), s.Expiring())
	}
	var names []string
	s.Each(0, func(key string, _ Kind) bool { names = append(names, key); return true })
	for _, key := range names {
		s.Delete([]byte(key), 0)
	}
	if s.Len() != 0 || s.Bytes() != 0 || s.Expiring() != 0 {
		t.Fatalf("%d keys, %d bytes, %d expiring after all were deleted", s.Len(), s.Bytes(), s.Expiring())
	}
}

func TestSnapshotIsOfItsBeginning(t *testing.T) {
	for seed := range uint64(6) {
		s, r := New().At(0), rand.New(rand.NewPCG(seed, 1))
		var now int64
		write := func(n int) {
			for range n {
				now++
				mutate(s, r, now)
			}
		}
		write(3000)
		want, bytesThen, keysThen := s.all.Hash(), s.Bytes(), s.Len()
		snapshot, err := s.all.BeginSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.all.BeginSnapshot(); err == nil {
			t.Fatal("a second snapshot began while one was running")
		}
		var stream []byte
		for step := 0; ; step++ {
			chunk, done := snapshot.Next(1 + r.IntN(700))
			stream = append(stream, chunk...)
			if done {
				break
			}
			write(20)
			if seed%2 == 1 && step == 5 {
				s.Flush()
			}
		}
		restored, err := Restore(bytes.NewReader(stream))
		if err != nil {
			t.Fatal(err)
		}
		if restored.Hash() != want || restored.Bytes() != bytesThen || restored.Len() != keysThen {
			t.Fatalf("seed %d: %d keys and %d bytes restored, %d and %d were there, or their contents differ",
				seed, restored.Len(), restored.Bytes(), keysThen, bytesThen)
		}
		if s.all.Hash() == want {
			t.Fatal("nothing was written meanwhile, so nothing is proven")
		}
		again, err := s.all.BeginSnapshot()
		if err != nil {
			t.Fatalf("after the snapshot was done: %v", err)
		}
		again.Close()
		if s.all.snapshot != nil || s.saving != nil {
			t.Fatal("a closed snapshot still runs")
		}
	}
}

func TestRestoreRefusesDamage(t *testing.T) {
	s, r := New().At(0), rand.New(rand.NewPCG(7, 7))
	for now := range int64(300) {
		mutate(s, r, now)
	}
	stream := encode(t, s)
	if _, err := Restore(bytes.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	for cut := range len(stream) {
		if _, err := Restore(bytes.NewReader(stream[:cut])); err == nil {
			t.Fatalf("a stream cut at %d of %d bytes was accepted", cut, len(stream))
		}
	}
	newer := slices.Clone(stream)
	newer[4] = SnapshotVersion + 1
	if _, err := Restore(bytes.NewReader(newer)); err == nil {
		t.Fatal("a stream of another version was accepted")
	}
}

func encode(t testing.TB, s *Store) []byte {
	t.Helper()
	snapshot, err := s.all.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	var stream []byte
	for {
		chunk, done := snapshot.Next(1 << 20)
		if stream = append(stream, chunk...); done {
			return stream
		}
	}
}

func FuzzRestore(f *testing.F) {
	s, r := New().At(0), rand.New(rand.NewPCG(3, 3))
	for now := range int64(60) {
		mutate(s, r, now)
	}
	f.Add(encode(f, s))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Restore(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := Restore(bytes.NewReader(encode(t, d.At(0))))
		if err != nil || again.Hash() != d.Hash() {
			t.Fatalf("what was restored does not survive another round: %v", err)
		}
	})
}

func TestScanFindsWhatStays(t *testing.T) {
	s, r := New().At(0), rand.New(rand.NewPCG(5, 5))
	stay := map[string]bool{}
	for i := range 5000 {
		key := fmt.Sprintf("stay:%d", i)
		stay[key] = true
		s.Put([]byte(key), String("x"), 0)
	}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		cursor = s.Scan(cursor, 10, 1, func(key string, _ Kind) bool { delete(stay, key); return true })
		for range 30 {
			key := fmt.Appendf(nil, "come and go:%d", r.IntN(3000))
			if !s.Delete(key, 1) {
				s.Put(key, String("y"), 0)
			}
		}
	}
	if len(stay) > 0 {
		t.Fatalf("%d keys that were there all the time were not found", len(stay))
	}
}

func TestExpiredIsAbsent(t *testing.T) {
	s, key := New().At(0), []byte("k")
	s.Put(key, String("v"), 100)
	if !s.Exists(key, 99) || s.Exists(key, 100) || s.Get(key, 101) != nil {
		t.Error("a key must be present before its deadline and absent from then on")
	}
	if s.all.Due(99) || !s.all.Due(100) {
		t.Error("a sweep is due from the deadline on")
	}
	if s.Delete(key, 100) {
		t.Error("deleting an expired key must report that none was present")
	}
	for i := range 10 {
		s.Put([]byte{byte(i)}, String("v"), int64(100+i))
	}
	if n := s.all.Sweep(105, 4); n != 4 || s.Len() != 6 {
		t.Errorf("swept %d, %d left; want 4 and 6", n, s.Len())
	}
	if n := s.all.Sweep(105, 100); n != 2 || s.Expiring() != 4 {
		t.Errorf("swept %d, %d left; want 2 and 4", n, s.Expiring())
	}
}

func TestStreamAgainstSlice(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	s, model := &Stream{}, []ID(nil)
	next := uint64(0)
	for range 20_000 {
		switch r.IntN(5) {
		case 0, 1, 2:
			next += 1 + r.Uint64N(3)
			id := ID{next / 10, next % 10}
			s.Add(StreamEntry{ID: id, Fields: [][]byte{{'f'}, bytes.Repeat([]byte{'v'}, r.IntN(100))}})
			model = append(model, id)
		case 3:
			if len(model) == 0 {
				break
			}
			i := r.IntN(len(model))
			j := i + 1
			if r.IntN(20) == 0 {
				j = min(i+300, len(model))
			}
			want := int64(j - i)
			if got := s.Delete(append([]ID{MaxID}, model[i:j]...)...); got != want || s.Delete(model[i:j]...) != 0 {
				t.Fatalf("deleted %d entries, want %d, and each once", got, want)
			}
			model = slices.Delete(model, i, j)
		case 4:
			keep := 200 + r.IntN(800)
			dropped := int(s.Trim(Trim{MaxLen: int64(keep)}))
			if want := max(len(model)-keep, 0); dropped != want {
				t.Fatalf("trimmed %d, want %d", dropped, want)
			}
			model = model[dropped:]
		}
		if r.IntN(50) == 0 {
			compareRange(t, s, model, r)
		}
	}
}

// TestDeletingManyNodesIsLinear: with a move of all nodes for each that becomes
// empty, one XDEL held everybody up for minutes.
func TestDeletingManyNodesIsLinear(t *testing.T) {
	s := &Stream{}
	ids := make([]ID, 400_000)
	for i := range ids {
		ids[i] = ID{1, uint64(i + 1)}
		node := &streamNode{}
		s.adopt(node, StreamEntry{ID: ids[i]})
		s.nodes = append(s.nodes, node)
	}
	half := len(ids) / 2
	begin := time.Now()
	if got := s.Delete(ids[:half]...); got != int64(half) {
		t.Fatalf("deleted %d", got)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if len(s.nodes) != half || s.Len() != half || s.Delete(ids[half]) != 1 || len(s.nodes) != half-1 {
		t.Errorf("%d nodes and %d entries are left", len(s.nodes), s.Len())
	}
}

// TestWhatIsDeletedGivesItsRoomBack: Size does not count room, so that what is
// kept of it escapes every limit on memory.
func TestWhatIsDeletedGivesItsRoomBack(t *testing.T) {
	set, stream := &Set{}, &Stream{}
	for i := range 10_000 {
		set.Add(fmt.Append(nil, i))
		stream.Add(StreamEntry{ID: ID{1, uint64(i + 1)}, Fields: [][]byte{{'f'}, {'v'}}})
	}
	room := func() (n int) {
		for _, node := range stream.nodes {
			n += cap(node.entries)
		}
		return n
	}
	for i := range 10_000 {
		if i%100 != 0 {
			set.Remove(fmt.Append(nil, i))
			stream.Delete(ID{1, uint64(i + 1)})
		}
	}
	if set.Len() != 100 || len(set.members.blocks) > 1 || stream.Len() != 100 || room() > 800 {
		t.Errorf("a set of %d has room for %d, a stream of %d for %d", set.Len(), dictBlock*len(set.members.blocks), stream.Len(), room())
	}
	for i := range 10_000 {
		if set.Has(fmt.Append(nil, i)) != (i%100 == 0) {
			t.Fatalf("member %d", i)
		}
	}
}

func compareRange(t *testing.T, s *Stream, model []ID, r *rand.Rand) {
	t.Helper()
	first, last := ID{r.Uint64N(4000), 3}, ID{r.Uint64N(4000), 7}
	var want, up, down []ID
	for _, id := range model {
		if !id.Less(first) && !last.Less(id) {
			want = append(want, id)
		}
	}
	s.Range(first, last, false, func(e *StreamEntry) bool { up = append(up, e.ID); return true })
	s.Range(first, last, true, func(e *StreamEntry) bool { down = append(down, e.ID); return true })
	slices.Reverse(down)
	if s.Len() != len(model) || !slices.Equal(up, want) || !slices.Equal(down, want) {
		t.Fatalf("range %v to %v: %d entries up, %d down, want %d of %d", first, last, len(up), len(down), len(want), len(model))
	}
}
