package command

import (
	"bytes"
	"math"
	"strconv"

	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("hset", -4, Write|DenyOOM|Fast, oneKey.to(rw|updates), "write hash fast", parseHset("hset")),
		row("hmset", -4, Write|DenyOOM|Fast, oneKey.to(rw|updates), "write hash fast", parseHset("hmset")),
		row("hsetnx", 4, Write|DenyOOM|Fast, oneKey.to(rw|inserts), "write hash fast", plain(hsetnx)),
		row("hget", 3, ReadOnly|Fast, oneKey.to(ro|accesses), "read hash fast", plain(hget)),
		row("hmget", -3, ReadOnly|Fast, oneKey.to(ro|accesses), "read hash fast", plain(hmget)),
		row("hgetall", 2, ReadOnly, oneKey.to(ro|accesses), "read hash slow", plain(hgetall)).tip(tipUnordered),
		row("hkeys", 2, ReadOnly, oneKey.to(ro|accesses), "read hash slow", plain(hkeys)).tip(tipUnordered),
		row("hvals", 2, ReadOnly, oneKey.to(ro|accesses), "read hash slow", plain(hvals)).tip(tipUnordered),
		row("hlen", 2, ReadOnly|Fast, oneKey.to(ro), "read hash fast", plain(hlen)),
		row("hstrlen", 3, ReadOnly|Fast, oneKey.to(ro), "read hash fast", plain(hstrlen)),
		row("hexists", 3, ReadOnly|Fast, oneKey.to(ro), "read hash fast", plain(hexists)),
		row("hdel", -3, Write|Fast, oneKey.to(rw|deletes), "write hash fast", plain(hdel)),
		row("hincrby", 4, Write|DenyOOM|Fast, oneKey.to(rw|accesses|updates), "write hash fast", parseHincrby),
		row("hincrbyfloat", 4, Write|DenyOOM|Fast, oneKey.to(rw|accesses|updates), "write hash fast", plain(hincrbyfloat)),
		row("hrandfield", -2, ReadOnly, oneKey.to(ro|accesses), "read hash slow", parseRandom("WITHVALUES", openHash)).tip(tipVaries),
		row("hscan", -3, ReadOnly, oneKey.to(ro|accesses), "read hash slow", parseCollectionScan(openHash)).tip(tipVaries),
	)
}

// noFields stands for an absent hash where one is read.
var noFields = &store.Hash{}

func readHash(tx *machine.Tx, key []byte) (*store.Hash, bool, error) {
	h, found, err := store.Read[*store.Hash](tx.Store, key, tx.Now)
	if !found {
		h = noFields
	}
	return h, found, err
}

// editHash changes a hash, which is made if it is absent.
func editHash(tx *machine.Tx, key []byte, event string, fn func(h *store.Hash)) error {
	_, found, err := readHash(tx, key)
	if err != nil {
		return err
	}
	if !found {
		tx.Store.Put(key, &store.Hash{}, 0)
	}
	edit(tx, key, keyevent.Hash, event, func(h *store.Hash) bool {
		fn(h)
		return true
	})
	return nil
}

func openHash(tx *machine.Tx, key []byte) (collection, bool, error) {
	h, found, err := readHash(tx, key)
	return collection{size: h.Len(), compact: h.Packed(), each: h.Range}, found, err
}

// parseHset serves HSET, which answers how many fields are new, and HMSET.
func parseHset(name string) parser {
	return func(argv [][]byte) (machine.Op, error) {
		if len(argv)%2 == 1 {
			return nil, errArity(name)
		}
		return argvOp{argv, hset(name == "hmset")}, nil
	}
}

func hset(status bool) func(tx *machine.Tx, argv [][]byte) reply.Reply {
	return func(tx *machine.Tx, argv [][]byte) reply.Reply {
		var added int64
		err := editHash(tx, argv[1], "hset", func(h *store.Hash) {
			for i := 2; i < len(argv); i += 2 {
				if h.Set(argv[i], argv[i+1]) {
					added++
				}
			}
		})
		switch {
		case err != nil:
			return fail(err)
		case status:
			return reply.OK
		}
		return reply.Integer(added)
	}
}

