package command

import (
	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/store"
)

// What commands do to keys they tell (store.Store.Tell), by redis-server's names
// and in its order.

// edit is store.Edit that tells of a change, and of the key's end when nothing is
// left of it.
func edit[T store.Value](tx *machine.Tx, key []byte, class keyevent.Class, event string, fn func(T) (changed bool)) {
	changed, gone := store.Edit(tx.Store, key, fn)
	if changed {
		tx.Store.Tell(class, event, key)
	}
	if gone {
		tx.Store.Tell(keyevent.Generic, "del", key)
	}
}

// remove deletes a key, tells of it, and reports whether it was there.
func remove(tx *machine.Tx, key []byte) bool {
	gone := tx.Store.Delete(key, tx.Now)
	if gone {
		tx.Store.Tell(keyevent.Generic, "del", key)
	}
	return gone
}

// keep puts what a command computed under a key, in place of whatever was there;
// of what is empty nothing is kept.
func keep(tx *machine.Tx, key []byte, value store.Value, length int, class keyevent.Class, event string) {
	if length == 0 {
		remove(tx, key)
		return
	}
	tx.Store.Put(key, value, 0)
	tx.Store.Tell(class, event, key)
}

// tellMoved tells that a key has another name, in place of a key that was there or
// not.
func tellMoved(tx *machine.Tx, from, to []byte, replaced bool) {
	if replaced {
		tx.Store.Tell(keyevent.New, "new", to)
	}
	tx.Store.Tell(keyevent.Generic, "rename_from", from)
	tx.Store.Tell(keyevent.Generic, "rename_to", to)
}

// consumerOf is the consumer of a group, who is made if nobody is known by that
// name.
func consumerOf(tx *machine.Tx, key []byte, g *store.Group, name []byte) *store.Consumer {
	if g.Consumer(name) == nil {
		tx.Store.Tell(keyevent.Stream, "xgroup-createconsumer", key)
	}
	return g.See(name, tx.Now)
}
