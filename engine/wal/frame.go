package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/vault"
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

func frameCheck(seed uint32, offset int64, b []byte) uint32 {
	var at [8]byte
	binary.LittleEndian.PutUint64(at[:], uint64(offset))
	return crc32.Update(crc32.Update(seed, castagnoli, at[:]), castagnoli, b[4:frameHeader])
}

// encodeFrame completes the frame in b, whose payload starts at frameHeader, for
// its place in the segment, and pads it.
func encodeFrame(b []byte, seed uint32, offset int64, f frame) []byte {
	f.describe(b)
	payload := b[frameHeader:]
	binary.LittleEndian.PutUint32(b[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[8:], crc32.Update(seed, castagnoli, payload))
	binary.LittleEndian.PutUint32(b, frameCheck(seed, offset, b))
	for len(b)%frameAlign != 0 {
		b = append(b, 0)
	}
	return b
}

// describe fills in the frame's header beside lengths and checksums.
func (f frame) describe(b []byte) {
	b[12], b[13], b[14], b[15] = f.kind, 0, 0, 0
	binary.LittleEndian.PutUint64(b[16:], f.term)
	binary.LittleEndian.PutUint64(b[24:], f.index)
	binary.LittleEndian.PutUint64(b[32:], uint64(f.durable))
}

// sealFrame is encodeFrame with the payload sealed, into the buffer of another.
func sealFrame(into, b []byte, seed uint32, offset int64, f frame, key *vault.Slots) []byte {
	f.describe(b)
	into = append(slices.Grow(into[:0], len(b)+vault.Overhead+frameAlign), b[:frameHeader]...)
	return encodeFrame(key.Seal(into, b[frameHeader:], about(b, offset)), seed, offset, f)
}

// about are the associated data of the frame at offset: its place, and what its
// header says beside lengths and checksums.
func about(b []byte, offset int64) []byte {
	about := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+frameHeader-12), uint64(offset))
	return append(about, b[12:frameHeader]...)
}

// decodeFrame reads the frame header at offset of a segment's bytes; ok tells
// whether there is one.
func decodeFrame(data []byte, seed uint32, offset int64) (f frame, ok bool) {
	if offset+frameHeader > int64(len(data)) {
		return frame{}, false
	}
	b := data[offset : offset+frameHeader]
	if frameCheck(seed, offset, b) != binary.LittleEndian.Uint32(b) {
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
	return f, f.length <= MaxPayload+vault.Overhead && offset+f.size() <= int64(len(data))
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
