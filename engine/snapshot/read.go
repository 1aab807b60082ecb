package snapshot

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/coffer-dev/coffer/engine/vault"
)

// Reader reads a snapshot's bytes. It hands out none that it has not checked,
// and io.EOF only when the footer was there and right.
type Reader struct {
	Meta Meta
	Size int64 // of the file, bytes

	keys   *vault.Ring
	slots  *vault.Slots // nil when it is not sealed
	path   string
	file   vfs.File
	in     *bufio.Reader
	offset int64
	at     int64 // where the present header, chunk or footer begins
	check  uint32
	chunks uint64
	bytes  uint64
	left   []byte // checked, not handed out
	buf    []byte
	plain  []byte // what was sealed in buf
	err    error
}

// Newest opens the snapshot with the highest index, nil when there is none.
func (d Dir) Newest() (*Reader, error) {
	indexes, err := d.list()
	if err != nil || len(indexes) == 0 {
		return nil, err
	}
	return d.At(indexes[len(indexes)-1])
}

// Open opens a snapshot file and reads its header.
func (d Dir) Open(path string) (*Reader, error) {
	file, err := d.FS.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	r := &Reader{keys: d.Keys, path: path, file: file, in: bufio.NewReaderSize(file, 256<<10)}
	info, err := file.Stat()
	if err == nil {
		r.Size = info.Size()
		err = r.header()
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return r, nil
}

// Close releases the file.
func (r *Reader) Close() error { return r.file.Close() }

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(r.left) == 0 && r.err == nil {
		r.left, r.err = r.chunk()
	}
	if len(r.left) == 0 {
		return 0, r.err
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func (r *Reader) damaged(offset int64, reason string) error {
	return &DamageError{r.path, offset, reason}
}

// next reads n bytes into the buffer, behind what keep says is in it.
func (r *Reader) next(keep, n int) ([]byte, error) {
	if cap(r.buf) < keep+n {
		r.buf = append(make([]byte, 0, keep+n), r.buf[:keep]...)
	}
	r.buf = r.buf[:keep+n]
	got, err := io.ReadFull(r.in, r.buf[keep:])
	r.offset += int64(got)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, r.damaged(r.at, fmt.Sprintf("what begins here is cut off by the end of the file at %d", r.offset))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: offset %d: %w", r.path, r.offset, err)
	}
	return r.buf, nil
}

// header reads the header and, of a sealed file, the data key.
func (r *Reader) header() error {
	b, err := r.next(0, fixedHeader)
	if err != nil {
		return err
	}
	if string(b[:4]) != magic {
		return r.damaged(0, "no snapshot header")
	}
	version := binary.LittleEndian.Uint16(b[4:])
	if version > Version {
		return fmt.Errorf("%w: %s has format version %d, this engine reads up to %d", ErrVersion, r.path, version, Version)
	}
	size := int(binary.LittleEndian.Uint32(b[24:]))
	if size > maxConfState {
		return r.damaged(0, fmt.Sprintf("conf state of %d bytes", size))
	}
	begin := fixedHeader // of the conf state
	if version != 1 {
		begin = headerSize
	}
	if b, err = r.next(fixedHeader, begin-fixedHeader+size+4); err != nil {
		return err
	}
	end := begin + size
	covered := b[:end]
	if version != 1 {
		covered = bound(b[:headerSector], b[begin:end])
	}
	r.check = binary.LittleEndian.Uint32(b[end:])
	if crc32.Checksum(covered, castagnoli) != r.check {
		return r.damaged(0, "checksum of the header does not match")
	}
	if version != 1 {
		if err := r.open(b, covered); err != nil {
			return err
		}
	}
	r.Meta = Meta{
		Index:     binary.LittleEndian.Uint64(b[8:]),
		Term:      binary.LittleEndian.Uint64(b[16:]),
		ConfState: &raftpb.ConfState{},
	}
	if err := proto.Unmarshal(b[begin:end], r.Meta.ConfState); err != nil {
		return r.damaged(0, "conf state does not parse")
	}
	return nil
}

// open reads the data key out of a header that is bound to it.
func (r *Reader) open(b, bound []byte) (err error) {
	switch cipher := b[6]; {
	case cipher == vault.None:
		return nil
	case cipher > vault.KnownCiphers:
		return fmt.Errorf("%w: %s has cipher %d, this engine knows up to %d", ErrVersion, r.path, cipher, vault.KnownCiphers)
	}
	r.slots, err = r.keys.Open(b[slotsOffset:slotsOffset+vault.SlotsSize], bound)
	var damage *vault.SlotError
	if errors.As(err, &damage) {
		return r.damaged(slotsOffset+damage.Offset, damage.Reason)
	}
	if err != nil {
		return fmt.Errorf("%s: offset %d: %w", r.path, slotsOffset, err)
	}
	return nil
}

// chunk reads the next chunk, or the footer and io.EOF.
func (r *Reader) chunk() ([]byte, error) {
	r.at = r.offset
	b, err := r.next(0, 4)
	if err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(b)
	if size == 0 {
		return nil, r.footer()
	}
	overhead := uint32(0)
	if r.slots != nil {
		overhead = vault.Overhead
	}
	if size > MaxChunk+overhead || size <= overhead {
		return nil, r.damaged(r.at, fmt.Sprintf("chunk of %d bytes, the limit is %d", size, MaxChunk+overhead))
	}
	if b, err = r.next(0, 4+int(size)); err != nil {
		return nil, err
	}
	data := b[4:]
	if crc32.Update(seed(r.check, r.chunks), castagnoli, data) != binary.LittleEndian.Uint32(b) {
		return nil, r.damaged(r.at, "checksum of a chunk does not match")
	}
	if r.slots != nil {
		if data, err = r.slots.Open(r.plain[:0], data, place(r.chunks)); err != nil {
			return nil, r.damaged(r.at, "the chunk "+err.Error())
		}
		r.plain = data
	}
	r.chunks++
	r.bytes += uint64(len(data))
	return data, nil
}

func (r *Reader) footer() error {
	seal := 0
	if r.slots != nil {
		seal = vault.Overhead
	}
	b, err := r.next(4, footerSize-4+seal)
	if err != nil {
		return err
	}
	end := len(b) - 4
	if binary.LittleEndian.Uint32(b[end:]) != footerCheck(r.check, r.chunks, b[:end]) || !bytes.Equal(b[:footerFixed], footer(r.chunks, r.bytes)) {
		return r.damaged(r.at, "footer does not match")
	}
	if r.slots != nil {
		if _, err := r.slots.Open(nil, b[footerFixed:end], b[:footerFixed]); err != nil {
			return r.damaged(r.at, "the footer "+err.Error())
		}
	}
	if r.offset != r.Size {
		return r.damaged(r.offset, "bytes behind the footer")
	}
	return io.EOF
}
