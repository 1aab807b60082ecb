package command

import (
	"math"
	"math/big"
	"strconv"

	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// maxString bounds a string that commands build up, in bytes: redis-server's
// proto-max-bulk-len. It is part of the semantics, not of the configuration,
// since all members must agree on it.
const maxString = 512 << 20

func init() {
	register(
		row("get", 2, ReadOnly|Fast, oneKey.to(ro|accesses), "read string fast", plain(get)),
		row("set", -3, Write|DenyOOM, oneKey.to(rw|accesses|updates), "write string slow", parseSet).varying(setKeys).noting("RW and ACCESS due to the optional `GET` argument"),
		row("setex", 4, Write|DenyOOM, oneKey.to(ow|updates), "write string slow", parseSetExpiring(1000)),
		row("psetex", 4, Write|DenyOOM, oneKey.to(ow|updates), "write string slow", parseSetExpiring(1)),
		row("setnx", 3, Write|DenyOOM|Fast, oneKey.to(ow|inserts), "write string fast", plain(setnx)),
		row("getset", 3, Write|DenyOOM|Fast, oneKey.to(rw|accesses|updates), "write string fast", plain(getset)),
		row("getdel", 2, Write|Fast, oneKey.to(rw|accesses|deletes), "write string fast", plain(getdel)),
		row("getex", -2, Write|Fast, oneKey.to(rw|accesses|updates), "write string fast", parseGetex).noting("RW and UPDATE because it changes the TTL"),
		row("mget", -2, ReadOnly|Fast, allKeys.to(ro|accesses), "read string fast", plain(mget)).tip(tipMultiShard),
		row("mset", -3, Write|DenyOOM, keyPairs.to(ow|updates), "write string slow", parsePairs(mset)).tip(tipMultiShard, tipAllSucceeded),
		row("msetnx", -3, Write|DenyOOM, keyPairs.to(ow|inserts), "write string slow", parsePairs(msetnx)).tip(tipMultiShard, tipLeast),
		row("incr", 2, Write|DenyOOM|Fast, oneKey.to(rw|accesses|updates), "write string fast", parseIncrement(1)),
		row("decr", 2, Write|DenyOOM|Fast, oneKey.to(rw|accesses|updates), "write string fast", parseIncrement(-1)),
		row("incrby", 3, Write|DenyOOM|Fast, oneKey.to(rw|accesses|updates), "write string fast", parseIncrement(1)),
		row("decrby", 3, Write|DenyOOM|Fast, oneKey.to(rw|accesses|updates), "write string fast", parseIncrement(-1)),
		row("incrbyfloat", 3, Write|DenyOOM|Fast, oneKey.to(rw|accesses|updates), "write string fast", plain(incrbyfloat)),
		row("append", 3, Write|DenyOOM|Fast, oneKey.to(rw|inserts), "write string fast", parseAppend),
		row("strlen", 2, ReadOnly|Fast, oneKey.to(ro), "read string fast", plain(strlen)),
		row("getrange", 4, ReadOnly, oneKey.to(ro|accesses), "read string slow", parseGetrange),
		row("substr", 4, ReadOnly, oneKey.to(ro|accesses), "read string slow", parseGetrange),
		row("setrange", 4, Write|DenyOOM, oneKey.to(rw|updates), "write string slow", parseSetrange),
	)
}

func readString(tx *machine.Tx, key []byte) (store.String, bool, error) {
	return store.Read[store.String](tx.Store, key, tx.Now)
}

func putString(tx *machine.Tx, key, value []byte, deadline int64) {
	tx.Store.PutString(key, value, deadline)
}

// bulkOrNull renders a read: its error, null or the string.
func bulkOrNull(v store.String, found bool, err error) reply.Reply {
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Null
	}
	return reply.Bulk(v)
}

func get(tx *machine.Tx, argv [][]byte) reply.Reply {
	return bulkOrNull(readString(tx, argv[1]))
}

func setnx(tx *machine.Tx, argv [][]byte) reply.Reply {
	if tx.Store.Exists(argv[1], tx.Now) {
		return reply.Integer(0)
	}
	putString(tx, argv[1], argv[2], 0)
	tx.Store.Tell(keyevent.String, "set", argv[1])
	return reply.Integer(1)
}

