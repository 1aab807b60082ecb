package server

import (
	"errors"
	"time"

	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/audit"
)

// minHold is for how long a session is held back at least: shorter waits are
// not worth a timer.
const minHold = time.Millisecond

// withinQuota holds the session back if its user asks for more than it may, or
// says that the request is refused.
func (c *session) withinQuota() error {
	limit := c.identity.Quota().RequestsPerSecond
	if limit == 0 {
		return nil
	}
	wait, ok := c.usage.Take(c.loop.now, limit)
	if !ok {
		c.usage.Throttled.Add(1)
		err := errors.New(admission.OverQuota(c.identity, "ERR too many requests for this user", "requestsPerSecond", limit))
		e := c.entry(audit.Request)
		e.Source, e.Reason = c.Host, "quota.requestsPerSecond"
		c.srv.opts.Audit.Refused(e)
		return err
	}
	if wait > 0 {
		c.usage.Held.Add(1)
		c.hold(max(wait, minHold))
	}
	return nil
}
