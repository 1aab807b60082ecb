package wal

import (
	"fmt"
	"math/bits"
)

const (
	// minSegment and maxSegment bound the size of a segment in bytes, unless a
	// single frame needs more.
	minSegment = 1 << 20
	maxSegment = 16 << 20
	// perLog is how many segments a log takes at least between two snapshots:
	// the last one is given up by none of them.
	perLog = 8
)

// spare is a file for a later segment.
type spare struct {
	name string
	size int64
}

// SegmentSize is the size of the next segment in bytes, unless a single frame
// needs more.
func (l *Log) SegmentSize() int64 {
	if l.opts.SegmentSize > 0 {
		return l.opts.SegmentSize
	}
	share := uint64(max(l.fit/perLog, minSegment))
	return min(int64(1)<<(bits.Len64(share)-1), maxSegment)
}

// Fit tells the log how many bytes it is going to take until Release: new
// segments are a fraction of it, and no more is kept in spare files than the
// log needs to reach it.
func (l *Log) Fit(bytes int64) { l.fit = bytes }

// keeps tells whether a file of that size is kept as a spare one: when it is
// about as large as a segment, and there is not enough without it. One is never
// too much: on a full volume it is what writes go on in.
func (l *Log) keeps(size int64) bool {
	segment := l.SegmentSize()
	return size >= segment/2 && size <= 2*segment && (len(l.spares) == 0 || l.Bytes()+size <= l.fit+segment)
}

// Bytes are what the log's files take, spare ones included.
func (l *Log) Bytes() (bytes int64) {
	for i := range l.segments {
		bytes += l.segments[i].size
	}
	for _, s := range l.spares {
		bytes += s.size
	}
	return bytes
}

// trim removes the spare files that are not kept any more. The caller makes it
// durable if it must be.
func (l *Log) trim() error {
	for len(l.spares) > 0 {
		last := l.spares[len(l.spares)-1]
		l.spares = l.spares[:len(l.spares)-1]
		if l.keeps(last.size) {
			l.spares = append(l.spares, last)
			return nil
		}
		if err := l.opts.FS.Remove(l.path(last.name)); err != nil {
			return fmt.Errorf("remove %s: %w", last.name, err)
		}
	}
	return nil
}

// takeSpare is the place of a spare file with room for that many bytes, -1 when
// there is none.
func (l *Log) takeSpare(room int64) int {
	for i, s := range l.spares {
		if s.size >= room {
			return i
		}
	}
	return -1
}
