package command

import (
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	second := place{2, 2, 1}.to(ro | accesses)
	register(container("xinfo", -2, 0, "slow",
		row("xinfo|consumers", 4, ReadOnly, second, "read stream slow", plain(xinfoConsumers)).tip(tipVaries),
		row("xinfo|groups", 3, ReadOnly, second, "read stream slow", plain(xinfoGroups)),
		row("xinfo|stream", -3, ReadOnly, second, "read stream slow", plain(xinfoStream)),
		connection("xinfo|help", 2, Loading|Stale, "stream slow", help(
			"XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
			"CONSUMERS <key> <groupname>",
			"    Show consumers of <groupname>.",
			"GROUPS <key>",
			"    Show the stream consumer groups.",
			"STREAM <key> [FULL [COUNT <count>]",
			"    Show information about the stream.",
		)),
	).since7())
}

// named makes a map of names and what stands for them, in turn.
func named(pairs ...any) reply.Reply {
	items := make([]reply.Reply, 0, len(pairs))
	for _, p := range pairs {
		switch p := p.(type) {
		case string:
			items = append(items, reply.BulkString(p))
		case int:
			items = append(items, reply.Integer(int64(p)))
		case int64:
			items = append(items, reply.Integer(p))
		case store.ID:
			items = append(items, formatID(p))
		case reply.Reply:
			items = append(items, p)
		}
	}
	return reply.Map(items...)
}

// presentStream reads a stream that must be there.
func presentStream(tx *machine.Tx, key []byte) (*store.Stream, error) {
	s, found, err := readStream(tx, key)
	if err == nil && !found {
		err = errNoKey
	}
	return s, err
}

func xinfoConsumers(tx *machine.Tx, argv [][]byte) reply.Reply {
	s, err := presentStream(tx, argv[2])
	if err != nil {
		return fail(err)
	}
	g := s.Group(argv[3])
	if g == nil {
		return fail(errNoGroupOf(argv[2], argv[3]))
	}
	consumers := gather(tx)
	g.Consumers(func(c *store.Consumer) bool {
		return consumers.add(named("name", c.Name, "pending", c.PendingCount(), "idle", max(tx.Now-c.Seen, 0)))
	})
	return reply.Array(consumers.items...)
}

func xinfoGroups(tx *machine.Tx, argv [][]byte) reply.Reply {
	s, err := presentStream(tx, argv[2])
	if err != nil {
		return fail(err)
	}
	groups := gather(tx)
	s.Groups(func(g *store.Group) bool {
		return groups.add(named("name", g.Name, "consumers", g.ConsumerCount(), "pending", g.PendingCount(),
			"last-delivered-id", g.LastID, "entries-read", readReply(g), "lag", lagReply(g)))
	})
	return reply.Array(groups.items...)
}

func readReply(g *store.Group) reply.Reply {
	if g.Read == store.UnknownRead {
		return reply.Null
	}
	return reply.Integer(g.Read)
}

func lagReply(g *store.Group) reply.Reply {
	if lag, ok := g.Lag(); ok {
		return reply.Integer(lag)
	}
	return reply.Null
}

func xinfoStream(tx *machine.Tx, argv [][]byte) reply.Reply {
	s, err := presentStream(tx, argv[2])
	if err != nil {
		return fail(err)
	}
	full, count, err := fullOptions(argv)
	if err != nil {
		return fail(err)
	}
	var first store.ID
	if e, ok := s.First(); ok {
		first = e.ID
	}
	pairs := []any{"length", s.Len(), "radix-tree-keys", s.Nodes(), "radix-tree-nodes", s.Nodes() + 1, "last-generated-id", s.LastID(),
		"max-deleted-entry-id", s.MaxDeleted(), "entries-added", int64(s.Added()), "recorded-first-entry-id", first}
	if !full {
		return named(append(pairs, "groups", s.GroupCount(), "first-entry", edge(s.First()), "last-entry", edge(s.Last()))...)
	}
	f := &fullInfo{count: count, rest: *tx}
	entries := f.list(entriesOf(&f.rest, s, store.ID{}, store.MaxID, false, count))
	groups := gather(&f.rest)
	s.Groups(func(g *store.Group) bool { return groups.add(f.group(g)) && !f.tooLarge() })
	return named(append(pairs, "entries", entries, "groups", reply.Array(groups.items...))...)
}

// fullOptions reads FULL and its COUNT.
func fullOptions(argv [][]byte) (full bool, count int64, err error) {
	const usual = 10
	switch options := argv[3:]; {
	case len(options) == 0:
		return false, 0, nil
	case len(options) != 1 && len(options) != 3, !is(options[0], "FULL"), len(options) == 3 && !is(options[1], "COUNT"):
		return false, 0, errSubcommand(argv)
	case len(options) == 3:
		if count, err = integer(options[2]); err != nil || count >= 0 {
			return true, count, err
		}
	}
	return true, usual, nil
}

func edge(e *store.StreamEntry, ok bool) reply.Reply {
	if !ok {
		return reply.Null
	}
	return entryReply(e)
}

// fullInfo is what XINFO STREAM FULL tells, and what is left of the room for it.
type fullInfo struct {
	count int64 // of each list; 0 for all
	rest  machine.Tx
}

func (f *fullInfo) tooLarge() bool { return f.rest.MaxReply < 0 }

// list takes what a list takes off the room.
func (f *fullInfo) list(items []reply.Reply) reply.Reply {
	all := reply.Array(items...)
	if f.rest.MaxReply > 0 {
		if f.rest.MaxReply -= all.Size(); f.rest.MaxReply == 0 {
			f.rest.MaxReply--
		}
	}
	return all
}

func (f *fullInfo) group(g *store.Group) reply.Reply {
	pending := f.pending(g.Pending, func(p *store.Pending) reply.Reply {
		return reply.Array(formatID(p.ID), reply.BulkString(p.Consumer.Name), reply.Integer(p.Delivered), reply.Integer(int64(p.Deliveries)))
	})
	consumers := gather(&f.rest)
	g.Consumers(func(c *store.Consumer) bool { return consumers.add(f.consumer(c)) && !f.tooLarge() })
	return named("name", g.Name, "last-delivered-id", g.LastID, "entries-read", readReply(g), "lag", lagReply(g),
		"pel-count", g.PendingCount(), "pending", pending, "consumers", reply.Array(consumers.items...))
}

func (f *fullInfo) consumer(c *store.Consumer) reply.Reply {
	pending := f.pending(c.Pending, func(p *store.Pending) reply.Reply {
		return reply.Array(formatID(p.ID), reply.Integer(p.Delivered), reply.Integer(int64(p.Deliveries)))
	})
	return named("name", c.Name, "seen-time", c.Seen, "pel-count", c.PendingCount(), "pending", pending)
}

// pending lists what is pending for a group or a consumer.
func (f *fullInfo) pending(visitAll func(store.ID, func(*store.Pending) bool), tell func(*store.Pending) reply.Reply) reply.Reply {
	if f.tooLarge() {
		return reply.Array()
	}
	entries := gather(&f.rest)
	visitAll(store.ID{}, func(p *store.Pending) bool {
		return entries.add(tell(p)) && (f.count == 0 || int64(len(entries.items)) < f.count)
	})
	return f.list(entries.items)
}