func hsetnx(tx *machine.Tx, argv [][]byte) reply.Reply {
	h, _, err := readHash(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	if _, found := h.Get(argv[2]); found {
		return reply.Integer(0)
	}
	_ = editHash(tx, argv[1], "hset", func(h *store.Hash) { h.Set(argv[2], argv[3]) }) // it is a hash, or not there
	return reply.Integer(1)
}

func hget(tx *machine.Tx, argv [][]byte) reply.Reply {
	h, _, err := readHash(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	value, found := h.Get(argv[2])
	if !found {
		return reply.Null
	}
	return reply.Bulk(bytes.Clone(value))
}

func hmget(tx *machine.Tx, argv [][]byte) reply.Reply {
	h, _, err := readHash(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	values := gather(tx)
	for _, field := range argv[2:] {
		add := values.addCopy
		value, found := h.Get(field)
		if !found {
			add = func([]byte) bool { return values.add(reply.Null) }
		}
		if !add(value) {
			break
		}
	}
	return reply.Array(values.items...)
}

// fieldsAndValues lists what a hash holds.
func fieldsAndValues(tx *machine.Tx, key []byte, fields, values bool, kind reply.Kind) reply.Reply {
	h, _, err := readHash(tx, key)
	if err != nil {
		return fail(err)
	}
	all := gatherTexts(tx, h.Size())
	h.Range(0, h.Len(), func(field, value []byte) bool {
		more := !fields || all.add(field)
		return (!values || all.add(value)) && more
	})
	return all.reply(kind)
}

func hgetall(tx *machine.Tx, argv [][]byte) reply.Reply {
	return fieldsAndValues(tx, argv[1], true, true, reply.KindMap)
}

func hkeys(tx *machine.Tx, argv [][]byte) reply.Reply {
	return fieldsAndValues(tx, argv[1], true, false, reply.KindArray)
}

func hvals(tx *machine.Tx, argv [][]byte) reply.Reply {
	return fieldsAndValues(tx, argv[1], false, true, reply.KindArray)
}

func hlen(tx *machine.Tx, argv [][]byte) reply.Reply {
	h, _, err := readHash(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	return reply.Integer(int64(h.Len()))
}

func hstrlen(tx *machine.Tx, argv [][]byte) reply.Reply {
	h, _, err := readHash(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	value, _ := h.Get(argv[2])
	return reply.Integer(int64(len(value)))
}

func hexists(tx *machine.Tx, argv [][]byte) reply.Reply {
	h, _, err := readHash(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	_, found := h.Get(argv[2])
	return truth(found)
}

func hdel(tx *machine.Tx, argv [][]byte) reply.Reply {
	_, found, err := readHash(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	var removed int64
	if found {
		edit(tx, argv[1], keyevent.Hash, "hdel", func(h *store.Hash) bool {
			for _, field := range argv[2:] {
				if h.Delete(field) {
					removed++
				}
			}
			return removed > 0
		})
	}
	return reply.Integer(removed)
}

type hincrby struct {
	key, field []byte
	by         int64
}

func parseHincrby(argv [][]byte) (machine.Op, error) {
	by, err := integer(argv[3])
	return hincrby{argv[1], argv[2], by}, err
}

// Apply implements machine.Op.
func (op hincrby) Apply(tx *machine.Tx) reply.Reply {
	h, _, err := readHash(tx, op.key)
	if err != nil {
		return fail(err)
	}
	n := int64(0)
	if value, found := h.Get(op.field); found {
		var ok bool
		if n, ok = parseInt(value); !ok {
			return fail(textError("ERR hash value is not an integer"))
		}
	}
	if op.by < 0 && n < math.MinInt64-op.by || op.by > 0 && n > math.MaxInt64-op.by {
		return fail(errOverflow)
	}
	n += op.by
	_ = editHash(tx, op.key, "hincrby", func(h *store.Hash) { h.Set(op.field, strconv.AppendInt(nil, n, 10)) })
	return reply.Integer(n)
}

func hincrbyfloat(tx *machine.Tx, argv [][]byte) reply.Reply {
	by, ok := parseFloat(argv[3])
	switch {
	case !ok:
		return fail(errNotFloat)
	case by.IsInf():
		return fail(textError("ERR value is NaN or Infinity"))
	}
	h, _, err := readHash(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	value, found := h.Get(argv[2])
	if !found {
		value = []byte("0")
	}
	n, ok := parseFloat(value)
	if !ok {
		return fail(textError("ERR hash value is not a float"))
	}
	text, err := addFloats(n, by)
	if err != nil {
		return fail(err)
	}
	_ = editHash(tx, argv[1], "hincrbyfloat", func(h *store.Hash) { h.Set(argv[2], text) })
	return reply.Bulk(text)
}
