package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestLastingKeysAreNoted when they come to have no deadline, and at no other write.
func TestLastingKeysAreNoted(t *testing.T) {
	s := New()
	put := func(key string, deadline int64) { s.Put([]byte(key), String("v"), deadline) }
	put("before", 0)
	s.NoteLasting(true)
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
		if keys, missed := s.TakeLasting(); !slices.Equal(keys, step.want) || missed {
			t.Errorf("%s: noted %q, want %q", step.what, keys, step.want)
		}
	}
	s.NoteLasting(false)
	put("unnoted", 0)
	if keys, _ := s.TakeLasting(); len(keys) != 0 {
		t.Errorf("%q are noted although nobody asked", keys)
	}
}

// TestNotedKeysAreBounded in number and in bytes, and that there were more is told.
func TestNotedKeysAreBounded(t *testing.T) {
	for name, size := range map[string]int{"many": 1, "long": 60_000} {
		s := New()
		s.NoteLasting(true)
		n := 0
		for ; !s.lasting.missed && n < 2*maxLasting; n++ {
			s.Put(fmt.Appendf(nil, "%0*d", size, n), String(""), 0)
		}
		keys, missed := s.TakeLasting()
		if bytes := len(keys) * size; !missed || len(keys) != n-1 || len(keys) > maxLasting || bytes > maxLastingBytes {
			t.Errorf("%s: %d keys of %d, %d bytes, missed %t", name, len(keys), n, bytes, missed)
		}
		if _, missed := s.TakeLasting(); missed {
			t.Errorf("%s: it is told twice", name)
		}
	}
}

// TestAWalkMissesNothing that is there from its first step to its last, however the
// tables grow, shrink and close their gaps under it. All keys are in a few slots, so
// that steps end within them.
func TestAWalkMissesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	keys := crowded(16, 1500)
	var inside int
	for range 40 {
		s, always := New(), map[string]bool{}
		for _, key := range keys[:1000] {
			s.Put([]byte(key), String("v"), 0)
			always[key] = true
		}
		seen := map[string]bool{}
		for w := (Walk{}); ; {
			left := 20
			if s.Step(&w, func(key string, _ int64) bool {
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
			for range random.IntN(120) {
				if key := keys[random.IntN(len(keys))]; random.IntN(2) == 0 {
					s.Put([]byte(key), String("w"), 0)
				} else {
					s.Delete([]byte(key), 0)
					delete(always, key)
				}
			}
		}
		for key := range always {
			if !seen[key] {
				t.Fatalf("%s was there all the time and was not visited", key)
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