func getset(tx *machine.Tx, argv [][]byte) reply.Reply {
	old := bulkOrNull(readString(tx, argv[1]))
	if !old.IsError() {
		putString(tx, argv[1], argv[2], 0)
		tx.Store.Tell(keyevent.String, "set", argv[1])
	}
	return old
}

func getdel(tx *machine.Tx, argv [][]byte) reply.Reply {
	old := bulkOrNull(readString(tx, argv[1]))
	if !old.IsError() {
		remove(tx, argv[1])
	}
	return old
}

func mget(tx *machine.Tx, argv [][]byte) reply.Reply {
	values := make([]reply.Reply, 0, len(argv)-1)
	for _, key := range argv[1:] {
		v, found, err := readString(tx, key)
		values = append(values, bulkOrNull(v, found && err == nil, nil))
	}
	return reply.Array(values...)
}

// parsePairs checks that every key has a value.
func parsePairs(run func(tx *machine.Tx, argv [][]byte) reply.Reply) parser {
	return func(argv [][]byte) (machine.Op, error) {
		if len(argv)%2 == 0 {
			name := Lookup(argv[0]).Name
			return nil, errArity(name)
		}
		return argvOp{argv, run}, nil
	}
}

func mset(tx *machine.Tx, argv [][]byte) reply.Reply {
	for i := 1; i < len(argv); i += 2 {
		putString(tx, argv[i], argv[i+1], 0)
		tx.Store.Tell(keyevent.String, "set", argv[i])
	}
	return reply.OK
}

func msetnx(tx *machine.Tx, argv [][]byte) reply.Reply {
	for i := 1; i < len(argv); i += 2 {
		if tx.Store.Exists(argv[i], tx.Now) {
			return reply.Integer(0)
		}
	}
	mset(tx, argv)
	return reply.Integer(1)
}

type increment struct {
	key []byte
	by  int64
}

// parseIncrement serves INCR and DECR, with and without BY.
func parseIncrement(sign int64) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := increment{argv[1], 1}
		if len(argv) > 2 {
			by, err := integer(argv[2])
			if err != nil {
				return nil, err
			}
			op.by = by
		}
		if sign < 0 && op.by == math.MinInt64 {
			return nil, textError("ERR decrement would overflow")
		}
		op.by *= sign
		return op, nil
	}
}

// Apply implements machine.Op.
func (op increment) Apply(tx *machine.Tx) reply.Reply {
	v, found, err := readString(tx, op.key)
	if err != nil {
		return fail(err)
	}
	var n int64
	if found {
		if n, err = integer(v); err != nil {
			return fail(err)
		}
	}
	if op.by < 0 && n < math.MinInt64-op.by || op.by > 0 && n > math.MaxInt64-op.by {
		return fail(errOverflow)
	}
	n += op.by
	replaceString(tx, op.key, strconv.AppendInt(nil, n, 10))
	tx.Store.Tell(keyevent.String, "incrby", op.key)
	return reply.Integer(n)
}

// replaceString stores a value that the caller gives away and keeps the
// deadline.
func replaceString(tx *machine.Tx, key, value []byte) {
	deadline, _ := tx.Store.Deadline(key, tx.Now)
	tx.Store.Put(key, store.String(value), deadline)
}

