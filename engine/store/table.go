package store

import (
	"encoding/binary"
	"iter"
	"math/bits"
)

// embedded is up to how many bytes a string, or the text of a collection, stands
// in its key's cell. A longer one stands apart, so that a new deadline does not
// copy it.
const embedded = 512

// A cell is a key in one piece, which the collector has nothing to look for in:
//
//	+--------------------------------------------------------+-------------+-----+------+
//	| key's length × 4 + collection? × 2 + deadline? uvarint | deadline 8B | key | text |
//	+--------------------------------------------------------+-------------+-----+------+
//
// The deadline is there when the lowest bit says so. The text is that of a string
// or a collection, and empty when the value stands apart. A cell is never
// changed: what replaces it is another.
type cell = string

// entry is a key and what it holds.
type entry struct {
	key      string
	deadline int64  // ms since the epoch; 0 is never
	text     string // the value, when apart is nil
	compact  bool   // text is that of a collection
	apart    Value
}

func (e entry) expired(now int64) bool { return e.deadline != 0 && e.deadline <= now }

// value is the entry's value; a string out of the cell is a copy.
func (e entry) value() Value {
	switch {
	case e.apart != nil:
		return e.apart
	case e.compact:
		return openCompact(e.text)
	}
	return String(e.text)
}

func (e entry) kind() Kind {
	switch {
	case e.apart != nil:
		return e.apart.Kind()
	case e.compact:
		return compactKind(e.text)
	}
	return KindString
}

// tableOverhead approximates the bytes of a table beside its places.
const tableOverhead = 128

// size approximates the memory of the entry but for its deadline's index: the
// cell in its allocation, its place in the table, and what stands apart.
func (e entry) size() int64 {
	const place, round = 22, 16
	n := len(e.key) + len(e.text) + 1
	if e.deadline != 0 {
		n += 8
	}
	size := int64((n+n/20+round-1)&^(round-1) + place)
	if e.apart != nil {
		size += e.apart.Size() + place
	}
	return size
}

// appendCell appends the entry as a cell.
func appendCell[K, T ~string | ~[]byte](dst []byte, key K, deadline int64, text T) []byte {
	return append(appendHead(dst, key, deadline, 0), text...)
}

// What the head of a cell says beside the key's length.
const (
	hasDeadline  = 1
	isCollection = 2
	lengthShift  = 2
)

// appendHead appends a cell but for its text.
func appendHead[K ~string | ~[]byte](dst []byte, key K, deadline int64, flags uint64) []byte {
	head := uint64(len(key))<<lengthShift | flags
	if deadline != 0 {
		dst = binary.AppendUvarint(dst, head|hasDeadline)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(deadline))
	} else {
		dst = binary.AppendUvarint(dst, head)
	}
	return append(dst, key...)
}

// appendCell appends an entry whose value does not stand apart.
func (e entry) appendCell(dst []byte, deadline int64) []byte {
	flags := uint64(0)
	if e.compact {
		flags = isCollection
	}
	return append(appendHead(dst, e.key, deadline, flags), e.text...)
}

