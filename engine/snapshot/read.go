package snapshot

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Reader reads a snapshot's bytes. It hands out none that it has not checked,
// and io.EOF only when the footer was there and right.
type Reader struct {
	Meta Meta
	Size int64 // of the file, bytes

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
	err    error
}

// Newest opens the snapshot with the highest index, nil when there is none.
func Newest(fs vfs.FS, dir string) (*Reader, error) {
	indexes, err := list(fs, dir)
	if err != nil || len(indexes) == 0 {
		return nil, err
	}
	index := indexes[len(indexes)-1]
	r, err := Open(fs, fs.PathJoin(dir, fileName(index)))
	if err != nil {
		return nil, err
	}
	if r.Meta.Index != index {
		_ = r.Close()
		return nil, &DamageError{r.path, 8, fmt.Sprintf("is the snapshot at index %d", r.Meta.Index)}
	}
	return r, nil
}

// Open opens a snapshot file and reads its header.
func Open(fs vfs.FS, path string) (*Reader, error) {
	file, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	r := &Reader{path: path, file: file, in: bufio.NewReaderSize(file, 256<<10)}
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

func (r *Reader) header() error {
	b, err := r.next(0, fixedHeader)
	if err != nil {
		return err
	}
	if string(b[:4]) != magic {
		return r.damaged(0, "no snapshot header")
	}
	if v := binary.LittleEndian.Uint16(b[4:]); v > Version {
		return fmt.Errorf("%w: %s has format version %d, this engine reads up to %d", ErrVersion, r.path, v, Version)
	}
	size := binary.LittleEndian.Uint32(b[24:])
	if size > maxConfState {
		return r.damaged(0, fmt.Sprintf("conf state of %d bytes", size))
	}
	if b, err = r.next(fixedHeader, int(size)+4); err != nil {
		return err
	}
	end := len(b) - 4
	r.check = binary.LittleEndian.Uint32(b[end:])
	if crc32.Checksum(b[:end], castagnoli) != r.check {
		return r.damaged(0, "checksum of the header does not match")
	}
	r.Meta = Meta{
		Index:     binary.LittleEndian.Uint64(b[8:]),
		Term:      binary.LittleEndian.Uint64(b[16:]),
		ConfState: &raftpb.ConfState{},
	}
	if err := proto.Unmarshal(b[fixedHeader:end], r.Meta.ConfState); err != nil {
		return r.damaged(0, "conf state does not parse")
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
	if size > MaxChunk {
		return nil, r.damaged(r.at, fmt.Sprintf("chunk of %d bytes, the limit is %d", size, MaxChunk))
	}
	if b, err = r.next(0, 4+int(size)); err != nil {
		return nil, err
	}
	data := b[4:]
	if crc32.Update(seed(r.check, r.chunks), castagnoli, data) != binary.LittleEndian.Uint32(b) {
		return nil, r.damaged(r.at, "checksum of a chunk does not match")
	}
	r.chunks++
	r.bytes += uint64(size)
	return data, nil
}

func (r *Reader) footer() error {
	b, err := r.next(4, footerSize-4)
	if err != nil {
		return err
	}
	if string(b) != string(footer(r.check, r.chunks, r.bytes)) {
		return r.damaged(r.at, "footer does not match")
	}
	if r.offset != r.Size {
		return r.damaged(r.offset, "bytes behind the footer")
	}
	return io.EOF
}
