package machine

import (
	"errors"
	"strconv"

	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/reply"
)

// sweepName is the logged name of the sweep. No row of the command table has
// it, so what a client sends under that name is refused as unknown before it
// could reach the log.
const sweepName = "\x00SWEEP"

// MaxSweep bounds how many keys one sweep removes.
const MaxSweep = 10_000

var (
	errSweep = errors.New("malformed sweep")
	errTick  = errors.New("malformed tick")
)

type sweep struct{ limit int }

// Apply answers how many keys were removed.
func (s sweep) Apply(tx *Tx) reply.Reply {
	return reply.Integer(int64(tx.Databases.Sweep(tx.Now, s.limit)))
}

// Due reports whether a sweep at that time would remove anything.
func (m *Machine) Due(now int64) bool { return m.databases.Due(now) }

// Sweep is the item that the leader proposes to remove up to limit keys, at
// most MaxSweep, whose deadline has passed. Its reply is their number.
func Sweep(limit int) Item {
	limit = min(limit, MaxSweep)
	argv := [][]byte{[]byte(sweepName), strconv.AppendInt(nil, int64(limit), 10)}
	return Item{Op: sweep{limit}, Argv: argv, Write: true}
}

// tickName is the logged name of a tick, which like sweepName is no client's to
// send: name, queue.Tick as it appends itself.
const tickName = "\x00TICK"

type tick struct{ *queue.Tick }

// Apply answers how much was done.
func (t tick) Apply(tx *Tx) reply.Reply {
	t.Tick.Apply(tx.Queues, tx.Now, tx.Seed)
	return reply.Integer(int64(t.Result))
}

// Tick is the item that the leader proposes to do what is due of jobs at that
// time. Schedules make no jobs that would take the data beyond limit bytes, 0
// for no limit. Its reply is how much was done.
func (m *Machine) Tick(now, limit int64) Item {
	op := m.queues.Tick(max(now, m.lastNow))
	op.Full = limit > 0 && m.Bytes()+op.Adds(m.queues) > limit
	return Item{Op: tick{op}, Argv: [][]byte{[]byte(tickName), op.Append(nil)}, Write: true}
}

// parseLogged reads back a command, the machine's own included. It leaves in argv
// what is behind the database.
func (m *Machine) parseLogged(argv *[][]byte) (l loggedOp, err error) {
	if l.database, *argv, err = cutDatabase(*argv); err != nil {
		return l, err
	}
	switch name := string((*argv)[0]); {
	case l.database != 0:
		l.op, err = m.parse(*argv)
	case name == transactionName:
		l.op, err = m.parseTransaction(*argv)
	case name == sweepName:
		l.op, err = parseSweep(*argv)
	case name == tickName:
		l.op, err = parseTick(*argv)
	default:
		l.op, err = m.parse(*argv)
	}
	return l, err
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

func parseTick(argv [][]byte) (Op, error) {
	if len(argv) != 2 {
		return nil, errTick
	}
	op, err := queue.ParseOp(argv[1])
	if t, ok := op.(*queue.Tick); ok {
		return tick{t}, nil
	}
	return nil, errors.Join(errTick, err)
}
