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
			need := int64(0)
			for _, arg := range item.Argv {
				need += argumentOverhead + copies*int64(len(arg))
			}
			if op, ok := item.Op.(Sizer); ok {
				// What it copies may be what an item before it has made.
				need += op.Needs(&tx) + largest
			}
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
