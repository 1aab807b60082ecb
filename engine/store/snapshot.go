package store

import (
	"encoding/binary"
	"errors"
)

// SnapshotVersion is the highest version of the snapshot stream that is written
// and read. Where database 0 alone has keys it is oneDatabase that is written.
const (
	SnapshotVersion = 2
	oneDatabase     = 1
)

const (
	snapshotMagic = "CFKS"
	databaseSlot  = 0xFFFE
	endSlot       = 0xFFFF
	// maxSlotBytes bounds what a slot record may claim: 64 GiB.
	maxSlotBytes = 64 << 30
)

var (
	// ErrSnapshotRunning is returned by BeginSnapshot while another runs.
	ErrSnapshotRunning = errors.New("store: a snapshot is already running")
	// ErrSnapshotCorrupt is returned when a snapshot stream makes no sense.
	ErrSnapshotCorrupt = errors.New("store: snapshot is corrupt")
	// ErrSnapshotVersion is returned for a stream of another version.
	ErrSnapshotVersion = errors.New("store: snapshot version not supported")
)

// Snapshot is the state of the databases at the moment it began, pulled in small
// steps while writes go on. Its methods need the owner's lock, Next's result
// does not. It costs the memory of what is written meanwhile and before its
// turn: the old values of those keys.
type Snapshot struct {
	all   *Databases
	parts []*part // that are not handed out, the one at hand first
	keys  uint64
	buf   []byte     // encoded, not handed out; in room, unless it became longer
	room  []byte     // used again and again
	order order      // of the slot being encoded
	large *largeSlot // at hand
	held  []still    // all values that are, or were
	ended bool       // the end record is in buf
}

// part is what a snapshot has of a database, of one that had keys.
type part struct {
	of       *Snapshot
	database int
	slots    *slotTables            // the database's, or what Flush left behind
	saved    map[uint16]savedValues // of the slots from next on
	next     int                    // the next slot to hand out
}

// savedValues are what keys held when the snapshot began, for those that were
// written to since; nil for a key that was not there.
type savedValues map[string]*entry

// frozen is a value that is changed in place, as it was.
type frozen struct {
	Value
	form    Kind
	encoded []byte
	still   still // in the place of encoded, of a large value
}

func (f frozen) appendTo(dst []byte) []byte { return append(dst, f.encoded...) }

// BeginSnapshot starts a snapshot of the present state. One can run at a time;
// it runs until Next reports done or it is closed.
func (d *Databases) BeginSnapshot() (*Snapshot, error) {
	if d.snapshot != nil {
		return nil, ErrSnapshotRunning
	}
	n, version := &Snapshot{all: d}, uint16(oneDatabase)
	for number := range d.at {
		s := &d.at[number]
		if s.keys == 0 {
			continue
		}
		if number > 0 {
			version = SnapshotVersion
		}
		s.saving = &part{of: n, database: number, slots: s.slots, saved: make(map[uint16]savedValues)}
		n.parts = append(n.parts, s.saving)
		n.keys += uint64(s.keys)
	}
	n.buf = append(n.buf, snapshotMagic...)
	n.buf = binary.LittleEndian.AppendUint16(n.buf, version)
	d.snapshot = n
	return n, nil
}

// Next returns the stream's next bytes, at most limit of them, and whether they
// are the last. The chunk holds until the next call. There may be none though they are not:
// of large values it is found out first how long they become.
func (n *Snapshot) Next(limit int) (chunk []byte, done bool) {
	n.makeRoom(limit)
	for measured := 0; len(n.buf) < limit && measured < limit && (n.large != nil || len(n.parts) > 0); {
		if n.large != nil {
			measured += n.appendPiece(limit)
		} else {
			n.appendSlot()
		}
	}
	if len(n.parts) == 0 && n.large == nil && !n.ended {
		n.buf = binary.LittleEndian.AppendUint16(n.buf, endSlot)
		n.buf = binary.LittleEndian.AppendUint64(n.buf, n.keys)
		n.ended = true
	}
	size := min(limit, len(n.buf))
	chunk, n.buf = n.buf[:size:size], n.buf[size:]
	if done = n.ended && len(n.buf) == 0; done {
		n.Close()
	}
	return chunk, done
}

