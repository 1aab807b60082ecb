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

// ReserveShare of the limit is what writes may take beyond it that redis-server
// does not refuse for want of memory.
const ReserveShare = 16

// Room is what the keyspace may take, in bytes.
type Room struct {
	Limit int64
	// Freed is what an eviction in front of the items gives back.
	Freed int64
	// Above is how far the keyspace is beyond the limit and may stay so, since
	// that eviction makes it smaller than it was.
	Above int64
}

// Bound replaces the writes by which the keyspace would grow beyond its room:
// they answer refused instead. It is the leader's business, before
// anything is logged: what is in the log is applied, whatever it takes, and a
// member that it kills dies of it again at every start. left says whether a
// write is left among the items.
func (m *Machine) Bound(items []Item, room Room, now int64, refused reply.Reply) (left bool) {
	m.databases.Aside(func() { left = m.bound(items, room, now, refused) })
	return left
}

func (m *Machine) bound(items []Item, room Room, now int64, refused reply.Reply) (left bool) {
	tx := m.tx(max(now, m.lastNow))
	used, largest, limit := m.Bytes()-room.Freed, int64(0), room.Limit+room.Above
	for i := range items {
		item := &items[i]
		if item.Grows {
			need := item.needs(&tx, largest)
			most := limit
			if item.Reserved {
				most += room.Limit / ReserveShare
			}
			if used+need.most > most {
				*item = Item{Op: refusal{refused}, Argv: item.Argv} // who counts what fails looks at them
				continue
			}
			used += need.kept
			largest = max(largest, need.made)
		}
		left = left || item.Write
	}
	for i := range items { // what is left is theirs
		items[i].within(limit-used, room.Limit)
	}
	return left
}

// Roomy is an Op that shows only when it is applied how much it adds to the
// keyspace.
type Roomy interface {
	Op
	// Within bounds that to room, in bytes, on a member whose keyspace may take
	// limit. It returns the arguments that say so in the log.
	Within(room, limit int64) (argv [][]byte)
}

func (i *Item) within(room, limit int64) {
	switch op := i.Op.(type) {
	case Roomy:
		i.Argv = op.Within(room, limit)
	case *transaction:
		roomy := false
		for j := range op.items {
			if _, ok := op.items[j].Op.(Roomy); ok {
				op.items[j].within(room, limit)
				roomy = true
			}
		}
		if roomy && i.Write {
			i.Argv = op.argv()
		}
	}
}

// Adds is about how many bytes a command adds to the keyspace. It is the same
// on every member.
func Adds(tx *Tx, op Op, argv [][]byte) (size int64) {
	for _, arg := range argv {
		size += argumentOverhead + int64(len(arg))
	}
	if op, ok := op.(Sizer); ok {
		size += op.Needs(tx)
	}
	return size
}

// need is about how many bytes an item takes.
type need struct {
	most int64 // while it is carried out
	kept int64 // of that afterwards
	made int64 // what it leaves is no larger: one behind it may copy that
}

// needs is what a growing item takes; largest is what those before it have made.
func (i *Item) needs(tx *Tx, largest int64) need {
	if t, ok := i.Op.(*transaction); ok {
		return t.needs(tx, largest)
	}
	tx.Store = tx.Databases.At(int(i.Database))
	args := int64(0)
	for _, arg := range i.Argv {
		args += argumentOverhead + copies*int64(len(arg))
	}
	switch op := i.Op.(type) {
	case Overwriter:
		whole := op.Needs(tx)
		return need{args + whole + largest, args + op.Growth(tx), args + max(whole, largest)}
	case Sizer:
		args += op.Needs(tx) + largest // what it copies may be what an item before it has made
	}
	return need{args, args, args}
}

func (t *transaction) needs(tx *Tx, largest int64) (all need) {
	for i := range t.items {
		if t.items[i].Grows {
			n := t.items[i].needs(tx, largest)
			all.most = max(all.most, all.kept+n.most)
			all.kept += n.kept
			all.made = max(all.made, n.made)
			largest = max(largest, n.made)
		}
	}
	return all
}
