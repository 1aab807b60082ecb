package node

import (
	"slices"
	"sync/atomic"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/evict"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/store"
)

// evictionShare of the memory for data is what one entry may need at most, about,
// so that as little as possible goes before its time; leastEntryItems and
// leastEntryBytes are what it carries all the same.
const (
	evictionShare   = 32
	leastEntryItems = 64
	leastEntryBytes = 16 << 10
)

// evicting is how a group makes room.
type evicting struct {
	evictor *evict.Evictor // nil when nothing is evicted
	// room is what the next entry may take.
	room machine.Room
	due  bool         // the data are to be looked at, although nobody writes
	vain bool         // a deletion was refused: the writes behind it are not to wait for another
	keys atomic.Int64 // evicted since the start
}

// beginEvicting is for a group that is not started yet.
func (g *Group) beginEvicting() {
	g.evicting.room = machine.Room{Limit: g.opts.MaxData}
	if g.opts.MaxData > 0 {
		g.evicting.evictor = evict.New(g.opts.Eviction)
	}
}

// portions are what one entry carries at most.
func portions(o GroupOptions) (items int, bytes int64) {
	if o.Eviction == "" || o.Eviction == config.NoEviction || o.MaxData == 0 {
		return maxEntryItems, maxEntryBytes
	}
	need := o.MaxData / evictionShare
	const perItem, perByte = 512, 4 // about what package machine takes them to need
	return int(min(max(need/perItem, leastEntryItems), maxEntryItems)), min(max(need/perByte, leastEntryBytes), maxEntryBytes)
}

// makeRoom chooses what is evicted in front of the items, and says whether they
// can be proposed with it. If not, it goes first, and there is more to choose then.
func (g *Group) makeRoom(items []machine.Item) (keys []store.Key, enough bool) {
	vain := g.evicting.vain
	g.evicting.vain = false
	if g.evicting.evictor == nil || vain || !slices.ContainsFunc(items, isWrite) {
		return nil, true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	m, limit := g.member.Machine(), g.opts.MaxData
	used, need := m.Bytes(), m.Needs(items, limit, g.clock())
	if need == 0 || used+need <= limit {
		return nil, true
	}
	// Of a keyspace that is far beyond its limit, as one is that was lowered, a
	// write takes twice what it needs: it waits for no more than that.
	missing := min(used+need-limit, 2*need)
	keys, freed := g.evicting.evictor.Choose(m.Databases(), missing)
	if freed >= missing {
		g.evicting.room = machine.Room{Limit: limit, Freed: freed, Above: max(used-freed+need-limit, 0)}
		return keys, true
	}
	return keys, len(keys) == 0
}

// trim evicts what is beyond the limit although nobody writes, if there is any.
func (g *Group) trim() (bool, error) {
	g.evicting.due = false
	g.mu.Lock()
	m := g.member.Machine()
	beyond := m.Bytes() - g.opts.MaxData
	var keys []store.Key
	if beyond > 0 {
		keys, _ = g.evicting.evictor.Choose(m.Databases(), beyond)
	}
	g.mu.Unlock()
	if len(keys) == 0 {
		return false, nil
	}
	return true, g.evict(keys, func(error) {})
}

// evict proposes to delete the keys, and nothing else.
func (g *Group) evict(keys []store.Key, done func(error)) error {
	items := []machine.Item{g.deletion(keys)}
	return g.propose(items, deletionBytes(keys), func(err error) {
		g.evicted(items[0], err)
		g.evicting.vain = items[0].Reply.IsError()
		done(err)
	})
}

func (g *Group) deletion(keys []store.Key) machine.Item {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.member.Machine().Deletion(keys)
}

// deletionBytes is about what a deletion takes in the log.
func deletionBytes(keys []store.Key) (n int64) {
	for _, key := range keys {
		n += int64(len(key.Name)) + 4
	}
	return n + 64 + store.Count*perDatabase
}

// evicted counts what was deleted.
func (g *Group) evicted(deletion machine.Item, err error) {
	if err == nil && !deletion.Reply.IsError() {
		g.evicting.keys.Add(machine.Deleted(deletion.Reply))
	}
}

// track has the keyspace note how keys are used, while the member leads: the
// group's lock is held.
func (g *Group) track() {
	e := g.evicting.evictor
	if e == nil {
		return
	}
	e.Forget()
	usage := e.Usage()
	if !g.leads {
		usage = 0
	}
	g.member.Machine().Databases().Track(usage, g.clock())
}
