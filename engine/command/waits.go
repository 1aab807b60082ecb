package command

import (
	"math"
	"math/big"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// Waiter is the Op of a command that waits for data. Apply does not wait: where
// there is nothing it answers null. Who waits, for how long and in which order
// is the server's business; of the log each is a command like any other.
type Waiter interface {
	machine.Op
	// Timeout is for how long to wait, in ms; 0 for ever.
	Timeout() int64
	// Keys are those that may bring data.
	Keys() [][]byte
	// Begin answers what needs no waiting, but for data that others may have
	// waited for longer: what is wrong with the keys, what is read and stays. If
	// ok is false the Waiter returned is what waits.
	Begin(tx *machine.Tx) (w Waiter, answer reply.Reply, ok bool)
	// Ready is how much the key has for a Waiter of this kind, and Takes how
	// much of that one takes at most.
	Ready(tx *machine.Tx, key []byte) int64
	Takes() int64
	// Call is the command that is carried out when a key is ready.
	Call(key []byte) [][]byte
}

// Ended is a Waiter whose waiting may end without data.
type Ended interface {
	Waiter
	// Gone says whether the key lacks what is waited with, and what is answered
	// then.
	Gone(tx *machine.Tx, key []byte) (answer reply.Reply, gone bool)
}

func init() {
	flags := Write | NoScript | Blocking
	register(
		row("blpop", -3, flags, keysBeforeTimeout.to(rw|accesses|deletes), "write list slow blocking", parseBpop(true)),
		row("brpop", -3, flags, keysBeforeTimeout.to(rw|accesses|deletes), "write list slow blocking", parseBpop(false)),
		row("blmove", 6, flags|DenyOOM, twoKeys.to(rw|accesses|deletes, rw|inserts), "write list slow blocking", parseBlmove),
		row("brpoplpush", 4, flags|DenyOOM, twoKeys.to(rw|accesses|deletes, rw|inserts), "write list slow blocking", parseBrpoplpush),
		row("blmpop", -5, Write|Blocking|MovableKeys, noKey, "write list slow blocking", parseBlmpop).finding(numberedKeys(2, rw|accesses|deletes)),
		row("bzpopmin", -3, flags|Fast, keysBeforeTimeout.to(rw|accesses|deletes), "write sortedset fast blocking", parseBzpop(false)),
		row("bzpopmax", -3, flags|Fast, keysBeforeTimeout.to(rw|accesses|deletes), "write sortedset fast blocking", parseBzpop(true)),
		row("bzmpop", -5, Write|Blocking|MovableKeys, noKey, "write sortedset slow blocking", parseBzmpop).finding(numberedKeys(2, rw|accesses|deletes)),
	)
}

var keysBeforeTimeout = place{1, -2, 1}

// maxTimeout is the longest that redis-server counts from now on, in ms.
const maxTimeout = math.MaxInt64 - 2_000_000_000_000

const (
	errTimeoutFloat    = textError("ERR timeout is not a float or out of range")
	errTimeoutInteger  = textError("ERR timeout is not an integer or out of range")
	errTimeoutRange    = textError("ERR timeout is out of range")
	errTimeoutNegative = textError("ERR timeout is negative")
)

// parseSeconds reads a timeout, in ms.
func parseSeconds(arg []byte) (ms int64, err error) {
	f, ok := parseFloat(arg)
	if !ok {
		return 0, errTimeoutFloat
	}
	if f.IsInf() {
		return 0, errTimeoutNegative
	}
	f.Mul(f, big.NewFloat(1000))
	ms, accuracy := f.Int64()
	if ms == math.MaxInt64 { // of redis-server's integers there is none larger but the smallest
		return 0, errTimeoutNegative
	}
	if accuracy == big.Below && f.Sign() > 0 {
		ms++ // to the next whole one
	}
	return checkTimeout(ms)
}

// parseMilliseconds reads a timeout.
func parseMilliseconds(arg []byte) (ms int64, err error) {
	ms, ok := parseInt(arg)
	if !ok {
		return 0, errTimeoutInteger
	}
	return checkTimeout(ms)
}

func checkTimeout(ms int64) (int64, error) {
	switch {
	case ms < 0:
		return 0, errTimeoutNegative
	case ms > maxTimeout:
		return 0, errTimeoutRange
	}
	return ms, nil
}

// taker is the Waiter of the commands that take from lists and sorted sets: a
// command that does not wait, and what there is to know to wait for it.
type taker struct {
	machine.Op
	timeout int64 // ms
	keys    [][]byte
	takes   int64
	size    func(tx *machine.Tx, key []byte) (int, bool, error)
	call    func(key []byte) [][]byte
}

func (w *taker) Timeout() int64           { return w.timeout }
func (w *taker) Keys() [][]byte           { return w.keys }
func (w *taker) Takes() int64             { return w.takes }
func (w *taker) Call(key []byte) [][]byte { return w.call(key) }

// Begin implements Waiter: of several keys the first that is there counts.
func (w *taker) Begin(tx *machine.Tx) (Waiter, reply.Reply, bool) {
	for _, key := range w.keys {
		_, found, err := w.size(tx, key)
		if err != nil {
			return w, fail(err), true
		}
		if found {
			break
		}
	}
	return w, reply.Reply{}, false
}

// Ready implements Waiter. What is no list, or no sorted set, has nothing.
func (w *taker) Ready(tx *machine.Tx, key []byte) int64 {
	n, _, _ := w.size(tx, key)
	return int64(n)
}

func listSize(tx *machine.Tx, key []byte) (int, bool, error) {
	l, found, err := readList(tx, key)
	if err != nil {
		return 0, false, err
	}
	return l.Len(), found, nil
}

func zsetSize(tx *machine.Tx, key []byte) (int, bool, error) {
	z, found, err := readZSet(tx, key)
	if err != nil {
		return 0, false, err
	}
	return z.Len(), found, nil
}

// anyTime is the timeout of a call that is carried out at once.
var anyTime = []byte("0")

// parseBpop serves BLPOP and BRPOP.
func parseBpop(front bool) parser {
	return func(argv [][]byte) (machine.Op, error) {
		keys := argv[1 : len(argv)-1]
		timeout, err := parseSeconds(argv[len(argv)-1])
		return &taker{
			Op: popFirst{keys, front}, timeout: timeout, keys: keys, takes: 1, size: listSize,
			call: func(key []byte) [][]byte { return [][]byte{argv[0], key, anyTime} },
		}, err
	}
}

type popFirst struct {
	keys  [][]byte
	front bool
}

// Apply implements machine.Op.
func (op popFirst) Apply(tx *machine.Tx) reply.Reply {
	for _, key := range op.keys {
		_, found, err := readList(tx, key)
		switch {
		case err != nil:
			return fail(err)
		case found:
			return reply.Array(reply.Bulk(key), popSome(tx, key, op.front, 1)[0])
		}
	}
	return reply.NullArray
}

func parseBlmove(argv [][]byte) (machine.Op, error) {
	op, err := parseLmove(argv)
	if err != nil {
		return nil, err
	}
	return moving(op, argv)
}

func parseBrpoplpush(argv [][]byte) (machine.Op, error) {
	op, err := parseRpoplpush(argv)
	if err != nil {
		return nil, err
	}
	return moving(op, argv)
}

func moving(op machine.Op, argv [][]byte) (machine.Op, error) {
	timeout, err := parseSeconds(argv[len(argv)-1])
	return &taker{
		Op: op, timeout: timeout, keys: argv[1:2], takes: 1, size: listSize,
		call: func([]byte) [][]byte { return argv },
	}, err
}

func parseBlmpop(argv [][]byte) (machine.Op, error) {
	op, err := parseLmpop(argv[1:])
	if err != nil {
		return nil, err
	}
	pop := op.(*lmpop)
	return popping(op, argv, pop.keys, pop.count, listSize)
}

func parseBzmpop(argv [][]byte) (machine.Op, error) {
	op, err := parseZmpop(argv[1:])
	if err != nil {
		return nil, err
	}
	pop := op.(*zmpop)
	return popping(op, argv, pop.keys, pop.count, zsetSize)
}

// popping makes the Waiter of BLMPOP and BZMPOP, whose keys stand behind timeout
// and number.
func popping(op machine.Op, argv, keys [][]byte, count int64, size func(*machine.Tx, []byte) (int, bool, error)) (machine.Op, error) {
	timeout, err := parseSeconds(argv[1])
	return &taker{
		Op: op, timeout: timeout, keys: keys, takes: count, size: size,
		call: func(key []byte) [][]byte {
			return append([][]byte{argv[0], anyTime, []byte("1"), key}, argv[3+len(keys):]...)
		},
	}, err
}

// parseBzpop serves BZPOPMIN and BZPOPMAX.
func parseBzpop(greatest bool) parser {
	return func(argv [][]byte) (machine.Op, error) {
		keys := argv[1 : len(argv)-1]
		timeout, err := parseSeconds(argv[len(argv)-1])
		return &taker{
			Op: zpopFirst{keys, greatest}, timeout: timeout, keys: keys, takes: 1, size: zsetSize,
			call: func(key []byte) [][]byte { return [][]byte{argv[0], key, anyTime} },
		}, err
	}
}

type zpopFirst struct {
	keys     [][]byte
	greatest bool
}

// Apply implements machine.Op.
func (op zpopFirst) Apply(tx *machine.Tx) reply.Reply {
	for _, key := range op.keys {
		_, found, err := readZSet(tx, key)
		switch {
		case err != nil:
			return fail(err)
		case found:
			return reply.Array(append([]reply.Reply{reply.Bulk(key)}, popScores(tx, key, op.greatest, 1)...)...)
		}
	}
	return reply.NullArray
}
