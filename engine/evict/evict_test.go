package evict

import (
	"fmt"
	"testing"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/store"
)

const hour = 3_600_000 // ms

// filled has n keys that last and n that expire, of which the ones with an even
// number were used often, and lately. Those with a low number expire first. They
// are in several databases.
func filled(t *testing.T, e *Evictor, n int) *store.Databases {
	t.Helper()
	d := store.New()
	d.Track(e.Usage(), 0)
	for i := range n {
		s := d.At(i % 3)
		s.Put(fmt.Append(nil, "lasts:", i), store.String("value"), 0)
		s.Put(fmt.Append(nil, "expires:", i), store.String("value"), int64(i+2)*hour)
	}
	d.Clock(hour)
	for range 20 {
		for i := 0; i < n; i += 2 {
			s := d.At(i % 3)
			s.Get(fmt.Append(nil, "lasts:", i), hour)
			s.Get(fmt.Append(nil, "expires:", i), hour)
		}
	}
	return d
}

// TestPolicies: who may go, and who does.
func TestPolicies(t *testing.T) {
	const n, bytes = 500, 10_000 // about a hundred keys
	tests := []struct {
		policy   config.EvictionPolicy
		volatile bool
		unused   float64 // share of the chosen that were not used, at least
	}{
		{config.AllKeysLRU, false, 0.95}, {config.AllKeysLFU, false, 0.95}, {config.AllKeysRandom, false, 0.2},
		{config.VolatileLRU, true, 0.95}, {config.VolatileLFU, true, 0.95}, {config.VolatileRandom, true, 0.2},
		{config.VolatileTTL, true, 0},
	}
	for _, tt := range tests {
		e := New(tt.policy)
		keys, freed := e.Choose(filled(t, e, n), bytes)
		if freed < bytes || len(keys) < 50 || len(keys) > 250 {
			t.Errorf("%s: %d keys, of %d bytes", tt.policy, len(keys), freed)
		}
		lasting, unused, seen := 0, 0, map[store.Key]bool{}
		for place, key := range keys {
			var i int
			if _, err := fmt.Sscanf(key.Name, "lasts:%d", &i); err == nil {
				lasting++
			} else if _, err := fmt.Sscanf(key.Name, "expires:%d", &i); err != nil || seen[key] {
				t.Errorf("%s: %v, a second time: %t", tt.policy, key, seen[key])
			}
			if unused += i % 2; tt.policy == config.VolatileTTL && i != place {
				t.Errorf("expires:%d goes as number %d", i, place)
			}
			if seen[key] = true; key.Database != i%3 {
				t.Errorf("%s: %v is of another database", tt.policy, key)
			}
		}
		if tt.volatile && lasting > 0 || !tt.volatile && lasting == 0 {
			t.Errorf("%s: %d of %d keys have no expiry", tt.policy, lasting, len(keys))
		}
		if share := float64(unused) / float64(len(keys)); share < tt.unused {
			t.Errorf("%s: %.2f of the keys were unused, want %.2f", tt.policy, share, tt.unused)
		}
	}
	if New(config.NoEviction) != nil || New("") != nil {
		t.Error("keys are evicted by a policy that evicts none")
	}
}

// TestAllCanGo: the last keys are found, in goes that are bounded; then none is.
func TestAllCanGo(t *testing.T) {
	for _, policy := range []config.EvictionPolicy{config.AllKeysLRU, config.AllKeysRandom, config.VolatileLFU, config.VolatileRandom, config.VolatileTTL} {
		e, left := New(policy), 200
		if policy == config.VolatileTTL {
			left = MaxKeys + 1
		}
		d := filled(t, e, left)
		if policy == config.AllKeysLRU || policy == config.AllKeysRandom {
			left *= 2
		}
		for rounds := 0; left > 0; rounds++ {
			keys, _ := e.Choose(d, 1<<40)
			if len(keys) == 0 || len(keys) > MaxKeys || rounds > 100 {
				t.Fatalf("%s: %d of %d keys in one go", policy, len(keys), left)
			}
			for _, key := range keys {
				d.At(key.Database).Delete([]byte(key.Name), 0)
			}
			left -= len(keys)
		}
		if keys, freed := e.Choose(d, 1); len(keys) != 0 || freed != 0 {
			t.Errorf("%s: %v goes, of %d bytes, where nothing can", policy, keys, freed)
		}
	}
}

// TestNamesAreBounded: an entry of the log has room for so much.
func TestNamesAreBounded(t *testing.T) {
	e, d := New(config.AllKeysRandom), store.New()
	for i := range 40 {
		d.At(0).Put(fmt.Appendf(nil, "%0100000d", i), store.String("v"), 0)
	}
	if keys, _ := e.Choose(d, 1<<40); len(keys) > maxNames/100_000+1 {
		t.Errorf("%d names of 100 kB in one go", len(keys))
	}
}

// TestWhatIsUsedAgainStays although it was the next to go.
func TestWhatIsUsedAgainStays(t *testing.T) {
	e, d := New(config.AllKeysLRU), store.New()
	s := d.At(0)
	d.Track(e.Usage(), 0)
	for i := range poolSize {
		s.Put(fmt.Append(nil, i), store.String("v"), 0)
	}
	for i := poolSize - 1; i >= 0; i-- {
		k, _ := d.Candidate(store.Key{Name: fmt.Sprint(i)})
		e.remember(k)
	}
	d.Clock(hour)
	for i := 1; i < poolSize; i++ {
		s.Get(fmt.Append(nil, i), hour)
	}
	if keys, _ := e.Choose(d, 1); len(keys) != 1 || keys[0].Name != "0" {
		t.Errorf("%v goes, want the one that was not used", keys)
	}
}
