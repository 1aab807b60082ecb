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
		row("copy", -3, Write|DenyOOM, twoKeys.to(ro|accesses, ow|updates), "keyspace write slow", parseCopy(store.Count)).sinceDatabases(parseCopy(1)),
		row("randomkey", 1, ReadOnly, noKey, "keyspace read slow", plain(randomkey)).tip(tipAllShards, tipVaries),
	)
}

type copying struct {
	from, to []byte
	database int // that it is copied to; here for that of the command
	replace  bool
}

const (
	here          = -1
	errSameObject = textError("ERR source and destination objects are the same")
)

// parseCopy serves COPY where there are so many databases.
func parseCopy(count int64) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := copying{from: argv[1], to: argv[2], database: here}
		for i := 3; i < len(argv); i++ {
			switch {
			case is(argv[i], "REPLACE"):
				op.replace = true
			case is(argv[i], "DB") && i+1 < len(argv):
				i++
				var err error
				if op.database, err = parseDatabase(argv[i], count); err != nil {
					return nil, err
				}
			default:
				return nil, errSyntax
			}
		}
		if (op.database == here || count == 1) && bytes.Equal(op.from, op.to) {
			return nil, errSameObject
		}
		return op, nil
	}
}

// Needs implements machine.Sizer: what is copied, and its encoding meanwhile.
func (op copying) Needs(tx *machine.Tx) int64 { return 2 * sizeOf(tx, op.from) }

// Apply implements machine.Op.
func (op copying) Apply(tx *machine.Tx) reply.Reply {
	into := tx.Store
	if op.database != here {
		into = tx.Databases.At(op.database)
	}
	if into == tx.Store && bytes.Equal(op.from, op.to) {
		return fail(errSameObject)
	}
	v := tx.Store.Get(op.from, tx.Now)
	if v == nil {
		return reply.Integer(0)
	}
	replaced := into.Exists(op.to, tx.Now)
	if replaced && !op.replace {
		return reply.Integer(0)
	}
	tx.Scanned(int(store.Weight(v)))
	deadline, _ := tx.Store.Deadline(op.from, tx.Now)
	into.Put(op.to, store.Clone(v), deadline)
	if replaced {
		into.Tell(keyevent.New, "new", op.to)
	}
	into.Tell(keyevent.Generic, "copy_to", op.to)
	return reply.Integer(1)
}

// randomkey picks a slot, and a key of the first one from there on that has any.
func randomkey(tx *machine.Tx, _ [][]byte) reply.Reply {
	r := tx.Random()
	var names []string
	collect := func(key string, _ store.Kind) bool {
		names = append(names, key)
		return true
	}
	begin := uint64(r.Below(store.Slots))
	for next := begin; len(names) == 0; {
		if next = tx.Store.Scan(next, 1, tx.Now, collect); next == 0 {
			break
		}
	}
	for next := uint64(0); len(names) == 0 && next < begin; {
		if next = tx.Store.Scan(next, 1, tx.Now, collect); next == 0 {
			break
		}
	}
	if len(names) == 0 {
		return reply.Null
	}
	return reply.BulkString(names[r.Below(len(names))])
}
