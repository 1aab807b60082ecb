package command

import (
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/glob"
	"github.com/coffer-dev/coffer/engine/reply"
)

// ChannelKind tells the three kinds of subscriptions apart.
type ChannelKind uint8

// The kinds. Shard channels are a space of names of their own.
const (
	Channel ChannelKind = iota
	ChannelPattern
	ShardChannel
)

// Subscriber is what a session offers to the commands of publish/subscribe.
type Subscriber interface {
	// Subscribe adds a subscription. It answers the number of the session's
	// subscriptions: channels and patterns together, shard channels apart.
	Subscribe(k ChannelKind, name []byte) (count int, err error)
	// Unsubscribe ends one, and answers the number of those left.
	Unsubscribe(k ChannelKind, name []byte) (count int)
	// Listens reports whether the session has any subscription.
	Listens() bool
	// Subscriptions are the session's own of that kind.
	Subscriptions(k ChannelKind) []string
	// Publish hands a message to all that listen and answers how many did.
	Publish(k ChannelKind, channel, message []byte) int64
	// Active are the names of that kind that somebody subscribed to and the
	// session's user may know, in their order.
	Active(k ChannelKind) []ActiveChannel
}

// ActiveChannel is a channel or pattern with the number of its subscribers.
type ActiveChannel struct {
	Name        string
	Subscribers int
}

// subscription is one kind's words.
type subscription struct {
	kind                   ChannelKind
	subscribe, unsubscribe string
}

var subscriptions = []subscription{
	{Channel, "subscribe", "unsubscribe"},
	{ChannelPattern, "psubscribe", "punsubscribe"},
	{ShardChannel, "ssubscribe", "sunsubscribe"},
}

func init() {
	flags := PubSub | NoScript | Loading | Stale
	for _, s := range subscriptions {
		begin := connection(s.subscribe, -2, flags, "pubsub slow", s.runSubscribe).onChannels(s.kind)
		// Who ends a subscription need not be allowed to begin one.
		end := connection(s.unsubscribe, -1, flags, "pubsub slow", s.runUnsubscribe)
		if s.kind == ShardChannel {
			begin.inPlaceOfKeys(allKeys)
			end.inPlaceOfKeys(allKeys)
		}
		register(begin, end)
	}
	register(
		connection("publish", 3, PubSub|Loading|Stale|Fast, "pubsub fast", publish(Channel)).onChannels(Channel).within(publishInScript(Channel)),
		connection("spublish", 3, PubSub|Loading|Stale|Fast, "pubsub fast", publish(ShardChannel)).onChannels(ShardChannel).within(publishInScript(ShardChannel)).inPlaceOfKeys(oneKey),
		container("pubsub", -2, 0, "slow", pubsubCommands()...),
	)
}

func pubsubCommands() []*Command {
	flags := PubSub | Loading | Stale
	return []*Command{
		connection("pubsub|channels", -2, flags, "pubsub slow", activeChannels(Channel)),
		connection("pubsub|numsub", -2, flags, "pubsub slow", subscriberCounts(Channel)),
		connection("pubsub|numpat", 2, flags, "pubsub slow", patternCount),
		connection("pubsub|shardchannels", -2, flags, "pubsub slow", activeChannels(ShardChannel)),
		connection("pubsub|shardnumsub", -2, flags, "pubsub slow", subscriberCounts(ShardChannel)),
		connection("pubsub|help", 2, Loading|Stale, "slow", help(
			"PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
			"CHANNELS [<pattern>]",
			"    Return the currently active channels matching a <pattern> (default: '*').",
			"NUMPAT",
			"    Return number of subscriptions to patterns.",
			"NUMSUB [<channel> ...]",
			"    Return the number of subscribers for the specified channels, excluding",
			"    pattern subscriptions(default: no channels).",
			"SHARDCHANNELS [<pattern>]",
			"    Return the currently active shard level channels matching a <pattern> (default: '*').",
			"SHARDNUMSUB [<shardchannel> ...]",
			"    Return the number of subscribers for the specified shard level channel(s)",
		)),
	}
}

