package command

import (
	"bytes"

	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("sadd", -3, Write|DenyOOM|Fast, oneKey.to(rw|inserts), "write set fast", plain(sadd)),
		row("srem", -3, Write|Fast, oneKey.to(rw|deletes), "write set fast", plain(srem)),
		row("smembers", 2, ReadOnly, oneKey.to(ro|accesses), "read set slow", plain(smembers)).tip(tipUnordered),
		row("sismember", 3, ReadOnly|Fast, oneKey.to(ro), "read set fast", plain(sismember)),
		row("smismember", -3, ReadOnly|Fast, oneKey.to(ro|accesses), "read set fast", plain(smismember)),
		row("scard", 2, ReadOnly|Fast, oneKey.to(ro), "read set fast", plain(scard)),
		row("smove", 4, Write|Fast, twoKeys.to(rw|accesses|deletes, rw|inserts), "write set fast", plain(smove)),
		row("spop", -2, Write|Fast, oneKey.to(rw|accesses|deletes), "write set fast", parseSpop).tip(tipVaries),
		row("srandmember", -2, ReadOnly, oneKey.to(ro|accesses), "read set slow", parseRandom("", openSet)).tip(tipVaries),
		row("sscan", -3, ReadOnly, oneKey.to(ro|accesses), "read set slow", parseCollectionScan(openSet)).tip(tipVaries),
	)
}

// noMembers stands for an absent set where one is read.
var noMembers = &store.Set{}

func readSet(tx *machine.Tx, key []byte) (*store.Set, bool, error) {
	s, found, err := store.Read[*store.Set](tx.Store, key, tx.Now)
	if !found {
		s = noMembers
	}
	return s, found, err
}

func sadd(tx *machine.Tx, argv [][]byte) reply.Reply {
	_, found, err := readSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	if !found {
		tx.Store.Put(argv[1], &store.Set{}, 0)
	}
	var added int64
	edit(tx, argv[1], keyevent.Set, "sadd", func(s *store.Set) bool {
		for _, member := range argv[2:] {
			if s.Add(member) {
				added++
			}
		}
		return added > 0
	})
	return reply.Integer(added)
}

func srem(tx *machine.Tx, argv [][]byte) reply.Reply {
	_, found, err := readSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	var removed int64
	if found {
		edit(tx, argv[1], keyevent.Set, "srem", func(s *store.Set) bool {
			for _, member := range argv[2:] {
				if s.Remove(member) {
					removed++
				}
			}
			return removed > 0
		})
	}
	return reply.Integer(removed)
}

func smembers(tx *machine.Tx, argv [][]byte) reply.Reply {
	s, _, err := readSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	members := gatherTexts(tx, s.Size())
	var member []byte
	for i := range s.Len() {
		if member = s.AppendAt(member[:0], i); !members.add(member) {
			break
		}
	}
	return members.reply(reply.KindSet)
}

func truth(b bool) reply.Reply {
	if b {
		return reply.Integer(1)
	}
	return reply.Integer(0)
}

func sismember(tx *machine.Tx, argv [][]byte) reply.Reply {
	s, _, err := readSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	return truth(s.Has(argv[2]))
}

func smismember(tx *machine.Tx, argv [][]byte) reply.Reply {
	s, _, err := readSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	answers := make([]reply.Reply, 0, len(argv)-2)
	for _, member := range argv[2:] {
		answers = append(answers, truth(s.Has(member)))
	}
	return reply.Array(answers...)
}

func scard(tx *machine.Tx, argv [][]byte) reply.Reply {
	s, _, err := readSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	return reply.Integer(int64(s.Len()))
}

func openSet(tx *machine.Tx, key []byte) (collection, bool, error) {
	s, found, err := readSet(tx, key)
	c := collection{size: s.Len(), compact: s.Integers()}
	c.each = func(i, j int, visit func(name, value []byte) bool) {
		var member []byte
		for ; i < j; i++ {
			if member = s.AppendAt(member[:0], i); !visit(member, nil) {
				return
			}
		}
	}
	return c, found, err
}

func smove(tx *machine.Tx, argv [][]byte) reply.Reply {
	from, found, err := readSet(tx, argv[1])
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Integer(0)
	}
	_, found, err = readSet(tx, argv[2])
	switch {
	case err != nil:
		return fail(err)
	case !from.Has(argv[3]):
		return reply.Integer(0)
	case bytes.Equal(argv[1], argv[2]):
		return reply.Integer(1)
	}
	edit(tx, argv[1], keyevent.Set, "srem", func(s *store.Set) bool { return s.Remove(argv[3]) })
	if !found {
		tx.Store.Put(argv[2], &store.Set{}, 0)
	}
	edit(tx, argv[2], keyevent.Set, "sadd", func(s *store.Set) bool { return s.Add(argv[3]) })
	return reply.Integer(1)
}

type spop struct {
	key   []byte
	count int64 // -1 for one that is not in a set
}

func parseSpop(argv [][]byte) (machine.Op, error) {
	op := spop{argv[1], -1}
	switch len(argv) {
	case 2:
	case 3:
		var err error
		if op.count, err = positive(argv[2], errNotPositive); err != nil {
			return nil, err
		}
	default:
		return nil, errSyntax
	}
	return op, nil
}

// Apply implements machine.Op.
func (op spop) Apply(tx *machine.Tx) reply.Reply {
	_, found, err := readSet(tx, op.key)
	switch {
	case err != nil:
		return fail(err)
	case !found && op.count < 0:
		return reply.Null
	case !found || op.count == 0:
		return reply.Set()
	}
	popped, r := answers(), tx.Random()
	edit(tx, op.key, keyevent.Set, "spop", func(s *store.Set) bool {
		for n := max(op.count, -op.count); n > 0 && s.Len() > 0; n-- {
			member := s.AppendAt(nil, r.Below(s.Len()))
			s.Remove(member)
			popped.add(reply.Bulk(member))
		}
		return true
	})
	if op.count < 0 {
		return popped.items[0]
	}
	return reply.Set(popped.items...)
}
