package resp

import (
	"bytes"
	"fmt"
	"io"
	"math"
)

// Sizes of the reader's own buffer.
const (
	minBuffer = 4 << 10
	maxBuffer = 64 << 10 // also the longest inline request, as in redis
	// pipelineBuffer is what a client gets whose batches fill the buffer: the
	// size of a TLS record.
	pipelineBuffer = 16 << 10
	// firstChunk is what a bulk string gets before any of its bytes have
	// arrived; it doubles as they do, so that announcing costs a client more
	// than it costs us.
	firstChunk = 16 << 10
	// bulkOverhead is what an argument takes beside its bytes.
	bulkOverhead = 24
)

// Limits bound one request. They are checked before anything is allocated.
type Limits struct {
	Bulk    int64 // bytes of one bulk string
	Array   int   // bulk strings of one request
	Request int64 // bytes of all bulk strings of one request, or of an inline request
	// Unauthenticated chooses redis's texts for a client that exceeds limits
	// before it has authenticated.
	Unauthenticated bool
}

// ProtocolError is input that cannot be a request; the connection is lost
// after it, because nobody knows where the next request starts. Its text is
// that of redis-server's error reply, without the code ERR.
type ProtocolError string

func (e ProtocolError) Error() string { return "Protocol error: " + string(e) }

// Reader takes requests out of a stream of bytes. It never blocks by itself:
// Next consumes what Fill has read, so that its user knows when a pipelined
// batch is complete.
type Reader struct {
	limits     Limits
	buf        []byte
	start, end int
	full       bool // the last read left no room: a larger buffer reads more at once

	// The request that is being read.
	want  int // bulk strings still to come
	argv  [][]byte
	bulk  []byte // the bulk string in progress; nil between two
	left  int64  // bytes of it still to come, -1 between two
	total int64  // bytes announced by this request
	// arrived is what the bulk strings that are whole take, their places among
	// the arguments included.
	arrived int64
}

// NewReader makes a Reader with the limits of a new connection.
func NewReader(l Limits) *Reader {
	return &Reader{limits: l, left: -1}
}

// SetLimits replaces the limits, from the next length that is read.
func (r *Reader) SetLimits(l Limits) { r.limits = l }

