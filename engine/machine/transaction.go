package machine

import (
	"errors"
	"strconv"

	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// transactionName is the logged name of a transaction, which like sweepName is
// no client's to send:
//
//	name, n, n watched keys of database 0, then per write: number of arguments, arguments
//
// Numbers are decimal. In front of the writes stands what is watched in other
// databases, in their form.
const transactionName = "\x00MULTI"

var errTransaction = errors.New("malformed transaction")

// transaction is several commands that are one: they are in the log together or
// not at all, and nothing comes between them.
type transaction struct {
	items []Item
	// watch is what it depends on: nothing is done if it is broken. Nil for
	// nothing.
	watch *store.Watch
	keys  [store.Count][][]byte // of the watch by database, as they were read from the log
}

// Transaction is the item that carries out all of items, writes and reads,
// unless watch is broken, which may be nil. Its reply is an array of theirs, or
// the null array.
func Transaction(items []Item, watch *store.Watch) Item {
	t := &transaction{items: items, watch: watch}
	whole := Item{Op: t, Reserved: true}
	for _, item := range items {
		whole.Write = whole.Write || item.Write
		whole.Grows = whole.Grows || item.Grows
		whole.Reserved = whole.Reserved && (item.Reserved || !item.Grows)
		if item.Write {
			whole.Since = max(whole.Since, item.since())
		}
	}
	if whole.Write {
		for database, keys := range t.watched() {
			if database > 0 && len(keys) > 0 {
				whole.Since = max(whole.Since, SinceDatabases)
			}
		}
		whole.Argv = t.argv()
	}
	return whole
}

// argv is what the log carries: the writes.
func (t *transaction) argv() [][]byte {
	number := func(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }
	keys := t.watched()
	argv := append([][]byte{[]byte(transactionName), number(len(keys[0]))}, keys[0]...)
	add := func(command [][]byte) { argv = append(append(argv, number(len(command))), command...) }
	for database := 1; database < store.Count; database++ {
		if len(keys[database]) > 0 {
			add(append(named(watchName, uint8(database)), keys[database]...))
		}
	}
	for _, item := range t.items {
		if item.Write {
			add(inDatabase(item.Database, item.Argv))
		}
	}
	return argv
}

// watched are the keys that it depends on, by database.
func (t *transaction) watched() (keys [store.Count][][]byte) {
	if t.watch != nil {
		keys = t.watch.Keys()
	}
	return keys
}

// parseTransaction reads back what argv wrote.
func (m *Machine) parseTransaction(argv [][]byte) (Op, error) {
	t := &transaction{}
	var err error
	if t.keys[0], argv, err = counted(argv[1:], 0); err != nil {
		return nil, err
	}
	for len(argv) > 0 {
		var command [][]byte
		if command, argv, err = counted(argv, 1); err != nil {
			return nil, err
		}
		if string(command[0]) == watchName && len(t.items) == 0 {
			number, keys, err := numbered(command)
			if err != nil {
				return nil, err
			}
			t.keys[number] = keys
			continue
		}
		item := Item{Write: true}
		if item.Database, command, err = cutDatabase(command); err != nil {
			return nil, err
		}
		if item.Op, err = m.parse(command); err != nil {
			return nil, err
		}
		t.items = append(t.items, item)
	}
	return t, nil
}

// counted takes a number off the arguments, and as many of them as it says.
func counted(argv [][]byte, least int) (taken, rest [][]byte, err error) {
	if len(argv) == 0 {
		return nil, nil, errTransaction
	}
	n, err := strconv.Atoi(string(argv[0]))
	if err != nil || n < least || n > len(argv)-1 {
		return nil, nil, errTransaction
	}
	return argv[1 : n+1], argv[n+1:], nil
}

// Apply implements Op. Of replies that together are too large for anybody the
// last ones are left out.
func (t *transaction) Apply(tx *Tx) reply.Reply {
	if t.broken(tx.Databases, tx.Now) {
		return reply.NullArray
	}
	replies := make([]reply.Reply, 0, len(t.items))
	each, size, seed := *tx, int64(0), tx.Seed
	for _, item := range t.items {
		tooLarge := tx.MaxReply > 0 && size > tx.MaxReply
		if tooLarge && !item.Write {
			continue
		}
		if each.Own = !item.Write; item.Write {
			seed = step(seed)
			each.Seed = mix(seed)
			each.Semantics = tx.Semantics
		} else {
			each.Seed = mix(^seed ^ uint64(len(replies)))
			each.Semantics = Semantics
		}
		r := item.apply(&each)
		if !tooLarge {
			replies = append(replies, r)
			size += r.Size()
		}
	}
	return reply.Array(replies...)
}

func (t *transaction) broken(d *store.Databases, now int64) bool {
	return t.watch != nil && t.watch.Broken(d, now)
}

// Decider is an Op of which the leader decides, once all before the items is
// applied and before they are logged, whether it is carried out at all, and
// what of it is logged.
type Decider interface {
	Op
	// Decide must not change the state. It returns the arguments that the log
	// carries, or false: the Op is not applied then, and the item's reply is OK.
	Decide(tx *Tx, argv [][]byte) (logged [][]byte, carry bool)
}

// Decide answers what is not to be carried out: transactions whose watch is
// broken, and what Deciders say. It is the leader's business. Keys that change
// between the beginning of the entry and the transaction's place in it are found
// there, by every member.
func (m *Machine) Decide(items []Item, now int64) {
	tx := m.tx(max(now, m.lastNow))
	for i := range items {
		if !items[i].Write {
			continue
		}
		switch op := items[i].Op.(type) {
		case *transaction:
			if op.broken(m.databases, tx.Now) {
				items[i] = Item{Op: refusal{reply.NullArray}}
			}
		case Decider:
			argv, carry := op.Decide(&tx, items[i].Argv)
			if items[i].Argv = argv; !carry {
				items[i] = Item{Op: refusal{reply.OK}}
			}
		}
	}
}

// begin starts the watches of an entry that is replayed: the leader has decided
// that no key had changed up to there.
func begin(ops []loggedOp, tx *Tx) {
	for _, logged := range ops {
		if t, ok := logged.op.(*transaction); ok {
			t.begin(tx)
		}
	}
}

func (t *transaction) begin(tx *Tx) {
	for database, keys := range t.keys {
		for _, key := range keys {
			if t.watch == nil {
				t.watch = &store.Watch{}
			}
			tx.Databases.At(database).Watch(t.watch, key, tx.Now)
		}
	}
}

// end lets go of what begin began.
func end(ops []loggedOp) {
	for _, logged := range ops {
		if t, ok := logged.op.(*transaction); ok && t.watch != nil {
			t.watch.Stop()
		}
	}
}
