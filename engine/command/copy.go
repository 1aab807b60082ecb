package command

import (
	"bytes"
	"math"

	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("copy", -3, Write|DenyOOM, twoKeys.to(read, write), "keyspace write slow", parseCopy),
		row("randomkey", 1, ReadOnly, noKey, "keyspace read slow", plain(randomkey)),
	)
}

type copying struct {
	from, to []byte
	replace  bool
}

func parseCopy(argv [][]byte) (machine.Op, error) {
	op := copying{from: argv[1], to: argv[2]}
	for i := 3; i < len(argv); i++ {
		switch {
		case is(argv[i], "REPLACE"):
			op.replace = true
		case is(argv[i], "DB") && i+1 < len(argv):
			i++
			db, err := integer(argv[i])
			switch {
			case err != nil:
				return nil, err
			case db < math.MinInt32 || db > math.MaxInt32:
				return nil, textError("ERR value is out of range, value must between -2147483648 and 2147483647")
			case db != 0:
				return nil, textError("ERR DB index is out of range")
			}
		default:
			return nil, errSyntax
		}
	}
	if bytes.Equal(op.from, op.to) {
		return nil, textError("ERR source and destination objects are the same")
	}
	return op, nil
}

// Needs implements machine.Sizer: what is copied, and its encoding meanwhile.
func (op copying) Needs(tx *machine.Tx) int64 { return 2 * sizeOf(tx, op.from) }

// Apply implements machine.Op.
func (op copying) Apply(tx *machine.Tx) reply.Reply {
	v := tx.Store.Get(op.from, tx.Now)
	if v == nil {
		return reply.Integer(0)
	}
	replaced := tx.Store.Exists(op.to, tx.Now)
	if replaced && !op.replace {
		return reply.Integer(0)
	}
	tx.Scanned(int(store.Weight(v)))
	deadline, _ := tx.Store.Deadline(op.from, tx.Now)
	tx.Store.Put(op.to, store.Clone(v), deadline)
	if replaced {
		tx.Store.Tell(keyevent.New, "new", op.to)
	}
	tx.Store.Tell(keyevent.Generic, "copy_to", op.to)
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
