package store

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"sort"
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
// does not. It costs the memory of the slots that are written before their
// turn: a write to such a slot encodes it first.
type Snapshot struct {
	store *Store
	slots *slotMaps         // the store's, or what Flush left behind
	saved map[uint16][]byte // slots encoded before a write, from next on
	next  int               // the next slot to hand out
	keys  uint64
	buf   []byte // encoded, not handed out
	ended bool   // the end record is in buf
}

// BeginSnapshot starts a snapshot of the present state. One can run at a time;
// it runs until Next reports done or it is closed.
func (s *Store) BeginSnapshot() (*Snapshot, error) {
	if s.snapshot != nil {
		return nil, ErrSnapshotRunning
	}
	n := &Snapshot{store: s, slots: s.slots, saved: make(map[uint16][]byte), keys: uint64(s.keys)}
	n.buf = append(n.buf, snapshotMagic...)
	n.buf = binary.LittleEndian.AppendUint16(n.buf, SnapshotVersion)
	s.snapshot = n
	return n, nil
}

// Next returns the stream's next bytes, at most limit of them, and whether they
// are the last. The caller owns the chunk.
func (n *Snapshot) Next(limit int) (chunk []byte, done bool) {
	for len(n.buf) < limit && n.next < Slots {
		slot := uint16(n.next)
		if payload, ok := n.saved[slot]; ok {
			n.buf = appendRecord(n.buf, slot, payload)
			delete(n.saved, slot)
		} else if len(n.slots[slot]) > 0 {
			n.buf = appendRecord(n.buf, slot, encodeSlot(n.slots[slot], nil))
		}
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
	n.store, n.slots, n.saved = nil, nil, nil
	n.next, n.ended = Slots, true
}

// detach leaves the present slots to the snapshot: the store goes on with new ones.
func (n *Snapshot) detach() {
	if n != nil {
		n.slots = n.store.slots
	}
}

// beforeWrite keeps a slot's state for a running snapshot that has yet to
// write it.
func (s *Store) beforeWrite(slot uint16) {
	n := s.snapshot
	if n == nil || int(slot) < n.next || n.slots != s.slots {
		return
	}
	if _, ok := n.saved[slot]; !ok {
		if len(s.slots[slot]) == 0 {
			n.saved[slot] = nil
			return
		}
		n.saved[slot] = encodeSlot(s.slots[slot], nil)
	}
}

func appendRecord(dst []byte, slot uint16, payload []byte) []byte {
	if len(payload) == 0 {
		return dst
	}
	dst = binary.LittleEndian.AppendUint16(dst, slot)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(payload)))
	return append(dst, payload...)
}

// EncodeSlot appends the payload of a slot to dst.
func (s *Store) EncodeSlot(slot uint16, dst []byte) []byte {
	return encodeSlot(s.slots[slot], dst)
}

func encodeSlot(m map[string]*entry, dst []byte) []byte {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	dst = appendUint(dst, uint64(len(keys)))
	for _, key := range keys {
		dst = appendEntry(dst, key, m[key])
	}
	return dst
}

func appendEntry(dst []byte, key string, e *entry) []byte {
	dst = appendBytes(dst, key)
	dst = appendUint(dst, uint64(e.deadline))
	dst = append(dst, byte(e.value.Kind()))
	return e.value.appendTo(dst)
}

// Hash is a digest of all keys, values and deadlines, equal for equal states.
// It costs a pass over them.
func (s *Store) Hash() uint64 {
	h := fnv.New64a()
	var buf []byte
	for slot, m := range s.slots {
		if len(m) == 0 {
			continue
		}
		buf = encodeSlot(m, binary.LittleEndian.AppendUint16(buf[:0], uint16(slot)))
		_, _ = h.Write(buf) // never fails
	}
	return h.Sum64()
}
