package store

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"slices"
	"strings"
)

// SnapshotVersion is the version of the snapshot stream that is written. The
// one read is this or the previous, of which there is none yet.
const SnapshotVersion = 1

const (
	snapshotMagic = "CFKS"
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

// Snapshot is the state of the store at the moment it began, pulled in small
// steps while writes go on. Its methods need the store's lock, Next's result
// does not. It costs the memory of what is written meanwhile and before its
// turn: the old values of those keys.
type Snapshot struct {
	store  *Store
	slots  *slotTables            // the store's, or what Flush left behind
	saved  map[uint16]savedValues // of the slots from next on
	next   int                    // the next slot to hand out
	keys   uint64
	buf    []byte  // encoded, not handed out
	sorted []entry // of the slot being encoded
	ended  bool    // the end record is in buf
}

// savedValues are what keys held when the snapshot began, for those that were
// written to since; nil for a key that was not there.
type savedValues map[string]*entry

// frozen is a value that is changed in place, as it was.
type frozen struct {
	Value
	form    Kind
	encoded []byte
}

func (f frozen) appendTo(dst []byte) []byte { return append(dst, f.encoded...) }

// BeginSnapshot starts a snapshot of the present state. One can run at a time;
// it runs until Next reports done or it is closed.
func (s *Store) BeginSnapshot() (*Snapshot, error) {
	if s.snapshot != nil {
		return nil, ErrSnapshotRunning
	}
	n := &Snapshot{store: s, slots: s.slots, saved: make(map[uint16]savedValues), keys: uint64(s.keys)}
	n.buf = append(n.buf, snapshotMagic...)
	n.buf = binary.LittleEndian.AppendUint16(n.buf, SnapshotVersion)
	s.snapshot = n
	return n, nil
}

// Next returns the stream's next bytes, at most limit of them, and whether they
// are the last. The caller owns the chunk.
func (n *Snapshot) Next(limit int) (chunk []byte, done bool) {
	n.buf = slices.Grow(n.buf, max(limit+limit/4-len(n.buf), 0)) // at once, rather than by doubling
	for len(n.buf) < limit && n.next < Slots {
		slot := uint16(n.next)
		n.appendRecord(slot)
		delete(n.saved, slot)
		n.next++
	}
	if n.next == Slots && !n.ended {
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

// Close ends the snapshot, finished or not; its memory is free then.
func (n *Snapshot) Close() {
	if n.store != nil && n.store.snapshot == n {
		n.store.snapshot = nil
	}
	n.store, n.slots, n.saved, n.sorted = nil, nil, nil, nil
	n.next, n.ended = Slots, true
}

// detach leaves the present slots to the snapshot: the store goes on with new ones.
func (n *Snapshot) detach() {
	if n != nil {
		n.slots = n.store.slots
	}
}

// beforeWrite keeps what a key holds, nil for nothing, for a running snapshot
// that has yet to write it. Key by key, because a write must not wait for the
// encoding of a slot, and a few writes to every slot must not cost as much
// memory as all keys do.
func (s *Store) beforeWrite(p *place, key []byte) {
	n := s.snapshot
	if n == nil || int(p.slot) < n.next || n.slots != s.slots {
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
		old.apart = frozen{old.apart, form(old.apart), old.apart.appendTo(nil)}
	}
	values[old.key] = &old
}

// appendRecord encodes a slot as it was when the snapshot began.
func (n *Snapshot) appendRecord(slot uint16) {
	const head = 2 + 8
	begin := len(n.buf)
	n.buf = binary.LittleEndian.AppendUint16(n.buf, slot)
	n.buf = append(n.buf, 0, 0, 0, 0, 0, 0, 0, 0)
	n.buf, n.sorted = encodeSlot(n.slots[slot], n.saved[slot], n.buf, n.sorted)
	if len(n.sorted) == 0 {
		n.buf = n.buf[:begin]
		return
	}
	binary.LittleEndian.PutUint64(n.buf[begin+2:], uint64(len(n.buf)-begin-head))
}

// EncodeSlot appends the payload of a slot to dst.
func (s *Store) EncodeSlot(slot uint16, dst []byte) []byte {
	dst, _ = encodeSlot(s.slots[slot], nil, dst, nil)
	return dst
}

// encodeSlot appends the payload of a slot in which some keys hold what was
// saved. It returns its entries as well, in the slice given for them.
func encodeSlot(t *table, saved savedValues, dst []byte, entries []entry) ([]byte, []entry) {
	entries = entries[:0]
	for e := range t.all() {
		if _, ok := saved[e.key]; !ok {
			entries = append(entries, e)
		}
	}
	for _, e := range saved {
		if e != nil {
			entries = append(entries, *e)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	dst = appendUint(dst, uint64(len(entries)))
	for i := range entries {
		dst = entries[i].appendTo(dst)
	}
	return dst, entries
}

func (e *entry) appendTo(dst []byte) []byte {
	dst = appendBytes(dst, e.key)
	dst = appendUint(dst, uint64(e.deadline))
	if e.apart == nil {
		return appendBytes(append(dst, byte(KindString)), e.text)
	}
	return e.apart.appendTo(append(dst, byte(form(e.apart))))
}

// Hash is a digest of all keys, values and deadlines, equal for equal states.
// It costs a pass over them.
func (s *Store) Hash() uint64 {
	h := fnv.New64a()
	var buf []byte
	var sorted []entry
	for slot, t := range s.slots {
		if t == nil {
			continue
		}
		buf, sorted = encodeSlot(t, nil, binary.LittleEndian.AppendUint16(buf[:0], uint16(slot)), sorted)
		_, _ = h.Write(buf) // never fails
	}
	return h.Sum64()
}
