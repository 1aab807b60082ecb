package command

import (
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("sadd", -3, Write|DenyOOM|Fast, oneKey.to(write), "write set fast", plain(sadd)),
		row("srem", -3, Write|Fast, oneKey.to(write), "write set fast", plain(srem)),
		row("smembers", 2, ReadOnly, oneKey.to(read), "read set slow", plain(smembers)),
		row("sismember", 3, ReadOnly|Fast, oneKey.to(look), "read set fast", plain(sismember)),
		row("smismember", -3, ReadOnly|Fast, oneKey.to(read), "read set fast", plain(smismember)),
		row("scard", 2, ReadOnly|Fast, oneKey.to(look), "read set fast", plain(scard)),
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
	store.Edit(tx.Store, argv[1], func(s *store.Set) {
		for _, member := range argv[2:] {
			if s.Add(member) {
				added++
			}
		}
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
		store.Edit(tx.Store, argv[1], func(s *store.Set) {
			for _, member := range argv[2:] {
				if s.Remove(member) {
					removed++
				}
			}
		})
	}
	return reply.Integer(removed)
}

func smembers(tx *machine.Tx, argv [][]byte) reply.Reply {
	s, _, err := readSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	members := gather(tx)
	for i := 0; i < s.Len() && members.add(reply.BulkString(s.At(i))); i++ {
	}
	return reply.Set(members.items...)
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
