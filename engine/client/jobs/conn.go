package jobs

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// MaxRequest is how long a request may be, in bytes; a longer one ends the
	// connection, so it is not sent.
	MaxRequest = 16 << 20
	// maxAnswer bounds what a server can have a client allocate.
	maxAnswer  = 64 << 20
	bufferSize = 64 << 10
	// ahead is how many requests may wait for the writer.
	ahead = 256
)

// conn is one connection, JSON lines both ways. Requests are answered as they
// finish, matched by their reqId.
type conn struct {
	net   net.Conn
	token string // that it logged in with
	out   chan []byte
	gone  chan struct{} // closed once it has ended
	err   error         // why; set before gone is closed

	mu    sync.Mutex
	calls map[uint64]chan *answer // by reqId; nil once it has ended
}

// dial connects and logs in.
func dial(ctx context.Context, s secret) (*conn, error) {
	config, err := s.tls()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", s.address, err)
	}
	c := &conn{net: raw, out: make(chan []byte, ahead), gone: make(chan struct{}), calls: map[uint64]chan *answer{}}
	go func() { c.end(c.read()) }()
	go func() { c.end(c.write()) }()
	if err := c.login(ctx, 0, s.token); err != nil {
		c.end(err)
		return nil, fmt.Errorf("log in at %s: %w", s.address, err)
	}
	return c, nil
}

// login is called by one goroutine at a time.
func (c *conn) login(ctx context.Context, id uint64, token string) error {
	line, err := encode(id, "AUTH", fields{"token": token})
	if err != nil {
		return err
	}
	if _, err := c.roundTrip(ctx, id, line); err != nil {
		return err
	}
	c.token = token
	return nil
}

// end ends the connection, for the reason that comes first.
func (c *conn) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		return
	}
	c.calls, c.err = nil, why
	close(c.gone)
	c.net.Close()
}

// roundTrip sends a request and waits for its answer. Who gives up leaves the
// request on its way.
func (c *conn) roundTrip(ctx context.Context, id uint64, line []byte) (*answer, error) {
	answered := make(chan *answer, 1)
	c.mu.Lock()
	if c.calls == nil {
		c.mu.Unlock()
		return nil, errNotSent
	}
	c.calls[id] = answered
	c.mu.Unlock()
	select {
	case c.out <- line:
	case <-c.gone:
		return nil, errNotSent
	case <-ctx.Done():
		c.take(id)
		return nil, context.Cause(ctx)
	}
	select {
	case a := <-answered:
		return a, a.err()
	case <-c.gone:
	case <-ctx.Done():
		if c.take(id) != nil {
			return nil, context.Cause(ctx)
		}
	}
	// It may have been answered at the last moment.
	select {
	case a := <-answered:
		return a, a.err()
	case <-c.gone:
		return nil, c.disconnected()
	}
}

func (c *conn) disconnected() error {
	if errors.Is(c.err, ErrClosed) {
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrDisconnected, c.err)
}

// take returns where the answer of a request is waited for, once.
func (c *conn) take(id uint64) chan *answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	answered := c.calls[id]
	delete(c.calls, id)
	return answered
}

// write sends what there is in as few records as it can: the server carries out
// together what arrives together.
func (c *conn) write() error {
	w := bufio.NewWriterSize(c.net, bufferSize)
	for {
		select {
		case <-c.gone:
			return c.err
		case line := <-c.out:
			_, _ = w.Write(line) // Flush has its error
		}
		// Callers whose answers came together are about to ask again together.
		for more := true; more; {
			runtime.Gosched()
			more = c.drain(w)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
}

// drain takes the requests that wait, and tells whether there were any.
func (c *conn) drain(w *bufio.Writer) (any bool) {
	for {
		select {
		case line := <-c.out:
			_, _ = w.Write(line)
			any = true
		default:
			return any
		}
	}
}

func (c *conn) read() error {
	r := bufio.NewReaderSize(c.net, bufferSize)
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		a, err := decode(line)
		if err != nil {
			return err
		}
		if a.ReqID == nil {
			return fmt.Errorf("the server refused the connection: %w", a.err())
		}
		if answered := c.take(*a.ReqID); answered != nil {
			answered <- a
		} else {
			c.giveBack(a)
		}
	}
}

// asSent has data be what somebody pushed, who may write a name twice.
var asSent = jsonv2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// decode reads an answer, in a third of the time that encoding/json takes.
func decode(line []byte) (*answer, error) {
	a := &answer{}
	if err := jsonv2.Unmarshal(line, a, asSent); err != nil {
		return nil, fmt.Errorf("an answer that is not JSON: %w", err)
	}
	return a, nil
}

// readLine reads to the end of a line. What it returns holds until the next call.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	long := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(long) > maxAnswer {
			return nil, fmt.Errorf("an answer of more than %d bytes", maxAnswer)
		}
		line, err = r.ReadSlice('\n')
		long = append(long, line...)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return long, err
}

type fields map[string]any

// encode writes a request: {"cmd":"PUSH","reqId":"7", the arguments' fields}.
func encode(id uint64, cmd string, args any) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"cmd":%q,"reqId":"%d"`, cmd, id)
	if args == nil {
		b.WriteString("}\n")
		return b.Bytes(), nil
	}
	at := b.Len()
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(args); err != nil {
		return nil, err
	}
	b.Bytes()[at] = ',' // in place of its {
	if b.Len() > MaxRequest {
		return nil, fmt.Errorf("a request of %d bytes, must be at most %d", b.Len(), MaxRequest)
	}
	return b.Bytes(), nil
}
