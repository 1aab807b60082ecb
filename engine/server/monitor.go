package server

import (
	"fmt"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/reply"
)

// maxMonitored bounds what is shown of an argument, and of a command about, in
// bytes: the loop writes it down for who watches, and serves nobody meanwhile.
const maxMonitored = 64 << 10

const hexadecimal = "0123456789abcdef"

// Monitor implements command.Clients.
func (c *session) Monitor() {
	c.monitors = true
	c.loop.monitors[c] = struct{}{}
}

func (c *session) stopMonitor() {
	c.monitors = false
	delete(c.loop.monitors, c)
}

// show shows a command to those who monitor, before it is carried out, with the
// database that is chosen then.
func (c *session) show(database uint8, cmd *command.Command, argv [][]byte) {
	if len(c.loop.monitors) == 0 || !cmd.Monitored() {
		return
	}
	now := time.Now()
	var b strings.Builder
	fmt.Fprintf(&b, "%d.%06d [%d %s]", now.Unix(), now.Nanosecond()/int(time.Microsecond), database, c.wire.RemoteAddr())
	for i, arg := range argv {
		if i > 0 && cmd.Redacted() {
			b.WriteString(` "(redacted)"`)
			continue
		}
		if b.Len() > maxMonitored {
			fmt.Fprintf(&b, ` "... (%d more arguments)"`, len(argv)-i)
			break
		}
		b.WriteByte(' ')
		quote(&b, arg[:min(len(arg), maxMonitored)])
		if more := len(arg) - maxMonitored; more > 0 {
			fmt.Fprintf(&b, "... (%d more bytes)", more)
		}
	}
	m := newMessage(reply.Simple(b.String()))
	for other := range c.loop.monitors {
		other.push(m)
	}
}

// showQueued shows what a transaction carries out.
func (c *session) showQueued(t *transaction) {
	if len(c.loop.monitors) == 0 {
		return
	}
	database := c.database
	for i := range t.queued {
		if q := &t.queued[i]; q.err == nil {
			database = behind(q.database, q.cmd, q.argv)
			c.show(database, q.cmd, q.argv)
		}
	}
	c.show(database, command.Exec, [][]byte{[]byte("exec")})
}

// quote writes an argument as redis-server does, in one line.
func quote(b *strings.Builder, arg []byte) {
	const printable = "\\\"\n\r\t\a\b"
	const letters = `\"nrtab`
	b.WriteByte('"')
	for _, c := range arg {
		switch at := strings.IndexByte(printable, c); {
		case at >= 0:
			b.WriteByte('\\')
			b.WriteByte(letters[at])
		case c < ' ' || c > '~':
			b.WriteString(`\x`)
			b.WriteByte(hexadecimal[c>>4])
			b.WriteByte(hexadecimal[c&0xf])
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

// mayMonitor tells whether who monitors still may.
func (c *session) mayMonitor() bool {
	channels, patterns := command.Monitor.Channels(nil)
	action := command.Monitor.Action(nil, channels, patterns)
	return !c.monitors || c.identity.Allows(&action) == nil
}
