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
// It waits in epoll_wait itself for a moment, and only then in Go's own poller. A
// goroutine that waits there gives up its processor, and when none is left at work
// the runtime's watchdog begins anew to look every 20 µs what they do: under load
// the waits are short and many. But one that waits in a system call keeps its
// processor from others until the watchdog takes it away, up to 20 ms later: a long
// wait is not for that.
//
// Sockets are watched edge-triggered: an event comes once for each change, and
// a session that waits for something else is not told again and again.
type poller struct {
	epoll    int
	bell     int // eventfd
	sessions map[int32]*session
	events   [pollEvents]unix.EpollEvent
	ready    []*session

	// Go's poller watches another epoll, which watches this one during a long wait
	// alone: else every event would wake two threads.
	outer  *os.File
	raw    syscall.RawConn
	asleep func(outer uintptr) bool
}

// moment is how many ms a wait takes at most in the system call.
const moment = 1

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = watch(epoll, bell, unix.EPOLLIN)
	}
	p := &poller{epoll: epoll, bell: bell, sessions: map[int32]*session{}}
	if err == nil {
		err = p.openOuter()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("epoll: %w", err), unix.Close(epoll), unix.Close(bell))
	}
	return p, nil
}

func (p *poller) openOuter() error {
	outer, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	err = errors.Join(unix.SetNonblock(outer, true), // or Go would not watch it
		unix.EpollCtl(outer, unix.EPOLL_CTL_ADD, p.epoll, &unix.EpollEvent{}))
	p.outer = os.NewFile(uintptr(outer), "epoll")
	if err == nil {
		p.raw, err = p.outer.SyscallConn()
	}
	p.asleep = func(outer uintptr) bool {
		_, _ = unix.EpollWait(int(outer), p.events[:1], 0) // takes the event, and with it the watch
		if p.look(0) {
			return true
		}
		p.watchOnce(int(outer))
		return false
	}
	if err != nil {
		return errors.Join(err, p.outer.Close())
	}
	return nil
}

func watch(epoll, fd int, events uint32) error {
	return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events | unix.EPOLLET, Fd: int32(fd)})
}

// wait returns the sessions whose sockets have changed; with block it waits
// until there is one, or until the poller is woken.
func (p *poller) wait(block bool) []*session {
	p.ready = p.ready[:0]
	switch {
	case !block:
		p.look(0)
	case !p.look(moment):
		p.sleep()
	}
	return p.ready
}

// sleep waits in Go's poller, which asks again whenever there was an event.
func (p *poller) sleep() { _ = p.raw.Read(p.asleep) }

// watchOnce has the outer epoll tell of the next event, or of one that there is.
func (p *poller) watchOnce(outer int) {
	_ = unix.EpollCtl(outer, unix.EPOLL_CTL_MOD, p.epoll, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT})
}

// look waits so many ms for changes, and tells whether there were any.
func (p *poller) look(ms int) bool {
	n, err := unix.EpollWait(p.epoll, p.events[:], ms)
	for err == unix.EINTR {
		n, err = unix.EpollWait(p.epoll, p.events[:], ms)
	}
	for _, e := range p.events[:max(n, 0)] {
		if c := p.sessions[e.Fd]; c != nil {
			c.wire.dry, c.wire.full = false, false
			c.wire.last = c.wire.last || e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
			p.ready = append(p.ready, c)
		}
	}
	return n != 0
}

// wake ends a wait. The bell need not be read: each ring is a change.
func (p *poller) wake() {
	_, _ = unix.Write(p.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

func (p *poller) close() {
	_ = p.outer.Close()
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
