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
// match, of those that it looks at, and answers where to go on, as SCAN does,
// and how many it has removed. Unlike DEL it has what it removed leave the files,
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
// being there.
func (op *erase) Apply(tx *machine.Tx) reply.Reply {
	var keys [][]byte
	next := tx.Store.Scan(op.cursor, int(op.count), 0, func(key string, _ store.Kind) bool {
		if glob.Match(op.pattern, []byte(key)) {
			keys = append(keys, []byte(key))
		}
		return true
	})
	for _, key := range keys {
		remove(tx, key)
	}
	if len(keys) > 0 {
		tx.Erased()
	}
	return reply.Array(reply.BulkString(strconv.FormatUint(next, 10)), reply.Integer(int64(len(keys))))
}
