package store

import (
	"bytes"
	"encoding/binary"
	"math"
	"sort"

	"github.com/tidwall/btree"
)

const (
	// scoreBytes are those of a score, scoreRoom the most that a packed member's takes,
	// which stands before it.
	scoreBytes = 8
	scoreRoom  = 1 + scoreBytes
	// notInteger stands before a packed score that is none, or a large one.
	notInteger = 1
	// integers are those below, of either sign, that a score holds exactly.
	integers = 1 << 53
)

// treeOverhead approximates the bytes of an item of the tree.
const treeOverhead = 40

// ZSet is members with scores, in the order of scores and then of members. It
// is packed while it is small, and stays unpacked, however small it becomes.
// The zero value is an empty sorted set. What it hands out holds until its next
// change. No score is NaN.
type ZSet struct {
	items   packed                 // in order: score, then member
	members *dict[float64]         // in place of items when it is large
	tree    *btree.BTreeG[zmember] // members in order
}

type zmember struct {
	score  float64
	member string
}

func (m zmember) less(o zmember) bool {
	if m.score != o.score {
		return m.score < o.score
	}
	return m.member < o.member
}

// Kind implements Value.
func (*ZSet) Kind() Kind { return KindZSet }

// Size implements Value.
func (z *ZSet) Size() int64 {
	if z.members != nil {
		const entry = 8 + 16 // score and member
		return treeOverhead*int64(z.Len()) + z.members.size(entry) + 160
	}
	return z.items.size() + 64
}

// weight is what Size was when semantics 8 came, for Weight.
func (z *ZSet) weight() int64 {
	if z.members != nil {
		const entry = 8 + 40 // score, and its place in the tree
		return entry*int64(z.Len()) + z.members.weight() + 160
	}
	weight := (pairWeight+scoreBytes)*int64(z.Len()) + 96
	for i := range z.items.len() {
		member, _ := z.packedAt(i)
		weight += int64(len(member))
	}
	return weight
}

func (z *ZSet) vanished() bool { return z.Len() == 0 }

// Packed reports whether the sorted set is in its compact form.
func (z *ZSet) Packed() bool { return z.members == nil }

// Len is the number of members.
func (z *ZSet) Len() int {
	if z.members != nil {
		return z.members.len()
	}
	return z.items.len()
}

// packedAt is the member of a rank of a packed set.
func (z *ZSet) packedAt(rank int) (member []byte, score float64) {
	item := z.items.at(rank)
	if item[0] == notInteger {
		return item[scoreRoom:], math.Float64frombits(binary.LittleEndian.Uint64(item[1:]))
	}
	n, size := binary.Uvarint(item)
	return item[size:], float64(int64(n>>2) ^ -int64(n>>1&1))
}

// appendScore appends a score as it stands before a packed member: an integer as
// uvarint, its sign in the second lowest bit, since most are; the lowest is 0.
func appendScore(dst []byte, score float64) []byte {
	n := int64(score)
	if score <= -integers || score >= integers || float64(n) != score {
		return binary.LittleEndian.AppendUint64(append(dst, notInteger), math.Float64bits(score))
	}
	return binary.AppendUvarint(dst, uint64(n<<1^n>>63)<<1)
}

// Score is the score of a member.
func (z *ZSet) Score(member []byte) (score float64, found bool) {
	if z.members != nil {
		if i := z.members.position(member); i >= 0 {
			return z.members.at(i).value, true
		}
		return 0, false
	}
	for i := range z.items.len() {
		if m, score := z.packedAt(i); bytes.Equal(m, member) {
			return score, true
		}
	}
	return 0, false
}

// Search is the rank of the first member for which before is false; it must be
// true of none behind one for which it is false.
func (z *ZSet) Search(before func(member []byte, score float64) bool) int {
	if z.members == nil {
		return sort.Search(z.items.len(), func(i int) bool { return !before(z.packedAt(i)) })
	}
	var buf []byte
	return sort.Search(z.Len(), func(i int) bool {
		m, _ := z.tree.GetAt(i)
		buf = append(buf[:0], m.member...)
		return !before(buf, m.score)
	})
}

// Rank is how many members stand before one with that score.
func (z *ZSet) Rank(member []byte, score float64) int {
	return z.Search(func(m []byte, s float64) bool {
		return s < score || s == score && bytes.Compare(m, member) < 0
	})
}

