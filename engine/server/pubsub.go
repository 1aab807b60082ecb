package server

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/glob"
	"github.com/coffer-dev/coffer/engine/protocol/resp"
	"github.com/coffer-dev/coffer/engine/reply"
)

const (
	// maxSubscribed bounds what the names of one connection's subscriptions may
	// take in memory, in bytes, subscriptionCost that of one beside its name.
	maxSubscribed    = 1 << 20
	subscriptionCost = 300
	// patternCost is how many times that a pattern counts: each one is matched
	// with the channel of every message, of all publishers.
	patternCost = 16
	// maxChannel bounds the name of a channel, in bytes, and with it what
	// matching it may take.
	maxChannel = 1024
	kinds      = 3 // of subscriptions
)

var (
	errTooManySubscriptions = errors.New("ERR the subscriptions of one connection may take 1 MiB of memory, of which a pattern counts 16 times: unsubscribe from some, or use fewer and wider patterns")
	errSubscribedOnly       = "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
)

// hub knows who listens to what. It is the loop's, as sessions are: a message
// reaches its listeners in the order in which the loop served its publishers.
type hub struct {
	listeners [kinds]map[string]map[*session]struct{}
}

func newHub() *hub {
	h := &hub{}
	for k := range h.listeners {
		h.listeners[k] = map[string]map[*session]struct{}{}
	}
	return h
}

// subscribed is a session's part.
type subscribed struct {
	names [kinds]map[string]struct{}
	bytes int
}

var _ command.Subscriber = (*session)(nil)

// Subscriber implements command.Session.
func (c *session) Subscriber() command.Subscriber { return c }

// countSubscribed is what a confirmation tells: shard channels are counted apart.
func (c *session) countSubscribed(k command.ChannelKind) int {
	if k == command.ShardChannel {
		return len(c.subscribed.names[k])
	}
	return len(c.subscribed.names[command.Channel]) + len(c.subscribed.names[command.ChannelPattern])
}

// Listens implements command.Subscriber.
func (c *session) Listens() bool {
	return c.countSubscribed(command.Channel)+c.countSubscribed(command.ShardChannel) > 0
}

func costOf(k command.ChannelKind, name int) int {
	if k == command.ChannelPattern {
		return patternCost * (name + subscriptionCost)
	}
	return name + subscriptionCost
}

// Subscribe implements command.Subscriber.
func (c *session) Subscribe(k command.ChannelKind, name []byte) (int, error) {
	key := string(name)
	if _, already := c.subscribed.names[k][key]; already {
		return c.countSubscribed(k), nil
	}
	cost := costOf(k, len(name))
	if c.subscribed.bytes+cost > maxSubscribed {
		return 0, errTooManySubscriptions
	}
	c.subscribed.bytes += cost
	if c.subscribed.names[k] == nil {
		c.subscribed.names[k] = map[string]struct{}{}
	}
	c.subscribed.names[k][key] = struct{}{}
	listeners := c.loop.hub.listeners[k]
	if listeners[key] == nil {
		listeners[key] = map[*session]struct{}{}
	}
	listeners[key][c] = struct{}{}
	return c.countSubscribed(k), nil
}

// Unsubscribe implements command.Subscriber.
func (c *session) Unsubscribe(k command.ChannelKind, name []byte) int {
	key := string(name)
	if _, there := c.subscribed.names[k][key]; there {
		c.subscribed.bytes -= costOf(k, len(name))
		delete(c.subscribed.names[k], key)
		listeners := c.loop.hub.listeners[k]
		delete(listeners[key], c)
		if len(listeners[key]) == 0 {
			delete(listeners, key)
		}
	}
	return c.countSubscribed(k)
}

// unsubscribeAll leaves nothing behind.
func (c *session) unsubscribeAll() {
	for k := range c.subscribed.names {
		for name := range c.subscribed.names[k] {
			c.Unsubscribe(command.ChannelKind(k), []byte(name))
		}
	}
}

// Subscriptions implements command.Subscriber.
func (c *session) Subscriptions(k command.ChannelKind) []string {
	return slices.Sorted(maps.Keys(c.subscribed.names[k]))
}

// Active implements command.Subscriber. Of channels that the user may not use
// it tells nothing; patterns are only counted by those who ask.
func (c *session) Active(k command.ChannelKind) []command.ActiveChannel {
	var active []command.ActiveChannel
	for name, listeners := range c.loop.hub.listeners[k] {
		if k == command.ChannelPattern || c.identity.AllowsChannel([]byte(name), false) {
			active = append(active, command.ActiveChannel{Name: name, Subscribers: len(listeners)})
		}
	}
	slices.SortFunc(active, func(a, b command.ActiveChannel) int { return strings.Compare(a.Name, b.Name) })
	return active
}

