package store

import "encoding/binary"

// largeSlot is a slot with large values in the making. All of the slot is held when it
// begins: what is written to it from then on is not the snapshot's.
type largeSlot struct {
	slot     uint16
	segments []segment
	size     uint64 // of those that were looked at
	measured int    // segments that were
	given    int    // segments that are encoded
	scratch  []byte // for what is measured
}

// segment is a part of a slot's payload: bytes, or a large value.
type segment struct {
	bytes []byte
	still still
}

// largeSlotOf begins a slot that has large values; nil for any other.
func (n *Snapshot) largeSlotOf(slot uint16) *largeSlot {
	var r *largeSlot
	from := 0 // the entries from there on are in no segment
	for i := range n.order.len() {
		e := n.order.at(i)
		s := n.still(e.apart)
		if s == nil {
			continue
		}
		if r == nil {
			r = &largeSlot{slot: slot, segments: []segment{{bytes: appendUint(nil, uint64(n.order.len()))}}}
		}
		last := &r.segments[len(r.segments)-1]
		last.bytes = e.appendHead(n.order.appendEntries(last.bytes, from, i), form(e.apart))
		r.segments = append(r.segments, segment{still: s}, segment{})
		from = i + 1
	}
	if r != nil {
		last := &r.segments[len(r.segments)-1]
		last.bytes = n.order.appendEntries(last.bytes, from, n.order.len())
	}
	return r
}

// still is a large value of an entry, nil for any other: held when it was about to
// change, or now.
func (n *Snapshot) still(v Value) still {
	if f, ok := v.(frozen); ok {
		return f.still
	}
	return n.hold(v)
}

func (n *Snapshot) hold(v Value) still {
	s := hold(v)
	if s != nil {
		n.held = append(n.held, s)
	}
	return s
}

// appendPiece does the next step of the slot at hand: it finds out how long a piece
// of it is, and says so, until the length of all is known; then it encodes it once
// more. Behind the last one there is none at hand.
func (n *Snapshot) appendPiece(limit int) (measured int) {
	r := n.large
	if r.measured < len(r.segments) {
		if measured = r.measure(limit); r.measured == len(r.segments) {
			n.buf = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint16(n.buf, r.slot), r.size)
		}
		return measured
	}
	s, all := &r.segments[r.given], true
	if s.still == nil {
		n.buf = append(n.buf, s.bytes...)
	} else if n.buf, all = s.still.piece(n.buf, limit); all {
		s.still.release()
	}
	if !all {
		return 0
	}
	*s = segment{}
	if r.given++; r.given == len(r.segments) {
		n.large = nil
	}
	return 0
}

func (r *largeSlot) measure(limit int) int {
	s := r.segments[r.measured]
	if s.still == nil {
		r.size += uint64(len(s.bytes))
		r.measured++
		return 0
	}
	var all bool
	r.scratch, all = s.still.piece(r.scratch[:0], limit)
	if r.size += uint64(len(r.scratch)); all {
		s.still.rewind()
		r.measured++
	}
	return len(r.scratch)
}
