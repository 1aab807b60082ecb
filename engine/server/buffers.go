package server

import (
	"time"

	"github.com/coffer-dev/coffer/engine/audit"
)

// requestTimeout is how long a request that has begun may take to arrive; a long
// one may for each writeChunk bytes. Nobody keeps a buffer for nothing.
func (s *Server) requestTimeout() time.Duration {
	return time.Duration(s.opts.Limits.RequestSeconds) * time.Second
}

// settle looks, when a session has to wait, at what it keeps meanwhile.
func (c *session) settle() {
	if c.ended {
		return
	}
	c.watchRequest()
	c.keep()
}

// keep counts what the session keeps; if that is too much of all together, who
// keeps most loses it.
func (c *session) keep() {
	c.count(c.buffered())
	if limit := c.srv.opts.Limits.MaxClientBufferBytes; limit > 0 && c.srv.kept() > limit {
		c.srv.shed(limit)
	}
}

// buffered is what the session has in memory of what its client sent or has
// not yet taken, in bytes.
func (c *session) buffered() int64 {
	n := c.reader.Size() + c.waiting + c.watched.bytes + int64(cap(c.out)+cap(c.wire.out)+c.sent+c.subscribed.bytes+c.tracking.bytes+c.tracking.waiting)
	if c.postponed != nil {
		n += int64(sizeOf(c.postponed))
	}
	if c.parked != nil {
		n += c.parked.bytes
	}
	if c.multi != nil {
		n += c.multi.bytes
	}
	if c.barrier != nil {
		n += int64(sizeOf(c.barrier.argv))
	}
	return n
}

func (c *session) count(bytes int64) {
	if bytes != c.size {
		c.srv.buffered.Add(bytes - c.size)
		c.size = bytes
	}
}

// kept is what the clients of this port keep, and those of the one beside it.
func (s *Server) kept() int64 {
	n := s.buffered.Load()
	if other := s.beside.Load(); other != nil {
		n += other.buffered.Load()
	}
	return n
}

// shed closes the connections that keep most until all of them together keep
// no more than they may. Of two ports that one does whose clients keep more.
func (s *Server) shed(limit int64) {
	for s.kept() > limit {
		if other := s.beside.Load(); other != nil && other.buffered.Load() > s.buffered.Load() {
			other.loop.post(func() { other.shed(limit) })
			return
		}
		var largest *session
		s.mu.Lock()
		for c := range s.sessions {
			if c.size > 0 && (largest == nil || c.size > largest.size) {
				largest = c
			}
		}
		s.mu.Unlock()
		if largest == nil {
			return
		}
		if bytes := largest.buffered(); bytes < largest.size { // it is being served
			largest.count(bytes)
			continue
		}
		s.counters.Shed.Add(1)
		largest.drop("limits.maxClientBufferBytes")
	}
}

// drop closes a connection that costs too much, and says so.
func (c *session) drop(reason string) {
	c.srv.opts.Log.Warn("closing a connection", "conn", c.id, "host", c.Host, "user", c.User(), "bytes", c.size, "reason", reason)
	if c.srv.opts.Audit.Wants(audit.Refusal) {
		e := c.entry(audit.Connect)
		e.Source, e.Denied, e.Reason = c.Host, true, reason
		c.srv.opts.Audit.Count(e)
	}
	c.end()
}

// watchRequest notes that a request has begun, and sees to it that it ends.
func (c *session) watchRequest() {
	idle := c.reader.Idle()
	if !idle && !c.partial {
		c.progressAt = c.loop.now
	}
	if c.partial = !idle; c.partial && c.watching == nil {
		c.watching = c.loop.after(c.srv.requestTimeout(), c.checkRequest)
	}
}

// checkRequest closes a connection whose request has not come on for too long.
// What the session itself keeps waiting is not held against it.
func (c *session) checkRequest() {
	c.watching = nil
	if !c.partial || c.ended {
		return
	}
	if !c.free() {
		c.progressAt = c.loop.now
	}
	left := c.srv.requestTimeout() - c.loop.now.Sub(c.progressAt)
	if left > 0 {
		c.watching = c.loop.after(left, c.checkRequest)
		return
	}
	c.srv.counters.Slow.Add(1)
	c.drop("a request took too long to arrive")
}

// progress notes what was read; a good deal of it counts as coming on.
func (c *session) progress(n int) {
	if c.chunk += n; c.chunk >= writeChunk {
		c.chunk, c.progressAt = 0, c.loop.now
	}
}
