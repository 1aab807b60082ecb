package command

import (
	"strconv"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(row("xpending", -3, ReadOnly, oneKey.to(ro|accesses), "read stream slow", parseXpending).since7().tip(tipVaries))
}

// xpending tells what is pending for a group: a summary, or the entries.
type xpending struct {
	key, group  []byte
	list        bool
	consumer    []byte // nil for all
	first, last store.ID
	count       int64
	idle        int64 // ms, at least
}

func parseXpending(argv [][]byte) (machine.Op, error) {
	op := &xpending{key: argv[1], group: argv[2], list: len(argv) > 3}
	if !op.list {
		return op, nil
	}
	const least, most = 6, 9
	if len(argv) < least || len(argv) > most {
		return nil, errSyntax
	}
	rest := argv[3:]
	var err error
	if is(rest[0], "IDLE") {
		if op.idle, err = integer(rest[1]); err != nil {
			return nil, err
		}
		if rest = rest[2:]; len(rest) < 3 {
			return nil, errSyntax
		}
	}
	if op.count, err = integer(rest[2]); err != nil {
		return nil, err
	}
	if op.first, err = parseBound(rest[0], false); err != nil {
		return nil, err
	}
	if op.last, err = parseBound(rest[1], true); err != nil {
		return nil, err
	}
	if len(rest) > 3 {
		op.consumer = rest[3]
	}
	return op, nil
}

// Apply implements machine.Op.
func (op *xpending) Apply(tx *machine.Tx) reply.Reply {
	_, g, err := readGroup(tx, op.key, op.group)
	switch {
	case err != nil:
		return fail(err)
	case g == nil:
		return fail(errNoGroup(op.key, op.group))
	case !op.list:
		return pendingSummary(tx, g)
	}
	visitAll := g.Pending
	if op.consumer != nil {
		c := g.Consumer(op.consumer)
		if c == nil {
			return reply.Array()
		}
		visitAll = c.Pending
	}
	entries := gather(tx)
	visitAll(op.first, func(p *store.Pending) bool {
		if op.last.Less(p.ID) || int64(len(entries.items)) >= op.count {
			return false
		}
		tx.Visited(1)
		idle := tx.Now - p.Delivered
		if op.idle != 0 && idle < op.idle {
			return true
		}
		return entries.add(reply.Array(formatID(p.ID), reply.BulkString(p.Consumer.Name), reply.Integer(max(idle, 0)), reply.Integer(int64(p.Deliveries))))
	})
	return reply.Array(entries.items...)
}

// pendingSummary is how much is pending, from where to where, and for whom.
func pendingSummary(tx *machine.Tx, g *store.Group) reply.Reply {
	total := reply.Integer(int64(g.PendingCount()))
	first, last, ok := g.PendingRange()
	if !ok {
		return reply.Array(total, reply.Null, reply.Null, reply.NullArray)
	}
	consumers := gather(tx)
	g.Consumers(func(c *store.Consumer) bool {
		n := c.PendingCount()
		return n == 0 || consumers.add(reply.Array(reply.BulkString(c.Name), reply.BulkString(strconv.Itoa(n))))
	})
	return reply.Array(total, formatID(first), formatID(last), reply.Array(consumers.items...))
}
