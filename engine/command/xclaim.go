package command

import (
	"math"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("xclaim", -6, Write|Fast, oneKey.to(rw|updates), "write stream fast", plain(xclaim)).since7().tip(tipVaries),
		row("xautoclaim", -6, Write|Fast, oneKey.to(rw|deletes), "write stream fast", parseXautoclaim).since7().tip(tipVaries),
	)
}

// claim is what XCLAIM and XAUTOCLAIM share: a consumer takes over what is
// pending for others.
type claim struct {
	key, group, consumer []byte
	idle                 int64 // ms, at least
	justID               bool
}

// mayTake tells whether what is pending has been so for long enough.
func (c *claim) mayTake(p *store.Pending, now int64) bool {
	return c.idle <= 0 || now-p.Delivered >= c.idle
}

// reply is what is told of an entry.
func (c *claim) reply(e *store.StreamEntry) reply.Reply {
	if c.justID {
		return formatID(e.ID)
	}
	return entryReply(e)
}

// xclaimOp is XCLAIM.
type xclaimOp struct {
	claim
	ids       []store.ID
	delivered int64 // ms since the epoch; -1 when it is not given
	retries   int64 // -1 when it is not given
	force     bool
	last      store.ID
}

// xclaim reads its arguments here, not while parsing: where there is no group
// redis-server does not look at them.
func xclaim(tx *machine.Tx, argv [][]byte) reply.Reply {
	s, g, err := readGroup(tx, argv[1], argv[2])
	switch {
	case err != nil:
		return fail(err)
	case s == nil || g == nil:
		return fail(errNoGroup(argv[1], argv[2]))
	}
	op := &xclaimOp{claim: claim{key: argv[1], group: argv[2], consumer: argv[3]}, delivered: -1, retries: -1}
	if err := op.parse(argv, tx.Now); err != nil {
		return fail(err)
	}
	entries := answers()
	editGroup(tx, op.key, op.group, func(s *store.Stream, g *store.Group) {
		if g.LastID.Less(op.last) {
			g.LastID = op.last
		}
		for _, id := range op.ids {
			if e := op.take(tx, s, g, id); e != nil {
				entries.add(op.reply(e))
			}
		}
	})
	return reply.Array(entries.items...)
}

func (op *xclaimOp) parse(argv [][]byte, now int64) (err error) {
	if op.idle, err = integerOr(argv[4], "ERR Invalid min-idle-time argument for XCLAIM"); err != nil {
		return err
	}
	i := 5
	for ; i < len(argv); i++ {
		id, err := parseStrictID(argv[i])
		if err != nil {
			break // options begin
		}
		op.ids = append(op.ids, id)
	}
	for ; i < len(argv); i++ {
		used, err := op.option(argv[i:], now)
		if err != nil {
			return err
		}
		i += used
	}
	if op.delivered == -1 || op.delivered < 0 || op.delivered > now {
		op.delivered = now
	}
	return nil
}

// option reads an option and returns how many arguments it has.
func (op *xclaimOp) option(args [][]byte, now int64) (used int, err error) {
	more := len(args) > 1
	switch arg := args[0]; {
	case is(arg, "FORCE"):
		op.force = true
		return 0, nil
	case is(arg, "JUSTID"):
		op.justID = true
		return 0, nil
	case is(arg, "IDLE") && more:
		op.delivered, err = integerOr(args[1], "ERR Invalid IDLE option argument for XCLAIM")
		op.delivered = now - op.delivered
	case is(arg, "TIME") && more:
		op.delivered, err = integerOr(args[1], "ERR Invalid TIME option argument for XCLAIM")
	case is(arg, "RETRYCOUNT") && more:
		op.retries, err = integerOr(args[1], "ERR Invalid RETRYCOUNT option argument for XCLAIM")
	case is(arg, "LASTID") && more:
		op.last, err = parseStrictID(args[1])
	default:
		err = errorf("ERR Unrecognized XCLAIM option '%s'", cstring(arg))
	}
	return 1, err
}

