package store

import (
	"bytes"
	"slices"
)

// A list's node ends at so many bytes or elements, whichever comes first; a
// longer element has a node of its own. Redis-server's ends at 8 KiB.
const (
	listNodeBytes    = 4096
	listNodeElements = 256
)

// nodeRoomShare of a list's bytes is what a new node has room for at most; and how many
// elements a run has at least that is taken for one of many.
const nodeRoomShare = 8

// elementWeight is what an element weighs beside its text.
const elementWeight = 6

// List is a sequence of strings in packed nodes. Both ends are at hand; a place
// in between is found by counting nodes from the nearer end. The zero value is
// an empty list. What it hands out holds until its next change.
type List struct {
	base   []packed // the nodes from head on, none of them empty
	head   int      // room for nodes in front
	length int
	text   int64 // bytes of all elements
}

// Kind implements Value.
func (*List) Kind() Kind { return KindList }

// Size implements Value.
func (l *List) Size() int64 {
	const node = 48
	if len(l.base) == 1 {
		return l.base[0].size() + node + 64
	}
	return l.text + l.text/roomShare + endBytes*int64(l.length) + node*int64(cap(l.base)) + 64
}

// weight is what Size was when semantics 8 came, for Weight.
func (l *List) weight() int64 { return l.text + elementWeight*int64(l.length) + 100 }

func (l *List) vanished() bool { return l.length == 0 }

// Len is the number of elements.
func (l *List) Len() int { return l.length }

func (l *List) nodes() []packed { return l.base[l.head:] }

// locate finds the node of element i and the element's place in it. The place
// behind the last element is in the last node.
func (l *List) locate(i int) (node, place int) {
	nodes := l.nodes()
	if i < l.length/2 {
		for node = range nodes {
			if n := nodes[node].len(); i >= n {
				i -= n
				continue
			}
			return node, i
		}
	}
	behind := l.length - i // elements from i on
	for node = len(nodes) - 1; node > 0 && behind > nodes[node].len(); node-- {
		behind -= nodes[node].len()
	}
	return node, nodes[node].len() - behind
}

// At is element i.
func (l *List) At(i int) []byte {
	node, place := l.locate(i)
	return l.nodes()[node].at(place)
}

func (p *packed) takes(element []byte) bool {
	return p.len() == 0 || p.len() < listNodeElements && len(p.data)+len(element) <= listNodeBytes
}

// Insert puts an element before element i, or with the length behind the last.
func (l *List) Insert(i int, element []byte) {
	node, place := 0, 0
	if l.length > 0 {
		node, place = l.place(i, element)
	} else {
		l.insertNode(0)
	}
	p := &l.nodes()[node]
	if p.len() == 0 {
		l.makeRoom(node)
	}
	p.splice(place, 0, element)
	l.length++
	l.text += int64(len(element))
}

// makeRoom gives a new node as much room as a neighbour takes that has many elements: to
// grow with every element it would be copied as often.
func (l *List) makeRoom(node int) {
	nodes := l.nodes()
	for _, beside := range []int{node - 1, node + 1} {
		if beside < 0 || beside >= len(nodes) || nodes[beside].len() < nodeRoomShare {
			continue
		}
		if full := &nodes[beside]; int64(len(full.data)) <= l.text/nodeRoomShare {
			nodes[node].data = slices.Grow([]byte(nil), len(full.data))
			nodes[node].ends = slices.Grow([]byte(nil), len(full.ends))
		}
		return
	}
}

// place finds or makes room for an element before element i.
func (l *List) place(i int, element []byte) (node, place int) {
	node, place = l.locate(i)
	p := &l.nodes()[node]
	switch {
	case p.takes(element):
		return node, place
	case place == 0 && node > 0 && l.nodes()[node-1].takes(element):
		return node - 1, l.nodes()[node-1].len()
	case place == 0:
		l.insertNode(node)
		return node, 0
	case place < p.len():
		l.split(node, place)
		if p = &l.nodes()[node]; p.takes(element) {
			return node, place
		}
	}
	l.insertNode(node + 1)
	return node + 1, 0
}

// split makes a node of its own of what a node holds from a place on.
func (l *List) split(node, place int) {
	l.insertNode(node + 1)
	left, right := &l.nodes()[node], &l.nodes()[node+1]
	for i := place; i < left.len(); i++ {
		right.splice(right.len(), 0, left.at(i))
	}
	left.splice(place, left.len()-place)
}

// insertNode puts an empty node before another; before the first one there is
// room kept for that.
func (l *List) insertNode(node int) {
	if node > 0 {
		l.base = slices.Insert(l.base, l.head+node, packed{})
		return
	}
	if l.head == 0 && len(l.base) > 0 {
		l.head = len(l.base)/2 + 1
		l.base = append(make([]packed, l.head, l.head+len(l.base)), l.base...)
	}
	if l.head == 0 {
		l.base = append(l.base, packed{})
		return
	}
	l.head--
	l.base[l.head] = packed{}
}

