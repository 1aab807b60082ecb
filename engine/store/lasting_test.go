package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestLastingKeysAreNoted when they come to have no deadline, and at no other write.
func TestLastingKeysAreNoted(t *testing.T) {
	s := New().At(3)
	put := func(key string, deadline int64) { s.Put([]byte(key), String("v"), deadline) }
	put("before", 0)
	s.all.NoteLasting(true)
	for _, step := range []struct {
		what  string
		write func()
		want  []string
	}{
		{"a key that has none already", func() { put("before", 0) }, nil},
		{"a new key", func() { put("new", 0) }, []string{"new"}},
		{"a new key with one", func() { put("short", 100) }, nil},
		{"a deadline that is taken away", func() { s.SetDeadline([]byte("short"), 0) }, []string{"short"}},
		{"one that is given", func() { s.SetDeadline([]byte("short"), 200) }, nil},
		{"one that is written over", func() { put("short", 0) }, []string{"short"}},
		{"another name", func() { s.Rename([]byte("short"), []byte("other")) }, []string{"other"}},
		{"a collection", func() { s.Put([]byte("list"), &List{}, 0) }, []string{"list"}},
		{"a key that is gone and comes again", func() { s.Delete([]byte("new"), 1); put("new", 0) }, []string{"new"}},
	} {
		step.write()
		var want []Key
		for _, name := range step.want {
			want = append(want, Key{3, name})
		}
		if keys, missed := s.all.TakeLasting(); !slices.Equal(keys, want) || missed {
			t.Errorf("%s: noted %v, want %v", step.what, keys, want)
		}
	}
	s.all.NoteLasting(false)
	put("unnoted", 0)
	if keys, _ := s.all.TakeLasting(); len(keys) != 0 {
		t.Errorf("%v are noted although nobody asked", keys)
	}
}

// TestNotedKeysAreBounded in number and in bytes, and that there were more is told.
func TestNotedKeysAreBounded(t *testing.T) {
	for name, size := range map[string]int{"many": 1, "long": 60_000} {
		s := New().At(0)
		s.all.NoteLasting(true)
		n := 0
		for ; !s.all.lasting.missed && n < 2*maxLasting; n++ {
			s.Put(fmt.Appendf(nil, "%0*d", size, n), String(""), 0)
		}
		keys, missed := s.all.TakeLasting()
		if bytes := len(keys) * size; !missed || len(keys) != n-1 || len(keys) > maxLasting || bytes > maxLastingBytes {
			t.Errorf("%s: %d keys of %d, %d bytes, missed %t", name, len(keys), n, bytes, missed)
		}
		if _, missed := s.all.TakeLasting(); missed {
			t.Errorf("%s: it is told twice", name)
		}
	}
}

// TestAWalkMissesNothing that is there from its first step to its last, however the
// tables grow, shrink and close their gaps under it. All keys are in a few slots of
// three databases, so that steps end within them; a fifth of them stays.
func TestAWalkMissesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	keys := crowded(16, 1500)
	const stay = 300
	var inside int
	for range 40 {
		d, always := New(), map[Key]bool{}
		for i, name := range keys[:1000] {
			key := Key{i % 3, name}
			d.At(key.Database).Put([]byte(name), String("v"), 0)
			always[key] = i < stay
		}
		seen := map[Key]bool{}
		for w := (Walk{}); ; {
			left := 20
			if d.Step(&w, func(key Key, _ int64) bool {
				seen[key] = true
				left--
				return left > 0
			}) {
				break
			}
			if left < -500 {
				t.Fatalf("a step visited %d keys more than it was to", -left)
			}
			if w.place > 0 {
				inside++
			}
			tide := random.IntN(3) // ebb, flood, or neither
			for range random.IntN(1500) {
				i := stay + random.IntN(len(keys)-stay)
				if s, name := d.At(i%3), []byte(keys[i]); random.IntN(8) < []int{1, 4, 7}[tide] {
					s.Put(name, String("w"), 0)
				} else {
					s.Delete(name, 0)
				}
			}
		}
		for key, stays := range always {
			if stays && !seen[key] {
				t.Fatalf("%v was there all the time and was not visited", key)
			}
		}
	}
	if inside == 0 {
		t.Error("no step ended within a slot: the test shows nothing")
	}
}

// crowded are n keys that share so many slots.
func crowded(slots uint16, n int) (keys []string) {
	for i := 0; len(keys) < n; i++ {
		if key := fmt.Sprint("key:", i); Slot([]byte(key)) < slots {
			keys = append(keys, key)
		}
	}
	return keys
}
