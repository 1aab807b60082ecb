// Package reply is the value that a command answers with, independent of the
// protocol that carries it. Codecs render it; the machine produces it.
package reply

import (
	"bytes"
	"iter"
	"math"
	"slices"
	"strconv"
	"sync"
)

// Kind says which RESP3 type a Reply is. A codec for an older protocol
// renders the kinds it lacks as the nearest one it has.
type Kind uint8

// The kinds, named as in the RESP3 specification
// (https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md).
const (
	KindNull Kind = iota
	KindNullArray
	KindSimple
	KindError
	KindInteger
	KindBulk
	KindVerbatim
	KindDouble
	KindBool
	KindArray
	KindSet
	KindMap
	KindPush
	KindPairs
	KindPairedMap
	KindBigNumber
	KindAttribute
	// KindSeveral is no value of its own: one command's answers, one behind the
	// other.
	KindSeveral
)

// Reply is one answer. Str holds the text of Simple, Error, Bulk, BigNumber and
// Verbatim (without its three-letter format, which is always "txt"); Int the
// value of Integer and Bool (0 or 1); Float that of Double, whose text Str may
// give; Items the elements
// of Array, Set, Push, and of Map, Attribute, Pairs and PairedMap as key, value, key, value.
// An Array, Set or Map of Strings has no Items; All has the elements of both.
type Reply struct {
	Kind    Kind
	strings uint32 // how many Strings; Int has the bytes of their texts
	Int     int64
	Float   float64
	Str     []byte
	Items   []Reply
}

var (
	// OK is the simple string that acknowledges a write.
	OK = Simple("OK")
	// Null is the absent value: `$-1` in RESP2, `_` in RESP3.
	Null = Reply{Kind: KindNull}
	// NullArray is the absent array: `*-1` in RESP2, `_` in RESP3.
	NullArray = Reply{Kind: KindNullArray}
)

// Simple is a status line; it must not contain CR or LF.
func Simple(s string) Reply { return Reply{Kind: KindSimple, Str: []byte(s)} }

// Error is an error line. It starts with its code in capitals ("ERR …",
// "WRONGTYPE …") and must not contain CR or LF.
func Error(s string) Reply { return Reply{Kind: KindError, Str: []byte(s)} }

// Integer is a signed 64-bit number.
func Integer(n int64) Reply { return Reply{Kind: KindInteger, Int: n} }

// Bulk is a binary-safe string.
func Bulk(b []byte) Reply { return Reply{Kind: KindBulk, Str: b} }

// BulkString is Bulk for a Go string.
func BulkString(s string) Reply { return Reply{Kind: KindBulk, Str: []byte(s)} }

// Verbatim is human-readable text: a bulk string in RESP2.
func Verbatim(s string) Reply { return Reply{Kind: KindVerbatim, Str: []byte(s)} }

// Array is an ordered list.
func Array(items ...Reply) Reply { return Reply{Kind: KindArray, Items: items} }

// Set is an unordered list without duplicates: an array in RESP2.
func Set(items ...Reply) Reply { return Reply{Kind: KindSet, Items: items} }

// Map is key, value, key, value …: a flat array in RESP2.
func Map(pairs ...Reply) Reply { return Reply{Kind: KindMap, Items: pairs} }

// Double is a floating-point number: a bulk string in RESP2.
func Double(f float64) Reply { return Reply{Kind: KindDouble, Float: f} }

// Decimal is a Double that is sent as that text.
func Decimal(f float64, text []byte) Reply { return Reply{Kind: KindDouble, Float: f, Str: text} }

// DoubleText is how a Double is sent.
func (r Reply) DoubleText() []byte {
	if r.Str != nil {
		return r.Str
	}
	return AppendDouble(nil, r.Float)
}

// Bool is true or false: 1 or 0 in RESP2.
func Bool(b bool) Reply {
	r := Reply{Kind: KindBool}
	if b {
		r.Int = 1
	}
	return r
}

// BigNumber is an integer of any length, given in decimal: a bulk string in
// RESP2.
func BigNumber(s string) Reply { return Reply{Kind: KindBigNumber, Str: []byte(s)} }

