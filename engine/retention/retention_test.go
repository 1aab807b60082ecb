package retention

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/store"
)

func put(s *store.Store, key string, deadline int64) {
	s.Put([]byte(key), store.String("v"), deadline)
}

// give looks until nothing is left to be looked at, and gives what is found its
// expiry. It answers what was found, by the key.
func give(t *testing.T, k *Keeper, d *store.Databases) map[string]int {
	t.Helper()
	all := map[string]int{}
	for range 1000 {
		for _, f := range k.Look(d, 1) {
			all[f.Key.Name] = f.Rule
			d.At(f.Key.Database).SetDeadline([]byte(f.Key.Name), 1+f.MaxAge)
		}
		if !k.walks && !k.missed && len(k.noted) == 0 {
			return all
		}
	}
	t.Fatal("there is no end to it")
	return nil
}

// TestTheFirstRuleThatMatchesCounts, of keys from before the rules and of those that
// come, and for keys without an expiry alone.
func TestTheFirstRuleThatMatchesCounts(t *testing.T) {
	d := store.New()
	s := d.At(2)
	put(s, "user:1", 0)
	put(s, "user:2", 1e15) // its user's own, far beyond what the rule says
	put(s, "other", 0)
	k := New([]config.RetentionRule{{Match: "user:admin:*", MaxAgeSeconds: 1000}, {Match: "user:*", MaxAgeSeconds: 60}, {Match: "log", MaxAgeSeconds: 60}})
	d.NoteLasting(true)
	if got := give(t, k, d); len(got) != 1 || got["user:1"] != 1 {
		t.Errorf("of keys from before: %v", got)
	}
	if at, _ := s.Deadline([]byte("user:1"), 1); at != 60_001 {
		t.Errorf("it ends at %d", at)
	}
	put(s, "user:admin:1", 0)
	put(s, "log", 0)
	put(s, "user:1", 0)                 // SET takes the expiry away
	s.SetDeadline([]byte("user:2"), 0)  // as PERSIST does
	put(s, "user:3", 5)                 // it has one
	put(s, "user:4", 0)                 // gone before anybody looks
	s.Delete([]byte("user:4"), 1)       //
	put(s, "user:5", 0)                 // given one before anybody looks
	s.SetDeadline([]byte("user:5"), 99) //
	if got, want := give(t, k, d), map[string]int{"user:admin:1": 0, "log": 2, "user:1": 1, "user:2": 1}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("of keys that came: %v, want %v", got, want)
	}
	if got := give(t, k, d); len(got) != 0 {
		t.Errorf("found again: %v", got)
	}
	if New(nil) != nil {
		t.Error("no rules are kept by a keeper")
	}
}

// TestALookIsBounded in keys, in the bytes of their names and in work, and what it
// leaves comes next.
func TestALookIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		keys, size, mostOfALook int
		pattern                 string
	}{
		"keys":            {50_000, 8, MaxKeys + 50, "*"},
		"names":           {100, 60_000, maxNames/60_000 + 3, "*"},
		"work":            {20_000, 8, lookWork / keyWork / 2, "nothing*"},
		"hostile pattern": {400, 4000, 100, strings.Repeat("*x?", 80) + "y"},
	} {
		t.Run(name, func(t *testing.T) {
			d := store.New()
			for i := range c.keys {
				put(d.At(i%3), strings.Repeat("x", c.size-8)+fmt.Sprintf("%08d", i), 0)
			}
			k := New([]config.RetentionRule{{Match: c.pattern, MaxAgeSeconds: 60}})
			looks, found := 0, 0
			for ; k.missed || k.walks; looks++ {
				before := k.walk
				n := len(k.Look(d, 1))
				if found += n; n > c.mostOfALook {
					t.Fatalf("a look found %d keys", n)
				}
				if k.walks && before == k.walk {
					t.Fatal("a look did not go on")
				}
			}
			if least := c.keys / c.mostOfALook / 2; looks < least {
				t.Errorf("%d keys in %d looks, want at least %d", c.keys, looks, least)
			}
			if c.pattern == "*" && found != c.keys {
				t.Errorf("%d of %d keys were found", found, c.keys)
			}
		})
	}
}

// TestWhatWasNotNotedIsFound: more keys come than are noted, in the middle of a walk
// too.
func TestWhatWasNotNotedIsFound(t *testing.T) {
	d := store.New()
	k := New([]config.RetentionRule{{Match: "*", MaxAgeSeconds: 60}})
	d.NoteLasting(true)
	const all = 300_000
	found := map[string]bool{}
	look := func() {
		for _, f := range k.Look(d, 1) {
			found[f.Key.Name] = true
			d.At(f.Key.Database).SetDeadline([]byte(f.Key.Name), 60_000)
		}
	}
	for k.walks || k.missed { // the walk that a Keeper begins with is over
		look()
	}
	for i := range all {
		put(d.At(i%5), fmt.Sprint("key:", i), 0)
		if i%100_000 == 99_999 {
			look()
		}
	}
	for k.walks || k.missed || len(k.noted) > 0 {
		look()
	}
	if len(found) != all {
		t.Errorf("%d of %d keys were found", len(found), all)
	}
	k.Missed() // as when the log did not take what was found
	d.At(2).SetDeadline([]byte("key:7"), 0)
	d.TakeLasting()
	if got := slices.Collect(maps.Keys(give(t, k, d))); len(got) != 1 || got[0] != "key:7" {
		t.Errorf("%v was found again", got)
	}
}

// TestKeysOfSwappedDatabasesAreFound, although they were noted where they are no
// more.
func TestKeysOfSwappedDatabasesAreFound(t *testing.T) {
	d := store.New()
	d.NoteLasting(true)
	k := New([]config.RetentionRule{{Match: "*", MaxAgeSeconds: 60}})
	give(t, k, d)
	put(d.At(0), "swapped", 0)
	put(d.At(0), "moved", 0)
	d.At(0).Move([]byte("moved"), d.At(1))
	d.Swap(0, 7, 1)
	if got := give(t, k, d); len(got) != 2 {
		t.Errorf("%v was found", got)
	}
}
