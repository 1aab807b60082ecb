package command

import (
	"math/bits"

	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("setbit", 4, Write|DenyOOM, oneKey.to(rw|accesses|updates), "write bitmap slow", parseSetbit),
		row("getbit", 3, ReadOnly|Fast, oneKey.to(ro|accesses), "read bitmap fast", parseGetbit),
		row("bitcount", -2, ReadOnly, oneKey.to(ro|accesses), "read bitmap slow", plain(bitcount)),
		row("bitpos", -3, ReadOnly, oneKey.to(ro|accesses), "read bitmap slow", parseBitpos),
		row("bitop", -4, Write|DenyOOM, place{2, -1, 1}.to(ow|updates, ro|accesses), "write bitmap slow", parseBitop),
	)
}

// parseBitOffset reads a place in a bitmap, counted in bits; with width not 0,
// "#n" is the nth of numbers of so many bits.
func parseBitOffset(arg []byte, width int64) (int64, error) {
	scale := int64(1)
	if width > 0 && len(arg) > 0 && arg[0] == '#' {
		arg, scale = arg[1:], width
	}
	n, ok := parseInt(arg)
	n *= scale
	if !ok || n < 0 || n>>3 >= maxString {
		return 0, textError("ERR bit offset is not an integer or out of range")
	}
	return n, nil
}

// widened copies a string, long enough for a bit; nothing is changed in place.
func widened(v store.String, offset int64) []byte {
	grown := make([]byte, max(len(v), int(offset>>3)+1))
	copy(grown, v)
	return grown
}

func bitAt(v []byte, offset int64) int64 {
	if i := offset >> 3; i < int64(len(v)) {
		return int64(v[i] >> (7 - offset&7) & 1)
	}
	return 0
}

func putBit(v []byte, offset, bit int64) {
	mask := byte(1) << (7 - offset&7)
	v[offset>>3] &^= mask
	if bit != 0 {
		v[offset>>3] |= mask
	}
}

type setbit struct {
	key         []byte
	offset, bit int64
}

func parseSetbit(argv [][]byte) (machine.Op, error) {
	offset, err := parseBitOffset(argv[2], 0)
	if err != nil {
		return nil, err
	}
	bit, ok := parseInt(argv[3])
	if !ok || bit != 0 && bit != 1 {
		return nil, textError("ERR bit is not an integer or out of range")
	}
	return setbit{argv[1], offset, bit}, nil
}

// Needs implements machine.Sizer: a short command makes a long string.
func (op setbit) Needs(tx *machine.Tx) int64 { return max(stringSize(tx, op.key), op.offset>>3+1) }

// Growth implements machine.Overwriter.
func (op setbit) Growth(tx *machine.Tx) int64 { return op.Needs(tx) - stringSize(tx, op.key) }

// Apply implements machine.Op.
func (op setbit) Apply(tx *machine.Tx) reply.Reply {
	v, _, err := readString(tx, op.key)
	if err != nil {
		return fail(err)
	}
	old := bitAt(v, op.offset)
	if old != op.bit || op.offset>>3 >= int64(len(v)) {
		changed := widened(v, op.offset)
		putBit(changed, op.offset, op.bit)
		replaceString(tx, op.key, changed)
		tx.Store.Tell(keyevent.String, "setbit", op.key)
	}
	return reply.Integer(old)
}

type getbit struct {
	key    []byte
	offset int64
}

func parseGetbit(argv [][]byte) (machine.Op, error) {
	offset, err := parseBitOffset(argv[2], 0)
	return getbit{argv[1], offset}, err
}

// Apply implements machine.Op.
func (op getbit) Apply(tx *machine.Tx) reply.Reply {
	v, _, err := readString(tx, op.key)
	if err != nil {
		return fail(err)
	}
	return reply.Integer(bitAt(v, op.offset))
}

// bitSpan reads a range in bytes or, as a third argument may say, in bits, and
// returns it in bits: from i up to but not including j.
func bitSpan(args [][]byte, size int) (i, j int64, err error) {
	s, err := parseSpan(args[0], args[1])
	if err != nil {
		return 0, 0, err
	}
	scale := int64(8)
	if len(args) > 2 {
		switch {
		case is(args[2], "BIT"):
			scale = 1
		case !is(args[2], "BYTE"):
			return 0, 0, errSyntax
		}
	}
	total := int64(size) * 8 / scale
	if s.start < 0 {
		s.start = max(s.start+total, 0)
	}
	if s.stop < 0 {
		s.stop = max(s.stop+total, 0)
	}
	s.stop = min(s.stop, total-1)
	if s.start > s.stop {
		return 0, 0, nil
	}
	return s.start * scale, (s.stop + 1) * scale, nil
}

// bitcount judges its range after the key: for an absent one it is not looked at.
func bitcount(tx *machine.Tx, argv [][]byte) reply.Reply {
	v, found, err := readString(tx, argv[1])
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Integer(0)
	}
	i, j := int64(0), int64(len(v))*8
	switch len(argv) {
	case 2:
	case 4, 5:
		s, err := parseSpan(argv[2], argv[3])
		if err != nil {
			return fail(err)
		}
		if s.start < 0 && s.stop < 0 && s.start > s.stop {
			return reply.Integer(0)
		}
		if i, j, err = bitSpan(argv[2:], len(v)); err != nil {
			return fail(err)
		}
	default:
		return fail(errSyntax)
	}
	tx.Scanned(int(j-i) >> 3)
	count := 0
	for ; i < j && i&7 != 0; i++ {
		count += int(bitAt(v, i))
	}
	for ; j > i && j&7 != 0; j-- {
		count += int(bitAt(v, j-1))
	}
	for _, b := range v[i>>3 : max(i, j)>>3] {
		count += bits.OnesCount8(b)
	}
	return reply.Integer(int64(count))
}