// Fill reads once from src. It returns an error only if nothing was read.
func (r *Reader) Fill(src io.Reader) error {
	r.makeRoom()
	n, err := src.Read(r.buf[r.end:])
	r.end += n
	r.full = r.end == len(r.buf)
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// makeRoom gives back what was consumed, and grows a buffer that is full.
func (r *Reader) makeRoom() {
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	if r.start > 0 && r.end == len(r.buf) {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	if r.end < len(r.buf) && (!r.full || len(r.buf) > pipelineBuffer) {
		return
	}
	size := min(max(minBuffer, 2*len(r.buf)), maxBuffer)
	grown := make([]byte, size+2) // an inline request of the full size has a line end, too
	r.end = copy(grown, r.buf[r.start:r.end])
	r.start, r.buf, r.full = 0, grown, false
}

// Size is what the reader keeps, in bytes: its buffer, and what has arrived of
// the request in progress.
func (r *Reader) Size() int64 { return int64(len(r.buf)+cap(r.bulk)) + r.arrived }

// Room says that Fill can read something although nothing is taken by Next.
func (r *Reader) Room() bool { return r.end-r.start < maxBuffer }

// Idle says that no request is in progress: neither parsed nor buffered.
func (r *Reader) Idle() bool { return r.start == r.end && r.want == 0 }

// Next returns the next request if all of it has arrived; ok is false if more
// input is needed. The arguments belong to the caller. An error is a
// ProtocolError, and final.
func (r *Reader) Next() (argv [][]byte, ok bool, err error) {
	for r.want == 0 {
		if r.start == r.end {
			return nil, false, nil
		}
		if r.buf[r.start] != '*' {
			argv, ok, err = r.inline()
		} else {
			ok, err = r.header()
		}
		if err != nil || !ok {
			return nil, false, err
		}
		if len(argv) > 0 {
			return argv, true, nil
		}
		if argv, ok = r.whole(); ok {
			return argv, true, nil
		}
	}
	if r.argv == nil && r.want > 0 {
		r.argv = make([][]byte, 0, min(r.want, 64))
	}
	for r.want > 0 {
		ok, err = r.bulkString()
		if err != nil || !ok {
			return nil, false, err
		}
	}
	argv = r.argv
	r.argv, r.total, r.arrived = nil, 0, 0
	return argv, true, nil
}

// header reads `*<count>`. A count of zero or less is no request, as in redis.
func (r *Reader) header() (ok bool, err error) {
	line, ok, err := r.line("too big mbulk count string")
	if !ok || err != nil {
		return false, err
	}
	n, valid := parseInt(line[1:])
	if !valid || n > math.MaxInt32 {
		return false, ProtocolError("invalid multibulk length")
	}
	if n > int64(r.limits.Array) {
		if r.limits.Unauthenticated {
			return false, ProtocolError("unauthenticated multibulk length")
		}
		return false, ProtocolError("invalid multibulk length")
	}
	r.want = int(max(n, 0))
	return true, nil
}

// whole takes the bulk strings of a request all of which are in the buffer, which
// is usual, and puts them into one piece of memory. It leaves all others, and what
// is wrong, to bulkString.
func (r *Reader) whole() (argv [][]byte, ok bool) {
	const least = len("$0\r\n\r\n")
	in := r.buf[r.start:r.end]
	if r.want == 0 || r.want > len(in)/least {
		return nil, false
	}
	argv, total, at := make([][]byte, r.want), int64(0), 0
	for i := range argv {
		n, size := bulkLength(in[at:])
		from := at + size
		if total += n; size == 0 || n > r.limits.Bulk || total > r.limits.Request || int64(len(in)-from) < n+2 {
			return nil, false
		}
		at = from + int(n)
		if in[at] != '\r' || in[at+1] != '\n' {
			return nil, false
		}
		argv[i] = in[from:at]
		at += 2
	}
	bulks := make([]byte, 0, total)
	for i, bulk := range argv {
		from := len(bulks)
		bulks = append(bulks, bulk...)
		argv[i] = bulks[from:len(bulks):len(bulks)]
	}
	r.start += at
	r.want = 0
	return argv, true
}

// bulkLength reads `$<length>`, of size bytes; 0 when that is not there, or larger
// than any buffer.
func bulkLength(in []byte) (n int64, size int) {
	const most = len("$65536\r\n")
	if len(in) == 0 || in[0] != '$' {
		return 0, 0
	}
	for i := 1; i < min(len(in), most)-1; i++ {
		c := in[i]
		switch {
		case c == '\r' && in[i+1] == '\n' && i > 1:
			return n, i + 2
		case c < '0' || c > '9' || i > 1 && n == 0:
			return 0, 0
		}
		n = n*10 + int64(c-'0')
	}
	return 0, 0
}

// bulkString reads `$<length>`, then as many of its bytes as have arrived.
func (r *Reader) bulkString() (ok bool, err error) {
	if r.left < 0 {
		ok, err = r.bulkHeader()
		if !ok || err != nil {
			return false, err
		}
	}
	n := int(min(r.left, int64(r.end-r.start)))
	r.bulk = append(r.bulk, r.buf[r.start:r.start+n]...)
	r.start += n
	r.left -= int64(n)
	if r.left > 0 || r.end-r.start < 2 {
		return false, nil
	}
	if r.buf[r.start] != '\r' || r.buf[r.start+1] != '\n' {
		return false, ProtocolError("invalid bulk length")
	}
	r.start += 2
	r.argv = append(r.argv, r.bulk)
	r.arrived += int64(cap(r.bulk)) + bulkOverhead
	r.bulk, r.left = nil, -1
	r.want--
	return true, nil
}

func (r *Reader) bulkHeader() (ok bool, err error) {
	if r.start < r.end && r.buf[r.start] != '$' {
		return false, ProtocolError(fmt.Sprintf("expected '$', got '%s'", printable(r.buf[r.start])))
	}
	line, ok, err := r.line("too big bulk count string")
	if !ok || err != nil {
		return false, err
	}
	n, valid := parseInt(line[1:])
	switch {
	case !valid || n < 0:
		return false, ProtocolError("invalid bulk length")
	case n > r.limits.Bulk && r.limits.Unauthenticated:
		return false, ProtocolError("unauthenticated bulk length")
	case n > r.limits.Bulk:
		return false, ProtocolError("invalid bulk length")
	case r.total+n > r.limits.Request:
		return false, ProtocolError(fmt.Sprintf("request exceeds %d bytes", r.limits.Request))
	}
	r.total += n
	r.left = n
	r.bulk = make([]byte, 0, min(n, firstChunk))
	return true, nil
}

// line takes a line that ends with CR LF, without it.
func (r *Reader) line(tooLong string) (line []byte, ok bool, err error) {
	end := bytes.IndexByte(r.buf[r.start:r.end], '\r')
	if end < 0 {
		if r.end-r.start >= maxBuffer {
			return nil, false, ProtocolError(tooLong)
		}
		return nil, false, nil
	}
	if r.start+end+1 >= r.end {
		return nil, false, nil
	}
	line = r.buf[r.start : r.start+end]
	r.start += end + 2
	return line, true, nil
}

// inline reads a request of words on one line; an empty line is no request.
func (r *Reader) inline() (argv [][]byte, ok bool, err error) {
	end := bytes.IndexByte(r.buf[r.start:r.end], '\n')
	limit := min(maxBuffer, r.limits.Request)
	if end < 0 && int64(r.end-r.start) >= limit || int64(end) > limit {
		return nil, false, ProtocolError("too big inline request")
	}
	if end < 0 {
		return nil, false, nil
	}
	line := bytes.TrimSuffix(r.buf[r.start:r.start+end], []byte{'\r'})
	r.start += end + 1
	argv, err = splitWords(line)
	if err != nil {
		return nil, false, err
	}
	if len(argv) > r.limits.Array {
		return nil, false, ProtocolError("too big inline request")
	}
	return argv, true, nil
}

// printable keeps a byte that would break the error's line out of it.
func printable(c byte) string {
	if c < ' ' || c > '~' {
		return "?"
	}
	return string(c)
}

// parseInt is redis's string2ll: no sign but minus, no leading zero, no space.
func parseInt(b []byte) (n int64, ok bool) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' && len(b) > 1 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) < len(b) {
		n = -n
	}
	return n, true
}
