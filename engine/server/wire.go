package server

import (
	"net"
	"time"
)

// wouldBlock is what a wire's Read returns when there is nothing to read. It is
// temporary: crypto/tls makes every other error of a read the connection's last
// word, and goes on after one that is.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "nothing to read" }
func (wouldBlock) Timeout() bool   { return false }
func (wouldBlock) Temporary() bool { return true }

var errWouldBlock net.Error = wouldBlock{}

// Write implements net.Conn for crypto/tls, to which a failed write is final:
// it always succeeds. What it gets is written by send.
func (w *wire) Write(p []byte) (int, error) {
	if !w.attached {
		return w.Conn.Write(p)
	}
	if w.out == nil {
		w.out = w.loop.buffer()
	}
	w.out = append(w.out, p...)
	return len(p), nil
}

// sent takes what was written out of the buffer.
func (w *wire) sent(n int) {
	if n < len(w.out) {
		w.out = w.out[:copy(w.out, w.out[n:])]
		return
	}
	w.loop.release(w.out)
	w.out = nil
}

// SetDeadline implements net.Conn; deadlines of the loop are alarms.
func (w *wire) SetDeadline(t time.Time) error {
	if w.attached {
		return nil
	}
	return w.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (w *wire) SetReadDeadline(t time.Time) error {
	if w.attached {
		return nil
	}
	return w.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.attached {
		return nil
	}
	return w.Conn.SetWriteDeadline(t)
}
