// Package audit keeps who did what, from where, and whether it was permitted:
// an append-only log in files of its own, apart from the replicated one. What a
// record has is adminapi.AuditRecord; what is recorded is the server's choice,
// by the level in force.
//
// Records are written by one goroutine, beside the sessions that cause them.
// What waits to be written is bounded: when it is full, whoever would add to it
// waits (Full). Nothing is left out silently: what could not be written is
// counted, and told by a record and by Status. A crash of the host may take the
// last second, a crash of the process nothing that Add returned for longer than
// a moment before.
//
// Files are begun anew when they are large or old, and removed when their last
// record is past its retention, or, which wins, when all of them together
// exceed their share of the volume. All integers are little-endian; all
// checksums are CRC32C (Castagnoli).
//
// # Audit file, format version 1, NNNNNNNNNNNNNNNNNNNN.audit (its first index)
//
//	+-------------------+-------------------+-----------+
//	| header sector 512 | key slots 2 × 512 | zero 2560 |
//	+-------------------+-------------------+-----------+
//	| block | block | ... end                           |
//	+---------------------------------------------------+
//
//	header sector:
//	+-----------+------------+-----------+---------+---------------+
//	| "CFAU" 4B | version 2B | cipher 1B | zero 1B | first index 8B|
//	+-----------+------------+-----------+---------+---------------+
//	| begun 8B (Unix ms) | random 8B | zero 476B | check 4B        |
//	+--------------------+-----------+-----------+-----------------+
//
//	block:
//	+-----------+----------+-----------+----------------+------------+
//	| length 4B | check 4B | synced 8B | first index 8B | records 4B |
//	+-----------+----------+-----------+----------------+------------+
//	| last record's time 8B (Unix ms) | bytes                        |
//	+---------------------------------+------------------------------+
//
// The bytes are the block's records, each JSON and a newline. The check covers
// the rest of the block and is seeded with the header's check and the block's
// offset, so that blocks neither trade places nor come from another file.
// synced is how much of the file was durable when the block was written. A
// block without records is the end of a file that was closed in order.
//
// cipher is 0 for a file that is not sealed; its key slots are zero. It is 1
// for AES-256-GCM: the key slots (see package vault, which they are bound to
// the header sector by) wrap the file's data key, and the bytes of every block
// are sealed: nonce 12B, ciphertext, tag 16B. The associated data are the
// block's offset 8B, its first index and the number of records.
//
// A file is never appended to once it has been closed or the process has ended.
// A bad block is rot if any block behind it says that it was synced: the file
// is kept, reported, and read around it. Otherwise it is what a crash left, and
// the file ends before it.
package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/coffer-dev/coffer/engine/vault"
)

// Version of the format that is written. A file of a newer one is not read.
const Version = 1

const (
	magic        = "CFAU"
	headerSector = 512
	headerCheck  = headerSector - 4
	slotsOffset  = headerSector
	headerSize   = 4096
	blockHead    = 4 + 4 + 8 + 8 + 4 + 8
	suffix       = ".audit"

	// maxBlock bounds a block's records in bytes, before they are sealed.
	maxBlock = 256 << 10
	// maxFile bounds what is read of a file, in bytes.
	maxFile = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errVersion is a file of a newer engine.
var errVersion = errors.New("audit file is of a newer engine")

// head is a block's, without its check.
type head struct {
	length, records     uint32
	synced, first, time uint64
}

// block is one that was found whole.
type block struct {
	head
	offset int
	bytes  []byte
}

// encodeHeader makes a file's header, and its key slots if it is to be sealed.
func encodeHeader(first uint64, begun int64, keys *vault.Ring) ([]byte, *vault.Slots, error) {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.LittleEndian.PutUint16(b[4:], Version)
	if keys != nil {
		b[6] = vault.AES256
	}
	binary.LittleEndian.PutUint64(b[8:], first)
	binary.LittleEndian.PutUint64(b[16:], uint64(begun))
	_, _ = rand.Read(b[24:32]) // never fails
	binary.LittleEndian.PutUint32(b[headerCheck:], crc32.Checksum(b[:headerCheck], castagnoli))
	if keys == nil {
		return b, nil, nil
	}
	slots, area, err := keys.New(b[:headerSector])
	if err != nil {
		return nil, nil, fmt.Errorf("make a data key: %w", err)
	}
	copy(b[slotsOffset:], area)
	return b, slots, nil
}

// decodeHeader reads what a file is, and opens its data key.
func (f *file) decodeHeader(b []byte, keys *vault.Ring) (err error) {
	if len(b) < headerSize || string(b[:4]) != magic || crc32.Checksum(b[:headerCheck], castagnoli) != binary.LittleEndian.Uint32(b[headerCheck:]) {
		return errors.New("the header is damaged")
	}
	if version := binary.LittleEndian.Uint16(b[4:]); version > Version {
		return fmt.Errorf("%w: version %d, this engine reads up to %d", errVersion, version, Version)
	}
	if f.first != binary.LittleEndian.Uint64(b[8:]) {
		return errors.New("the name is another file's")
	}
	f.begun = int64(binary.LittleEndian.Uint64(b[16:]))
	f.check = binary.LittleEndian.Uint32(b[headerCheck:])
	switch b[6] {
	case vault.None:
	case vault.AES256:
		f.slots, err = keys.Open(b[slotsOffset:slotsOffset+vault.SlotsSize], b[:headerSector])
	default:
		err = fmt.Errorf("cipher %d is unknown", b[6])
	}
	return err
}

// appendBlock appends a block that will stand at that offset of the file.
func (f *file) appendBlock(dst []byte, offset int64, h head, records []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, blockHead)...)
	if f.slots != nil && h.records > 0 {
		dst = f.slots.Seal(dst, records, about(offset, h))
	} else {
		dst = append(dst, records...)
	}
	b := dst[start:]
	h.length = uint32(len(b) - blockHead)
	binary.LittleEndian.PutUint32(b, h.length)
	binary.LittleEndian.PutUint64(b[8:], h.synced)
	binary.LittleEndian.PutUint64(b[16:], h.first)
	binary.LittleEndian.PutUint32(b[24:], h.records)
	binary.LittleEndian.PutUint64(b[28:], h.time)
	binary.LittleEndian.PutUint32(b[4:], f.blockCheck(b, offset))
	return dst
}

