package command

import (
	"strconv"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("xread", -4, ReadOnly|Blocking|MovableKeys, noKey, "read stream slow blocking", parseXread).finding(streamsKeys(1)),
		row("xsetid", -3, Write|DenyOOM|Fast, oneKey.to(rw|updates), "write stream fast", parseXsetid),
	)
}

// streamsKeys lists the keys behind the word STREAMS, which is looked for from
// place i on: the first half of what follows.
func streamsKeys(i int) finder {
	return finder{func(dst []acl.Key, argv [][]byte) []acl.Key {
		for at := i; at < len(argv); at++ {
			if !is(argv[at], "STREAMS") {
				continue
			}
			for _, key := range argv[at+1:][:(len(argv)-at-1)/2] {
				dst = append(dst, (ro | accesses).of(key))
			}
			break
		}
		return dst
	}, behindStreams(i)}
}

// behindStreams is how clients find them.
func behindStreams(i int) []keySearch {
	return []keySearch{{use: ro | accesses, at: i, keyword: "STREAMS", last: -1, step: 1, limit: 2}}
}

// xread reads the entries behind an ID of each of several streams.
type xread struct {
	keys, ids [][]byte
	count     int64 // 0 for all
}

// xreadWaiting is XREAD with BLOCK.
type xreadWaiting struct {
	*xread
	name      []byte
	timeout   int64             // ms
	behindKey map[string][]byte // the ID by key, once it waits
}

func parseXread(argv [][]byte) (machine.Op, error) {
	op := &xread{}
	block := int64(-1)
	for i := 1; i < len(argv); i++ {
		more := len(argv) - 1 - i
		switch arg := argv[i]; {
		case is(arg, "BLOCK") && more > 0:
			i++
			var err error
			if block, err = parseMilliseconds(argv[i]); err != nil {
				return nil, err
			}
		case is(arg, "COUNT") && more > 0:
			i++
			n, err := integer(argv[i])
			if err != nil {
				return nil, err
			}
			op.count = max(n, 0)
		case is(arg, "STREAMS") && more > 0:
			if more%2 == 1 {
				return nil, textError("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.")
			}
			op.keys, op.ids = argv[i+1:][:more/2], argv[i+1+more/2:]
			if block >= 0 {
				return &xreadWaiting{xread: op, name: argv[0], timeout: block}, nil
			}
			return op, nil
		case is(arg, "GROUP") && more > 1:
			return nil, textError("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.")
		case is(arg, "NOACK"):
			return nil, textError("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.")
		default:
			return nil, errSyntax
		}
	}
	return nil, errSyntax
}

// noEntries stands for an absent stream where one is read.
var noEntries = &store.Stream{}

// behind reads the streams and the IDs behind which to read.
func (op *xread) behind(tx *machine.Tx) ([]*store.Stream, []store.ID, error) {
	var streams []*store.Stream
	var ids []store.ID
	for i, key := range op.keys {
		s, found, err := readStream(tx, key)
		if err != nil {
			return nil, nil, err
		}
		if !found {
			s = noEntries
		}
		id := s.LastID()
		switch text := cstring(op.ids[i]); text {
		case "$":
		case ">":
			err = textError("ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.")
		default:
			id, err = parseStrictID(op.ids[i])
		}
		if err != nil {
			return nil, nil, err
		}
		streams, ids = append(streams, s), append(ids, id)
	}
	return streams, ids, nil
}

// Apply implements machine.Op.
func (op *xread) Apply(tx *machine.Tx) reply.Reply {
	streams, ids, err := op.behind(tx)
	if err != nil {
		return fail(err)
	}
	var served []reply.Reply
	rest := *tx
	for i, s := range streams {
		first, ok := ids[i].Next()
		if !ok {
			continue
		}
		entries := reply.Array(entriesOf(&rest, s, first, store.MaxID, false, op.count)...)
		if len(entries.Items) == 0 {
			continue
		}
		served = append(served, reply.Bulk(op.keys[i]), entries)
		if rest.MaxReply -= entries.Size(); tx.MaxReply > 0 && rest.MaxReply <= 0 {
			break // more than anybody gets
		}
	}
	if len(served) == 0 {
		return reply.NullArray
	}
	return reply.PairedMap(served...)
}

// Timeout implements Waiter.
func (op *xreadWaiting) Timeout() int64 { return op.timeout }

// Keys implements Waiter.
func (op *xreadWaiting) Keys() [][]byte { return op.keys }