// removeNodes takes nodes from one up to another out.
func (l *List) removeNodes(from, to int) {
	if from > 0 {
		l.base = slices.Delete(l.base, l.head+from, l.head+to)
		return
	}
	clear(l.base[l.head : l.head+to])
	l.head += to
	if l.head > len(l.base)/2+8 {
		l.base, l.head = slices.Clone(l.nodes()), 0
	}
}

// Set replaces element i.
func (l *List) Set(i int, element []byte) {
	node, place := l.locate(i)
	p := &l.nodes()[node]
	old := len(p.at(place))
	if p.len() > 1 && len(p.data)-old+len(element) > listNodeBytes {
		l.Delete(i, i+1)
		l.Insert(i, element)
		return
	}
	p.splice(place, 1, element)
	l.text += int64(len(element) - old)
}

// Delete removes the elements from i up to but not including j.
func (l *List) Delete(i, j int) {
	if i >= j {
		return
	}
	node, place := l.locate(i)
	whole, left := node, j-i // nodes that become empty are from whole on
	if place > 0 {
		n := min(left, l.nodes()[node].len()-place)
		l.cut(node, place, n)
		left -= n
		whole++
	}
	end := whole
	for left > 0 {
		n := min(left, l.nodes()[end].len())
		left -= n
		if n < l.nodes()[end].len() {
			l.cut(end, 0, n)
			break
		}
		l.cut(end, 0, n)
		end++
	}
	l.removeNodes(whole, end)
}

// cut removes n elements of a node, which may be empty then.
func (l *List) cut(node, place, n int) {
	p := &l.nodes()[node]
	l.length -= n
	l.text -= int64(p.start(place+n) - p.start(place))
	p.splice(place, n)
}

// Remove removes elements that equal one, at most limit of them if that is not
// 0, the last ones with fromEnd. It returns how many it removed.
func (l *List) Remove(element []byte, limit int64, fromEnd bool) (removed int64) {
	done := func() bool { return limit != 0 && removed == limit }
	prune := func(node int) {
		p := &l.nodes()[node]
		for k, n := 0, p.len(); k < n && !done(); k++ {
			place := k - (n - p.len()) // what was removed stood before it
			if fromEnd {
				place = n - 1 - k
			}
			if bytes.Equal(p.at(place), element) {
				l.cut(node, place, 1)
				removed++
			}
		}
	}
	n := len(l.nodes())
	for k := range n {
		if fromEnd {
			prune(n - 1 - k)
		} else {
			prune(k)
		}
		if done() {
			break
		}
	}
	if removed > 0 {
		l.tidy()
	}
	return removed
}

// tidy removes empty nodes and joins small neighbours.
func (l *List) tidy() {
	kept := l.nodes()[:0]
	for _, p := range l.nodes() {
		last := len(kept) - 1
		switch {
		case p.len() == 0:
		case last >= 0 && kept[last].len()+p.len() <= listNodeElements/2 && len(kept[last].data)+len(p.data) <= listNodeBytes/2:
			for i := range p.len() {
				kept[last].splice(kept[last].len(), 0, p.at(i))
			}
		default:
			kept = append(kept, p)
		}
	}
	clear(l.nodes()[len(kept):])
	l.base = l.base[:l.head+len(kept)]
}

// Range visits elements from i up to but not including j, or with reverse from
// j-1 down to i, until visit answers false.
func (l *List) Range(i, j int, reverse bool, visit func(element []byte) bool) {
	if i >= j {
		return
	}
	nodes := l.nodes()
	if reverse {
		node, place := l.locate(j - 1)
		for n := j - i; n > 0 && visit(nodes[node].at(place)); n-- {
			if place--; place < 0 && node > 0 {
				node--
				place = nodes[node].len() - 1
			}
		}
		return
	}
	node, place := l.locate(i)
	for n := j - i; n > 0 && visit(nodes[node].at(place)); n-- {
		if place++; place == nodes[node].len() {
			node, place = node+1, 0
		}
	}
}

func (l *List) appendTo(dst []byte) []byte {
	dst = appendUint(dst, uint64(l.length))
	l.Range(0, l.length, false, func(element []byte) bool {
		dst = appendBytes(dst, element)
		return true
	})
	return dst
}

func decodeList(d *decoder) *List {
	l := &List{}
	for n := d.count(1); n > 0 && d.err == nil; n-- {
		l.Insert(l.length, d.bytes())
	}
	if l.length == 0 && d.err == nil {
		d.fail("empty list")
	}
	return l
}
