//go:build !linux || portable

package server

import (
	"net"
	"sync"
	"time"
)

// readChunk is how many bytes a connection's reader reads ahead.
const readChunk = 16 << 10

// poller tells the loop which connections have something to read, or take
// output again, where there is no epoll: each connection has a goroutine that
// reads, and one that writes while there is output. It is what a laptop's
// engine runs on.
type poller struct {
	mu      sync.Mutex
	changed map[*session]struct{}
	bell    chan struct{}
	ready   []*session
}

func newPoller() (*poller, error) {
	return &poller{changed: map[*session]struct{}{}, bell: make(chan struct{}, 1)}, nil
}

// wait returns the sessions whose connections have changed; with block it waits
// until there is one, or until the poller is woken.
func (p *poller) wait(block bool) []*session {
	if block {
		<-p.bell
	}
	p.ready = p.ready[:0]
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.changed {
		p.ready = append(p.ready, c)
	}
	clear(p.changed)
	return p.ready
}

// tell notes that a session's connection has changed.
func (p *poller) tell(c *session) {
	p.mu.Lock()
	p.changed[c] = struct{}{}
	p.mu.Unlock()
	p.wake()
}

// wake ends a wait.
func (p *poller) wake() {
	select {
	case p.bell <- struct{}{}:
	default: // it rings
	}
}

func (p *poller) close() {}

// wire is a session's connection beneath TLS. During the handshake it is an
// ordinary one; then goroutines of its own read and write it, and nothing that
// the loop does with it blocks.
type wire struct {
	net.Conn
	loop     *loop
	session  *session
	attached bool
	out      []byte // written by TLS and not yet by send

	mu      sync.Mutex
	in      []byte // read ahead
	inErr   error
	taken   chan struct{} // the reader may go on
	writing bool
	wrote   int // since the last send
	outErr  error
	full    bool // what was sent is still being written
}

// attach hands a connection over to the loop.
func (p *poller) attach(c *session) error {
	w := c.wire
	w.session, w.attached, w.taken = c, true, make(chan struct{}, 1)
	go w.readAhead()
	return nil
}

func (w *wire) readAhead() {
	for {
		chunk := make([]byte, readChunk)
		n, err := w.Conn.Read(chunk)
		w.mu.Lock()
		w.in, w.inErr = chunk[:n], err
		w.mu.Unlock()
		w.loop.poller.tell(w.session)
		if err != nil {
			return
		}
		<-w.taken
	}
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if !w.attached {
		return w.Conn.Read(p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.in) == 0 {
		if w.inErr != nil {
			return 0, w.inErr
		}
		return 0, errWouldBlock
	}
	n := copy(p, w.in)
	if w.in = w.in[n:]; len(w.in) == 0 && w.inErr == nil {
		w.taken <- struct{}{}
	}
	return n, nil
}

// send has written what TLS has written; n is how much was since the last time.
// What is being written is left in out.
func (w *wire) send() (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.outErr != nil {
		return 0, w.outErr
	}
	if w.full = w.writing; w.writing {
		return 0, nil
	}
	n, w.wrote = w.wrote, 0
	w.sent(n)
	if len(w.out) > 0 {
		w.writing, w.full = true, true
		go w.write(w.out)
	}
	return n, nil
}

func (w *wire) write(out []byte) {
	n, err := w.Conn.Write(out)
	w.mu.Lock()
	w.writing, w.wrote, w.outErr = false, n, err
	w.mu.Unlock()
	w.loop.poller.tell(w.session)
}

// Close implements net.Conn.
func (w *wire) Close() error {
	if !w.attached {
		return w.Conn.Close()
	}
	w.attached = false
	select {
	case w.taken <- struct{}{}: // lets the reader end
	default:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writing {
		return w.Conn.Close()
	}
	go func(out []byte) { // TLS's goodbye
		_ = w.Conn.SetDeadline(time.Now().Add(time.Second))
		_, _ = w.Conn.Write(out)
		_ = w.Conn.Close()
	}(w.out[w.wrote:])
	return nil
}