// Takes implements Waiter: nothing, however much it reads.
func (op *xreadWaiting) Takes() int64 { return 0 }

// Begin implements Waiter. What "$" means is decided now.
func (op *xreadWaiting) Begin(tx *machine.Tx) (Waiter, reply.Reply, bool) {
	_, ids, err := op.behind(tx)
	if err != nil {
		return op, fail(err), true
	}
	if answer := op.Apply(tx); answer.Kind != reply.KindNullArray {
		return op, answer, true
	}
	since, behindKey := &xread{keys: op.keys, count: op.count}, make(map[string][]byte, len(ids))
	for i, id := range ids {
		since.ids = append(since.ids, formatID(id).Str)
		if key := string(op.keys[i]); behindKey[key] == nil {
			behindKey[key] = since.ids[i]
		}
	}
	return &xreadWaiting{since, op.name, op.timeout, behindKey}, reply.Reply{}, false
}

// Ready implements Waiter.
func (op *xreadWaiting) Ready(tx *machine.Tx, key []byte) (entries int64) {
	one := *op.xread
	one.keys, one.ids, one.count = [][]byte{key}, [][]byte{op.since(key)}, 1
	if one.Apply(tx).Kind != reply.KindPairedMap {
		return 0
	}
	return 1
}

// since is the ID behind which the key is read: of a key that is named twice,
// the first one.
func (op *xreadWaiting) since(key []byte) []byte { return op.behindKey[string(key)] }

// Call implements Waiter.
func (op *xreadWaiting) Call(key []byte) [][]byte {
	call := [][]byte{op.name}
	if op.count > 0 {
		call = append(call, []byte("COUNT"), strconv.AppendInt(nil, op.count, 10))
	}
	return append(call, []byte("STREAMS"), key, op.since(key))
}

// entriesOf lists entries from first to last inclusive; a count of 0 is all.
func entriesOf(tx *machine.Tx, s *store.Stream, first, last store.ID, reverse bool, count int64) []reply.Reply {
	entries := gather(tx)
	s.Range(first, last, reverse, func(e *store.StreamEntry) bool {
		more := entries.add(entryReply(e))
		return more && (count == 0 || int64(len(entries.items)) < count)
	})
	return entries.items
}

// entryReply is an entry: its ID, and fields and values in turn.
func entryReply(e *store.StreamEntry) reply.Reply {
	fields := make([]reply.Reply, len(e.Fields))
	for i, f := range e.Fields {
		fields[i] = reply.Bulk(f)
	}
	return reply.Array(formatID(e.ID), reply.Array(fields...))
}

type xsetid struct {
	key        []byte
	id         store.ID
	added      int64 // -1 when it is not given
	maxDeleted store.ID
}

func parseXsetid(argv [][]byte) (machine.Op, error) {
	op := &xsetid{key: argv[1], added: -1}
	var err error
	if op.id, err = parseStrictID(argv[2]); err != nil {
		return nil, err
	}
	for i := 3; i < len(argv); i += 2 {
		switch {
		case i+1 == len(argv):
			return nil, errSyntax
		case is(argv[i], "ENTRIESADDED"):
			if op.added, err = integer(argv[i+1]); err == nil && op.added < 0 {
				err = textError("ERR entries_added must be positive")
			}
		case is(argv[i], "MAXDELETEDID"):
			if op.maxDeleted, err = parseStrictID(argv[i+1]); err == nil && op.id.Less(op.maxDeleted) {
				err = textError("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
			}
		default:
			return nil, errSyntax
		}
		if err != nil {
			return nil, err
		}
	}
	return op, nil
}

// Apply implements machine.Op.
func (op *xsetid) Apply(tx *machine.Tx) reply.Reply {
	s, found, err := readStream(tx, op.key)
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return fail(errNoKey)
	}
	if top, ok := s.Last(); ok {
		if op.id.Less(top.ID) {
			return fail(textError("ERR The ID specified in XSETID is smaller than the target stream top item"))
		}
		if op.added != -1 && int64(s.Len()) > op.added {
			return fail(textError("ERR The entries_added specified in XSETID is smaller than the target stream length"))
		}
	}
	store.Edit(tx.Store, op.key, func(s *store.Stream) bool {
		s.SetID(op.id, op.added, op.maxDeleted)
		return false // of redis-server's WATCH it is none
	})
	tx.Store.Tell(keyevent.Stream, "xsetid", op.key)
	return reply.OK
}
