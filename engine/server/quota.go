package server

import (
	"errors"
	"fmt"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
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
		err := overQuota(c.identity, "ERR too many requests for this user", "requestsPerSecond", limit)
		if c.srv.opts.Audit.Wants(audit.Refusal) {
			e := c.entry(audit.Request)
			e.Source, e.Denied, e.Reason = c.Host, true, "quota.requestsPerSecond"
			c.srv.opts.Audit.Count(e)
		}
		return err
	}
	if wait > 0 {
		c.usage.Held.Add(1)
		c.hold(max(wait, minHold))
	}
	return nil
}

// overQuota is the reply to who is over its quota.
func overQuota(id *acl.Identity, text, field string, limit int) error {
	text = fmt.Sprintf("%s (quota.%s: %d)", text, field, limit)
	if source := id.Source(); source != "" {
		text += ": see " + source
	}
	return errors.New(text)
}