// integerOr reads an integer, or fails with that text.
func integerOr(arg []byte, otherwise textError) (int64, error) {
	n, ok := parseInt(arg)
	if !ok {
		return 0, otherwise
	}
	return n, nil
}

// take has the consumer take over one entry, and returns it; nil if it does not.
// Who takes nothing is not made.
func (op *xclaimOp) take(tx *machine.Tx, s *store.Stream, g *store.Group, id store.ID) *store.StreamEntry {
	p := g.Find(id)
	e, ok := s.Entry(id)
	switch {
	case !ok:
		g.Acknowledge(id) // nobody can do it any more
		return nil
	case p == nil && !op.force, p != nil && !op.mayTake(p, tx.Now):
		return nil
	}
	isNew := p == nil
	p = g.Assign(id, consumerOf(tx, op.key, g, op.consumer))
	if isNew {
		p.Deliveries = 1
	}
	p.Delivered = op.delivered
	switch {
	case op.retries >= 0:
		p.Deliveries = uint64(op.retries)
	case !op.justID:
		p.Deliveries++
	}
	return e
}

// claimTries is how many pending entries XAUTOCLAIM looks at for each of COUNT.
const claimTries = 10

// xautoclaim takes over what is found from an ID on.
type xautoclaim struct {
	claim
	from  store.ID
	count int64
}

func parseXautoclaim(argv [][]byte) (machine.Op, error) {
	const most = math.MaxInt64 / 16
	op := &xautoclaim{claim: claim{key: argv[1], group: argv[2], consumer: argv[3]}, count: 100}
	var err error
	if op.idle, err = integerOr(argv[4], "ERR Invalid min-idle-time argument for XAUTOCLAIM"); err != nil {
		return nil, err
	}
	if op.from, err = parseBound(argv[5], false); err != nil {
		return nil, err
	}
	for i := 6; i < len(argv); i++ {
		switch {
		case is(argv[i], "COUNT") && i+1 < len(argv):
			i++
			n, ok := parseInt(argv[i])
			if !ok || n < 1 || n > most {
				return nil, textError("ERR COUNT must be > 0")
			}
			op.count = n
		case is(argv[i], "JUSTID"):
			op.justID = true
		default:
			return nil, errSyntax
		}
	}
	return op, nil
}

// Apply implements machine.Op.
func (op *xautoclaim) Apply(tx *machine.Tx) reply.Reply {
	_, g, err := readGroup(tx, op.key, op.group)
	switch {
	case err != nil:
		return fail(err)
	case g == nil:
		return fail(errNoGroup(op.key, op.group))
	}
	var answer reply.Reply
	editGroup(tx, op.key, op.group, func(s *store.Stream, g *store.Group) {
		answer = op.takeAll(tx, s, g)
	})
	return answer
}

// takeAll has the consumer take over what it finds. It answers where to go on,
// what it took, and what it found pending that the stream has no longer, which
// ends that.
func (op *xautoclaim) takeAll(tx *machine.Tx, s *store.Stream, g *store.Group) reply.Reply {
	left, tries, next := op.count, claimTries*op.count, store.ID{}
	taken, lost := answers(), answers()
	var gone []store.ID
	g.Pending(op.from, func(p *store.Pending) bool {
		if left == 0 || tries == 0 {
			next = p.ID
			return false
		}
		tries--
		switch e, ok := s.Entry(p.ID); {
		case !ok:
			gone = append(gone, p.ID)
			lost.add(formatID(p.ID))
			left--
		case op.mayTake(p, tx.Now):
			g.Assign(p.ID, consumerOf(tx, op.key, g, op.consumer)).Delivered = tx.Now
			if !op.justID {
				p.Deliveries++
			}
			taken.add(op.reply(e))
			left--
		}
		return true
	})
	for _, id := range gone {
		g.Acknowledge(id)
	}
	return reply.Array(formatID(next), reply.Array(taken.items...), reply.Array(lost.items...))
}
