package command

import (
	"strconv"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(row("xreadgroup", -7, Write|Blocking|MovableKeys, noKey, "write stream slow blocking", parseXreadgroup).finding(finder{xreadgroupKeys, behindStreams(4)}).since7())
}

// waitedCount is how many entries somebody gets who has waited and said no COUNT.
const waitedCount = 1000

// xreadgroupKeys reads the options as parseXreadgroup does: STREAMS may be a
// group's name.
func xreadgroupKeys(dst []acl.Key, argv [][]byte) []acl.Key {
	for i := 1; i < len(argv); i++ {
		switch {
		case is(argv[i], "BLOCK") || is(argv[i], "COUNT"):
			i++
		case is(argv[i], "GROUP"):
			i += 2
		case is(argv[i], "NOACK"):
		case is(argv[i], "STREAMS"):
			for _, key := range argv[i+1:][:(len(argv)-i-1)/2] {
				dst = append(dst, (ro | accesses).of(key))
			}
			return dst
		default:
			return dst
		}
	}
	return dst
}

// xreadgroup delivers entries to a consumer, or tells it once more what is
// pending for it.
type xreadgroup struct {
	keys, ids       [][]byte
	group, consumer []byte
	count           int64 // 0 for all
	noAck           bool
}

// xreadgroupWaiting is XREADGROUP with BLOCK.
type xreadgroupWaiting struct {
	*xreadgroup
	argv    [][]byte
	timeout int64 // ms
	// atOnce says that there is something for the command as it was sent. Who
	// has waited gets what is new in one stream.
	atOnce bool
}

