package machine

import "github.com/coffer-dev/coffer/engine/reply"

const (
	// copies is how often a large argument is in memory while it is written:
	// the client's, the log's, the keyspace's.
	copies = 3
	// argumentOverhead approximates what the keyspace keeps beside a key, a
	// member or a field.
	argumentOverhead = 100
)

// refusal stands for a write that is not carried out.
type refusal struct{ reply reply.Reply }

// Apply answers with the refusal.
func (r refusal) Apply(*Tx) reply.Reply { return r.reply }

// Bound replaces the writes by which the keyspace would grow beyond limit
// bytes: they answer refused instead. It is the leader's business, before
// anything is logged: what is in the log is applied, whatever it takes, and a
// member that it kills dies of it again at every start. left says whether a
// write is left among the items.
func (m *Machine) Bound(items []Item, limit, now int64, refused reply.Reply) (left bool) {
	tx := Tx{Store: m.store, Now: max(now, m.lastNow)}
	used, largest := m.Bytes(), int64(0)
	for i := range items {
		item := &items[i]
		if item.Grows {
			need := item.needs(&tx, largest)
			if used+need > limit {
				*item = Item{Op: refusal{refused}}
				continue
			}
			used += need
			largest = max(largest, need)
		}
		left = left || item.Write
	}
	return left
}

// needs is about how many bytes a growing item takes; largest is what the
// largest one before it takes.
func (i *Item) needs(tx *Tx, largest int64) (need int64) {
	if t, ok := i.Op.(*transaction); ok {
		return t.needs(tx, largest)
	}
	for _, arg := range i.Argv {
		need += argumentOverhead + copies*int64(len(arg))
	}
	if op, ok := i.Op.(Sizer); ok {
		// What it copies may be what an item before it has made.
		need += op.Needs(tx) + largest
	}
	return need
}

func (t *transaction) needs(tx *Tx, largest int64) (need int64) {
	for i := range t.items {
		if t.items[i].Grows {
			n := t.items[i].needs(tx, largest)
			need += n
			largest = max(largest, n)
		}
	}
	return need
}
