package machine

import (
	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// scriptShare of the limit is the room that is made for scripts, of which
// nobody knows before what they add.
const scriptShare = 32

// deletion is the command of the table by which keys are evicted, so that
// members of every version know it.
const deletion = "DEL"

// Deletion is the item that the leader proposes to evict keys. Of keys of several
// databases it is a transaction.
func (m *Machine) Deletion(keys []store.Key) Item {
	var names [store.Count][][]byte
	for _, key := range keys {
		names[key.Database] = append(names[key.Database], []byte(key.Name))
	}
	var items []Item
	for database, keys := range names {
		if len(keys) > 0 {
			argv := append([][]byte{[]byte(deletion)}, keys...)
			items = append(items, Item{Op: evicted{keys}, Argv: argv, Write: true, Database: uint8(database)})
		}
	}
	if len(items) == 1 {
		return items[0]
	}
	return Transaction(items, nil)
}

// Deleted is how many keys were there, by the reply to a Deletion.
func Deleted(r reply.Reply) (n int64) {
	for _, each := range r.Items {
		n += each.Int
	}
	return n + r.Int
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
	m.databases.Aside(func() {
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
