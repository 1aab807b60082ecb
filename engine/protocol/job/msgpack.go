package job

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// transcoder writes MessagePack as JSON, MaxFrame bytes of it at most, about:
// what it reads may be six times as long then.
type transcoder struct {
	src []byte
	pos int
}

// appendJSON appends the JSON of a request, which is one map.
func appendJSON(dst, message []byte) ([]byte, error) {
	t := transcoder{src: message}
	if len(message) == 0 || !msgpcode.IsFixedMap(message[0]) && message[0] != msgpcode.Map16 && message[0] != msgpcode.Map32 {
		return nil, wrong("", "invalid MessagePack: a request is a map")
	}
	dst, err := t.value(dst, 0)
	if err == nil && t.pos < len(message) {
		err = wrong("", "invalid MessagePack: %d bytes follow the request's map", len(message)-t.pos)
	}
	return dst, err
}

var errCut = wrong("", "invalid MessagePack: it ends in the middle of a value")

// take reads n bytes.
func (t *transcoder) take(n int) ([]byte, error) {
	if n > len(t.src)-t.pos {
		return nil, errCut
	}
	t.pos += n
	return t.src[t.pos-n : t.pos], nil
}

// unsigned reads a number of size bytes.
func (t *transcoder) unsigned(size int) (uint64, error) {
	b, err := t.take(size)
	if err != nil {
		return 0, err
	}
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n, nil
}

// value appends the next value, which is depth levels deep.
func (t *transcoder) value(dst []byte, depth int) ([]byte, error) {
	if len(dst) > MaxFrame {
		return nil, errTooLong
	}
	head, err := t.take(1)
	if err != nil {
		return nil, err
	}
	c := head[0]
	switch {
	case c <= msgpcode.PosFixedNumHigh:
		return strconv.AppendUint(dst, uint64(c), 10), nil
	case c >= msgpcode.NegFixedNumLow:
		return strconv.AppendInt(dst, int64(int8(c)), 10), nil
	case msgpcode.IsFixedString(c):
		return t.text(dst, uint64(c&msgpcode.FixedStrMask))
	case msgpcode.IsFixedMap(c):
		return t.mapping(dst, uint64(c&msgpcode.FixedMapMask), depth+1)
	case msgpcode.IsFixedArray(c):
		return t.array(dst, uint64(c&msgpcode.FixedArrayMask), depth+1)
	}
	switch c {
	case msgpcode.Nil:
		return append(dst, "null"...), nil
	case msgpcode.True:
		return append(dst, "true"...), nil
	case msgpcode.False:
		return append(dst, "false"...), nil
	case msgpcode.Float, msgpcode.Double:
		return t.float(dst, c)
	case msgpcode.Uint8, msgpcode.Uint16, msgpcode.Uint32, msgpcode.Uint64:
		n, err := t.unsigned(1 << (c - msgpcode.Uint8))
		return strconv.AppendUint(dst, n, 10), err
	case msgpcode.Int8, msgpcode.Int16, msgpcode.Int32, msgpcode.Int64:
		size := 1 << (c - msgpcode.Int8)
		n, err := t.unsigned(size)
		unused := 64 - 8*size
		return strconv.AppendInt(dst, int64(n<<unused)>>unused, 10), err
	case msgpcode.Str8, msgpcode.Str16, msgpcode.Str32:
		n, err := t.unsigned(1 << (c - msgpcode.Str8))
		if err != nil {
			return nil, err
		}
		return t.text(dst, n)
	case msgpcode.Map16, msgpcode.Map32:
		n, err := t.unsigned(2 << (c - msgpcode.Map16))
		if err != nil {
			return nil, err
		}
		return t.mapping(dst, n, depth+1)
	case msgpcode.Array16, msgpcode.Array32:
		n, err := t.unsigned(2 << (c - msgpcode.Array16))
		if err != nil {
			return nil, err
		}
		return t.array(dst, n, depth+1)
	case msgpcode.Bin8, msgpcode.Bin16, msgpcode.Bin32:
		return nil, wrong("", "MessagePack's binary type cannot be kept as JSON: send bytes as base64 in a string")
	}
	return nil, wrong("", "MessagePack's type 0x%02x cannot be kept as JSON: send numbers, strings, booleans, null, arrays and maps", c)
}

func (t *transcoder) float(dst []byte, c byte) ([]byte, error) {
	size, bits := 4, 32
	if c == msgpcode.Double {
		size, bits = 8, 64
	}
	n, err := t.unsigned(size)
	if err != nil {
		return nil, err
	}
	f := math.Float64frombits(n)
	if bits == 32 {
		f = float64(math.Float32frombits(uint32(n)))
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, wrong("", "%v cannot be kept as JSON: send null", f)
	}
	format := byte('f') // as JavaScript writes numbers
	if size := math.Abs(f); f != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits), nil
}

