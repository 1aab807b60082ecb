package store

// Set is a set of strings, in the deterministic order of a dict.
type Set struct {
	members dict[struct{}]
}

// Kind implements Value.
func (*Set) Kind() Kind { return KindSet }

// Size implements Value.
func (s *Set) Size() int64 { return s.members.size() }

func (s *Set) vanished() bool { return len(s.members.entries) == 0 }

// Len is the number of members.
func (s *Set) Len() int { return len(s.members.entries) }

// At is the member at a position.
func (s *Set) At(i int) string { return s.members.entries[i].key }

// Has reports whether a member is in the set.
func (s *Set) Has(member []byte) bool { return s.members.position(member) >= 0 }

// Add puts a member into the set and reports whether it is new.
func (s *Set) Add(member []byte) bool {
	if s.Has(member) {
		return false
	}
	s.members.add(member, struct{}{})
	return true
}

// Remove takes a member out of the set and reports whether it was there.
func (s *Set) Remove(member []byte) bool {
	i := s.members.position(member)
	if i >= 0 {
		s.members.remove(i)
	}
	return i >= 0
}

func (s *Set) appendTo(dst []byte) []byte {
	dst = appendUint(dst, uint64(s.Len()))
	for i := range s.members.entries {
		dst = appendBytes(dst, s.members.entries[i].key)
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
