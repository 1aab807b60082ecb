package machine

import (
	"errors"
	"strconv"

	"github.com/coffer-dev/coffer/engine/reply"
)

// sweepName is the logged name of the sweep. No row of the command table has
// it, so what a client sends under that name is refused as unknown before it
// could reach the log.
const sweepName = "\x00SWEEP"

// MaxSweep bounds how many keys one sweep removes.
const MaxSweep = 10_000

var errSweep = errors.New("malformed sweep")

type sweep struct{ limit int }

// Apply answers how many keys were removed.
func (s sweep) Apply(tx *Tx) reply.Reply {
	return reply.Integer(int64(tx.Store.Sweep(tx.Now, s.limit)))
}

// Due reports whether a sweep at that time would remove anything.
func (m *Machine) Due(now int64) bool { return m.store.Due(now) }

// Sweep is the item that the leader proposes to remove up to limit keys, at
// most MaxSweep, whose deadline has passed. Its reply is their number.
func Sweep(limit int) Item {
	limit = min(limit, MaxSweep)
	argv := [][]byte{[]byte(sweepName), strconv.AppendInt(nil, int64(limit), 10)}
	return Item{Op: sweep{limit}, Argv: argv, Write: true}
}

// parseLogged reads back a command, the machine's own included.
func (m *Machine) parseLogged(argv [][]byte) (Op, error) {
	switch string(argv[0]) {
	case transactionName:
		return m.parseTransaction(argv)
	case sweepName:
		return parseSweep(argv)
	}
	return m.parse(argv)
}

func parseSweep(argv [][]byte) (Op, error) {
	if len(argv) != 2 {
		return nil, errSweep
	}
	limit, err := strconv.Atoi(string(argv[1]))
	if err != nil || limit < 0 || limit > MaxSweep {
		return nil, errSweep
	}
	return sweep{limit}, nil
}
