package command

import (
	"strconv"

	"github.com/coffer-dev/coffer/engine/glob"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(row("coffer.erase", -3, Write|NoScript, noKey, "keyspace admin write slow dangerous", parseErase))
}

// How many keys one COFFER.ERASE looks at.
const (
	defaultErased = 1000
	maxErased     = 10_000
)

// erase is COFFER.ERASE cursor pattern [COUNT count]: it removes the keys that
// match, of those that it looks at in all databases, and answers where to go on, as
// SCAN does, and how many it has removed. Unlike DEL it has what it removed leave the files,
// too, soon: see machine.Tx.Erased.
type erase struct {
	cursor  uint64
	pattern []byte
	count   int64
}

func parseErase(argv [][]byte) (machine.Op, error) {
	op := &erase{pattern: argv[2], count: defaultErased}
	var err error
	if op.cursor, err = parseCursor(argv[1]); err != nil {
		return nil, err
	}
	switch {
	case len(argv) == 3:
		return op, nil
	case len(argv) != 5 || !is(argv[3], "COUNT"):
		return nil, errSyntax
	}
	if op.count, err = integer(argv[4]); err != nil {
		return nil, err
	}
	if op.count < 1 || op.count > maxErased {
		return nil, errorf("ERR COUNT must be from 1 to %d", maxErased)
	}
	return op, nil
}

// Apply implements machine.Op. What has expired and is not removed yet counts as
// being there. The cursor is a database's number and, of that one, SCAN's.
func (op *erase) Apply(tx *machine.Tx) reply.Reply {
	const end = store.Count * store.Slots
	cursor, looked, removed := op.cursor, int64(0), int64(0)
	for cursor < end {
		database := cursor / store.Slots
		each := tx.In(int(database))
		if each.Store.Len() == 0 {
			cursor = (database + 1) * store.Slots
			continue
		}
		if looked >= op.count {
			break
		}
		var keys [][]byte
		next := each.Store.Scan(cursor%store.Slots, int(op.count-looked), 0, func(key string, _ store.Kind) bool {
			if looked++; glob.Match(op.pattern, []byte(key)) {
				keys = append(keys, []byte(key))
			}
			return true
		})
		for _, key := range keys {
			remove(&each, key)
		}
		removed += int64(len(keys))
		if next == 0 { // it is through
			next = store.Slots
		}
		cursor = database*store.Slots + next
	}
	if cursor >= end {
		cursor = 0
	}
	if removed > 0 {
		tx.Erased()
	}
	return reply.Array(reply.BulkString(strconv.FormatUint(cursor, 10)), reply.Integer(removed))
}
