package store

import (
	"bytes"
	"unsafe"
)

// A collection that is packed, and small, stands in its key's cell as a string
// does: a key with ten fields is one piece of memory. Its text is
//
//	+---------------+--------------------------+-------------------+---------+
//	| the strings   | where each ends, 2B each | number of them 1B | kind 1B |
//	| (packed.data) | (packed.ends)            |                   |         |
//	+---------------+--------------------------+-------------------+---------+
//
// It is read where it stands; what changes it makes another, which takes its place.
const (
	maxCompact  = 255 // strings
	compactTail = 2   // bytes: number and kind
)

// compact is the run of strings that a collection consists of; false when it
// consists of more.
func compact(v Value) (p *packed, ok bool) {
	switch v := v.(type) {
	case *Hash:
		return &v.pairs, v.fields == nil
	case *ZSet:
		return &v.items, v.members == nil
	case *Set:
		return &v.packed, v.members == nil && v.numbers == nil
	case *List:
		switch nodes := v.nodes(); len(nodes) {
		case 0:
			return &packed{}, true
		case 1:
			return &nodes[0], true
		}
	}
	return nil, false
}

// fits says whether the run takes at most so many bytes in a cell.
func (p *packed) fits(limit int) bool {
	return p.len() <= maxCompact && len(p.data)+len(p.ends)+compactTail <= limit
}

// appendCompact appends the text of a collection.
func appendCompact(dst []byte, p *packed, kind Kind) []byte {
	dst = append(append(dst, p.data...), p.ends...)
	return append(dst, byte(p.len()), byte(kind))
}

// openCompact is the collection that a text says, which is read where it stands:
// nobody changes it.
func openCompact(text string) Value {
	whole := unsafe.Slice(unsafe.StringData(text), len(text))
	n, kind := int(whole[len(whole)-2]), Kind(whole[len(whole)-1])
	ends := len(whole) - compactTail - endBytes*n
	return collect(kind, packed{data: whole[:ends:ends], ends: whole[ends : len(whole)-compactTail : len(whole)-compactTail]})
}

// collect is a collection of a run of strings.
func collect(kind Kind, p packed) Value {
	switch kind {
	case KindHash:
		return &Hash{pairs: p}
	case KindZSet:
		return &ZSet{items: p}
	case KindSet:
		return &Set{packed: p}
	}
	small := &struct {
		List
		node [1]packed
	}{node: [1]packed{p}}
	small.length, small.text = p.len(), int64(len(p.data))
	if p.len() > 0 {
		small.base = small.node[:]
	}
	return &small.List
}

// bench is where a collection out of a cell is changed. It is used again: what
// was made for each change would lie between the cells, and leave holes there.
type bench struct{ data, ends []byte }

// mostBench is how much room a bench has, in bytes: what becomes longer stands apart.
// Nothing else that is allocated has as much, so that a run knows by it that its room
// is not its own.
const mostBench = 2*embedded - 24

// open is the collection that a text says, as a copy on the bench.
func (b *bench) open(text string) Value {
	v := openCompact(text)
	p, _ := compact(v)
	if b.data == nil {
		b.data, b.ends = make([]byte, 0, mostBench), make([]byte, 0, mostBench)
	}
	p.data, p.ends = append(b.data[:0], p.data...), append(b.ends[:0], p.ends...)
	return v
}

// leave takes a collection off a bench, which is to stand apart.
func leave(v Value) {
	if l, isList := v.(*List); isList {
		for i := range l.nodes() {
			l.nodes()[i].leave()
		}
	} else if p, ok := compact(v); ok {
		p.leave()
	}
}

func (p *packed) leave() {
	if cap(p.data) == mostBench || cap(p.ends) == mostBench {
		p.data, p.ends = bytes.Clone(p.data), bytes.Clone(p.ends)
	}
}

// compactKind is the kind of what a text says.
func compactKind(text string) Kind { return Kind(text[len(text)-1]) }
