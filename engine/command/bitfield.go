package command

import (
	"math"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

func init() {
	register(
		row("bitfield", -2, Write|DenyOOM, oneKey.to(rw|accesses|updates), "write bitmap slow", parseBitfield(false)).varying(bitfieldKeys).noting("This command allows both access and modification of the key"),
		row("bitfield_ro", -2, ReadOnly|Fast, oneKey.to(ro|accesses), "read bitmap fast", parseBitfield(true)),
	)
}

// bitfieldKeys lists BITFIELD's key, which is read only if nothing is changed.
func bitfieldKeys(dst []acl.Key, argv [][]byte) []acl.Key {
	use := ro | accesses
	for args := argv[2:]; len(args) > 0; {
		switch {
		case is(args[0], "GET") && len(args) > 2:
			args = args[3:]
		case is(args[0], "OVERFLOW") && len(args) > 1:
			args = args[2:]
		default:
			use, args = rw|accesses|updates, nil
		}
	}
	return append(dst, use.of(argv[1]))
}

// overflow is what becomes of a number that does not fit.
type overflow int

const (
	wrap overflow = iota
	saturate
	refuse
)

// field is a number in a bitmap.
type field struct {
	signed        bool
	width, offset int64 // in bits
}

// fieldOp reads a field or, unless get, changes it.
type fieldOp struct {
	field
	get, add bool // add is INCRBY
	value    int64
	overflow overflow
}

type bitfield struct {
	key  []byte
	ops  []fieldOp
	last int64 // the last bit that is written, -1 for none
}

func parseBitfield(readOnly bool) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := &bitfield{key: argv[1], last: -1}
		over := wrap
		for args := argv[2:]; len(args) > 0; {
			if is(args[0], "OVERFLOW") && len(args) > 1 {
				var err error
				if over, err = parseOverflow(args[1]); err != nil {
					return nil, err
				}
				args = args[2:]
				continue
			}
			f, used, err := parseFieldOp(args)
			if err != nil {
				return nil, err
			}
			f.overflow = over
			if op.ops = append(op.ops, f); !f.get {
				op.last = max(op.last, f.offset+f.width-1)
			}
			args = args[used:]
		}
		if readOnly && op.last >= 0 {
			return nil, textError("ERR BITFIELD_RO only supports the GET subcommand")
		}
		return op, nil
	}
}

func parseOverflow(arg []byte) (overflow, error) {
	switch {
	case is(arg, "WRAP"):
		return wrap, nil
	case is(arg, "SAT"):
		return saturate, nil
	case is(arg, "FAIL"):
		return refuse, nil
	}
	return 0, textError("ERR Invalid OVERFLOW type specified")
}

// parseFieldOp reads GET, SET or INCRBY, and how many arguments that takes.
func parseFieldOp(args [][]byte) (f fieldOp, used int, err error) {
	used = 4
	switch {
	case is(args[0], "GET"):
		f.get, used = true, 3
	case is(args[0], "INCRBY"):
		f.add = true
	case !is(args[0], "SET"):
		return f, 0, errSyntax
	}
	if len(args) < used {
		return f, 0, errSyntax
	}
	if f.signed, f.width, err = parseFieldType(args[1]); err != nil {
		return f, 0, err
	}
	if f.offset, err = parseBitOffset(args[2], f.width); err != nil {
		return f, 0, err
	}
	if !f.get {
		f.value, err = integer(args[3])
	}
	return f, used, err
}

func parseFieldType(arg []byte) (signed bool, width int64, err error) {
	text := cstring(arg)
	if text != "" && (text[0] == 'i' || text[0] == 'u') {
		signed = text[0] == 'i'
		n, ok := parseInt([]byte(text[1:]))
		if ok && n >= 1 && (n <= 63 || n == 64 && signed) {
			return signed, n, nil
		}
	}
	return false, 0, textError("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.")
}

// Needs implements machine.Sizer: a short command makes a long string.
func (op *bitfield) Needs(tx *machine.Tx) int64 {
	if op.last < 0 {
		return 0
	}
	return max(stringSize(tx, op.key), op.last>>3+1)
}

// Growth implements machine.Overwriter.
func (op *bitfield) Growth(tx *machine.Tx) int64 { return max(op.Needs(tx)-stringSize(tx, op.key), 0) }

// Apply implements machine.Op.
func (op *bitfield) Apply(tx *machine.Tx) reply.Reply {
	v, _, err := readString(tx, op.key)
	if err != nil {
		return fail(err)
	}
	bitmap := []byte(v)
	if op.last >= 0 {
		bitmap = widened(v, op.last)
	}
	results, changed, grown := make([]reply.Reply, 0, len(op.ops)), false, len(bitmap) > len(v)
	for _, f := range op.ops {
		before := f.of(bitmap)
		r := f.apply(bitmap)
		written := !f.get && r.Kind != reply.KindNull
		changed = changed || written && (grown || f.of(bitmap) != before)
		results = append(results, r)
	}
	if op.last >= 0 {
		replaceString(tx, op.key, bitmap)
	}
	if changed {
		tx.Store.Tell(keyevent.String, "setbit", op.key)
	}
	return reply.Array(results...)
}

func (f fieldOp) apply(bitmap []byte) reply.Reply {
	old := f.of(bitmap)
	if f.get {
		return reply.Integer(old)
	}
	base := int64(0)
	if f.add {
		base = old
	}
	value, fits := f.sum(base, f.value)
	if !fits && f.overflow == refuse {
		return reply.Null
	}
	f.put(bitmap, value)
	if f.add {
		return reply.Integer(value)
	}
	return reply.Integer(old)
}

// of reads the number.
func (f field) of(bitmap []byte) int64 {
	n := uint64(0)
	for i := range f.width {
		n = n<<1 | uint64(bitAt(bitmap, f.offset+i))
	}
	return f.truncate(n)
}

// truncate makes a number of the lowest bits.
func (f field) truncate(n uint64) int64 {
	unused := 64 - f.width
	if f.signed {
		return int64(n<<unused) >> unused
	}
	return int64(n << unused >> unused)
}

func (f field) put(bitmap []byte, n int64) {
	for i := range f.width {
		putBit(bitmap, f.offset+i, n>>(f.width-1-i)&1)
	}
}

// sum is what a number becomes, and whether it fits; base does.
func (f fieldOp) sum(base, by int64) (int64, bool) {
	lowest, highest := int64(math.MinInt64)>>(64-f.width), int64(math.MaxInt64)>>(64-f.width)
	if !f.signed {
		lowest, highest = 0, int64(math.MaxInt64)>>(63-f.width)
	}
	limit, fits := highest, by <= 0 || base <= highest-by
	if by < 0 {
		limit, fits = lowest, base >= lowest-by
		if !f.signed && !f.add {
			limit = highest // a negative number is a large one, to redis-server
		}
	}
	switch {
	case fits:
		return base + by, true
	case f.overflow == wrap:
		return f.truncate(uint64(base) + uint64(by)), false
	}
	return limit, false
}
