package peer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	maxGreeting = 4 << 10
	stateChunk  = 64 << 10
)

// frames reads and writes them. One goroutine may read while another writes.
type frames struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	// patience is how long to wait for the next frame; 0 for as long as the
	// connection is there.
	patience time.Duration
}

func newFrames(conn net.Conn) *frames {
	return &frames{conn, bufio.NewReaderSize(conn, 64<<10), bufio.NewWriterSize(conn, 64<<10), greetTimeout}
}

// read returns the next frame, of limit bytes at most. What it allocates grows
// with what arrives, not with what is announced.
func (f *frames) read(limit int) ([]byte, error) {
	var head [4]byte
	deadline := time.Time{}
	if f.patience > 0 {
		deadline = time.Now().Add(f.patience)
	}
	_ = f.conn.SetReadDeadline(deadline)
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n > int64(limit) {
		return nil, fmt.Errorf("a frame of %d bytes, must be at most %d", n, limit)
	}
	var b bytes.Buffer
	b.Grow(int(min(n, stateChunk)))
	for left := n; left > 0; {
		part := min(left, 1<<20)
		_ = f.conn.SetReadDeadline(time.Now().Add(ioTimeout))
		if _, err := io.CopyN(&b, f.r, part); err != nil {
			return nil, err
		}
		left -= part
	}
	return b.Bytes(), nil
}

func (f *frames) readJSON(v any) error {
	data, err := f.read(maxGreeting)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("a greeting: %w", err)
	}
	return nil
}

// write appends a frame to what flush sends.
func (f *frames) write(data []byte) error {
	_ = f.conn.SetWriteDeadline(time.Now().Add(ioTimeout))
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(data)))
	if _, err := f.w.Write(head[:]); err != nil {
		return err
	}
	for len(data) > 0 { // each part has its time: a large one may take long
		part := data[:min(len(data), 1<<20)]
		_ = f.conn.SetWriteDeadline(time.Now().Add(ioTimeout))
		if _, err := f.w.Write(part); err != nil {
			return err
		}
		data = data[len(part):]
	}
	return nil
}

func (f *frames) flush() error {
	_ = f.conn.SetWriteDeadline(time.Now().Add(ioTimeout))
	return f.w.Flush()
}

func (f *frames) writeJSON(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := f.write(data); err != nil {
		return err
	}
	return f.flush()
}

// stateReader is the bytes in the frames up to an empty one.
type stateReader struct {
	f    *frames
	rest []byte
	done bool
}

// Read implements io.Reader.
func (s *stateReader) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.done {
			return 0, io.EOF
		}
		data, err := s.f.read(stateChunk)
		if err != nil {
			return 0, noEOF(err) // which only the empty frame is
		}
		s.rest, s.done = data, len(data) == 0
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// errBroken stands for an end that comes where none should.
var errBroken = errors.New("the connection broke")

func noEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errBroken
	}
	return err
}
