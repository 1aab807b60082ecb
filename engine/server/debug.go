package server

import (
	"time"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// Debugged is the part of the executor that DEBUG reaches.
type Debugged interface {
	// Reload has the state be read back from the files, and calls done, from any
	// goroutine, when that is what is served, or why it is not.
	Reload(save bool, done func(error))
	SetActiveExpiry(on bool)
}

// debugger is a session's that may use DEBUG.
type debugger struct{ session *session }

// Debugger implements command.Session.
func (c *session) Debugger() command.Debugger {
	if c.srv.opts.Debug == nil {
		return nil
	}
	return debugger{c}
}

// wakeful is how often a port that sleeps looks whether it is to stop.
const wakeful = 10 * time.Millisecond

// Sleep implements command.Debugger: it holds the loop, which nothing else does.
func (d debugger) Sleep(us int64) {
	until := time.Now().Add(time.Duration(us) * time.Microsecond)
	for left := time.Until(until); left > 0 && !d.session.srv.draining.Load(); left = time.Until(until) {
		time.Sleep(min(left, wakeful))
	}
	d.session.loop.now = time.Now()
}

// SetActiveExpiry implements command.Debugger.
func (d debugger) SetActiveExpiry(on bool) { d.session.srv.opts.Debug.SetActiveExpiry(on) }

// Look implements command.Debugger.
func (d debugger) Look(f func(tx *machine.Tx)) error { return d.session.underLock(f) }

// Reload implements command.Debugger. Until it is done the session stands as if it
// had written something.
func (d debugger) Reload(save bool) reply.Reply {
	c := d.session
	c.executing = true
	c.srv.opts.Debug.Reload(save, func(err error) {
		c.loop.post(func() { c.reloaded(err) })
	})
	return reply.Several() // yet
}

func (c *session) reloaded(err error) {
	c.executing = false
	if c.ended {
		return
	}
	answer := reply.OK
	if err != nil {
		answer = reply.Error("ERR DEBUG: " + err.Error())
	}
	c.write(c.failed(command.Lookup([]byte("debug")), answer))
	c.serve()
}