// text appends a string of n bytes.
func (t *transcoder) text(dst []byte, n uint64) ([]byte, error) {
	if n > uint64(len(t.src)-t.pos) {
		return nil, errCut
	}
	text, err := t.take(int(n))
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(text) {
		return nil, wrong("", "invalid UTF-8: write text as UTF-8, and bytes as base64 in a string")
	}
	if len(dst)+6*len(text) > MaxFrame && len(dst)+escaped(text) > MaxFrame {
		return nil, errTooLong
	}
	return AppendString(dst, text), nil
}

var errTooLong = wrong("", "as JSON the request has more than %d bytes", MaxFrame)

// escaped is how many bytes a text has as JSON, at most.
func escaped(text []byte) int {
	n := len(text)
	for _, c := range text {
		switch {
		case c < ' ':
			n += 5
		case c == '"', c == '\\':
			n++
		}
	}
	return n
}

// fits tells whether n values, of which each has a byte at least, may follow.
func (t *transcoder) fits(n uint64, depth int) error {
	if depth > MaxDepth {
		return wrong("", "nested more than %d deep", MaxDepth)
	}
	if n > uint64(len(t.src)-t.pos) {
		return errCut
	}
	return nil
}

func (t *transcoder) mapping(dst []byte, n uint64, depth int) (_ []byte, err error) {
	if err := t.fits(n, depth); err != nil {
		return nil, err
	}
	dst = append(dst, '{')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if t.pos < len(t.src) && !msgpcode.IsString(t.src[t.pos]) {
			return nil, wrong("", "a map's key must be a string")
		}
		if dst, err = t.value(dst, depth); err != nil {
			return nil, err
		}
		dst = append(dst, ':')
		if dst, err = t.value(dst, depth); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func (t *transcoder) array(dst []byte, n uint64, depth int) (_ []byte, err error) {
	if err := t.fits(n, depth); err != nil {
		return nil, err
	}
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = t.value(dst, depth); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// appendMessagePack appends what a valid JSON text stands for. Maps and arrays
// have heads of 32 bits: their length is known at their end.
func appendMessagePack(dst, text []byte) []byte {
	s := scanner{src: text}
	return s.packed(dst)
}

func (s *scanner) packed(dst []byte) []byte {
	switch s.peek() {
	case '{':
		head, n := len(dst)+1, 0
		dst = append(dst, msgpcode.Map32, 0, 0, 0, 0)
		s.object("", func(key []byte) {
			n++
			dst = s.packed(appendPackedString(dst, key))
		})
		binary.BigEndian.PutUint32(dst[head:], uint32(n)) //nolint:gosec // bounded by the text's length
		return dst
	case '[':
		head, n := len(dst)+1, 0
		dst = append(dst, msgpcode.Array32, 0, 0, 0, 0)
		for s.take('['); s.err == nil && !s.take(']'); s.take(',') {
			n++
			dst = s.packed(dst)
		}
		binary.BigEndian.PutUint32(dst[head:], uint32(n)) //nolint:gosec // bounded by the text's length
		return dst
	case '"':
		return appendPackedString(dst, s.text())
	case 't':
		s.literal("true")
		return append(dst, msgpcode.True)
	case 'f':
		s.literal("false")
		return append(dst, msgpcode.False)
	case 'n':
		s.literal("null")
		return append(dst, msgpcode.Nil)
	}
	digits, _ := s.number("")
	return appendPackedNumber(dst, string(digits))
}

func appendPackedNumber(dst []byte, digits string) []byte {
	if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
		if n <= uint64(msgpcode.PosFixedNumHigh) {
			return append(dst, byte(n))
		}
		if n <= math.MaxUint32 {
			return binary.BigEndian.AppendUint32(append(dst, msgpcode.Uint32), uint32(n))
		}
		return binary.BigEndian.AppendUint64(append(dst, msgpcode.Uint64), n)
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil && digits != "-0" {
		return binary.BigEndian.AppendUint64(append(dst, msgpcode.Int64), uint64(n))
	}
	f, _ := strconv.ParseFloat(digits, 64) // valid; too large is infinity
	return binary.BigEndian.AppendUint64(append(dst, msgpcode.Double), math.Float64bits(f))
}

func appendPackedString(dst, text []byte) []byte {
	switch n := len(text); {
	case n < 32:
		dst = append(dst, msgpcode.FixedStrLow|byte(n))
	case n <= math.MaxUint8:
		dst = append(dst, msgpcode.Str8, byte(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, msgpcode.Str32), uint32(n)) //nolint:gosec // messages are below 4 GiB
	}
	return append(dst, text...)
}