// Set gives a member a score and reports whether the member is new.
func (z *ZSet) Set(member []byte, score float64) (added bool) {
	old, found := z.Score(member)
	switch {
	case found && old == score:
		return false
	case z.members == nil && (len(member) > PackedBytes || !found && z.Len() == PackedEntries):
		z.unpack()
	}
	if z.members == nil {
		z.setPacked(member, score, old, found)
		return !found
	}
	if found {
		i := z.members.position(member)
		key := z.members.at(i).key
		z.tree.Delete(zmember{old, key})
		z.members.set(i, score)
		z.tree.Set(zmember{score, key})
		return false
	}
	z.tree.Set(zmember{score, z.members.add(member, score)})
	return true
}

// UnpackedZSet is an empty sorted set that is unpacked from the beginning.
func UnpackedZSet() *ZSet {
	z := &ZSet{}
	z.unpack()
	return z
}

// setPacked keeps no sign of 0, as redis-server's compact form, in which 0 is
// an integer.
func (z *ZSet) setPacked(member []byte, score, old float64, found bool) {
	if found {
		z.items.splice(z.Rank(member, old), 1)
	}
	item := appendScore(make([]byte, 0, scoreRoom+PackedBytes), score)
	z.items.splice(z.Rank(member, score), 0, append(item, member...))
}

// unpack changes the form. Members are numbered in their order.
func (z *ZSet) unpack() {
	z.members = &dict[float64]{}
	z.tree = btree.NewBTreeGOptions(zmember.less, btree.Options{NoLocks: true})
	for i := range z.items.len() {
		member, score := z.packedAt(i)
		z.tree.Load(zmember{score, z.members.add(member, score)})
	}
	z.items = packed{}
}

// Delete removes a member and reports whether it was there.
func (z *ZSet) Delete(member []byte) bool {
	score, found := z.Score(member)
	switch {
	case !found:
	case z.members == nil:
		z.items.splice(z.Rank(member, score), 1)
	default:
		i := z.members.position(member)
		z.tree.Delete(zmember{score, z.members.at(i).key})
		z.members.remove(i)
	}
	return found
}

// DeleteRange removes the members whose ranks are from i up to but not
// including j.
func (z *ZSet) DeleteRange(i, j int) {
	for ; i < j; j-- {
		if z.members == nil {
			z.items.splice(i, 1)
			continue
		}
		m, _ := z.tree.DeleteAt(i)
		z.members.remove(z.members.position([]byte(m.member)))
	}
}

// Range visits the members whose ranks are from i up to but not including j, or
// with reverse from j-1 down to i, until visit answers false. What visit gets
// holds until it returns.
func (z *ZSet) Range(i, j int, reverse bool, visit func(member []byte, score float64) bool) {
	n := j - i
	if n <= 0 {
		return
	}
	if z.members == nil {
		for k := range n {
			rank := i + k
			if reverse {
				rank = j - 1 - k
			}
			if !visit(z.packedAt(rank)) {
				return
			}
		}
		return
	}
	var buf []byte
	each := func(m zmember) bool {
		n--
		buf = append(buf[:0], m.member...)
		return visit(buf, m.score) && n > 0
	}
	if reverse {
		from, _ := z.tree.GetAt(j - 1)
		z.tree.Descend(from, each)
		return
	}
	from, _ := z.tree.GetAt(i)
	z.tree.Ascend(from, each)
}

// Slots visits members by their positions, which change of a score leaves as
// they are, from i up to but not including j.
func (z *ZSet) Slots(i, j int, visit func(member []byte, score float64) bool) {
	if z.members == nil {
		z.Range(i, j, false, visit)
		return
	}
	var buf []byte
	for ; i < j; i++ {
		e := z.members.at(i)
		if buf = append(buf[:0], e.key...); !visit(buf, e.value) {
			return
		}
	}
}

func (z *ZSet) appendTo(dst []byte) []byte {
	dst = appendForm(dst, z.Packed(), z.Len())
	z.Slots(0, z.Len(), func(member []byte, score float64) bool {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(score))
		dst = appendBytes(dst, member)
		return true
	})
	return dst
}

func decodeZSet(d *decoder) *ZSet {
	z := &ZSet{}
	packed, n := d.form(scoreBytes + 1)
	if !packed {
		z.unpack()
	}
	for ; n > 0 && d.err == nil; n-- {
		score, member := math.Float64frombits(d.fixed64()), d.bytes()
		switch {
		case d.err != nil:
		case math.IsNaN(score):
			d.fail("score is not a number")
		case !z.Set(member, score):
			d.fail("member twice")
		}
	}
	switch {
	case d.err != nil:
	case z.Len() == 0:
		d.fail("empty sorted set")
	case z.Packed() != packed:
		d.fail("sorted set too large to be packed")
	}
	return z
}
