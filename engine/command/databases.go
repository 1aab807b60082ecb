package command

import (
	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

const (
	errInt32    = textError("ERR value is out of range, value must between -2147483648 and 2147483647")
	errDatabase = textError("ERR DB index is out of range")
)

func init() {
	register(
		connection("select", 2, Loading|Stale|Fast, "fast connection", selectDB).within(selectInScript).sinceDatabases(nil),
		row("move", 3, Write|Fast, oneKey.to(rw|accesses|updates), "keyspace write fast", parseMove).from(machine.SinceDatabases),
		row("swapdb", 3, Write|Fast, noKey, "keyspace write fast dangerous", parseSwap).from(machine.SinceDatabases),
	)
}

// parseDatabase reads the number of one of so many databases.
func parseDatabase(arg []byte, count int64) (int, error) {
	n, err := integer(arg)
	switch {
	case err != nil:
		return 0, err
	case n != int64(int32(n)):
		return 0, errInt32
	case n < 0 || n >= count:
		return 0, errDatabase
	}
	return int(n), nil
}

// Selects tells in which database the connection is once the command is carried
// out, if it decides that.
func (c *Command) Selects(argv [][]byte) (database int, selects bool) {
	switch c.Name {
	case "reset":
		return 0, true
	case "select":
		n, err := parseDatabase(argv[1], store.Count)
		return n, err == nil
	}
	return 0, false
}

func selectDB(s Session, argv [][]byte) reply.Reply {
	n, err := parseDatabase(argv[1], store.Count)
	if err != nil {
		return fail(err)
	}
	s.Select(n)
	return reply.OK
}

// selectInScript has the script's next commands be carried out in a database; that
// of the connection stays.
func selectInScript(h *scriptHost, argv [][]byte) reply.Reply {
	count := int64(store.Count)
	if h.tx.Semantics < machine.SinceDatabases {
		count = 1
	}
	n, err := parseDatabase(argv[1], count)
	if err != nil {
		return fail(err)
	}
	tx := h.tx.In(n)
	h.tx = &tx
	return reply.OK
}

type moveTo struct {
	key []byte
	to  int
}

func parseMove(argv [][]byte) (machine.Op, error) {
	to, err := parseDatabase(argv[2], store.Count)
	return moveTo{argv[1], to}, err
}

// Apply implements machine.Op.
func (op moveTo) Apply(tx *machine.Tx) reply.Reply {
	to := tx.Databases.At(op.to)
	switch {
	case to == tx.Store:
		return fail(errSameObject)
	case !tx.Store.Exists(op.key, tx.Now) || to.Exists(op.key, tx.Now):
		return reply.Integer(0)
	}
	tx.Store.Move(op.key, to)
	tx.Store.Tell(keyevent.Generic, "move_from", op.key)
	to.Tell(keyevent.Generic, "move_to", op.key)
	return reply.Integer(1)
}

type swap struct{ a, b int }

// swapWork is what a script is charged for a swap, in steps: how many keys are
// watched, which all are looked at, is not the same on every member.
const swapWork = 10_000

// parseSwap says of what is no number of 32 bits which one it is.
func parseSwap(argv [][]byte) (machine.Op, error) {
	var op [2]int
	for i, which := range []string{"first", "second"} {
		n, ok := parseInt(argv[1+i])
		if !ok || n != int64(int32(n)) {
			return nil, errorf("ERR invalid %s DB index", which)
		}
		op[i] = int(n)
	}
	for _, n := range op {
		if n < 0 || n >= store.Count {
			return nil, errDatabase
		}
	}
	return swap{op[0], op[1]}, nil
}

// Apply implements machine.Op.
func (op swap) Apply(tx *machine.Tx) reply.Reply {
	tx.Visited(swapWork)
	tx.Databases.Swap(op.a, op.b, tx.Now)
	return reply.OK
}
