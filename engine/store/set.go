package store

import "bytes"

// Set is a set of strings, in the order of a dict: packed while it is small, as
// numbers while it is larger and consists of integers alone. It stays in the larger
// form, however small it becomes; nothing but its size tells which it is in. The zero
// value is an empty set.
type Set struct {
	packed  packed
	numbers *numbers        // in place of packed
	members *dict[struct{}] // in place of both
}

// Kind implements Value.
func (*Set) Kind() Kind { return KindSet }

// Size implements Value.
func (s *Set) Size() int64 {
	switch {
	case s.members != nil:
		const entry = 16
		return s.members.size(entry) + 64
	case s.numbers != nil:
		return s.numbers.size() + 64
	}
	return s.packed.size() + 64
}

// weight is what Size was when a set was always a dict, for Weight.
func (s *Set) weight() int64 {
	switch {
	case s.members != nil:
		return s.members.weight()
	case s.numbers != nil:
		return dictWeight(s.Len(), s.numbers.text)
	}
	return dictWeight(s.Len(), int64(len(s.packed.data)))
}

func (s *Set) vanished() bool { return s.Len() == 0 }

// Len is the number of members.
func (s *Set) Len() int {
	switch {
	case s.members != nil:
		return s.members.len()
	case s.numbers != nil:
		return s.numbers.len()
	}
	return s.packed.len()
}

// AppendAt appends the member at a position. What it returns is not nil, as what has no
// value is, although a member may be empty.
func (s *Set) AppendAt(dst []byte, i int) []byte {
	if dst == nil {
		dst = []byte{}
	}
	switch {
	case s.members != nil:
		return append(dst, s.members.at(i).key...)
	case s.numbers != nil:
		return s.numbers.appendAt(dst, i)
	}
	return append(dst, s.packed.at(i)...)
}

// Has reports whether a member is in the set.
func (s *Set) Has(member []byte) bool { return s.position(member) >= 0 }

func (s *Set) position(member []byte) int {
	switch {
	case s.members != nil:
		return s.members.position(member)
	case s.numbers != nil:
		return s.numbers.position(member)
	}
	return s.packed.find(member, 1)
}

// Add puts a member into the set and reports whether it is new.
func (s *Set) Add(member []byte) bool {
	if s.Has(member) {
		return false
	}
	s.makeRoom(member)
	switch {
	case s.members != nil:
		s.members.add(member, struct{}{})
	case s.numbers != nil:
		s.numbers.add(member)
	default:
		s.packed.splice(s.packed.len(), 0, member)
	}
	return true
}

// makeRoom gives the set a form that takes a further member up.
func (s *Set) makeRoom(member []byte) {
	small := s.members == nil && s.numbers == nil
	if s.members != nil || small && len(member) <= PackedBytes && s.packed.len() < PackedEntries {
		return
	}
	switch _, integer := ParseInteger(member); {
	case small && integer && s.onlyIntegers():
		s.number()
	case small || !integer || s.numbers.len() == MaxNumbers:
		s.unpack()
	}
}

// Integers tells whether a set is what redis-server keeps as integers.
func (s *Set) Integers() bool {
	return s.numbers != nil || s.Len() <= MaxNumbers && s.onlyIntegers()
}

// onlyIntegers says so of the members of a set that are not numbers.
func (s *Set) onlyIntegers() bool {
	var member []byte
	for i := range s.Len() {
		member = s.AppendAt(member[:0], i)
		if _, integer := ParseInteger(member); !integer {
			return false
		}
	}
	return true
}

// number makes numbers of a packed set's members, all of which are integers.
func (s *Set) number() {
	n := &numbers{}
	for i := range s.packed.len() {
		n.add(s.packed.at(i))
	}
	*s = Set{numbers: n}
}

func (s *Set) unpack() {
	members := &dict[struct{}]{}
	var member []byte
	for i := range s.Len() {
		member = s.AppendAt(member[:0], i)
		members.add(member, struct{}{})
	}
	*s = Set{members: members}
}

// Remove takes a member out of the set and reports whether it was there.
func (s *Set) Remove(member []byte) bool {
	i := s.position(member)
	switch {
	case i < 0:
		return false
	case s.members != nil:
		s.members.remove(i)
	case s.numbers != nil:
		s.numbers.remove(i)
	default:
		last := s.packed.len() - 1
		if i < last { // as a dict: the last takes its place
			s.packed.splice(i, 1, bytes.Clone(s.packed.at(last)))
		}
		s.packed.splice(last, 1)
	}
	return true
}

func (s *Set) appendTo(dst []byte) []byte {
	dst = appendUint(dst, uint64(s.Len()))
	var member []byte
	for i := range s.Len() {
		member = s.AppendAt(member[:0], i)
		dst = appendBytes(dst, member)
	}
	return dst
}

func decodeSet(d *decoder) *Set {
	s := &Set{}
	for n := d.count(1); n > 0; n-- {
		if !s.Add(d.bytes()) && d.err == nil {
			d.fail("set member twice")
		}
	}
	if s.vanished() && d.err == nil {
		d.fail("empty set")
	}
	return s
}
