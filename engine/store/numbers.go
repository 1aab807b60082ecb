package store

import (
	"math"
	"slices"
	"strconv"
)

// MaxNumbers is up to how many integers a set holds as numbers: redis-server's
// set-max-intset-entries. They are looked through one after the other.
const MaxNumbers = 512

// numbers are integers in the order of a dict: as they came, the last in the place of
// one that is removed. Each takes four bytes, until one of them needs eight.
type numbers struct {
	narrow []int32
	wide   []int64 // in place of narrow
	text   int64   // bytes of all of them, written out
}

func (n *numbers) len() int { return len(n.narrow) + len(n.wide) }

func (n *numbers) size() int64 { return 4*int64(cap(n.narrow)) + 8*int64(cap(n.wide)) + 64 }

func (n *numbers) at(i int) int64 {
	if n.wide != nil {
		return n.wide[i]
	}
	return int64(n.narrow[i])
}

func (n *numbers) appendAt(dst []byte, i int) []byte { return strconv.AppendInt(dst, n.at(i), 10) }

func (n *numbers) position(member []byte) int {
	v, integer := ParseInteger(member)
	switch {
	case !integer:
		return -1
	case n.wide != nil:
		return slices.Index(n.wide, v)
	case !isNarrow(v):
		return -1
	}
	return slices.Index(n.narrow, int32(v))
}

// add appends an integer that is not there.
func (n *numbers) add(member []byte) {
	v, _ := ParseInteger(member)
	n.text += int64(len(member))
	if n.wide == nil && !isNarrow(v) {
		n.widen()
	}
	if n.wide != nil {
		n.wide = append(withRoom(n.wide), v)
	} else {
		n.narrow = append(withRoom(n.narrow), int32(v))
	}
}

func (n *numbers) widen() {
	n.wide = slices.Grow([]int64(nil), len(n.narrow)+1)
	for _, v := range n.narrow {
		n.wide = append(n.wide, int64(v))
	}
	n.narrow = nil
}

// remove takes out the integer at a position, which the last one takes.
func (n *numbers) remove(i int) {
	n.text -= int64(len(n.appendAt(nil, i)))
	last := n.len() - 1
	if n.wide != nil {
		n.wide[i] = n.wide[last]
		n.wide = n.wide[:last]
	} else {
		n.narrow[i] = n.narrow[last]
		n.narrow = n.narrow[:last]
	}
}

// withRoom has room for one more, and little beyond that: there are many such sets.
func withRoom[V int32 | int64](s []V) []V {
	if len(s) < cap(s) {
		return s
	}
	return append(slices.Grow([]V(nil), len(s)+len(s)/roomShare+1), s...)
}

func isNarrow(v int64) bool { return v >= math.MinInt32 && v <= math.MaxInt32 }

// ParseInteger reads an integer as redis-server's string2ll: decimal, 64 bits, no
// plus, no blanks, no leading zeros.
func ParseInteger(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	digits, negative := b, false
	if b[0] == '-' {
		digits, negative = b[1:], true
	}
	if len(digits) == 0 || digits[0] == '0' && len(b) > 1 {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := uint64(c - '0')
		if n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	switch {
	case negative && n <= 1<<63:
		return -int64(n), true
	case !negative && n <= math.MaxInt64:
		return int64(n), true
	}
	return 0, false
}