func decodeCell(c cell) (e entry) {
	head, at := uint64(0), 0
	for shift := 0; ; shift += 7 {
		b := c[at]
		at++
		head |= uint64(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	if head&hasDeadline != 0 {
		for i := range 8 {
			e.deadline |= int64(c[at+i]) << (8 * i)
		}
		at += 8
	}
	end := at + int(head>>lengthShift)
	e.key, e.text, e.compact = c[at:end], c[end:], head&isCollection != 0
	return e
}

// table is a slot's keys: a hash table with linear probing, of any number of
// places. Its order is as arbitrary as that of Go's maps, and reaches neither
// the state nor its encoding.
type table struct {
	seed  seed
	tags  []uint8 // of each place: 0 for none, else 0x80 and bits of the key's hash
	cells []cell
	apart []Value // nil while no value stands apart
	count int
	marks *[]uint32        // of the use of keys; nil while none is noted
	few   [fewPlaces]uint8 // tags, while there are no more
}

// fewPlaces is up to how many tags are in the table itself: pieces that small would
// keep whole pages of what the garbage around them was.
const fewPlaces = 16

// newTable makes a table with room for n keys.
func newTable(seed seed, n int) *table {
	t := &table{seed: seed}
	t.allocate(n)
	return t
}

func (t *table) allocate(n int) {
	places := max(4, n+n/7+1) // at most 7/8 full
	if t.cells = make([]cell, places); places > fewPlaces {
		t.tags = make([]uint8, places)
		return
	}
	t.few = [fewPlaces]uint8{}
	t.tags = t.few[:places]
}

// home is where the search for a key begins, and its tag.
func (t *table) home(hash uint64) (place int, tag uint8) {
	high, _ := bits.Mul64(hash, uint64(len(t.tags)))
	return int(high), uint8(hash) | 0x80
}

// find returns a key's place, or where it would go.
func (t *table) find(key []byte) (place int, e entry, found bool) {
	place, tag := t.home(t.seed.hash(key))
	for t.tags[place] != 0 {
		if t.tags[place] == tag {
			if e = t.at(place); e.key == string(key) {
				return place, e, true
			}
		}
		place = t.after(place)
	}
	return place, entry{}, false
}

func (t *table) after(place int) int {
	if place++; place == len(t.tags) {
		return 0
	}
	return place
}

// at is the entry at a place that has one.
func (t *table) at(place int) entry {
	e := decodeCell(t.cells[place])
	if t.apart != nil {
		e.apart = t.apart[place]
	}
	return e
}

// set puts a cell at a place that find returned for its key.
func (t *table) set(place int, c cell, apart Value) {
	t.cells[place] = c
	if apart != nil && t.apart == nil {
		t.apart = make([]Value, len(t.cells))
	}
	if t.apart != nil {
		t.apart[place] = apart
	}
}

// insert adds a key that is not there, and says where.
func (t *table) insert(c cell, apart Value) (place int) {
	if 8*(t.count+1) > 7*len(t.tags) {
		t.resize(t.count + 1 + t.count/4)
	}
	t.count++
	return t.place(c, apart)
}

func (t *table) place(c cell, apart Value) int {
	place, tag := t.home(t.seed.hashString(decodeCell(c).key))
	for t.tags[place] != 0 {
		place = t.after(place)
	}
	t.tags[place] = tag
	t.set(place, c, apart)
	return place
}

// resize gives the table room for n keys.
func (t *table) resize(n int) {
	t.fetch()
	old := *t
	if len(t.tags) <= fewPlaces {
		old.tags = old.few[:len(t.tags)]
	}
	t.apart, t.marks = nil, nil
	t.allocate(n)
	for place, tag := range old.tags {
		if tag == 0 {
			continue
		}
		to := t.place(old.cells[place], old.value(place))
		if old.marks != nil {
			t.setMark(to, old.mark(place))
		}
	}
}

// fetch brings the cells into the processor's cache before they are read one by
// one: here no read waits for the one before it.
//
//go:noinline
func (t *table) fetch() (sum uint8) { //nolint:unparam // or nothing would be read
	for _, c := range t.cells {
		if c != "" {
			sum += c[0]
		}
	}
	return sum
}

// remove empties a place. Those behind it that would not be found any more move
// up.
func (t *table) remove(hole int) {
	for next := t.after(hole); t.tags[next] != 0; next = t.after(next) {
		home, _ := t.home(t.seed.hashString(decodeCell(t.cells[next]).key))
		if hole <= next && (home <= hole || next < home) || next < hole && next < home && home <= hole {
			t.tags[hole] = t.tags[next]
			t.set(hole, t.cells[next], t.value(next))
			if t.marks != nil {
				t.setMark(hole, t.mark(next))
			}
			hole = next
		}
	}
	t.tags[hole] = 0
	t.set(hole, "", nil)
	if t.marks != nil {
		t.setMark(hole, 0)
	}
	if t.count--; 4*t.count < len(t.tags) && t.count > 4 {
		t.resize(t.count + t.count/4)
	}
}

// all are the table's entries; an absent one has none.
func (t *table) all() iter.Seq[entry] {
	return func(yield func(entry) bool) {
		if t == nil {
			return
		}
		for place, tag := range t.tags {
			if tag != 0 && !yield(t.at(place)) {
				return
			}
		}
	}
}

func (t *table) value(place int) Value {
	if t.apart == nil {
		return nil
	}
	return t.apart[place]
}
