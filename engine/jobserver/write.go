package jobserver

import (
	"time"

	wire "github.com/coffer-dev/coffer/engine/protocol/job"
)

const (
	// writeChunk bytes must be taken by the client within writeTimeout.
	writeChunk   = 256 << 10
	writeTimeout = 30 * time.Second
	// enough bytes wait to be written: requests are not read on, and events are
	// missed, until there are fewer.
	enough = 1 << 20
	// keepBuffer is how large a buffer may be that is kept for the next answers.
	keepBuffer = 64 << 10
)

// append adds to what is to be written; false: the session is closed. One whose
// client leaves too much of it lying is.
func (c *session) append(add func(dst []byte) []byte) bool {
	defer c.srv.shedIfTooMuch()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	if c.out == nil {
		c.out, c.spare = c.spare, nil
	}
	c.out = add(c.out)
	c.countOut()
	if int64(len(c.out)) > c.srv.opts.Limits.MaxOutputBytes+wire.MaxFrame {
		c.srv.counters.OutputExceeded.Add(1)
		c.srv.opts.Log.Warn("closing a connection whose answers exceed limits.maxOutputBytes", "conn", c.id, "bytes", len(c.out))
		c.closed = true
		_ = c.raw.Close()
		return false
	}
	return true
}

// countOut notes what is to be written; mu is held.
func (c *session) countOut() {
	if !c.closed {
		c.count(&c.outgoing, int64(cap(c.out)+cap(c.spare)+c.sending))
	}
}

// deliver takes an answer that comes later; it does not block.
func (c *session) deliver(reqID, answer []byte) bool {
	ok := c.append(func(dst []byte) []byte { return wire.AppendAnswer(dst, c.reader.Framing(), answer, reqID) })
	if ok {
		c.wakeWriter()
	}
	return ok
}

// offer takes an event if there is room for it; it does not block.
func (c *session) offer(reqID, event []byte) bool {
	c.mu.Lock()
	full := c.closed || len(c.out) >= enough
	c.mu.Unlock()
	return !full && c.deliver(reqID, event)
}

func (c *session) wakeWriter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	select {
	case c.kick <- struct{}{}:
	default: // it will look
	}
}

// writeLater writes what others than the reader have to say.
func (c *session) writeLater() {
	for range c.kick {
		c.write()
	}
}

// flush writes what there is. It returns while another one writes, unless that
// has more to do than is good: then it waits.
func (c *session) flush() {
	c.write()
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) >= enough && !c.closed {
		c.written.Wait()
	}
}

// write writes until there is nothing left, unless another one does.
func (c *session) write() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing {
		return
	}
	c.writing = true
	for len(c.out) > 0 && !c.closed {
		buf := c.out
		c.out = c.spare
		c.spare = nil
		c.sending = cap(buf)
		c.mu.Unlock()
		err := c.send(buf)
		c.mu.Lock()
		c.sending = 0
		if err != nil {
			c.closed = true
			_ = c.raw.Close() // ends the reader
			break
		}
		if cap(buf) <= keepBuffer && c.spare == nil {
			c.spare = buf[:0]
		}
		c.countOut()
		c.written.Broadcast()
	}
	c.writing = false
	c.written.Broadcast()
}

func (c *session) send(buf []byte) error {
	for len(buf) > 0 {
		n := min(len(buf), writeChunk)
		_ = c.raw.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := c.conn.Write(buf[:n]); err != nil {
			c.srv.opts.Log.Debug("writing answers", "conn", c.id, "error", err)
			return err
		}
		c.srv.counters.BytesOut.Add(int64(n))
		buf = buf[n:]
	}
	return nil
}