// blockCheck is the checksum of a block at that offset.
func (f *file) blockCheck(b []byte, offset int64) uint32 {
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(offset))
	sum := crc32.Update(f.check, castagnoli, seed[:])
	sum = crc32.Update(sum, castagnoli, b[:4])
	return crc32.Update(sum, castagnoli, b[8:])
}

// about is the associated data of a block.
func about(offset int64, h head) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(offset))
	b = binary.LittleEndian.AppendUint64(b, h.first)
	return binary.LittleEndian.AppendUint32(b, h.records)
}

// parse reads the block at that offset of the file's bytes.
func (f *file) parse(data []byte, at int) (block, bool) {
	if len(data)-at < blockHead {
		return block{}, false
	}
	length := binary.LittleEndian.Uint32(data[at:])
	if length > maxBlock+vault.Overhead || int(length) > len(data)-at-blockHead {
		return block{}, false
	}
	b := data[at : at+blockHead+int(length)]
	if f.blockCheck(b, int64(at)) != binary.LittleEndian.Uint32(b[4:]) {
		return block{}, false
	}
	return block{offset: at, bytes: b[blockHead:], head: head{
		length: length, synced: binary.LittleEndian.Uint64(b[8:]), first: binary.LittleEndian.Uint64(b[16:]),
		records: binary.LittleEndian.Uint32(b[24:]), time: binary.LittleEndian.Uint64(b[28:]),
	}}, true
}

// walk finds the blocks among a file's bytes. rotten is the offset of a bad one
// that was once durable, 0 if there is none; torn that of one that was not,
// where the file ends.
func (f *file) walk(data []byte) (blocks []block, rotten, torn int) {
	var gaps []int
	synced := uint64(0)
	for at := headerSize; at < len(data); {
		b, ok := f.parse(data, at)
		if !ok {
			gaps = append(gaps, at)
			if b, ok = f.resume(data, at+1); !ok {
				break
			}
		}
		blocks = append(blocks, b)
		synced = max(synced, b.synced)
		at = b.offset + blockHead + int(b.length)
	}
	for _, at := range gaps {
		if uint64(at) >= synced {
			for len(blocks) > 0 && blocks[len(blocks)-1].offset > at {
				blocks = blocks[:len(blocks)-1]
			}
			return blocks, rotten, at
		}
		if rotten == 0 {
			rotten = at
		}
	}
	return blocks, rotten, 0
}

// resume finds the next whole block behind a bad one.
func (f *file) resume(data []byte, from int) (block, bool) {
	for at := from; at+blockHead <= len(data); at++ {
		if b, ok := f.parse(data, at); ok {
			return b, true
		}
	}
	return block{}, false
}

// records are a block's, one JSON text each.
func (f *file) records(b block) ([][]byte, error) {
	plain := b.bytes
	if f.slots != nil && b.records > 0 {
		var err error
		if plain, err = f.slots.Open(nil, b.bytes, about(int64(b.offset), b.head)); err != nil {
			return nil, fmt.Errorf("offset %d: %w", b.offset, err)
		}
	}
	lines := bytes.Split(bytes.TrimSuffix(plain, []byte("\n")), []byte("\n"))
	if b.records == 0 {
		lines = nil
	}
	if len(lines) != int(b.records) {
		return nil, fmt.Errorf("offset %d: %d records, the head of the block says %d", b.offset, len(lines), b.records)
	}
	return lines, nil
}
