package store

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// order is a slot's entries in the order of their keys, which a snapshot has whatever
// order they have in memory. Its room is used for one slot after the other. What it
// sorts are eight bytes of each key: entries that moved would be told to the collector.
type order struct {
	entries []entry
	keys    []orderKey
}

type orderKey struct {
	bytes uint64 // eight of the key, the first of them in front
	entry int
}

// arrange takes those of a table in which some keys hold what was saved.
func (o *order) arrange(t *table, saved savedValues) {
	o.entries, o.keys = o.entries[:0], o.keys[:0]
	if t != nil {
		t.fetch()
	}
	for e := range t.all() {
		if _, ok := saved[e.key]; !ok {
			o.entries = append(o.entries, e)
		}
	}
	for _, e := range saved {
		if e != nil {
			o.entries = append(o.entries, *e)
		}
	}
	for i := range o.entries {
		o.keys = append(o.keys, orderKey{entry: i})
	}
	o.sortByKey(o.keys, 0)
}

func (o *order) len() int { return len(o.keys) }

// at is the entry at a position, until they are arranged anew.
func (o *order) at(i int) *entry { return &o.entries[o.keys[i].entry] }

func (o *order) key(k orderKey) string { return o.entries[k.entry].key }

// sortByKey orders those whose keys have so many bytes in common.
func (o *order) sortByKey(keys []orderKey, common int) {
	if len(keys) < 2 {
		return
	}
	common += o.inCommon(keys, common)
	for i := range keys {
		keys[i].bytes = eightBytes(o.key(keys[i])[common:])
	}
	slices.SortFunc(keys, func(a, b orderKey) int { return cmp.Compare(a.bytes, b.bytes) })
	for from, to := 0, 1; to <= len(keys); to++ {
		if to == len(keys) || keys[to].bytes != keys[from].bytes {
			o.sortRun(keys[from:to], common)
			from = to
		}
	}
}

// sortRun orders keys whose next eight bytes are the same, with zeros for what a key
// lacks. Where one ends within them they are compared whole: a zero in a key is not
// its end.
func (o *order) sortRun(keys []orderKey, common int) {
	const few = 4
	ends := func(k orderKey) bool { return len(o.key(k)) < common+8 }
	if len(keys) > few && !slices.ContainsFunc(keys, ends) {
		o.sortByKey(keys, common+8)
		return
	}
	slices.SortFunc(keys, func(a, b orderKey) int { return strings.Compare(o.key(a)[common:], o.key(b)[common:]) })
}

// inCommon is how many bytes all keys have in common behind those.
func (o *order) inCommon(keys []orderKey, common int) int {
	first := o.key(keys[0])[common:]
	for _, k := range keys[1:] {
		key, n := o.key(k)[common:], 0
		for n < min(len(first), len(key)) && first[n] == key[n] {
			n++
		}
		first = first[:n]
	}
	return len(first)
}

// eightBytes is what a text begins with, as a number that compares as it does but
// for zeros where it ends.
func eightBytes(text string) uint64 {
	var b [8]byte
	copy(b[:], text)
	return binary.BigEndian.Uint64(b[:])
}

// appendTo appends the payload of the slot.
func (o *order) appendTo(dst []byte) []byte {
	return o.appendEntries(appendUint(dst, uint64(o.len())), 0, o.len())
}

// appendEntries appends the entries from one position up to another.
func (o *order) appendEntries(dst []byte, from, to int) []byte {
	for ; from < to; from++ {
		dst = o.at(from).appendTo(dst)
	}
	return dst
}
