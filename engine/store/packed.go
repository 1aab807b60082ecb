package store

import "slices"

// packed is a short run of strings, one behind the other: two allocations,
// whatever there are, and every place found at once. It is changed in place, so
// what it hands out holds until the next change, and outlives no lock.
type packed struct {
	data []byte
	ends []uint32 // where each string ends in data
}

func (p *packed) len() int { return len(p.ends) }

// start is where string i begins, or would.
func (p *packed) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return p.ends[i-1]
}

func (p *packed) at(i int) []byte { return p.data[p.start(i):p.ends[i]:p.ends[i]] }

// splice puts strings in the place of n others from place i on.
func (p *packed) splice(i, n int, items ...[]byte) {
	from, to, size := p.start(i), p.start(i+n), uint32(0)
	for _, item := range items {
		size += uint32(len(item))
	}
	was := len(p.data)
	if now := was + int(size) - int(to-from); now > was {
		p.data = room(p.data, now)[:now]
		copy(p.data[from+size:], p.data[to:was])
	} else {
		copy(p.data[from+size:], p.data[to:])
		p.data = p.data[:now]
	}
	for j := i + n; j < len(p.ends); j++ {
		p.ends[j] += size - (to - from) // may wrap around, and back
	}
	behind := len(p.ends)
	if more := behind + len(items) - n; more > behind {
		p.ends = room(p.ends, more)[:more]
		copy(p.ends[i+len(items):], p.ends[i+n:behind])
	} else {
		copy(p.ends[i+len(items):], p.ends[i+n:])
		p.ends = p.ends[:more]
	}
	end := from
	for j, item := range items {
		copy(p.data[end:], item)
		end += uint32(len(item))
		p.ends[i+j] = end
	}
	p.shrink()
}

// room makes room for n elements and little more: there are many short runs.
func room[T byte | uint32](s []T, n int) []T {
	if n <= cap(s) {
		return s
	}
	return append(slices.Grow([]T(nil), n+n/8), s...)
}

// shrink gives back the room of what is gone, of which Size knows nothing.
func (p *packed) shrink() {
	const worth = 128 // bytes
	if cap(p.data) > worth && len(p.data) < cap(p.data)/4 {
		p.data, p.ends = append([]byte(nil), p.data...), append([]uint32(nil), p.ends...)
	}
}
