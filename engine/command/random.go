package command

import (
	"math"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// randomly serves HRANDFIELD, SRANDMEMBER and ZRANDMEMBER.
type randomly struct {
	key    []byte
	open   func(tx *machine.Tx, key []byte) (collection, bool, error)
	single bool  // one element, not in an array
	count  int64 // a negative one may repeat elements
	values bool
}

// parseRandom reads the arguments; with is the word that asks for values too,
// "" for none.
func parseRandom(with string, open func(tx *machine.Tx, key []byte) (collection, bool, error)) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := &randomly{key: argv[1], open: open, single: len(argv) == 2}
		switch {
		case op.single:
			return op, nil
		case with == "" && len(argv) > 3:
			return nil, errSyntax
		}
		var err error
		if op.count, err = integer(argv[2]); err != nil {
			return nil, err
		}
		if op.count == math.MinInt64 {
			return nil, textError("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")
		}
		op.values = len(argv) == 4 && with != "" && is(argv[3], with)
		switch {
		case len(argv) > 3 && !op.values:
			return nil, errSyntax
		case op.values && (op.count < -math.MaxInt64/2 || op.count > math.MaxInt64/2):
			return nil, textError("ERR value is out of range")
		}
		return op, nil
	}
}

// Apply implements machine.Op.
func (op *randomly) Apply(tx *machine.Tx) reply.Reply {
	c, found, err := op.open(tx, op.key)
	switch {
	case err != nil:
		return fail(err)
	case !found && op.single:
		return reply.Null
	case !found || op.count == 0 && !op.single:
		return reply.Array()
	}
	elements, r := gather(tx), tx.Random()
	pick := func(i int) (more bool) {
		c.each(i, i+1, func(name, value []byte) bool {
			more = elements.addCopy(name)
			switch {
			case !op.values:
			case c.number != nil:
				n, _ := c.number(name)
				more = elements.add(reply.Double(n))
			default:
				more = elements.addCopy(value)
			}
			return false
		})
		return more
	}
	switch {
	case op.single:
		pick(r.Below(c.size))
		return elements.items[0]
	case op.count < 0:
		for n := op.count; n < 0 && pick(r.Below(c.size)); n++ {
		}
	case op.count >= int64(c.size):
		for i := 0; i < c.size && pick(i); i++ {
		}
	default:
		for _, i := range r.Sample(int(op.count), c.size) {
			if !pick(i) {
				break
			}
		}
	}
	if op.values {
		return reply.Pairs(elements.items...)
	}
	return reply.Array(elements.items...)
}