// Publish implements command.Subscriber.
func (c *session) Publish(k command.ChannelKind, channel, message []byte) (reached int64) {
	return c.loop.hub.publish(k, channel, message)
}

// publish sends a message to all that listen, which it does not keep, and counts
// them.
func (h *hub) publish(k command.ChannelKind, channel, message []byte) (reached int64) {
	if listeners := h.listeners[k][string(channel)]; len(listeners) > 0 {
		word := "message"
		if k == command.ShardChannel {
			word = "smessage"
		}
		plain := newMessage(reply.Push(reply.BulkString(word), reply.Bulk(channel), reply.Bulk(message)))
		for listener := range listeners {
			listener.push(plain)
			reached++
		}
	}
	if k != command.Channel {
		return reached
	}
	for pattern, listeners := range h.listeners[command.ChannelPattern] {
		if !glob.Match([]byte(pattern), channel) {
			continue
		}
		matched := newMessage(reply.Push(reply.BulkString("pmessage"), reply.BulkString(pattern), reply.Bulk(channel), reply.Bulk(message)))
		for listener := range listeners {
			listener.push(matched)
			reached++
		}
	}
	return reached
}

// heard tells whether somebody may hear what is published on a channel.
func (h *hub) heard(channel []byte) bool {
	return len(h.listeners[command.ChannelPattern]) > 0 || len(h.listeners[command.Channel][string(channel)]) > 0
}

// message is encoded once for each protocol, not for each listener.
type message struct {
	reply   reply.Reply
	encoded [4][]byte // by protocol
}

func newMessage(r reply.Reply) *message { return &message{reply: r} }

func (m *message) bytes(proto int) []byte {
	if m.encoded[proto] == nil {
		m.encoded[proto] = resp.AppendReply(nil, proto, m.reply)
	}
	return m.encoded[proto]
}

// push sends what the client did not ask for at this moment. The loop writes it
// out in its next turn. A client that does not take what it listens to would
// have it pile up: beyond limits.maxOutputBytes its connection is closed.
func (c *session) push(m *message) {
	text := m.bytes(c.proto)
	if !c.bears(len(text)) {
		return
	}
	if c.out == nil {
		c.out = c.loop.buffer()
	}
	c.out = append(c.out, text...)
	c.keep() // now: for all listeners together a message is many times as large
	if !c.pushed {
		c.pushed = true
		c.loop.post(c.flushPushed)
	}
}

// bears tells whether the session may keep a message of so many bytes. One that
// would keep too much is closed.
func (c *session) bears(bytes int) bool {
	if c.ended || c.closing {
		return false
	}
	waiting := len(c.out) - c.flushed + len(c.wire.out) + c.tracking.waiting + bytes
	if int64(waiting) <= c.srv.opts.Limits.MaxOutputBytes {
		return true
	}
	c.srv.counters.OutputExceeded.Add(1)
	c.srv.opts.Log.Warn("closing a connection that does not take its messages: they exceed limits.maxOutputBytes", "conn", c.id, "bytes", waiting)
	// In a turn of its own: the publisher is going through the listeners.
	c.barrier, c.closing = nil, true
	c.loop.post(c.end)
	return false
}

// flushPushed writes out what was pushed, unless the client is being waited for
// or made to wait.
func (c *session) flushPushed() {
	c.pushed = false
	if !c.ended && !c.blocked && !c.held {
		c.flush()
	}
}

// mayListen says whether every subscription is still permitted: what a user
// loses, open subscriptions lose too.
func (c *session) mayListen() bool {
	for k := range c.subscribed.names {
		for name := range c.subscribed.names[k] {
			if !c.identity.AllowsChannel([]byte(name), k == int(command.ChannelPattern)) {
				return false
			}
		}
	}
	return true
}

// recheck has everybody who listens, monitors, or is told of changes, looked at
// again.
func (l *loop) recheck() {
	seen := map[*session]struct{}{}
	for k := range l.hub.listeners {
		for _, listeners := range l.hub.listeners[k] {
			maps.Copy(seen, listeners)
		}
	}
	maps.Copy(seen, l.monitors)
	maps.Copy(seen, l.trackers.on)
	for c := range seen {
		c.serve()
	}
}