// Pairs is an ordered list of pairs, given one behind the other: a flat array in
// RESP2, an array of arrays in RESP3.
func Pairs(pairs ...Reply) Reply { return Reply{Kind: KindPairs, Items: pairs} }

// PairedMap is key, value, key, value …: an array of arrays in RESP2, a map in
// RESP3.
func PairedMap(pairs ...Reply) Reply { return Reply{Kind: KindPairedMap, Items: pairs} }

// Push is what a client did not ask for at that moment: an array in RESP2.
func Push(items ...Reply) Reply { return Reply{Kind: KindPush, Items: items} }

// Attribute is key, value, key, value … told of the value behind it, with which it
// is in a Several: nothing in RESP2.
func Attribute(pairs ...Reply) Reply { return Reply{Kind: KindAttribute, Items: pairs} }

// Several are one command's answers, one behind the other. Where one value is
// expected, as of each command of a transaction, clients get more than that:
// redis-server has it so.
func Several(items ...Reply) Reply { return Reply{Kind: KindSeveral, Items: items} }

// Strings is an Array, Set or Map of n bulk strings, one behind the other as
// AppendBulk writes them: a long list of short elements costs no Reply for each.
// Their texts have so many bytes.
func Strings(kind Kind, n uint32, texts int64, body []byte) Reply {
	return Reply{Kind: kind, strings: n, Int: texts, Str: body}
}

// Bodies of so many bytes are used again: making each anew was a fifth of the time
// of a list of 100 elements.
const (
	smallestBody = 1 << 10
	largestBody  = 64 << 10
)

var bodies sync.Pool // of *[]byte

// Body is empty, with room for about so many bytes of Strings.
func Body(size int64) []byte {
	if size < smallestBody {
		return make([]byte, 0, size)
	}
	if b, ok := bodies.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, min(size, largestBody))
}

// Sent has the body of Strings be used for another reply. Nobody may look at this
// one any more.
func (r *Reply) Sent() {
	if body := r.Str; r.Kind == KindArray || r.Kind == KindSet || r.Kind == KindMap {
		r.Str = nil
		if smallestBody <= cap(body) && cap(body) <= largestBody {
			bodies.Put(&body)
		}
	}
}

// Len is the number of elements, those of a map counted with their keys.
func (r *Reply) Len() int {
	return len(r.Items) + int(r.strings)
}

// All are the elements, of Items or of Strings.
func (r *Reply) All() iter.Seq[Reply] {
	if r.Str == nil {
		return slices.Values(r.Items)
	}
	return func(yield func(Reply) bool) {
		left := r.Str
		for range r.strings {
			end := bytes.IndexByte(left, '\r')
			n, _ := strconv.Atoi(string(left[1:end]))
			from := end + len("\r\n")
			if !yield(Bulk(left[from : from+n : from+n])) {
				return
			}
			left = left[from+n+len("\r\n"):]
		}
	}
}

// AppendBulk writes a bulk string, which is the same in RESP2 and RESP3.
func AppendBulk[S string | []byte](dst []byte, b S) []byte {
	dst = slices.Grow(dst, len(b)+len("$18446744073709551615\r\n\r\n"))
	dst = strconv.AppendInt(append(dst, '$'), int64(len(b)), 10)
	dst = append(append(dst, '\r', '\n'), b...)
	return append(dst, '\r', '\n')
}

// IsError reports whether the reply is an error.
func (r Reply) IsError() bool { return r.Kind == KindError }

// Size is at least as many bytes as a codec writes for the reply, and the same
// for Strings as for such Items: members must agree on what a script may get.
func (r Reply) Size() int64 {
	if r.strings > 0 {
		return StringsSize(r.strings, r.Int)
	}
	size := int64(header + len(r.Str))
	for i := range r.Items {
		size += r.Items[i].Size()
	}
	return size
}

// header is of a value: type, length or number, line ends; a double has 24 digits.
const header = 32

// StringsSize is the size of so many Strings whose texts have so many bytes.
func StringsSize(n uint32, texts int64) int64 { return header + header*int64(n) + texts }

// AppendDouble formats as C's %.17g does, which is what redis-server 7.0 sends.
func AppendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		return append(dst, "nan"...)
	default:
		return strconv.AppendFloat(dst, f, 'g', 17, 64)
	}
}
