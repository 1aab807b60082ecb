package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/command"
)

var _ command.Clients = (*session)(nil)

// Clients implements command.Session.
func (c *session) Clients() command.Clients { return c }

// those are the sessions that the filter lets pass, in the order in which they
// came. Who is not through with the handshake is not among them.
func (c *session) those(f command.ClientFilter) (found []*session) {
	c.srv.mu.Lock()
	for other := range c.srv.sessions {
		found = append(found, other)
	}
	c.srv.mu.Unlock()
	found = slices.DeleteFunc(found, func(other *session) bool {
		return !other.joined || other.ended || f.NotMe && other == c ||
			f.IDs != nil && !f.IDs[other.id] || f.Type != "" && f.Type != other.kind() || f.User != "" && f.User != other.User() ||
			f.Addr != "" && f.Addr != other.wire.RemoteAddr().String() || f.LocalAddr != "" && f.LocalAddr != other.wire.LocalAddr().String()
	})
	slices.SortFunc(found, func(a, b *session) int { return cmp.Compare(a.id, b.id) })
	return found
}

func (c *session) kind() string {
	if c.Listens() {
		return "pubsub"
	}
	return "normal"
}

// List implements command.Clients.
func (c *session) List(f command.ClientFilter) string {
	var b strings.Builder
	for _, other := range c.those(f) {
		b.WriteString(other.Describe() + "\n")
	}
	return b.String()
}

// Kill implements command.Clients. Who asks is answered first.
func (c *session) Kill(f command.ClientFilter) int64 {
	found := c.those(f)
	for _, other := range found {
		if other == c {
			c.closing = true
		} else {
			other.end()
		}
	}
	return int64(len(found))
}

// Silence implements command.Clients.
func (c *session) Silence(mode command.SilenceMode) {
	if mode != command.AnswerNotNext || c.silence != command.AnswerNothing {
		c.silence = mode
	}
}

// silent tells whether the answer to a command is left out.
func (c *session) silent() bool {
	silent := c.silence != command.Answer
	if c.silence == command.AnswerNotNext {
		c.silence = command.Answer
	}
	return silent
}

// Describe implements command.Session: the line of CLIENT INFO, with the
// fields of redis-server whose value is known here.
func (c *session) Describe() string {
	now, queued, names := c.loop.now, -1, &c.subscribed.names
	t := c.multi
	if c.executes != nil { // who asks is in it
		t = c.executes
	}
	var bytes int64
	if t != nil {
		queued, bytes = len(t.queued), t.bytes
	}
	out := len(c.out) - c.flushed + len(c.wire.out)
	var b strings.Builder
	fmt.Fprintf(&b, "id=%d addr=%s laddr=%s name=%s age=%d idle=%d flags=%s db=%d sub=%d psub=%d ssub=%d multi=%d qbuf=%d multi-mem=%d obl=%d oll=%d omem=%d tot-mem=%d cmd=%s user=%s redir=%d resp=%d lib-name=%s lib-ver=%s",
		c.id, c.wire.RemoteAddr(), c.wire.LocalAddr(), c.name, int64(now.Sub(c.born).Seconds()), int64(now.Sub(c.lastAt).Seconds()), c.flags(), c.database,
		len(names[command.Channel]), len(names[command.ChannelPattern]), len(names[command.ShardChannel]), queued,
		c.reader.Size(), bytes, out, len(c.replies), c.waiting, c.buffered(), c.last, c.User(), c.redirection(), c.proto, c.libName, c.libVer)
	return b.String()
}

// redirection is who is told in the place of the connection; -1 without tracking.
func (c *session) redirection() int64 {
	if !c.tracking.On {
		return -1
	}
	return c.tracking.Redirect
}

// flags are redis-server's letters for what the connection is at.
func (c *session) flags() (letters string) {
	for _, f := range []struct {
		is     bool
		letter string
	}{{c.monitors, "O"}, {c.Listens(), "P"}, {c.multi != nil || c.executes != nil, "x"}, {c.stands(), "b"},
		{c.tracking.On, "t"}, {c.tracking.Broken, "R"}, {c.tracking.Broadcast, "B"}, {c.closing, "c"}} {
		if f.is {
			letters += f.letter
		}
	}
	if letters == "" {
		return "N"
	}
	return letters
}
