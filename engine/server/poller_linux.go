//go:build linux && !portable

package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pollEvents is how many events one look at the sockets returns.
const pollEvents = 256

// poller tells the loop which sockets have something to read, or take output
// again.
//
// It waits in epoll_wait itself, which costs a thread for as long, and not in
// Go's own poller: a goroutine that waits there gives up its processor, and when
// none is left at work the runtime's watchdog begins anew to look every 20 µs
// what they do. Under load the waits are short and many.
//
// Sockets are watched edge-triggered: an event comes once for each change, and
// a session that waits for something else is not told again and again.
type poller struct {
	epoll    int
	bell     int // eventfd
	sessions map[int32]*session
	events   [pollEvents]unix.EpollEvent
	ready    []*session
}

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = watch(epoll, bell, unix.EPOLLIN)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("epoll: %w", err), unix.Close(epoll), unix.Close(bell))
	}
	return &poller{epoll: epoll, bell: bell, sessions: map[int32]*session{}}, nil
}

func watch(epoll, fd int, events uint32) error {
	return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events | unix.EPOLLET, Fd: int32(fd)})
}

// wait returns the sessions whose sockets have changed; with block it waits
// until there is one, or until the poller is woken.
func (p *poller) wait(block bool) []*session {
	timeout := 0
	if block {
		timeout = -1
	}
	n, err := unix.EpollWait(p.epoll, p.events[:], timeout)
	for err == unix.EINTR {
		n, err = unix.EpollWait(p.epoll, p.events[:], timeout)
	}
	p.ready = p.ready[:0]
	for _, e := range p.events[:max(n, 0)] {
		if c := p.sessions[e.Fd]; c != nil {
			c.wire.dry, c.wire.full = false, false
			c.wire.last = c.wire.last || e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
			p.ready = append(p.ready, c)
		}
	}
	return p.ready
}

// wake ends a wait. The bell need not be read: each ring is a change.
func (p *poller) wake() {
	_, _ = unix.Write(p.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

func (p *poller) close() {
	_ = unix.Close(p.epoll)
	_ = unix.Close(p.bell)
}

// wire is a session's socket beneath TLS. During the handshake it is an
// ordinary connection; then the loop reads and writes the descriptor itself,
// and nothing of it blocks.
type wire struct {
	net.Conn
	loop     *loop
	attached bool
	fd       int
	dry      bool   // there is nothing to read until the poller says so
	last     bool   // it has said so for the last time: behind what there is comes the end
	full     bool   // the socket takes nothing until the poller says so
	out      []byte // written by TLS and not yet by send
}

// attach hands a connection over to the loop.
func (p *poller) attach(c *session) error {
	conn, ok := c.wire.Conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("%T has no descriptor", c.wire.Conn)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	// A duplicate, so that Go's poller forgets the socket.
	fd := -1
	if closed := raw.Control(func(from uintptr) {
		fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0)
	}); closed != nil || err != nil {
		return fmt.Errorf("dup: %w", errors.Join(closed, err))
	}
	p.sessions[int32(fd)] = c
	if err := watch(p.epoll, fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP); err != nil {
		delete(p.sessions, int32(fd))
		_ = unix.Close(fd)
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	_ = c.wire.Conn.Close()
	c.wire.attached, c.wire.fd = true, fd
	return nil
}

// Read implements net.Conn. A read that leaves room in the buffer has emptied
// the socket: what comes later comes with an event, but for an end that the
// last event told of too.
func (w *wire) Read(p []byte) (int, error) {
	if !w.attached {
		return w.Conn.Read(p)
	}
	if w.dry {
		return 0, errWouldBlock
	}
	for {
		n, err := unix.Read(w.fd, p)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			w.dry = true
			return 0, errWouldBlock
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		default:
			w.dry = n < len(p) && !w.last
			return n, nil
		}
	}
}

// send writes to the socket what TLS has written; n is how much it took. What
// it does not take now is left in out.
func (w *wire) send() (n int, err error) {
	for len(w.out) > 0 && !w.full {
		m, err := unix.Write(w.fd, w.out)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			w.full = true
		case err != nil:
			return n, os.NewSyscallError("write", err)
		default:
			w.sent(m)
			n += m
		}
	}
	return n, nil
}

// Close implements net.Conn.
func (w *wire) Close() error {
	if !w.attached {
		return w.Conn.Close()
	}
	_, _ = w.send() // TLS's goodbye, if there is room for it
	delete(w.loop.poller.sessions, int32(w.fd))
	w.attached = false
	return unix.Close(w.fd) // leaves the epoll set with it
}
