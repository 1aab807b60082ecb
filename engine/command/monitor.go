package command

import "github.com/coffer-dev/coffer/engine/reply"

// Monitor shows what all clients do. It is for who may read every key, and
// subscribe to every channel: it shows what is in them.
var Monitor = connection("monitor", 1, Admin|NoScript|Loading|Stale, "admin slow dangerous", func(s Session, _ [][]byte) reply.Reply {
	s.Clients().Monitor()
	return reply.OK
}).since7()

func init() {
	Monitor.channels = func([][]byte) ([][]byte, bool) { return [][]byte{[]byte("*")}, true }
	register(Monitor)
}

// Monitored reports whether MONITOR shows the command: what looks after the
// server it does not.
func (c *Command) Monitored() bool { return c.Flags&(Admin|SkipMonitor) == 0 }

// Redacted reports whether the command's arguments are secrets.
func (c *Command) Redacted() bool { return c.Name == "auth" || c.Name == "hello" }