func parseXreadgroup(argv [][]byte) (machine.Op, error) {
	op := &xreadgroup{}
	block := int64(-1)
	for i := 1; i < len(argv); i++ {
		more := len(argv) - 1 - i
		var err error
		switch arg := argv[i]; {
		case is(arg, "BLOCK") && more > 0:
			i++
			block, err = parseMilliseconds(argv[i])
		case is(arg, "COUNT") && more > 0:
			i++
			op.count, err = integer(argv[i])
			op.count = max(op.count, 0)
		case is(arg, "GROUP") && more > 1:
			op.group, op.consumer = argv[i+1], argv[i+2]
			i += 2
		case is(arg, "NOACK"):
			op.noAck = true
		case is(arg, "STREAMS") && more > 0:
			return op.of(argv, argv[i+1:], block)
		default:
			err = errSyntax
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errSyntax
}

// of takes keys and IDs.
func (op *xreadgroup) of(argv, streams [][]byte, block int64) (machine.Op, error) {
	n := len(streams) / 2
	switch {
	case len(streams)%2 == 1:
		return nil, textError("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.")
	case op.group == nil:
		return nil, textError("ERR Missing GROUP option for XREADGROUP")
	}
	if op.keys, op.ids = streams[:n], streams[n:]; block >= 0 {
		return &xreadgroupWaiting{xreadgroup: op, argv: argv, timeout: block}, nil
	}
	return op, nil
}

// Needs implements machine.Sizer: what is delivered is pending from then on.
func (op *xreadgroup) Needs(tx *machine.Tx) (size int64) {
	counted := make(map[string]bool, len(op.keys))
	for i, key := range op.keys {
		if _, g, _ := readGroup(tx, key, op.group); g != nil {
			size += store.ConsumerBytes(op.consumer)
			if cstring(op.ids[i]) == ">" && !op.noAck && !counted[string(key)] {
				counted[string(key)] = true
				size += store.PendingBytes * op.fresh(tx, key)
			}
		}
	}
	return size
}

// fresh is how many entries the group has yet to be delivered, or COUNT if that
// is less.
func (op *xreadgroup) fresh(tx *machine.Tx, key []byte) (n int64) {
	s, g, _ := readGroup(tx, key, op.group)
	if g == nil {
		return 0
	}
	top, ok := s.Last()
	next, _ := g.LastID.Next()
	if !ok || !g.LastID.Less(top.ID) {
		return 0
	}
	s.Range(next, store.MaxID, false, func(*store.StreamEntry) bool {
		n++
		return op.count == 0 || n < op.count
	})
	return n
}

// behind reads the IDs behind which to read; store.MaxID stands for what is new.
func (op *xreadgroup) behind(tx *machine.Tx) ([]store.ID, error) {
	ids := make([]store.ID, 0, len(op.ids))
	for i, key := range op.keys {
		_, g, err := readGroup(tx, key, op.group)
		if err == nil && g == nil {
			err = errorf("NOGROUP No such key '%s' or consumer group '%s' in XREADGROUP with GROUP option", cstring(key), cstring(op.group))
		}
		if err != nil {
			return nil, err
		}
		id := store.MaxID
		switch cstring(op.ids[i]) {
		case ">":
		case "$":
			err = textError("ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.")
		default:
			id, err = parseStrictID(op.ids[i])
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// Apply implements machine.Op.
func (op *xreadgroup) Apply(tx *machine.Tx) reply.Reply {
	ids, err := op.behind(tx)
	if err != nil {
		return fail(err)
	}
	var served []reply.Reply
	for i, key := range op.keys {
		if ids[i] == store.MaxID && op.fresh(tx, key) == 0 {
			continue
		}
		editGroup(tx, key, op.group, func(s *store.Stream, g *store.Group) {
			c := consumerOf(tx, key, g, op.consumer)
			var entries []reply.Reply
			if ids[i] == store.MaxID {
				entries = op.deliver(tx, s, g, c)
			} else {
				entries = op.again(tx, s, c, ids[i])
			}
			served = append(served, reply.Bulk(key), reply.Array(entries...))
		})
	}
	if len(served) == 0 {
		return reply.NullArray
	}
	return reply.PairedMap(served...)
}

// deliver hands out what is new to the group.
func (op *xreadgroup) deliver(tx *machine.Tx, s *store.Stream, g *store.Group, c *store.Consumer) []reply.Reply {
	entries := answers()
	first, _ := g.LastID.Next()
	s.Range(first, store.MaxID, false, func(e *store.StreamEntry) bool {
		g.Deliver(e.ID)
		if !op.noAck {
			p := g.Assign(e.ID, c)
			p.Delivered, p.Deliveries = tx.Now, 1
		}
		entries.add(entryReply(e))
		return op.count == 0 || int64(len(entries.items)) < op.count
	})
	return entries.items
}

// again tells what is pending for the consumer behind an ID, null for the fields
// of what the stream has no longer.
func (op *xreadgroup) again(tx *machine.Tx, s *store.Stream, c *store.Consumer, behind store.ID) []reply.Reply {
	entries := answers()
	first, _ := behind.Next()
	c.Pending(first, func(p *store.Pending) bool {
		if e, ok := s.Entry(p.ID); ok {
			p.Delivered, p.Deliveries = tx.Now, p.Deliveries+1
			entries.add(entryReply(e))
		} else {
			entries.add(reply.Array(formatID(p.ID), reply.NullArray))
		}
		return op.count == 0 || int64(len(entries.items)) < op.count
	})
	return entries.items
}

// Timeout implements Waiter.
func (op *xreadgroupWaiting) Timeout() int64 { return op.timeout }

// Keys implements Waiter.
func (op *xreadgroupWaiting) Keys() [][]byte { return op.keys }

// Takes implements Waiter.
func (op *xreadgroupWaiting) Takes() int64 {
	if op.count == 0 {
		return waitedCount
	}
	return min(op.count, waitedCount)
}

// Begin implements Waiter. What is there is delivered as everything is that is
// written, through the log.
func (op *xreadgroupWaiting) Begin(tx *machine.Tx) (Waiter, reply.Reply, bool) {
	ids, err := op.behind(tx)
	if err != nil {
		return op, fail(err), true
	}
	one := *op.xreadgroup
	one.count = 1
	for i, key := range op.keys {
		op.atOnce = op.atOnce || ids[i] != store.MaxID || one.fresh(tx, key) > 0
	}
	return op, reply.Reply{}, false
}

// Ready implements Waiter.
func (op *xreadgroupWaiting) Ready(tx *machine.Tx, key []byte) int64 {
	if op.atOnce {
		const whateverOthersTake = 1 << 62
		return whateverOthersTake
	}
	some := *op.xreadgroup
	some.count = waitedCount
	return some.fresh(tx, key)
}

// Gone implements Ended.
func (op *xreadgroupWaiting) Gone(tx *machine.Tx, key []byte) (answer reply.Reply, gone bool) {
	switch s, g, err := readGroup(tx, key, op.group); {
	case err != nil || s == nil:
		return fail(textError("UNBLOCKED the stream key no longer exists")), true
	case g == nil:
		return fail(textError("NOGROUP the consumer group this client was blocked on no longer exists")), true
	}
	return reply.Reply{}, false
}

// Call implements Waiter.
func (op *xreadgroupWaiting) Call(key []byte) [][]byte {
	if op.atOnce {
		op.atOnce = false
		return op.argv
	}
	count := op.count
	if count == 0 {
		count = waitedCount
	}
	call := [][]byte{op.argv[0], []byte("GROUP"), op.group, op.consumer, []byte("COUNT"), strconv.AppendInt(nil, count, 10)}
	if op.noAck {
		call = append(call, []byte("NOACK"))
	}
	return append(call, []byte("STREAMS"), key, []byte(">"))
}
