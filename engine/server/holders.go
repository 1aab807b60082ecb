package server

import (
	"time"

	"github.com/coffer-dev/coffer/engine/reply"
)

// holdersPause is how often it is looked whether more members have a write.
const holdersPause = 10 * time.Millisecond

// awaited is what a session waits for that has sent WAIT: that so many other
// members have the log up to an entry.
type awaited struct {
	index uint64
	n     int64
	until time.Time // zero: for ever
	alarm *alarm
}

// WaitHolders implements command.Session. What the connection wrote last is in
// the state by now, and so no later in the log than what the state has.
func (c *session) WaitHolders(n, ms int64) reply.Reply {
	w := &awaited{index: c.srv.opts.Facts().AppliedIndex, n: n}
	held := c.srv.held(w.index)
	if held >= n || c.executes != nil { // who is in a transaction waits for nothing
		return reply.Integer(held)
	}
	if ms > 0 {
		w.until = time.Now().Add(time.Duration(min(ms, maxTimer)) * time.Millisecond)
	}
	c.awaited = w
	c.srv.parked.Add(1)
	c.lookForHolders()
	return reply.Several() // yet
}

// held is how many other members have the entry.
func (s *Server) held(index uint64) int64 {
	if s.opts.Held == nil {
		return 0
	}
	return int64(s.opts.Held(index))
}

// lookForHolders answers if there are enough, or the time is up.
func (c *session) lookForHolders() {
	w := c.awaited
	held := c.srv.held(w.index)
	if held >= w.n || !w.until.IsZero() && !time.Now().Before(w.until) {
		c.endAwaited(reply.Integer(held))
		return
	}
	w.alarm = c.loop.after(holdersPause, c.lookForHolders)
}

// endAwaited ends the waiting with that answer. The session goes on in the next
// turn.
func (c *session) endAwaited(r reply.Reply) {
	c.forgetAwaited()
	c.write(r)
	c.loop.again = append(c.loop.again, c)
}

func (c *session) forgetAwaited() {
	if c.awaited != nil {
		c.awaited.alarm.stop()
		c.awaited = nil
		c.srv.parked.Add(-1)
	}
}

// unblockAwaited is CLIENT UNBLOCK of a session that has sent WAIT: as if its
// time were up, unless an error is to be answered.
func (c *session) unblockAwaited(answer reply.Reply) {
	if !answer.IsError() {
		answer = reply.Integer(c.srv.held(c.awaited.index))
	}
	c.endAwaited(answer)
}

// stands tells whether the session does not go on before something happens that
// may take long.
func (c *session) stands() bool { return c.parked != nil || c.awaited != nil || c.paused }
