package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"go.etcd.io/raft/v3/raftpb"
)

// DamageError says where a file is damaged.
type DamageError struct {
	File   string
	Offset int64
	Reason string
}

// Error names file and offset.
func (e *DamageError) Error() string {
	return fmt.Sprintf("%s: offset %d: %s", e.File, e.Offset, e.Reason)
}

// Unwrap makes it an ErrDamaged.
func (e *DamageError) Unwrap() error { return ErrDamaged }

// header is a segment's header.
type header struct {
	number    uint64
	salt      uint64
	prevEnd   int64
	prevIndex uint64
}

func (h header) encode() []byte {
	b := make([]byte, segmentHeader)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint16(b[4:], Version)
	binary.LittleEndian.PutUint64(b[8:], h.number)
	binary.LittleEndian.PutUint64(b[16:], h.salt)
	binary.LittleEndian.PutUint64(b[24:], uint64(h.prevEnd))
	binary.LittleEndian.PutUint64(b[32:], h.prevIndex)
	binary.LittleEndian.PutUint32(b[segmentHeader-4:], crc32.Checksum(b[:segmentHeader-4], castagnoli))
	return b
}

func decodeHeader(file string, b []byte) (header, error) {
	if len(b) < segmentHeader || string(b[:4]) != segmentMagic {
		return header{}, &DamageError{file, 0, "no segment header"}
	}
	// The version comes before the checksum: a newer format may have moved it.
	if v := binary.LittleEndian.Uint16(b[4:]); v > Version {
		return header{}, fmt.Errorf("%w: %s has format version %d, this engine reads up to %d", ErrVersion, file, v, Version)
	}
	if crc32.Checksum(b[:segmentHeader-4], castagnoli) != binary.LittleEndian.Uint32(b[segmentHeader-4:]) {
		return header{}, &DamageError{file, 0, "checksum of the segment header does not match"}
	}
	return header{
		number:    binary.LittleEndian.Uint64(b[8:]),
		salt:      binary.LittleEndian.Uint64(b[16:]),
		prevEnd:   int64(binary.LittleEndian.Uint64(b[24:])),
		prevIndex: binary.LittleEndian.Uint64(b[32:]),
	}, nil
}

// seed starts every checksum of the segment.
func (h header) seed() uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], h.number)
	binary.LittleEndian.PutUint64(b[8:], h.salt)
	return crc32.Checksum(b[:], castagnoli)
}

// frame is a frame's header, decoded.
type frame struct {
	kind    byte
	length  int64
	check   uint32 // of the payload
	term    uint64
	index   uint64
	durable int64
}

// size is what the frame takes in the segment.
func (f frame) size() int64 { return frameSize(f.length) }

func frameSize(payload int64) int64 {
	return (frameHeader + payload + frameAlign - 1) &^ (frameAlign - 1)
}

func headerCheck(seed uint32, offset int64, b []byte) uint32 {
	var at [8]byte
	binary.LittleEndian.PutUint64(at[:], uint64(offset))
	return crc32.Update(crc32.Update(seed, castagnoli, at[:]), castagnoli, b[4:frameHeader])
}

// sealFrame completes the frame in b, whose payload starts at frameHeader, for
// its place in the segment, and pads it.
func sealFrame(b []byte, seed uint32, offset int64, f frame) []byte {
	payload := b[frameHeader:]
	binary.LittleEndian.PutUint32(b[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[8:], crc32.Update(seed, castagnoli, payload))
	b[12], b[13], b[14], b[15] = f.kind, 0, 0, 0
	binary.LittleEndian.PutUint64(b[16:], f.term)
	binary.LittleEndian.PutUint64(b[24:], f.index)
	binary.LittleEndian.PutUint64(b[32:], uint64(f.durable))
	binary.LittleEndian.PutUint32(b, headerCheck(seed, offset, b))
	for len(b)%frameAlign != 0 {
		b = append(b, 0)
	}
	return b
}

// decodeFrame reads the frame header at offset of a segment's bytes; ok tells
// whether there is one.
func decodeFrame(data []byte, seed uint32, offset int64) (f frame, ok bool) {
	if offset+frameHeader > int64(len(data)) {
		return frame{}, false
	}
	b := data[offset : offset+frameHeader]
	if headerCheck(seed, offset, b) != binary.LittleEndian.Uint32(b) {
		return frame{}, false
	}
	f = frame{
		length:  int64(binary.LittleEndian.Uint32(b[4:])),
		check:   binary.LittleEndian.Uint32(b[8:]),
		kind:    b[12],
		term:    binary.LittleEndian.Uint64(b[16:]),
		index:   binary.LittleEndian.Uint64(b[24:]),
		durable: int64(binary.LittleEndian.Uint64(b[32:])),
	}
	return f, f.length <= MaxPayload && offset+f.size() <= int64(len(data))
}

// payload returns the frame's payload if its checksum matches.
func (f frame) payload(data []byte, seed uint32, offset int64) (p []byte, ok bool) {
	p = data[offset+frameHeader : offset+frameHeader+f.length]
	return p, crc32.Update(seed, castagnoli, p) == f.check
}

func appendHardState(b []byte, hs *raftpb.HardState) []byte {
	b = binary.AppendUvarint(b, hs.GetTerm())
	b = binary.AppendUvarint(b, hs.GetVote())
	return binary.AppendUvarint(b, hs.GetCommit())
}

func appendEntries(b []byte, entries []*raftpb.Entry) []byte {
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for _, e := range entries {
		b = append(b, byte(e.GetType()))
		b = binary.AppendUvarint(b, e.GetTerm())
		b = binary.AppendUvarint(b, uint64(len(e.GetData())))
		b = append(b, e.GetData()...)
	}
	return b
}

// decoder reads a payload whose checksum matched: what does not parse was
// written wrongly.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return nil
	}
	p := d.rest[:n:n]
	d.rest = d.rest[n:]
	return p
}

func (d *decoder) hardState() *raftpb.HardState {
	term, vote, commit := d.uvarint(), d.uvarint(), d.uvarint()
	return &raftpb.HardState{Term: &term, Vote: &vote, Commit: &commit}
}

// entries reads the entries of a frame that ends at index last.
func (d *decoder) entries(last uint64) []*raftpb.Entry {
	n := d.uvarint()
	if n > uint64(len(d.rest))/3 || n > last || n == 0 {
		d.bad = true
		return nil
	}
	entries := make([]*raftpb.Entry, n)
	for i := range entries {
		kind := d.take(1)
		if d.bad {
			return nil
		}
		t, index, term := raftpb.EntryType(kind[0]), last-n+1+uint64(i), d.uvarint()
		data := d.take(d.uvarint())
		entries[i] = &raftpb.Entry{Type: &t, Index: &index, Term: &term, Data: data}
	}
	return entries
}
