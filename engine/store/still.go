package store

import (
	"encoding/binary"
	"math"
	"slices"
)

// largeValue is from how many bytes on a value is held still for a snapshot rather
// than encoded at once: what one has to wait for is bounded, and so is what is in
// memory twice.
const largeValue = 32 << 10

// still is a large value as it was when a snapshot came to it, which goes on
// changing. It is encoded piece by piece, under the owner's lock. What is about to
// change is kept for it.
type still interface {
	// piece appends what comes next of the encoding, about limit bytes, and tells
	// whether that was all.
	piece(dst []byte, limit int) (out []byte, all bool)
	// rewind goes back to the beginning: a snapshot has the length in front. What is
	// given out from then on is not kept any more.
	rewind()
	// release lets go of it, however far it came; again it does nothing.
	release()
}

// hold is a large value, still; nil for a small one.
func hold(v Value) still {
	if v == nil || v.Size() < largeValue {
		return nil
	}
	switch v := v.(type) {
	case *Hash:
		if v.fields != nil {
			return holdDict(v.fields, appendForm(nil, false, v.Len()), func(dst []byte, e dictEntry[[]byte]) []byte {
				return appendBytes(appendBytes(dst, e.key), e.value)
			})
		}
	case *ZSet:
		if v.members != nil {
			return holdDict(v.members, appendForm(nil, false, v.Len()), func(dst []byte, e dictEntry[float64]) []byte {
				return appendBytes(binary.LittleEndian.AppendUint64(dst, math.Float64bits(e.value)), e.key)
			})
		}
	case *Set:
		if v.members != nil {
			return holdDict(v.members, appendUint(nil, uint64(v.Len())), func(dst []byte, e dictEntry[struct{}]) []byte {
				return appendBytes(dst, e.key)
			})
		}
	case *List:
		return holdList(v)
	case *Stream:
		return holdStream(v)
	}
	return nil
}

// stillDict is a dict: entries that change or move are kept by their positions.
type stillDict[V any] struct {
	dict   *dict[V]
	head   []byte // of the encoding
	encode func(dst []byte, e dictEntry[V]) []byte
	length int
	kept   map[int]dictEntry[V]
	next   int  // to be encoded
	giving bool // out: what is behind next need not be kept
}

func holdDict[V any](d *dict[V], head []byte, encode func([]byte, dictEntry[V]) []byte) still {
	d.still = &stillDict[V]{dict: d, head: head, encode: encode, length: d.len(), kept: map[int]dictEntry[V]{}}
	return d.still
}

// keep keeps the entry at a position, which is about to change.
func (s *stillDict[V]) keep(i int) {
	if i >= s.length || s.giving && i < s.next {
		return
	}
	if _, kept := s.kept[i]; !kept {
		s.kept[i] = *s.dict.at(i)
	}
}

func (s *stillDict[V]) piece(dst []byte, limit int) ([]byte, bool) {
	if s.next == 0 {
		dst = append(dst, s.head...)
	}
	for end := len(dst) + limit; s.next < s.length && len(dst) < end; s.next++ {
		e, kept := s.kept[s.next]
		if !kept {
			e = *s.dict.at(s.next)
		} else if s.giving {
			delete(s.kept, s.next)
		}
		dst = s.encode(dst, e)
	}
	return dst, s.next == s.length
}

func (s *stillDict[V]) rewind() { s.next, s.giving = 0, true }

func (s *stillDict[V]) release() {
	if s.dict != nil && s.dict.still == s {
		s.dict.still = nil
	}
	s.dict, s.kept = nil, nil
}

// stillNodes are runs that nobody changes any more.
type stillNodes struct {
	head, tail []byte
	nodes      int
	encode     func(dst []byte, node int) []byte
	next       int
}

func (s *stillNodes) piece(dst []byte, limit int) ([]byte, bool) {
	if s.next == 0 {
		dst = append(dst, s.head...)
	}
	for end := len(dst) + limit; s.next < s.nodes && len(dst) < end; s.next++ {
		dst = s.encode(dst, s.next)
	}
	if s.next < s.nodes {
		return dst, false
	}
	return append(dst, s.tail...), true
}

func (s *stillNodes) rewind() { s.next = 0 }

func (s *stillNodes) release() { s.encode, s.nodes = nil, 0 }

// holdList has the list copy a node before it changes it.
func holdList(l *List) still {
	nodes := slices.Clone(l.nodes())
	for i := range l.nodes() {
		l.nodes()[i].lent = true
	}
	return &stillNodes{head: appendUint(nil, uint64(l.length)), nodes: len(nodes), encode: func(dst []byte, node int) []byte {
		for i := range nodes[node].len() {
			dst = appendBytes(dst, nodes[node].at(i))
		}
		return dst
	}}
}

// holdStream has the stream copy a node before it deletes from it; what it adds to
// one is behind what is held. Its groups are encoded at once.
func holdStream(s *Stream) still {
	nodes := make([]streamNode, len(s.nodes))
	for i, node := range s.nodes {
		node.lent = true
		nodes[i] = *node
	}
	held := &stillNodes{head: s.appendHead(nil), nodes: len(nodes), encode: func(dst []byte, node int) []byte { return nodes[node].appendTo(dst) }}
	if s.groups.Len() > 0 {
		held.tail = s.appendGroups(nil)
	}
	return held
}
