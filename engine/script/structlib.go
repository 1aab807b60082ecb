package script

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// maxInteger is the size of the largest integer that struct packs, in bytes.
const maxInteger = 32

func init() {
	library("struct", builtins{"pack": structPack, "unpack": structUnpack, "size": structSize})
}

// layout reads a format of struct, option by option.
type layout struct {
	run    *run
	format string
	at     int
	big    bool
	align  int
}

func (r *run) layout(args []value) *layout {
	return &layout{run: r, format: cstring(r.stringArg(args, 0)), align: 1}
}

// next is the next option and its size; a size of 0 depends on the data.
func (l *layout) next() (option byte, size int, ok bool) {
	if l.at >= len(l.format) {
		return 0, 0, false
	}
	l.run.spend(1)
	option = l.format[l.at]
	l.at++
	switch option {
	case 'b', 'B', 'x':
		size = 1
	case 'h', 'H':
		size = 2
	case 'f':
		size = 4
	case 'l', 'L', 'T', 'd':
		size = 8
	case 'c':
		size = l.number(1)
	case 'i', 'I':
		if size = l.number(4); size > maxInteger {
			l.run.fail("integral size %d is larger than limit of %d", size, maxInteger)
		}
	}
	return option, size, true
}

// number reads one that may follow an option.
func (l *layout) number(otherwise int) int {
	if l.at >= len(l.format) || !isDigit(l.format[l.at]) {
		return otherwise
	}
	n := 0
	for ; l.at < len(l.format) && isDigit(l.format[l.at]); l.at++ {
		if n = 10*n + int(l.format[l.at]-'0'); n > math.MaxInt32 {
			l.run.fail("integral size overflow")
		}
	}
	return n
}

// padding is what goes before an option at an offset.
func (l *layout) padding(offset int, option byte, size int) int {
	if size == 0 || option == 'c' {
		return 0
	}
	size = min(size, l.align)
	return (size - offset&(size-1)) & (size - 1)
}

// control carries out an option that stands for no data.
func (l *layout) control(option byte) {
	switch option {
	case ' ':
	case '>':
		l.big = true
	case '<':
		l.big = false
	case '!':
		if l.align = l.number(8); l.align == 0 || l.align&(l.align-1) != 0 {
			l.run.fail("alignment %d is not a power of 2", l.align)
		}
	default:
		l.run.badArgument(0, "invalid format option '%c'", option)
	}
}

func structPack(r *run, args []value) []value {
	l, next := r.layout(args), 1
	args = append(slices.Clone(args), nil) // as which the first that is missing is reported
	var b []byte
	add := func(piece []byte) {
		r.alloc(len(piece))
		b = append(b, piece...)
	}
	for {
		option, size, ok := l.next()
		if !ok {
			return r.one(string(b))
		}
		add(make([]byte, l.padding(len(b), option, size)))
		switch option {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			add(l.integer(r.numberArg(args, next), size))
			next++
		case 'x':
			add([]byte{0})
		case 'f':
			add(l.reversed(binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(canonical(r.numberArg(args, next)))))))
			next++
		case 'd':
			add(l.reversed(binary.LittleEndian.AppendUint64(nil, math.Float64bits(canonical(r.numberArg(args, next))))))
			next++
		case 'c', 's':
			s := r.stringArg(args, next)
			next++
			if size == 0 {
				size = len(s)
			}
			if len(s) < size {
				r.badArgument(next, "string too short")
			}
			add([]byte(s[:size]))
			if option == 's' {
				add([]byte{0})
			}
		default:
			l.control(option)
		}
	}
}

// canonical is a number whose bits are the same everywhere: processors differ
// in those of what is no number.
func canonical(f float64) float64 {
	if f != f {
		return math.NaN()
	}
	return f
}

// reversed is a little-endian number in the order that the format asks for.
func (l *layout) reversed(b []byte) []byte {
	if l.big {
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
	return b
}

func (l *layout) integer(f float64, size int) []byte {
	n := uint64(truncate(f))
	if f >= 1<<63 && f < 1<<64 {
		n = uint64(truncate(f-1<<63)) + 1<<63
	}
	b := make([]byte, size)
	for i := 0; i < size && i < 8; i++ {
		b[i] = byte(n >> (8 * i))
	}
	return l.reversed(b)
}

func structUnpack(r *run, args []value) []value {
	l, data := r.layout(args), r.stringArg(args, 1)
	at := r.optionalInt(args, 2, 1)
	if at <= 0 {
		r.badArgument(2, "offset must be 1 or greater")
	}
	at--
	var results []value
	for {
		option, size, ok := l.next()
		if !ok {
			return append(results, float64(at+1))
		}
		if len(results) >= maxResults {
			r.fail("stack overflow (too many results)")
		}
		at += l.padding(at, option, size)
		if option == 'c' && size == 0 {
			results, size = l.previous(results)
		}
		if size > len(data) || at > len(data)-size {
			r.badArgument(1, "data string too short")
		}
		piece := data[at : at+size]
		switch option {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			results = append(results, l.read(piece, 'a' <= option && option <= 'z'))
		case 'x':
		case 'f':
			bits := binary.LittleEndian.Uint32(l.reversed([]byte(piece)))
			results = append(results, canonical(float64(math.Float32frombits(bits))))
		case 'd':
			bits := binary.LittleEndian.Uint64(l.reversed([]byte(piece)))
			results = append(results, canonical(math.Float64frombits(bits)))
		case 'c':
			results = append(results, r.newString(strings.Clone(piece)))
		case 's':
			end := strings.IndexByte(data[at:], 0)
			if end < 0 {
				r.fail("unfinished string in data")
			}
			results = append(results, r.newString(strings.Clone(data[at:at+end])))
			size = end + 1
		default:
			l.control(option)
		}
		at += size
	}
}

// previous takes the size of a c0 off the results.
func (l *layout) previous(results []value) ([]value, int) {
	last := len(results) - 1
	if last >= 0 {
		if f, ok := toNumber(results[last]); ok {
			size := truncate(f)
			if size < 0 || size > math.MaxInt32 {
				l.run.badArgument(1, "data string too short")
			}
			return results[:last], int(size)
		}
	}
	l.run.fail("format 'c0' needs a previous size")
	return nil, 0
}

func (l *layout) read(piece string, signed bool) float64 {
	b := l.reversed([]byte(piece))
	var n uint64
	for i := 0; i < len(b) && i < 8; i++ {
		n |= uint64(b[i]) << (8 * i)
	}
	if !signed {
		return float64(n)
	}
	if bits := 8 * len(b); bits > 0 && bits < 64 && n>>(bits-1)&1 == 1 {
		n |= ^uint64(0) << bits
	}
	return float64(int64(n))
}

func structSize(r *run, args []value) []value {
	l, total := r.layout(args), 0
	for {
		option, size, ok := l.next()
		if !ok {
			return r.one(float64(total))
		}
		total += l.padding(total, option, size)
		switch option {
		case 's':
			r.badArgument(0, "option 's' has no fixed size")
		case 'c':
			if size == 0 {
				r.badArgument(0, "option 'c0' has no fixed size")
			}
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I', 'x', 'f', 'd':
		default:
			l.control(option)
		}
		total += size
	}
}
