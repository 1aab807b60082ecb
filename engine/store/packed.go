package store

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// packed is a run of strings, one behind the other: every place is found at once.
// It is short: the last string alone may end behind 64 KiB. It is changed in
// place, so what it hands out holds until the next change, and outlives no lock.
type packed struct {
	data []byte
	ends []byte // where each string ends in data, modulo 64 KiB, endBytes each; the last ends with it
	lent bool   // to a snapshot: it is copied before it changes
}

const (
	endBytes = 2
	// roomShare of what a run holds is the room that it gets for more: there are
	// many short ones.
	roomShare = 16
	// longRoomShare is that of one longer than longRun bytes.
	longRoomShare = 4
	longRun       = 512
)

func (p *packed) len() int { return len(p.ends) / endBytes }

// size approximates the memory of both, in bytes, by what they hold. Of a long run
// of many strings it may be an eighth more.
func (p *packed) size() int64 {
	n := int64(len(p.data) + len(p.ends))
	return n + n/roomShare
}

func (p *packed) end(i int) int {
	if i == p.len()-1 {
		return len(p.data)
	}
	return int(binary.LittleEndian.Uint16(p.ends[endBytes*i:]))
}

// start is where string i begins, or would.
func (p *packed) start(i int) int {
	if i == 0 {
		return 0
	}
	return p.end(i - 1)
}

func (p *packed) at(i int) []byte {
	from, to := p.start(i), p.end(i)
	return p.data[from:to:to]
}

// find is the place of a string among every one (1) or every second (2), -1 if it is
// not there.
func (p *packed) find(text []byte, every int) int {
	begin := 0
	for i := range p.len() {
		end := p.end(i)
		if end-begin == len(text) && i&(every-1) == 0 && string(p.data[begin:end]) == string(text) {
			return i
		}
		begin = end
	}
	return -1
}

// splice puts strings in the place of n others from place i on.
func (p *packed) splice(i, n int, items ...[]byte) {
	if p.lent {
		p.data, p.ends, p.lent = bytes.Clone(p.data), bytes.Clone(p.ends), false
	}
	from, to, size := p.start(i), p.start(i+n), 0
	for _, item := range items {
		size += len(item)
	}
	for behind := p.ends[endBytes*(i+n):]; len(behind) > 0; behind = behind[endBytes:] {
		end := binary.LittleEndian.Uint16(behind)
		binary.LittleEndian.PutUint16(behind, end+uint16(size-(to-from)))
	}
	shorter := size < to-from // what grows has room on purpose
	many := p.len() >= nodeRoomShare
	p.data = resize(p.data, from, to, size, many)
	p.ends = resize(p.ends, endBytes*i, endBytes*(i+n), endBytes*len(items), many)
	for j, item := range items {
		from += copy(p.data[from:], item)
		p.setEnd(i+j, from)
	}
	if shorter {
		p.shrink()
	}
}

func (p *packed) setEnd(i, end int) {
	binary.LittleEndian.PutUint16(p.ends[endBytes*i:], uint16(end))
}

// resize makes size bytes of those from one place to another, of a run of many strings
// or of few.
func resize(b []byte, from, to, size int, many bool) []byte {
	n := len(b) + size - (to - from)
	switch {
	case n <= len(b):
		copy(b[from+size:], b[to:])
		return b[:n]
	case n <= cap(b):
		was := b
		b = b[:n]
		copy(b[from+size:], was[to:])
		return b
	}
	grown := slices.Grow([]byte(nil), n+room(n, many))[:n]
	copy(grown, b[:from])
	copy(grown[from+size:], b[to:])
	return grown
}

// room is how much more than n bytes a run gets that grows to n. A long one of many
// strings is a list's node that goes on growing, most likely, up to listNodeBytes.
func room(n int, many bool) int {
	if many && n > longRun && n <= listNodeBytes {
		return min(n/longRoomShare, listNodeBytes-n)
	}
	return n / roomShare
}

// shrink gives back the room of what is gone, once that is half of it, unless it is a
// bench's.
func (p *packed) shrink() {
	const worth = 128 // bytes
	if cap(p.data) > worth && cap(p.data) != mostBench && len(p.data) < cap(p.data)/2 {
		p.data, p.ends = append([]byte(nil), p.data...), append([]byte(nil), p.ends...)
	}
}
