package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/coffer-dev/coffer/engine/vault"
)

const (
	segmentMagic = "CFWL"
	// headerSector is the header's first part, which the key slots follow.
	headerSector = 512
	headerCheck  = headerSector - 4
	// slotsOffset is where the key slots are.
	slotsOffset = headerSector
	// headerSize is where the frames begin: a key slot that is written anew
	// shares no page with them.
	headerSize   = 4096
	headerSizeV1 = 64
)

// header is a segment's header.
type header struct {
	version   uint16
	cipher    byte
	number    uint64
	salt      uint64
	prevEnd   int64
	prevIndex uint64
}

// start is where the segment's frames begin.
func (h header) start() int64 {
	if h.version == 1 {
		return headerSizeV1
	}
	return headerSize
}

// encode gives the header's first sector.
func (h header) encode() []byte {
	b := make([]byte, headerSector)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint16(b[4:], h.version)
	b[6] = h.cipher
	binary.LittleEndian.PutUint64(b[8:], h.number)
	binary.LittleEndian.PutUint64(b[16:], h.salt)
	binary.LittleEndian.PutUint64(b[24:], uint64(h.prevEnd))
	binary.LittleEndian.PutUint64(b[32:], h.prevIndex)
	binary.LittleEndian.PutUint32(b[headerCheck:], crc32.Checksum(b[:headerCheck], castagnoli))
	return b
}

func decodeHeader(file string, b []byte) (header, error) {
	if len(b) < headerSizeV1 || string(b[:4]) != segmentMagic {
		return header{}, &DamageError{file, 0, "no segment header"}
	}
	h := header{
		version:   binary.LittleEndian.Uint16(b[4:]),
		number:    binary.LittleEndian.Uint64(b[8:]),
		salt:      binary.LittleEndian.Uint64(b[16:]),
		prevEnd:   int64(binary.LittleEndian.Uint64(b[24:])),
		prevIndex: binary.LittleEndian.Uint64(b[32:]),
	}
	// The version comes before the checksum: a newer format may have moved it.
	check := headerCheck
	switch {
	case h.version > Version:
		return header{}, fmt.Errorf("%w: %s has format version %d, this engine reads up to %d", ErrVersion, file, h.version, Version)
	case h.version == 1:
		check = headerSizeV1 - 4
	case len(b) < headerSize:
		return header{}, &DamageError{file, 0, "the segment header is cut off"}
	default:
		h.cipher = b[6]
	}
	if crc32.Checksum(b[:check], castagnoli) != binary.LittleEndian.Uint32(b[check:]) {
		return header{}, &DamageError{file, 0, "checksum of the segment header does not match"}
	}
	if h.cipher > vault.KnownCiphers {
		return header{}, fmt.Errorf("%w: %s has cipher %d, this engine knows up to %d", ErrVersion, file, h.cipher, vault.KnownCiphers)
	}
	return h, nil
}

// newHeader makes the header of a new segment, sealed if there are keys, as it
// goes into the file.
func newHeader(h *header, keys *vault.Ring) (slots *vault.Slots, encoded []byte, err error) {
	h.version = Version
	if keys == nil {
		return nil, append(h.encode(), make([]byte, headerSize-headerSector)...), nil
	}
	h.cipher = vault.AES256
	encoded = h.encode()
	slots, area, err := keys.New(encoded)
	if err != nil {
		return nil, nil, fmt.Errorf("make a data key: %w", err)
	}
	encoded = append(encoded, area...)
	return slots, append(encoded, make([]byte, headerSize-len(encoded))...), nil
}

// openSlots gives the segment's data key, nil when it is not sealed.
func openSlots(file string, h header, b []byte, keys *vault.Ring) (*vault.Slots, error) {
	if h.cipher == vault.None {
		return nil, nil
	}
	slots, err := keys.Open(b[slotsOffset:slotsOffset+vault.SlotsSize], b[:headerSector])
	var damage *vault.SlotError
	if errors.As(err, &damage) {
		return nil, &DamageError{file, slotsOffset + damage.Offset, damage.Reason}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: offset %d: %w", file, slotsOffset, err)
	}
	return slots, nil
}

// seed starts every checksum of the segment.
func (h header) seed() uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], h.number)
	binary.LittleEndian.PutUint64(b[8:], h.salt)
	return crc32.Checksum(b[:], castagnoli)
}