// makeRoom takes back what was handed out, once more is to be encoded.
func (n *Snapshot) makeRoom(limit int) {
	if len(n.buf) >= limit {
		return
	}
	if want := limit + limit/4; cap(n.room) < want {
		n.room = make([]byte, 0, want)
	}
	n.buf = append(n.room[:0], n.buf...)
}

// appendDatabase appends the record that says whose those behind it are.
func appendDatabase(dst []byte, number int) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, databaseSlot)
	return binary.LittleEndian.AppendUint64(dst, uint64(number))
}

// Close ends the snapshot, finished or not; its memory is free then.
func (n *Snapshot) Close() {
	if n.all != nil && n.all.snapshot == n {
		n.all.snapshot = nil
		for i := range n.all.at {
			n.all.at[i].saving = nil
		}
	}
	for _, s := range n.held {
		s.release()
	}
	n.all, n.parts, n.order, n.large, n.held = nil, nil, order{}, nil, nil
	n.ended = true
}

// beforeWrite keeps what a key holds, nil for nothing, for a running snapshot
// that has yet to write it. Key by key, because a write must not wait for the
// encoding of a slot, and a few writes to every slot must not cost as much
// memory as all keys do.
func (s *Store) beforeWrite(p *place, key []byte) {
	n := s.saving
	if n == nil || int(p.slot) < n.next {
		return
	}
	values := n.saved[p.slot]
	if _, ok := values[string(key)]; ok {
		return
	}
	if values == nil {
		values = savedValues{}
		n.saved[p.slot] = values
	}
	if !p.found {
		values[string(key)] = nil
		return
	}
	old := p.entry
	if _, ok := old.apart.(String); !ok && old.apart != nil {
		f := frozen{Value: old.apart, form: form(old.apart), still: n.of.hold(old.apart)}
		if f.still == nil {
			f.encoded = old.apart.appendTo(nil)
		}
		old.apart = f
	}
	values[old.key] = &old
}

// appendSlot encodes the next slot as it was when the snapshot began, or begins to.
func (n *Snapshot) appendSlot() {
	p := n.parts[0]
	if p.next == 0 && p.database > 0 {
		n.buf = appendDatabase(n.buf, p.database)
	}
	slot := uint16(p.next)
	n.order.arrange(p.slots[slot], p.saved[slot])
	if r := n.largeSlotOf(slot); r != nil {
		n.large = r
	} else if n.order.len() > 0 {
		const head = 2 + 8
		begin := len(n.buf)
		n.buf = binary.LittleEndian.AppendUint16(n.buf, slot)
		n.buf = append(n.buf, 0, 0, 0, 0, 0, 0, 0, 0)
		n.buf = n.order.appendTo(n.buf)
		binary.LittleEndian.PutUint64(n.buf[begin+2:], uint64(len(n.buf)-begin-head))
	}
	delete(p.saved, slot)
	if p.next++; p.next == Slots {
		n.parts = n.parts[1:]
	}
}

// EncodeSlot appends the payload of a slot to dst.
func (s *Store) EncodeSlot(slot uint16, dst []byte) []byte {
	var o order
	o.arrange(s.slots[slot], nil)
	return o.appendTo(dst)
}

func (e *entry) appendTo(dst []byte) []byte {
	if e.apart == nil && !e.compact {
		return appendBytes(e.appendHead(dst, KindString), e.text)
	}
	v := e.value()
	return v.appendTo(e.appendHead(dst, form(v)))
}

// appendHead appends what stands before the value.
func (e *entry) appendHead(dst []byte, form Kind) []byte {
	return append(appendUint(appendBytes(dst, e.key), uint64(e.deadline)), byte(form))
}
