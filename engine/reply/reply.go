// Package reply is the value that a command answers with, independent of the
// protocol that carries it. Codecs render it; the machine produces it.
package reply

import (
	"math"
	"strconv"
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
	// KindSeveral is no value of its own: one command's answers, one behind the
	// other.
	KindSeveral
)

// Reply is one answer. Str holds the text of Simple, Error, Bulk, BigNumber and
// Verbatim (without its three-letter format, which is always "txt"); Int the
// value of Integer and Bool (0 or 1); Float that of Double, whose text Str may
// give; Items the elements
// of Array, Set, Push, and of Map, Pairs and PairedMap as key, value, key, value.
type Reply struct {
	Kind  Kind
	Int   int64
	Float float64
	Str   []byte
	Items []Reply
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

// Several are one command's answers, one behind the other. Where one value is
// expected, as of each command of a transaction, clients get more than that:
// redis-server has it so.
func Several(items ...Reply) Reply { return Reply{Kind: KindSeveral, Items: items} }

// IsError reports whether the reply is an error.
func (r Reply) IsError() bool { return r.Kind == KindError }

// Size is at least as many bytes as a codec writes for the reply.
func (r Reply) Size() int64 {
	const header = 32 // type, length or number, line ends; a double has 24 digits
	size := int64(header + len(r.Str))
	for i := range r.Items {
		size += r.Items[i].Size()
	}
	return size
}

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
