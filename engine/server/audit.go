package server

import (
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/audit"
	"github.com/coffer-dev/coffer/engine/command"
)

// auditPause is for how long a session waits whose records the audit log cannot
// take yet, before it looks again.
const auditPause = 5 * time.Millisecond

// permit asks whether the session may run a command now: by its user's quota,
// and by its permissions.
func (c *session) permit(cmd *command.Command, action acl.Action) error {
	if err := c.withinQuota(); err != nil {
		return err
	}
	if denied := c.judge(c.database, cmd, action); denied != nil {
		return denied
	}
	return nil
}

// judge asks whether the user may do it, and records what comes of that. What
// waits for EXEC is judged again by then, and permitted or not.
func (c *session) judge(database uint8, cmd *command.Command, action acl.Action) *acl.Denied {
	denied := c.identity.Allows(&action)
	class := audit.Read
	switch {
	case denied != nil:
		c.srv.counters.Denied.Add(1)
		c.usage.Denied.Add(1)
		c.noteDenied(c.context(), denied)
		class = audit.Refusal
	case c.multi != nil && cmd.Queued():
		return nil
	case cmd.Changes():
		class = audit.Change
	}
	if c.srv.opts.Audit.Wants(class) {
		c.record(database, cmd, action.Keys, denied)
	}
	return denied
}

// entry is what every record of the session has.
func (c *session) entry(operation string) audit.Entry {
	return audit.Entry{
		Time: c.loop.now, Identity: c.credential.User, Generation: c.credential.Generation(),
		Source: c.wire.RemoteAddr().String(), Operation: operation,
	}
}

// record records a command: its name, its database and its keys, never another
// argument.
func (c *session) record(database uint8, cmd *command.Command, keys []acl.Key, denied *acl.Denied) {
	e := c.entry(cmd.Name)
	e.Database = int(database)
	name := func(k acl.Key) []byte {
		if k.Unnamed {
			return []byte{'*'}
		}
		return k.Name
	}
	switch {
	case denied == nil:
		e.Keys, e.MoreKeys = audit.Keys(keys, name)
	case denied.Key != nil:
		e.Keys, _ = audit.Keys([]acl.Key{{Name: denied.Key}}, name)
	}
	if denied != nil {
		e.Denied, e.Reason = true, denied.Reason()
	}
	c.add(e)
}

// add adds to the audit log; if it cannot take more for now, the session waits.
func (c *session) add(e audit.Entry) {
	c.srv.opts.Audit.Add(e)
	c.audited = true
	c.awaitAudit()
}

// awaitAudit has a session that was recorded wait while the audit log is full.
func (c *session) awaitAudit() {
	c.audited = c.audited && c.srv.opts.Audit.Full()
	if c.audited {
		c.hold(auditPause)
	}
}

// recordLogin records who logged in, or who could not and why. Those whose
// answers are held back because they fail so often are counted.
func (c *session) recordLogin(user string, reason string, often bool) {
	class := audit.Refusal
	if reason == "" {
		class = audit.Change
	}
	if !c.srv.opts.Audit.Wants(class) {
		return
	}
	e := c.entry(audit.Login)
	if reason != "" {
		e.Identity, e.Generation, e.Denied, e.Reason = audit.Claim(user), 0, true, reason
	}
	if often {
		e.Identity, e.Source = "", c.Host
		c.srv.opts.Audit.Count(e)
		return
	}
	c.add(e)
}

// recordRejected counts a connection that is refused.
func (s *Server) recordRejected(host, reason string) {
	s.opts.Audit.Refused(audit.Entry{Source: host, Operation: audit.Connect, Reason: reason})
}
