package command

import (
	"bytes"
	"math"
	"strconv"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("del", -2, Write, allKeys.to(rm|deletes), "keyspace write slow", plain(del)).tip(tipMultiShard, tipSum),
		row("unlink", -2, Write|Fast, allKeys.to(rm|deletes), "keyspace write fast", plain(del)).tip(tipMultiShard, tipSum),
		row("exists", -2, ReadOnly|Fast, allKeys.to(ro), "keyspace read fast", plain(exists)).tip(tipMultiShard, tipSum),
		row("touch", -2, ReadOnly|Fast, allKeys.to(ro), "keyspace read fast", plain(touch)).tip(tipMultiShard, tipSum),
		row("type", 2, ReadOnly|Fast, oneKey.to(ro), "keyspace read fast", plain(typeOf)),
		row("rename", 3, Write, twoKeys.to(rw|accesses|deletes, ow|updates), "keyspace write slow", plain(rename)),
		row("renamenx", 3, Write|Fast, twoKeys.to(rw|accesses|deletes, ow|inserts), "keyspace write fast", plain(renamenx)),
		row("expire", -3, Write|Fast, oneKey.to(rw|updates), "keyspace write fast", parseExpire("expire", 1000, false)),
		row("pexpire", -3, Write|Fast, oneKey.to(rw|updates), "keyspace write fast", parseExpire("pexpire", 1, false)),
		row("expireat", -3, Write|Fast, oneKey.to(rw|updates), "keyspace write fast", parseExpire("expireat", 1000, true)),
		row("pexpireat", -3, Write|Fast, oneKey.to(rw|updates), "keyspace write fast", parseExpire("pexpireat", 1, true)),
		row("ttl", 2, ReadOnly|Fast, oneKey.to(ro|accesses), "keyspace read fast", plain(ttl(1000, false))).tip(tipVaries),
		row("pttl", 2, ReadOnly|Fast, oneKey.to(ro|accesses), "keyspace read fast", plain(ttl(1, false))).tip(tipVaries),
		row("expiretime", 2, ReadOnly|Fast, oneKey.to(ro|accesses), "keyspace read fast", plain(ttl(1000, true))),
		row("pexpiretime", 2, ReadOnly|Fast, oneKey.to(ro|accesses), "keyspace read fast", plain(ttl(1, true))),
		row("persist", 2, Write|Fast, oneKey.to(rw|updates), "keyspace write fast", plain(persist)),
		row("keys", 2, ReadOnly, noKey, "keyspace read slow dangerous", plain(keys)).tip(tipAllShards, tipUnordered),
		row("scan", -2, ReadOnly, noKey, "keyspace read slow", parseScan).tip(tipVaries, tipRouted),
		row("dbsize", 1, ReadOnly|Fast, noKey, "keyspace read fast", plain(dbsize)).tip(tipAllShards, tipSum),
		row("flushall", -1, Write, noKey, "keyspace write slow dangerous", parseFlush(flushAll)).tip(tipAllShards, tipAllSucceeded),
		row("flushdb", -1, Write, noKey, "keyspace write slow dangerous", parseFlush(flush)).tip(tipAllShards, tipAllSucceeded),
		row("time", 1, Loading|Stale|Fast, noKey, "fast", plain(now)).tip(tipVaries),
	)
}

func del(tx *machine.Tx, argv [][]byte) reply.Reply {
	return count(tx, argv, func(key []byte, _ int64) bool { return remove(tx, key) })
}

func exists(tx *machine.Tx, argv [][]byte) reply.Reply { return count(tx, argv, tx.Store.Exists) }
func touch(tx *machine.Tx, argv [][]byte) reply.Reply  { return count(tx, argv, tx.Store.Touch) }

// count is of how many keys it is so.
func count(tx *machine.Tx, argv [][]byte, is func(key []byte, now int64) bool) reply.Reply {
	var n int64
	for _, key := range argv[1:] {
		if is(key, tx.Now) {
			n++
		}
	}
	return reply.Integer(n)
}

func typeOf(tx *machine.Tx, argv [][]byte) reply.Reply {
	v := tx.Store.Peek(argv[1], tx.Now)
	if v == nil {
		return reply.Simple("none")
	}
	return reply.Simple(v.Kind().String())
}

func rename(tx *machine.Tx, argv [][]byte) reply.Reply {
	if !tx.Store.Exists(argv[1], tx.Now) {
		return fail(errNoKey)
	}
	move(tx, argv[1], argv[2])
	return reply.OK
}

func renamenx(tx *machine.Tx, argv [][]byte) reply.Reply {
	if !tx.Store.Exists(argv[1], tx.Now) {
		return fail(errNoKey)
	}
	if tx.Store.Exists(argv[2], tx.Now) {
		return reply.Integer(0)
	}
	move(tx, argv[1], argv[2])
	return reply.Integer(1)
}

// move gives a present key another name.
func move(tx *machine.Tx, from, to []byte) {
	if bytes.Equal(from, to) {
		return
	}
	replaced := tx.Store.Exists(to, tx.Now)
	tx.Store.Rename(from, to)
	tellMoved(tx, from, to, replaced)
}

type expire struct {
	key            []byte
	name           string
	when           int64 // ms
	absolute       bool
	nx, xx, gt, lt bool
}

