package server

import (
	"time"

	"github.com/coffer-dev/coffer/engine/command"
)

// pause is the loop's: commands wait for its end. What they do is judged behind
// it, as of a client that sends them then.
type pause struct {
	all   bool // else writes alone
	until time.Time
	alarm *alarm
	waits map[*session]struct{}
}

// Pause implements command.Clients.
func (c *session) Pause(ms int64, all bool) {
	l := c.loop
	p := l.pause
	if p == nil {
		p = &pause{waits: map[*session]struct{}{}}
		l.pause = p
	}
	p.all = p.all || all
	d := time.Duration(ms) * time.Millisecond
	if until := time.Now().Add(d); until.After(p.until) {
		p.until = until
		p.alarm.stop()
		p.alarm = l.after(d, l.unpause)
	}
}

// Unpause implements command.Clients.
func (c *session) Unpause() { c.loop.unpause() }

// unpause lets all go on.
func (l *loop) unpause() {
	p := l.pause
	if p == nil {
		return
	}
	l.pause = nil
	p.alarm.stop()
	for c := range p.waits {
		c.paused = false
		l.again = append(l.again, c)
	}
}

// postpone keeps a command that is not to be carried out before a pause ends, and
// tells whether it is such a one.
func (c *session) postpone(argv [][]byte) bool {
	p := c.loop.pause
	if p == nil {
		return false
	}
	cmd, err := command.Resolve(argv)
	if err != nil || !cmd.Pausable(p.all) && (cmd != command.Exec || !c.multi.writes()) {
		return false
	}
	c.postponed, c.paused = argv, true
	p.waits[c] = struct{}{}
	return true
}

// forgetPause takes a session that ends out of those that wait.
func (c *session) forgetPause() {
	if p := c.loop.pause; p != nil {
		delete(p.waits, c)
	}
	c.postponed, c.paused = nil, false
}

// writes tells whether a transaction has a command that a pause of writes holds.
func (t *transaction) writes() bool {
	if t != nil {
		for i := range t.queued {
			if t.queued[i].cmd.Pausable(false) {
				return true
			}
		}
	}
	return false
}
