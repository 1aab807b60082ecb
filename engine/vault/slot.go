package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	// SlotSize of one key slot, bytes.
	SlotSize = 512
	// SlotsSize of a file's slots, bytes.
	SlotsSize = slotCount * SlotSize

	slotCount = 2
	slotMagic = "CFKY"
	slotHead  = 4 + 4 + 8 + 8
	slotKey   = KeySize + Overhead
	slotCheck = SlotSize - 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// SlotError says that a file's data key cannot be read, though the ring may
// have its key.
type SlotError struct {
	Offset int64 // in the slots
	Reason string
}

// Error says why.
func (e *SlotError) Error() string { return e.Reason }

// slot is what is known of one of a file's slots.
type slot struct {
	valid    bool // its checksum matches
	sequence uint64
	id       ID
}

// Slots are a file's key slots and the data key that they wrap.
type Slots struct {
	*Key
	header []byte // of the file, which the slots are bound to
	slots  [slotCount]slot
	source int // the slot that the data key was read from, or written to last
}

// New makes a data key for a file with that header and returns its slots, also
// as they go into the file.
func (r *Ring) New(header []byte) (*Slots, []byte, error) {
	raw := make([]byte, KeySize)
	_, _ = rand.Read(raw) // never fails
	key, err := newKey(raw)
	if err != nil {
		return nil, nil, err
	}
	s := &Slots{Key: key, header: bytes.Clone(header)}
	area := make([]byte, 0, SlotsSize)
	for i := range s.slots {
		s.slots[i] = slot{true, uint64(i + 1), r.primary}
		area = append(area, s.encode(r, s.slots[i])...)
	}
	s.source = slotCount - 1
	return s, area, nil
}

// Open reads the data key of a file with that header out of its slots.
func (r *Ring) Open(area, header []byte) (*Slots, error) {
	s := &Slots{header: bytes.Clone(header)}
	for i := range s.slots {
		s.slots[i] = decode(area[i*SlotSize : (i+1)*SlotSize])
	}
	newest := 0
	if s.slots[1].sequence > s.slots[0].sequence {
		newest = 1
	}
	missing := &KeyError{Present: r.IDs()}
	var damage *SlotError
	for _, i := range []int{newest, 1 - newest} {
		slot := s.slots[i]
		if !slot.valid {
			continue
		}
		if r == nil || r.keys[slot.id] == nil {
			missing.Wanted = append(missing.Wanted, slot.id)
			continue
		}
		b := area[i*SlotSize:]
		raw, err := r.keys[slot.id].Open(nil, nil, b[slotHead:slotHead+slotKey], s.about(b[:slotHead]))
		if err != nil {
			// Its checksum is right: this is no accident, and not to be trusted.
			s.slots[i].valid = false
			damage = &SlotError{int64(i) * SlotSize, fmt.Sprintf("the data key does not open under key %s: the slot or the header was altered", slot.id)}
			continue
		}
		s.source = i
		s.Key, err = newKey(raw)
		return s, err
	}
	if damage == nil && len(missing.Wanted) > 0 {
		return nil, missing
	}
	if damage == nil {
		damage = &SlotError{0, "neither key slot has a right checksum"}
	}
	return nil, damage
}

// about are a slot's associated data.
func (s *Slots) about(head []byte) []byte {
	about := append([]byte("coffer/vault/slot/v1\x00"), head...)
	return append(about, s.header...)
}

func (s *Slots) encode(r *Ring, t slot) []byte {
	b := append(make([]byte, 0, SlotSize), slotMagic...)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, t.sequence)
	b = append(b, t.id[:]...)
	b = r.keys[t.id].Seal(b, nil, s.raw, s.about(b))
	b = append(b, make([]byte, slotCheck-len(b))...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decode(b []byte) slot {
	if string(b[:4]) != slotMagic || crc32.Checksum(b[:slotCheck], castagnoli) != binary.LittleEndian.Uint32(b[slotCheck:]) {
		return slot{}
	}
	return slot{valid: true, sequence: binary.LittleEndian.Uint64(b[8:]), id: ID(b[16:24])}
}

// Wrapped tells whether both slots are readable and under the ring's primary
// key: the file needs no other then.
func (s *Slots) Wrapped(r *Ring) bool {
	for _, slot := range s.slots {
		if !slot.valid || slot.id != r.primary {
			return false
		}
	}
	return true
}

// File is what the slots are written to.
type File interface {
	WriteAt(b []byte, offset int64) (int, error)
	SyncData() error
}

// Rewrap wraps the data key of a file, whose slots are at that offset, under
// the ring's primary key. One slot is durable before the other is touched. An
// error is final: what is on disk is known again when the file is opened.
func (s *Slots) Rewrap(r *Ring, file File, offset int64) error {
	for range s.slots {
		if s.Wrapped(r) {
			return nil
		}
		i := 1 - s.source // never the one that is known to be good
		next := slot{true, max(s.slots[0].sequence, s.slots[1].sequence) + 1, r.primary}
		at := offset + int64(i)*SlotSize
		if _, err := file.WriteAt(s.encode(r, next), at); err != nil {
			return fmt.Errorf("write key slot at offset %d: %w", at, err)
		}
		if err := file.SyncData(); err != nil {
			return fmt.Errorf("fsync key slot at offset %d: %w", at, err)
		}
		s.slots[i], s.source = next, i
	}
	return nil
}
