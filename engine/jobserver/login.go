package jobserver

import (
	"time"

	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/audit"
	"github.com/coffer-dev/coffer/engine/job"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// What clients of flashQ look for.
const (
	errNotAuthenticated = "Authentication required"
	errInvalidToken     = "Invalid token"
)

// authenticate carries out AUTH{token}. held says that its answer was held back.
func (c *session) authenticate(call *job.Call) (held bool) {
	if !call.Set.Has(wire.FieldToken) {
		call.Fail(queue.CodeInvalid, "token: is missing")
		return false
	}
	snapshot, now := c.srv.opts.Credentials(), time.Now()
	id, proved, refusal := snapshot.Users.VerifyBearer(call.Token, now)
	call.Token = ""
	if refusal != "" {
		c.srv.counters.AuthFailures.Add(1)
		delay := c.srv.throttle.Failed(c.Host, now)
		c.recordLogin(string(refusal), delay > 0)
		if delay > 0 {
			time.Sleep(delay)
		}
		call.Fail(job.CodeDenied, errInvalidToken)
		return delay > 0
	}
	limit := id.Quota().Connections
	usage := c.srv.usages.Move(c.credential.User, id.Name(), limit)
	if usage == nil {
		c.recordLogin("quota.connections", false)
		call.Fail(job.CodeBusy, admission.OverQuota(id, "too many connections of this user", "connections", limit))
		return false
	}
	first := c.identity == nil
	c.snapshot, c.identity, c.usage = snapshot, id, usage
	c.mu.Lock()
	c.credential = proved
	c.mu.Unlock()
	c.client.SetUser(id, proved, usage)
	c.recordLogin("", false)
	if first {
		c.srv.admission.Authenticated(&c.Guest, true)
		c.reader.Authenticated()
	}
	call.Succeed()
	return false
}

// withinQuota holds the session back if its user asks for more than it may, or
// refuses the call.
func (c *session) withinQuota(call *job.Call) (held, ok bool) {
	limit := c.identity.Quota().RequestsPerSecond
	if limit == 0 {
		return false, true
	}
	wait, ok := c.usage.Take(time.Now(), limit)
	if !ok {
		c.usage.Throttled.Add(1)
		call.Fail(job.CodeBusy, admission.OverQuota(c.identity, "too many requests of this user", "requestsPerSecond", limit))
		c.srv.opts.Audit.Refused(audit.Entry{
			Identity: c.credential.User, Generation: c.credential.Generation(), Source: c.Host,
			Operation: audit.Request, Reason: "quota.requestsPerSecond",
		})
		return false, false
	}
	if wait > 0 {
		c.usage.Held.Add(1)
		time.Sleep(max(wait, minHold))
	}
	return wait > 0, true
}

// recordLogin records who logged in, or that somebody could not and why. Those
// whose answers are held back because they fail so often are counted.
func (c *session) recordLogin(reason string, often bool) {
	class := audit.Refusal
	if reason == "" {
		class = audit.Change
	}
	if !c.srv.opts.Audit.Wants(class) {
		return
	}
	e := audit.Entry{
		Time: time.Now(), Identity: c.credential.User, Generation: c.credential.Generation(),
		Source: c.raw.RemoteAddr().String(), Operation: audit.Login,
	}
	if reason != "" {
		e.Identity, e.Generation, e.Denied, e.Reason = "", 0, true, reason
	}
	if often {
		e.Source = c.Host
		c.srv.opts.Audit.Count(e)
		return
	}
	c.srv.opts.Audit.Add(e)
}