// onChannels says that the arguments are channels of that kind: those of a
// subscription all, those of a publication the first.
func (c *Command) onChannels(k ChannelKind) *Command {
	c.channels = func(argv [][]byte) ([][]byte, bool) {
		if c.Arity > 0 {
			return argv[1:2], false
		}
		return argv[1:], k == ChannelPattern
	}
	return c
}

// inPlaceOfKeys has COMMAND tell that shard channels stand where keys do, by
// which clients of a cluster find the shard. They are no keys.
func (c *Command) inPlaceOfKeys(p place) *Command {
	return c.onKeys(p.to(notKey)).finding(finder{find: func(dst []acl.Key, _ [][]byte) []acl.Key { return dst }})
}

// Channels lists the channels among argv, and whether they are patterns.
func (c *Command) Channels(argv [][]byte) (channels [][]byte, patterns bool) {
	if c.channels == nil {
		return nil, false
	}
	return c.channels(argv)
}

// AllowedSubscribed reports whether a connection of RESP2 may run the command
// while it has subscriptions: it could not tell its reply from a message.
func (c *Command) AllowedSubscribed() bool {
	switch c.Name {
	case "ping", "quit", "reset":
		return true
	}
	for _, s := range subscriptions {
		if c.Name == s.subscribe || c.Name == s.unsubscribe {
			return true
		}
	}
	return false
}

func confirmation(word string, name reply.Reply, count int) reply.Reply {
	return reply.Push(reply.BulkString(word), name, reply.Integer(int64(count)))
}

func (w subscription) runSubscribe(s Session, argv [][]byte) reply.Reply {
	var answers []reply.Reply
	for _, name := range argv[1:] {
		count, err := s.Subscriber().Subscribe(w.kind, name)
		if err != nil {
			answers = append(answers, fail(err))
			break
		}
		answers = append(answers, confirmation(w.subscribe, reply.Bulk(name), count))
	}
	return reply.Several(answers...)
}

// runUnsubscribe ends the subscriptions named, or all of the kind; there is an
// answer even where there was none.
func (w subscription) runUnsubscribe(s Session, argv [][]byte) reply.Reply {
	names := argv[1:]
	if len(names) == 0 {
		for _, name := range s.Subscriber().Subscriptions(w.kind) {
			names = append(names, []byte(name))
		}
	}
	if len(names) == 0 {
		return confirmation(w.unsubscribe, reply.Null, s.Subscriber().Unsubscribe(w.kind, nil))
	}
	answers := make([]reply.Reply, 0, len(names))
	for _, name := range names {
		answers = append(answers, confirmation(w.unsubscribe, reply.Bulk(name), s.Subscriber().Unsubscribe(w.kind, name)))
	}
	return reply.Several(answers...)
}

func publish(k ChannelKind) runner {
	return func(s Session, argv [][]byte) reply.Reply {
		return reply.Integer(s.Subscriber().Publish(k, argv[1], argv[2]))
	}
}

func activeChannels(k ChannelKind) runner {
	return func(s Session, argv [][]byte) reply.Reply {
		if len(argv) > 3 {
			return fail(errSubcommand(argv))
		}
		names := []reply.Reply{}
		for _, channel := range s.Subscriber().Active(k) {
			if len(argv) == 2 || glob.Match(argv[2], []byte(channel.Name)) {
				names = append(names, reply.BulkString(channel.Name))
			}
		}
		return reply.Array(names...)
	}
}

func subscriberCounts(k ChannelKind) runner {
	return func(s Session, argv [][]byte) reply.Reply {
		active := s.Subscriber().Active(k)
		counts := []reply.Reply{}
		for _, name := range argv[2:] {
			n := 0
			at, found := slices.BinarySearchFunc(active, string(name), func(c ActiveChannel, name string) int { return strings.Compare(c.Name, name) })
			if found {
				n = active[at].Subscribers
			}
			counts = append(counts, reply.Bulk(name), reply.Integer(int64(n)))
		}
		return reply.Array(counts...)
	}
}

func patternCount(s Session, _ [][]byte) reply.Reply {
	return reply.Integer(int64(len(s.Subscriber().Active(ChannelPattern))))
}