type bitpos struct {
	argv [][]byte
	bit  int64
}

func parseBitpos(argv [][]byte) (machine.Op, error) {
	bit, err := integer(argv[2])
	switch {
	case err != nil:
		return nil, err
	case bit != 0 && bit != 1:
		return nil, textError("ERR The bit argument must be 1 or 0.")
	}
	return bitpos{argv, bit}, nil
}

// Apply implements machine.Op.
func (op bitpos) Apply(tx *machine.Tx) reply.Reply {
	v, found, err := readString(tx, op.argv[1])
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Integer(-op.bit)
	}
	i, j := int64(0), int64(len(v))*8
	args := op.argv[3:]
	switch len(args) {
	case 0:
	case 1:
		i, j, err = bitSpan([][]byte{args[0], []byte("-1")}, len(v))
	case 2, 3:
		if i, j, err = bitSpan(args, len(v)); err != nil && len(args) == 3 {
			err = op.firstError(args, err)
		}
	default:
		err = errSyntax
	}
	if err != nil {
		return fail(err)
	}
	skip := byte(0xff) // a byte without the bit that is looked for
	if op.bit == 1 {
		skip = 0
	}
	k := i
	for ; k < j; k++ {
		for k&7 == 0 && k+8 <= j && v[k>>3] == skip {
			k += 8
		}
		if k < j && bitAt(v, k) == op.bit {
			break
		}
	}
	if tx.Scanned(int(k-i) >> 3); k < j {
		return reply.Integer(k)
	}
	if op.bit == 0 && len(args) < 2 && i < j {
		return reply.Integer(j) // behind the end there are zeros
	}
	return reply.Integer(-1)
}

// firstError is the one that redis-server answers: it looks at the unit before
// the range's end.
func (bitpos) firstError(args [][]byte, err error) error {
	if _, ok := parseInt(args[0]); ok && !is(args[2], "BIT") && !is(args[2], "BYTE") {
		return errSyntax
	}
	return err
}

type bitOperator int

const (
	bitAnd bitOperator = iota
	bitOr
	bitXor
	bitNot
)

type bitop struct {
	operator bitOperator
	key      []byte
	keys     [][]byte
}

func parseBitop(argv [][]byte) (machine.Op, error) {
	op := &bitop{key: argv[2], keys: argv[3:]}
	switch name := argv[1]; {
	case is(name, "AND"):
		op.operator = bitAnd
	case is(name, "OR"):
		op.operator = bitOr
	case is(name, "XOR"):
		op.operator = bitXor
	case !is(name, "NOT"):
		return nil, errSyntax
	case len(op.keys) != 1:
		return nil, textError("ERR BITOP NOT must be called with a single source key.")
	default:
		op.operator = bitNot
	}
	return op, nil
}

// Needs implements machine.Sizer.
func (op *bitop) Needs(tx *machine.Tx) (size int64) {
	for _, key := range op.keys {
		size = max(size, stringSize(tx, key))
	}
	return size
}

// sources are the strings, each once, with how often they are named; and the
// length of the longest one.
func (op *bitop) sources(tx *machine.Tx) (sources []bitSource, longest int, err error) {
	places := map[string]int{}
	for _, key := range op.keys {
		at, again := places[string(key)]
		if again {
			sources[at].times++
			continue
		}
		v, _, err := readString(tx, key)
		if err != nil {
			return nil, 0, err
		}
		places[string(key)] = len(sources)
		sources, longest = append(sources, bitSource{v, 1}), max(longest, len(v))
	}
	return sources, longest, nil
}

type bitSource struct {
	bits  []byte
	times int
}

// Apply implements machine.Op. What it takes is bounded by the strings that
// there are, however often each is named and however short the others are.
func (op *bitop) Apply(tx *machine.Tx) reply.Reply {
	sources, longest, err := op.sources(tx)
	if err != nil {
		return fail(err)
	}
	for _, s := range sources {
		tx.Scanned(len(s.bits))
	}
	result := make([]byte, longest)
	op.into(result, sources)
	keep(tx, op.key, store.String(result), longest, keyevent.String, "set")
	return reply.Integer(int64(longest))
}

// into combines the sources in result, which is empty and as long as the longest.
func (op *bitop) into(result []byte, sources []bitSource) {
	switch first := sources[0].bits; op.operator {
	case bitNot:
		for i, b := range first {
			result[i] = ^b
		}
	case bitAnd:
		set := copy(result, first) // behind it all is 0
		for _, s := range sources[1:] {
			clear(result[min(len(s.bits), set):set])
			set = min(len(s.bits), set)
			for i, b := range s.bits[:set] {
				result[i] &= b
			}
		}
	case bitOr:
		for _, s := range sources {
			for i, b := range s.bits {
				result[i] |= b
			}
		}
	case bitXor:
		for _, s := range sources {
			if s.times%2 == 0 {
				continue
			}
			for i, b := range s.bits {
				result[i] ^= b
			}
		}
	}
}