func incrbyfloat(tx *machine.Tx, argv [][]byte) reply.Reply {
	v, found, err := readString(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	if !found {
		v = store.String("0")
	}
	n, ok := parseFloat(v)
	by, okBy := parseFloat(argv[2])
	if !ok || !okBy {
		return fail(errNotFloat)
	}
	text, err := addFloats(n, by)
	if err != nil {
		return fail(err)
	}
	replaceString(tx, argv[1], text)
	tx.Store.Tell(keyevent.String, "incrbyfloat", argv[1])
	return reply.Bulk(text)
}

// addFloats adds in the precision of a long double.
func addFloats(a, b *big.Float) ([]byte, error) {
	if a.IsInf() || b.IsInf() {
		return nil, errNotFinite
	}
	sum := new(big.Float).SetPrec(floatPrecision).Add(a, b)
	if sum.MantExp(nil) > floatExponent {
		return nil, errNotFinite
	}
	return formatFloat(sum), nil
}

const errOverflow = textError("ERR increment or decrement would overflow")

const errNotFinite = textError("ERR increment would produce NaN or Infinity")

type appending struct{ key, value []byte }

func parseAppend(argv [][]byte) (machine.Op, error) { return appending{argv[1], argv[2]}, nil }

// Needs implements machine.Sizer: there may be no room behind the string.
func (op appending) Needs(tx *machine.Tx) int64 { return stringSize(tx, op.key) }

// Growth implements machine.Overwriter: what is appended is an argument.
func (op appending) Growth(*machine.Tx) int64 { return 0 }

// stringSize is the length of a string, 0 when there is none.
func stringSize(tx *machine.Tx, key []byte) int64 {
	v, _, _ := readString(tx, key)
	return int64(len(v))
}

// Apply implements machine.Op.
func (op appending) Apply(tx *machine.Tx) reply.Reply {
	v, found, err := readString(tx, op.key)
	if err != nil {
		return fail(err)
	}
	if !found {
		putString(tx, op.key, op.value, 0)
		tx.Store.Tell(keyevent.String, "append", op.key)
		return reply.Integer(int64(len(op.value)))
	}
	if len(v)+len(op.value) > maxString {
		return fail(errTooLong)
	}
	grown := append(v, op.value...)
	replaceString(tx, op.key, grown)
	tx.Store.Tell(keyevent.String, "append", op.key)
	return reply.Integer(int64(len(grown)))
}

func strlen(tx *machine.Tx, argv [][]byte) reply.Reply {
	v, _, err := readString(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	return reply.Integer(int64(len(v)))
}

type getrange struct {
	key        []byte
	start, end int64
}

func parseGetrange(argv [][]byte) (machine.Op, error) {
	start, err := integer(argv[2])
	if err != nil {
		return nil, err
	}
	end, err := integer(argv[3])
	if err != nil {
		return nil, err
	}
	return getrange{argv[1], start, end}, nil
}

// Apply implements machine.Op.
func (op getrange) Apply(tx *machine.Tx) reply.Reply {
	v, _, err := readString(tx, op.key)
	if err != nil {
		return fail(err)
	}
	start, end, size := op.start, op.end, int64(len(v))
	if start < 0 && end < 0 && start > end {
		return reply.BulkString("")
	}
	if start < 0 {
		start = max(start+size, 0)
	}
	if end < 0 {
		end = max(end+size, 0)
	}
	end = min(end, size-1)
	if start > end {
		return reply.BulkString("")
	}
	return reply.Bulk(v[start : end+1])
}

type setrange struct {
	key, value []byte
	offset     int64
}

func parseSetrange(argv [][]byte) (machine.Op, error) {
	offset, err := integer(argv[2])
	if err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, textError("ERR offset is out of range")
	}
	return setrange{argv[1], argv[3], offset}, nil
}

// Needs implements machine.Sizer: a few bytes of arguments make a string of
// half a GiB, and the one before is copied.
func (op setrange) Needs(tx *machine.Tx) int64 {
	if op.offset > maxString || len(op.value) == 0 {
		return 0 // refused, or nothing to do
	}
	return max(stringSize(tx, op.key), op.offset+int64(len(op.value)))
}

// Growth implements machine.Overwriter.
func (op setrange) Growth(tx *machine.Tx) int64 { return max(op.Needs(tx)-stringSize(tx, op.key), 0) }

// Apply implements machine.Op.
func (op setrange) Apply(tx *machine.Tx) reply.Reply {
	v, _, err := readString(tx, op.key)
	if err != nil {
		return fail(err)
	}
	if len(op.value) == 0 {
		return reply.Integer(int64(len(v)))
	}
	if op.offset > maxString-int64(len(op.value)) {
		return fail(errTooLong)
	}
	grown := make([]byte, max(len(v), int(op.offset)+len(op.value)))
	copy(grown, v)
	copy(grown[op.offset:], op.value)
	replaceString(tx, op.key, grown)
	tx.Store.Tell(keyevent.String, "setrange", op.key)
	return reply.Integer(int64(len(grown)))
}
