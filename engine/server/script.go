package server

import (
	"fmt"

	"github.com/coffer-dev/coffer/engine/audit"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
)

// audits tells whether a command that is permitted is recorded.
func (c *session) audits(cmd *command.Command) bool {
	if cmd.Changes() {
		return c.srv.opts.Audit.Wants(audit.Change)
	}
	return c.srv.opts.Audit.Wants(audit.Read)
}

// followAll is follow of all commands that were executed.
func (c *session) followAll(items []machine.Item) {
	for i := range items {
		c.follow(items[i].Op)
	}
	if c.executes != nil {
		for i := range c.executes.queued {
			c.follow(c.executes.queued[i].op)
		}
	}
}

// follow does what a script has left to do outside the keyspace: it sends the
// messages, and records the commands that it ran as if they had been sent.
func (c *session) follow(op machine.Op) {
	called, ok := op.(command.Called)
	if !ok {
		return
	}
	trace := called.Trace()
	if trace == nil {
		return
	}
	for _, m := range trace.Published {
		c.Publish(m.Kind, m.Channel, m.Message)
	}
	for _, call := range trace.Calls {
		if call.Denied != nil {
			c.srv.counters.Denied.Add(1)
			c.usage.Denied.Add(1)
			c.noteDenied("lua", call.Denied)
			if !c.srv.opts.Audit.Wants(audit.Refusal) {
				continue
			}
		}
		c.record(uint8(call.Database), call.Command, call.Keys, call.Denied)
	}
	if trace.MoreCalls > 0 {
		e := c.entry("script")
		e.Reason = fmt.Sprintf("%d more commands of a script", trace.MoreCalls)
		c.add(e)
	}
}
