package command

import (
	"math"
	"strconv"
	"strings"

	"github.com/coffer-dev/coffer/engine/glob"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// parseCursor reads where a scan goes on; 0 is the beginning.
func parseCursor(arg []byte) (uint64, error) {
	text := cstring(arg)
	if text == "" {
		return 0, nil
	}
	cursor, ok := parseUnsigned(text)
	if !ok || strings.ContainsRune(" \t\n\v\f\r", rune(text[0])) {
		return 0, textError("ERR invalid cursor")
	}
	return cursor, nil
}

// scanOptions are those of SCAN, HSCAN, SSCAN and ZSCAN.
type scanOptions struct {
	count   int64
	pattern []byte // nil for all
	kind    string // "" for all
}

// parse reads the options; TYPE only where there are keys of several types.
func (o *scanOptions) parse(args [][]byte, kinds bool) error {
	o.count = 10
	for i := 0; i < len(args); i += 2 {
		if i+1 == len(args) {
			return errSyntax
		}
		value := args[i+1]
		switch {
		case is(args[i], "COUNT"):
			n, err := integer(value)
			if err != nil {
				return err
			}
			if n < 1 {
				return errSyntax
			}
			o.count = n
		case is(args[i], "MATCH"):
			o.pattern = value
		case kinds && is(args[i], "TYPE"):
			o.kind = lower(value)
		default:
			return errSyntax
		}
	}
	return nil
}

// matches tells whether a name that is visited matches the pattern, nil for any.
func matches(tx *machine.Tx, pattern, name []byte) bool {
	tx.Visited(1)
	if pattern == nil {
		return true
	}
	ok, work := glob.MatchWork(pattern, name)
	tx.Scanned(work)
	return ok
}

// collection is what HSCAN, SSCAN and ZSCAN go through: elements at positions,
// of which removing one moves at most the last, into its place. A scan from the
// end to the beginning therefore visits all that stay.
type collection struct {
	size    int
	compact bool // is visited at once, as redis-server does
	// each visits the elements from i up to but not including j: the name, and
	// what is answered beside it, nil for nothing.
	each func(i, j int, visit func(name, value []byte) bool)
	// number is what is answered in place of value, which is its text; nil
	// where it is no number.
	number func(name []byte) (float64, bool)
}

type collectionScan struct {
	argv   [][]byte
	cursor uint64
	// open reads what is scanned; found is false when there is no such key.
	open func(tx *machine.Tx, key []byte) (c collection, found bool, err error)
}

// parseCollectionScan reads the cursor; the options' errors come after those of
// the key.
func parseCollectionScan(open func(tx *machine.Tx, key []byte) (collection, bool, error)) parser {
	return func(argv [][]byte) (machine.Op, error) {
		cursor, err := parseCursor(argv[2])
		return &collectionScan{argv, cursor, open}, err
	}
}

// Apply implements machine.Op.
func (op *collectionScan) Apply(tx *machine.Tx) reply.Reply {
	c, found, err := op.open(tx, op.argv[1])
	if err != nil {
		return fail(err)
	}
	elements, next := gatherTexts(tx, 0), 0
	if found {
		var o scanOptions
		if err := o.parse(op.argv[3:], false); err != nil {
			return fail(err)
		}
		end := c.size
		if !c.compact {
			if op.cursor != 0 {
				end = int(min(op.cursor, uint64(c.size)))
			}
			next = max(0, end-int(min(o.count, math.MaxInt32)))
		}
		c.each(next, end, func(name, value []byte) bool {
			if !matches(tx, o.pattern, name) {
				return true
			}
			return elements.add(name) && (value == nil || elements.add(value))
		})
	}
	return reply.Array(reply.BulkString(strconv.Itoa(next)), elements.reply(reply.KindArray))
}