// parseExpire serves EXPIRE and its variants in ms and in absolute time.
func parseExpire(name string, unit int64, absolute bool) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := &expire{key: argv[1], name: name, absolute: absolute}
		if err := op.options(argv[3:]); err != nil {
			return nil, err
		}
		n, err := integer(argv[2])
		if err != nil {
			return nil, err
		}
		if n > math.MaxInt64/unit || n < math.MinInt64/unit {
			return nil, errExpireTime(name)
		}
		op.when = n * unit
		return op, nil
	}
}

func (op *expire) options(args [][]byte) error {
	for _, arg := range args {
		switch {
		case is(arg, "NX"):
			op.nx = true
		case is(arg, "XX"):
			op.xx = true
		case is(arg, "GT"):
			op.gt = true
		case is(arg, "LT"):
			op.lt = true
		default:
			return errorf("ERR Unsupported option %s", cstring(arg))
		}
	}
	if op.nx && (op.xx || op.gt || op.lt) {
		return textError("ERR NX and XX, GT or LT options at the same time are not compatible")
	}
	if op.gt && op.lt {
		return textError("ERR GT and LT options at the same time are not compatible")
	}
	return nil
}

// Apply implements machine.Op.
func (op *expire) Apply(tx *machine.Tx) reply.Reply {
	when := op.when
	if !op.absolute {
		if when > math.MaxInt64-tx.Now {
			return fail(errExpireTime(op.name))
		}
		when += tx.Now
	}
	old, found := tx.Store.Deadline(op.key, tx.Now)
	forever := old == 0
	if !found ||
		op.nx && !forever || op.xx && forever ||
		op.gt && (forever || when <= old) || op.lt && !forever && when >= old {
		return reply.Integer(0)
	}
	expireKey(tx, op.key, when)
	return reply.Integer(1)
}

// ttl answers how long a key lives or, with absolute, until when, in units of
// ms, rounded to the nearest.
func ttl(unit int64, absolute bool) func(tx *machine.Tx, argv [][]byte) reply.Reply {
	return func(tx *machine.Tx, argv [][]byte) reply.Reply {
		deadline, found := tx.Store.Deadline(argv[1], tx.Now)
		switch {
		case !found:
			return reply.Integer(-2)
		case deadline == 0:
			return reply.Integer(-1)
		case !absolute:
			deadline -= tx.Now
		}
		return reply.Integer(int64(uint64(deadline+unit/2) / uint64(unit))) // the sum may pass MaxInt64
	}
}

func persist(tx *machine.Tx, argv [][]byte) reply.Reply {
	deadline, _ := tx.Store.Deadline(argv[1], tx.Now)
	if deadline == 0 {
		return reply.Integer(0)
	}
	persistKey(tx, argv[1])
	return reply.Integer(1)
}

// slotsByStep is how many slots are passed in a step of a script.
const slotsByStep = 16

func keys(tx *machine.Tx, argv [][]byte) reply.Reply {
	found := gatherTexts(tx, 0)
	tx.Visited(store.Slots / slotsByStep)
	tx.Store.Each(tx.Now, func(key string, _ store.Kind) bool {
		return !matches(tx, argv[1], []byte(key)) || found.addString(key)
	})
	return found.reply(reply.KindArray)
}

type scan struct {
	cursor uint64
	scanOptions
}

func parseScan(argv [][]byte) (machine.Op, error) {
	op := &scan{}
	var err error
	if op.cursor, err = parseCursor(argv[1]); err != nil {
		return nil, err
	}
	return op, op.parse(argv[2:], true)
}

// Apply implements machine.Op.
func (op *scan) Apply(tx *machine.Tx) reply.Reply {
	found := gatherTexts(tx, 0)
	count := int(min(op.count, math.MaxInt32))
	next := tx.Store.Scan(op.cursor, count, tx.Now, func(key string, kind store.Kind) bool {
		wanted := matches(tx, op.pattern, []byte(key)) && (op.kind == "" || op.kind == kind.String())
		return !wanted || found.addString(key)
	})
	end := next
	if end == 0 {
		end = store.Slots
	}
	tx.Visited(int(end-min(op.cursor, end)) / slotsByStep)
	return reply.Array(reply.BulkString(strconv.FormatUint(next, 10)), found.reply(reply.KindArray))
}

func dbsize(tx *machine.Tx, _ [][]byte) reply.Reply {
	return reply.Integer(int64(tx.Store.Len()))
}

// parseFlush serves FLUSHALL and FLUSHDB. SYNC and ASYNC are accepted and mean
// the same, since flushing takes no time.
func parseFlush(run func(tx *machine.Tx, argv [][]byte) reply.Reply) parser {
	return func(argv [][]byte) (machine.Op, error) {
		if len(argv) > 2 || len(argv) == 2 && !is(argv[1], "SYNC") && !is(argv[1], "ASYNC") {
			return nil, errSyntax
		}
		return argvOp{argv, run}, nil
	}
}

func flushAll(tx *machine.Tx, _ [][]byte) reply.Reply {
	tx.Databases.Flush()
	return reply.OK
}

func flush(tx *machine.Tx, _ [][]byte) reply.Reply {
	tx.Store.Flush()
	return reply.OK
}

// now answers the leader's clock: seconds, and microseconds of the present one.
func now(tx *machine.Tx, _ [][]byte) reply.Reply {
	return reply.Array(
		reply.BulkString(strconv.FormatInt(tx.Now/1000, 10)),
		reply.BulkString(strconv.FormatInt(tx.Now%1000*1000, 10)),
	)
}
