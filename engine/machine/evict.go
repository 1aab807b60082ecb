package machine

import (
	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/reply"
)

// scriptShare of the limit is the room that is made for scripts, of which
// nobody knows before what they add.
const scriptShare = 32

// deletion is the command of the table by which keys are evicted, so that
// members of every version know it.
const deletion = "DEL"

// Deletion is the item that the leader proposes to evict keys. Its reply is how
// many were there.
func (m *Machine) Deletion(keys [][]byte) Item {
	argv := append([][]byte{[]byte(deletion)}, keys...)
	return Item{Op: evicted{keys}, Argv: argv, Write: true}
}

// evicted is a deletion of which the leader tells what it is.
type evicted struct{ keys [][]byte }

// Apply implements Op.
func (e evicted) Apply(tx *Tx) reply.Reply {
	n := int64(0)
	for _, key := range e.keys {
		if tx.Store.Delete(key, tx.Now) {
			tx.Store.Tell(keyevent.Evicted, "evicted", key)
			n++
		}
	}
	return reply.Integer(n)
}

// Needs is about how many bytes the items take together, but for those that do
// not fit into limit alone: nothing is evicted for what is refused all the same.
func (m *Machine) Needs(items []Item, limit, now int64) (need int64) {
	m.store.Aside(func() {
		tx, largest, beside, scripts := m.tx(max(now, m.lastNow)), int64(0), int64(0), false
		for i := range items {
			item := &items[i]
			scripts = scripts || item.Write && item.roomy()
			if !item.Grows {
				continue
			}
			if n := item.needs(&tx, largest); n.most <= limit {
				need += n.kept
				largest = max(largest, n.made)
				beside = max(beside, n.most-n.kept)
			}
		}
		need += beside
		if scripts {
			need += limit / scriptShare
		}
	})
	return need
}

// roomy tells whether the item has a Roomy.
func (i *Item) roomy() bool {
	switch op := i.Op.(type) {
	case Roomy:
		return true
	case *transaction:
		for j := range op.items {
			if op.items[j].roomy() {
				return true
			}
		}
	}
	return false
}
