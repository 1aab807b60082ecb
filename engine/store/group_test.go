package store

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestGroupsOutliveARestart: what is encoded is what there was, to the byte and in
// memory, and a stream whose groups are gone is as one that never had any.
func TestGroupsOutliveARestart(t *testing.T) {
	r, v := rand.New(rand.NewPCG(4, 4)), &Stream{}
	for seq := range uint64(30) {
		v.Add(StreamEntry{ID: ID{0, seq + 1}, Fields: [][]byte{[]byte("f"), []byte("v")}})
	}
	plain := Clone(v)
	for now := range int64(20_000) {
		mutateGroups(v, r, now)
		if now%20 != 0 {
			continue
		}
		restored := Clone(v).(*Stream)
		if restored.Size() != v.Size() || !bytes.Equal(restored.appendTo(nil), v.appendTo(nil)) {
			t.Fatalf("after %d changes: restored with %d bytes, was %d", now, restored.Size(), v.Size())
		}
		v = restored
	}
	for v.GroupCount() > 0 {
		var first *Group
		v.Groups(func(g *Group) bool { first = g; return false })
		v.DestroyGroup(first)
	}
	if form(v) != KindStream || v.Size() != plain.Size() || !bytes.Equal(v.appendTo(nil), plain.(*Stream).appendTo(nil)) {
		t.Errorf("without its groups it is of form %d and %d bytes, never had any: %d", form(v), v.Size(), plain.Size())
	}
}

// TestGroupsDuringASnapshot: a snapshot has the groups of its beginning, whether
// they are made or removed meanwhile.
func TestGroupsDuringASnapshot(t *testing.T) {
	for _, grouped := range []bool{true, false} {
		s, key := New().At(0), []byte("stream")
		s.Put(key, &Stream{}, 0)
		change := func(create bool) {
			Edit(s, key, func(v *Stream) bool {
				if create {
					v.CreateGroup([]byte("g"), ID{}, 0).CreateConsumer([]byte("c"), 5)
				} else {
					v.DestroyGroup(v.Group([]byte("g")))
				}
				return false
			})
		}
		if grouped {
			change(true)
		}
		want := s.all.Hash()
		n, err := s.all.BeginSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		change(!grouped)
		var stream []byte
		for done := false; !done; {
			var chunk []byte
			chunk, done = n.Next(1 << 10)
			stream = append(stream, chunk...)
		}
		restored, err := Restore(bytes.NewReader(stream))
		if err != nil || restored.Hash() != want {
			t.Errorf("groups %v: %v, or another state", grouped, err)
		}
	}
}

// TestRouse tells those who wait, and is no change for those who watch.
func TestRouse(t *testing.T) {
	s, key, told := New().At(0), []byte("stream"), 0
	s.Put(key, &Stream{}, 50)
	waits, watches := &Watch{Changed: func() { told++ }}, &Watch{}
	s.Watch(waits, key, 0)
	s.Watch(watches, key, 0)
	s.Rouse(key)
	s.Delete(key, 100) // it has expired
	s.Flush()
	if told != 3 || watches.touched {
		t.Errorf("told %d times, broken %v", told, watches.touched)
	}
}
