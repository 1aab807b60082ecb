// Package evict chooses the keys that go when the data would exceed their
// memory, as redis-server does: it looks at a few keys at random and remembers
// the best. It is the leader's business: what is chosen goes through the log as
// a deletion, so that members need not choose alike.
package evict

import (
	"math/rand/v2"
	"slices"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/store"
)

const (
	// samples is at how many keys a choice looks (maxmemory-samples), and
	// poolSize how many it remembers for the next one.
	samples  = 5
	poolSize = 16
	// MaxKeys is how many keys one choice evicts, and maxNames how many bytes
	// their names have: about what an entry of the log writes, so that others get
	// their turn.
	MaxKeys  = 4096
	maxNames = 1 << 20
	// attempts is how often nothing new is found before what there is will do.
	attempts = 16
)

// Evictor chooses keys by one policy.
type Evictor struct {
	pick   func(d *store.Databases, random uint64) (store.Candidate, bool)
	usage  store.Usage
	first  bool // the nearest expiry goes first: nothing is left to chance
	random bool // whatever is found goes
	pool   []store.Candidate
}

// New makes an Evictor; nil when nothing is to be evicted.
func New(policy config.EvictionPolicy) *Evictor {
	e := &Evictor{pick: (*store.Databases).Pick}
	switch policy {
	case config.VolatileLRU, config.VolatileLFU, config.VolatileRandom, config.VolatileTTL:
		e.pick = (*store.Databases).PickExpiring
	}
	switch policy {
	case config.AllKeysLRU, config.VolatileLRU:
		e.usage = store.Recency
	case config.AllKeysLFU, config.VolatileLFU:
		e.usage = store.Frequency
	case config.AllKeysRandom, config.VolatileRandom:
		e.random = true
	case config.VolatileTTL:
		e.first = true
	default:
		return nil
	}
	return e
}

// Usage is what the store has to note for the policy.
func (e *Evictor) Usage() store.Usage { return e.usage }

// Forget drops what was remembered of another state.
func (e *Evictor) Forget() { e.pool = nil }

// choice is what is chosen in one go.
type choice struct {
	keys  []store.Key
	taken map[store.Key]bool
	freed int64
	names int
}

// Choose chooses keys that take so many bytes, as far as there are, and as many
// as go at once. It changes nothing.
func (e *Evictor) Choose(d *store.Databases, bytes int64) (keys []store.Key, freed int64) {
	c := &choice{taken: map[store.Key]bool{}}
	if e.first {
		d.Nearest(func(k store.Candidate) bool {
			if !c.wants(bytes) {
				return false
			}
			c.take(k)
			return true
		})
		return c.keys, c.freed
	}
	for missed := 0; c.wants(bytes) && missed < attempts; {
		if k, found := e.next(d, c.taken); found {
			c.take(k)
			missed = 0
		} else {
			missed++
		}
	}
	return c.keys, c.freed
}

func (c *choice) wants(bytes int64) bool {
	return c.freed < bytes && len(c.keys) < MaxKeys && c.names < maxNames
}

func (c *choice) take(k store.Candidate) {
	c.keys = append(c.keys, k.Key)
	c.taken[k.Key] = true
	c.freed += k.Bytes
	c.names += len(k.Key.Name)
}

// next is the key that is to go next, of those that are not taken.
func (e *Evictor) next(d *store.Databases, taken map[store.Key]bool) (k store.Candidate, found bool) {
	if e.random {
		k, found = e.pick(d, rand.Uint64())
		return k, found && !taken[k.Key]
	}
	for range samples {
		if k, found := e.pick(d, rand.Uint64()); found && !taken[k.Key] {
			e.remember(k)
		}
	}
	for len(e.pool) > 0 {
		last := len(e.pool) - 1
		known := e.pool[last]
		e.pool = e.pool[:last]
		now, found := d.Candidate(known.Key)
		switch {
		case !found || taken[now.Key] || known.Expiring && !now.Expiring:
		case now.Score < known.Score: // it was used since
			e.remember(now)
		default:
			return now, true
		}
	}
	return k, false
}

// remember puts a key into the pool, the next to go last.
func (e *Evictor) remember(k store.Candidate) {
	if len(e.pool) == poolSize && k.Score <= e.pool[0].Score ||
		slices.ContainsFunc(e.pool, func(known store.Candidate) bool { return known.Key == k.Key }) {
		return
	}
	at, _ := slices.BinarySearchFunc(e.pool, k.Score, func(known store.Candidate, score int64) int {
		if known.Score < score {
			return -1
		}
		return 1
	})
	if len(e.pool) == poolSize {
		copy(e.pool, e.pool[1:at])
		e.pool[at-1] = k
		return
	}
	e.pool = slices.Insert(e.pool, at, k)
}
