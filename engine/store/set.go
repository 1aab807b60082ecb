package store

// smallSet is up to how many members a set is searched without an index.
const smallSet = 16

// memberOverhead approximates the bytes of a member beside its text,
// indexOverhead those of its cell in the index.
const (
	memberOverhead = 24
	indexOverhead  = 72
)

// Set is a set of strings in a deterministic order: members stand in the order
// in which they came, and the last takes the place of one that is removed. Two
// sets with the same history are the same, which a Go map alone would not be.
// (A scan from the end to the start therefore misses no member that stays.)
type Set struct {
	members []string
	index   map[string]int // nil while small
	text    int64          // bytes of all members
}

// Kind implements Value.
func (*Set) Kind() Kind { return KindSet }

// Size implements Value.
func (s *Set) Size() int64 {
	per := int64(memberOverhead)
	if s.index != nil {
		per += indexOverhead
	}
	return s.text + per*int64(len(s.members)) + 56
}

func (s *Set) vanished() bool { return len(s.members) == 0 }

// Len is the number of members.
func (s *Set) Len() int { return len(s.members) }

// Members are all members in order, for reading only and until the next change.
func (s *Set) Members() []string { return s.members }

func (s *Set) position(member []byte) int {
	if s.index != nil {
		if i, ok := s.index[string(member)]; ok {
			return i
		}
		return -1
	}
	for i, m := range s.members {
		if m == string(member) {
			return i
		}
	}
	return -1
}

// Has reports whether a member is in the set.
func (s *Set) Has(member []byte) bool { return s.position(member) >= 0 }

// Add puts a member into the set and reports whether it is new.
func (s *Set) Add(member []byte) bool {
	if s.Has(member) {
		return false
	}
	m := string(member)
	s.members = append(s.members, m)
	s.text += int64(len(m))
	if s.index != nil {
		s.index[m] = len(s.members) - 1
	} else if len(s.members) > smallSet {
		s.reindex()
	}
	return true
}

// Remove takes a member out of the set and reports whether it was there.
func (s *Set) Remove(member []byte) bool {
	i := s.position(member)
	if i < 0 {
		return false
	}
	last := len(s.members) - 1
	moved := s.members[last]
	s.members[i] = moved
	s.members[last] = ""
	s.members = s.members[:last]
	s.text -= int64(len(member))
	if s.index != nil {
		s.index[moved] = i
		delete(s.index, string(member))
	}
	if cap(s.members) > 4*smallSet && len(s.members) < cap(s.members)/4 {
		s.shrink()
	}
	return true
}

// shrink gives back the room of members that are gone, of which Size knows
// nothing. A map never does by itself.
func (s *Set) shrink() {
	s.members = append(make([]string, 0, 2*len(s.members)), s.members...)
	s.index = nil
	if len(s.members) > smallSet {
		s.reindex()
	}
}

func (s *Set) reindex() {
	s.index = make(map[string]int, 2*len(s.members))
	for i, m := range s.members {
		s.index[m] = i
	}
}

func (s *Set) appendTo(dst []byte) []byte {
	dst = appendUint(dst, uint64(len(s.members)))
	for _, m := range s.members {
		dst = appendBytes(dst, m)
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
	if len(s.members) == 0 && d.err == nil {
		d.fail("empty set")
	}
	return s
}
