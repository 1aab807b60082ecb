package job

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	lengthSize = 4
	// minRead is how much room there is at least for what is read at once.
	minRead = 4 << 10
	// keepBuffer is how large a buffer may be that is kept for the next frame.
	keepBuffer = 64 << 10
)

// Reader cuts what a client sends into messages. The buffer grows with what has
// arrived, never with what a length announces.
type Reader struct {
	framing Framing
	limit   int
	buf     []byte
	start   int // of what has not been returned
	scanned int // bytes behind start in which there is no line feed
}

// NewReader makes a Reader for a client that has not authenticated.
func NewReader() *Reader { return &Reader{limit: EarlyFrame} }

// Authenticated lets messages be as large as MaxFrame.
func (r *Reader) Authenticated() { r.limit = MaxFrame }

// Framing is what the first byte decided.
func (r *Reader) Framing() Framing { return r.framing }

// Pending tells whether part of a message has arrived.
func (r *Reader) Pending() bool { return len(r.buf) > r.start }

// Size is how many bytes the reader's buffer takes.
func (r *Reader) Size() int { return cap(r.buf) }

// Fill reads once from src. What Next has returned is no longer valid then.
func (r *Reader) Fill(src io.Reader) (n int, err error) {
	r.makeRoom()
	n, err = src.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	if n > 0 {
		err = nil // which comes again
	}
	if r.framing == Undecided && len(r.buf) > 0 {
		r.framing = Frames
		switch r.buf[0] {
		case '{', '\n', '\r':
			r.framing = Lines
		}
	}
	return n, err
}

// makeRoom moves what is left to the front, and lets go of a large buffer that
// is no longer needed.
func (r *Reader) makeRoom() {
	left := r.buf[r.start:]
	size := cap(r.buf)
	switch {
	case size < minRead:
		size = minRead
	case size > keepBuffer && len(left) < keepBuffer/2:
		size = keepBuffer
	case cap(r.buf)-len(left) < min(minRead, size/4):
		size = min(2*size, r.limit+lengthSize+minRead)
	}
	if size == cap(r.buf) {
		r.buf = r.buf[:copy(r.buf[:cap(r.buf)], left)]
	} else {
		r.buf = append(make([]byte, 0, max(size, len(left)+minRead)), left...)
	}
	r.start = 0
}

// Next returns the next complete message as it was sent, without its framing.
// It is valid until Fill. ok is false if it has not arrived whole. The error is
// an ErrTooLarge.
func (r *Reader) Next() (message []byte, ok bool, err error) {
	if r.framing == Frames {
		return r.nextFrame()
	}
	for {
		rest := r.buf[r.start:]
		end := bytes.IndexByte(rest[r.scanned:], '\n')
		if end < 0 {
			r.scanned = len(rest)
			if len(rest) > r.limit {
				return nil, false, r.tooLarge(len(rest), "a line has more than")
			}
			return nil, false, nil
		}
		end += r.scanned
		r.start, r.scanned = r.start+end+1, 0
		if end > r.limit {
			return nil, false, r.tooLarge(end, "a line has more than")
		}
		if line := bytes.TrimSpace(rest[:end]); len(line) > 0 {
			return line, true, nil
		}
	}
}

func (r *Reader) nextFrame() (message []byte, ok bool, err error) {
	rest := r.buf[r.start:]
	if len(rest) < lengthSize {
		return nil, false, nil
	}
	n := int64(binary.BigEndian.Uint32(rest))
	if n > int64(r.limit) {
		return nil, false, r.tooLarge(int(n), "a frame has more than")
	}
	if int64(len(rest)-lengthSize) < n {
		return nil, false, nil
	}
	r.start += lengthSize + int(n)
	return rest[lengthSize : lengthSize+n], true, nil
}

func (r *Reader) tooLarge(n int, what string) error {
	hint := ""
	if r.limit == EarlyFrame {
		hint = " before authentication"
	}
	return fmt.Errorf("%w: %s %d bytes%s (%d)", ErrTooLarge, what, r.limit, hint, n)
}

// Parse reads a message that Next returned, of this framing, into req. Where it
// fails, req.ReqID is there all the same if it can be found. What req refers to
// is the message's memory.
func Parse(framing Framing, message []byte, req *Request) error {
	if framing == Frames {
		text, err := appendJSON(make([]byte, 0, len(message)+len(message)/4+32), message)
		if err != nil {
			*req = Request{ReqID: findReqID(message, framing)}
			return err
		}
		message = text
	}
	if err := parseRequest(message, req); err != nil {
		if req.ReqID == nil {
			req.ReqID = findReqID(message, Lines)
		}
		return err
	}
	return nil
}

// findReqID looks for the reqId of a request that could not be read, so that
// its client can be told.
func findReqID(message []byte, framing Framing) []byte {
	if framing == Frames {
		at := bytes.LastIndex(message, []byte("\xa5reqId"))
		if at < 0 {
			return nil
		}
		d := transcoder{src: message[at+6:]}
		id, err := d.value(nil, 1)
		if err != nil || validReqID(id) != nil {
			return nil
		}
		return id
	}
	at := bytes.LastIndex(message, []byte(`"reqId"`))
	if at < 0 {
		return nil
	}
	s := scanner{src: message, pos: at + len(`"reqId"`)}
	if !s.colon() {
		return nil
	}
	id := s.raw(1)
	if s.err != nil || validReqID(id) != nil {
		return nil
	}
	return id
}
