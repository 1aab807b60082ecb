package command

import (
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/glob"
	"github.com/coffer-dev/coffer/engine/reply"
)

func init() {
	flags := Loading | Stale
	register(container("command", -1, flags, "slow connection",
		connection("command|count", 2, flags, "slow connection", commandCount),
		connection("command|list", -2, flags, "slow connection", commandList).tip(tipUnordered),
		connection("command|info", -2, flags, "slow connection", commandInfo).tip(tipUnordered),
		connection("command|docs", -2, flags, "slow connection", commandDocs).tip(tipUnordered),
		connection("command|getkeys", -4, flags, "slow connection", commandGetKeys),
		connection("command|getkeysandflags", -4, flags, "slow connection", commandGetKeysAndFlags).since7(),
		connection("command|help", 2, flags, "slow connection", help(
			"COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
			"(no subcommand)",
			"    Return details about all commands.",
			"COUNT",
			"    Return the total number of commands in this server.",
			"LIST [FILTERBY (MODULE|ACLCAT|PATTERN) <value>]",
			"    Return a list of all commands in this server.",
			"INFO [<command-name> ...]",
			"    Return details about multiple commands.",
			"    If no command names are given, details for all commands are returned.",
			"DOCS [<command-name> ...]",
			"    Return documentation details about multiple commands.",
			"    If no command names are given, documentation details for all",
			"    commands are returned.",
			"GETKEYS <full-command>",
			"    Return the keys from a full command.",
			"GETKEYSANDFLAGS <full-command>",
			"    Return the keys and the access flags from a full command.",
		)),
	).tip(tipUnordered))
	bare := table["command"].Run
	table["command"].Run = func(s Session, argv [][]byte) reply.Reply {
		if len(argv) == 1 {
			return commandInfo(s, argv)
		}
		return bare(s, argv)
	}
}

// All are the commands of the table in the order of their names.
func All() []*Command {
	all := make([]*Command, 0, len(table))
	for _, c := range table {
		all = append(all, c)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// find looks up "name" or "container|sub".
func find(name []byte) *Command {
	parent, sub, isSub := strings.Cut(lower(name), "|")
	c := table[parent]
	if c == nil || !isSub {
		return c
	}
	return c.subcommand([]byte(sub))
}

func commandCount(Session, [][]byte) reply.Reply { return reply.Integer(int64(len(table))) }

// commandList lists all names, or those in a category or of a pattern.
// Subcommands are listed when a filter is given.
func commandList(_ Session, argv [][]byte) reply.Reply {
	filter := func(*Command) bool { return true }
	filtered := len(argv) == 5 && is(argv[2], "FILTERBY")
	switch {
	case len(argv) == 2:
	case filtered && is(argv[3], "MODULE"):
		filter = func(*Command) bool { return false } // there are none
	case filtered && is(argv[3], "ACLCAT"):
		category := lower(argv[4])
		filter = func(c *Command) bool { return slices.Contains(c.Categories, category) }
	case filtered && is(argv[3], "PATTERN"):
		pattern := appendLower(nil, argv[4])
		filter = func(c *Command) bool { return glob.Match(pattern, []byte(c.Name)) }
	default:
		return fail(errSyntax)
	}
	names := []reply.Reply{}
	for _, c := range All() {
		if filter(c) {
			names = append(names, reply.BulkString(c.Name))
		}
		for _, sub := range c.Subcommands {
			if filtered && filter(sub) {
				names = append(names, reply.BulkString(sub.Name))
			}
		}
	}
	return reply.Array(names...)
}

// descriptions are made once and shared: a client may ask for the same one a
// million times over in one request.
var descriptions = sync.OnceValue(func() map[*Command]description {
	made := map[*Command]description{}
	for _, c := range All() {
		for _, each := range append([]*Command{c}, c.Subcommands...) {
			made[each] = description{info: each.describe(), docs: each.docs()}
		}
	}
	return made
})

type description struct{ info, docs reply.Reply }

// commandInfo serves COMMAND and COMMAND INFO.
func commandInfo(_ Session, argv [][]byte) reply.Reply {
	rows := []reply.Reply{}
	if len(argv) <= 2 {
		for _, c := range All() {
			rows = append(rows, descriptions()[c].info)
		}
		return reply.Array(rows...)
	}
	for _, name := range argv[2:] {
		if c := find(name); c != nil {
			rows = append(rows, descriptions()[c].info)
		} else {
			rows = append(rows, reply.Null)
		}
	}
	return reply.Array(rows...)
}

// flagNames are in the order in which redis-server lists them.
var flagNames = []struct {
	flag Flag
	name string
}{
	{Write, "write"}, {ReadOnly, "readonly"}, {DenyOOM, "denyoom"}, {Admin, "admin"},
	{PubSub, "pubsub"}, {NoScript, "noscript"}, {Blocking, "blocking"}, {Loading, "loading"}, {Stale, "stale"}, {SkipMonitor, "skip_monitor"}, {SkipSlowlog, "skip_slowlog"}, {Fast, "fast"},
	{NoAuth, "no_auth"}, {NoMandatoryKeys, "no_mandatory_keys"}, {MovableKeys, "movablekeys"}, {AllowBusy, "allow_busy"},
	{NoAsyncLoading, "no_async_loading"}, {NoMulti, "no_multi"},
}

// describe is the command's entry in COMMAND's reply: name, arity, flags,
// first key, last key, step, categories, tips, key specifications,
// subcommands.
func (c *Command) describe() reply.Reply {
	flags, categories, tips, searches, subs := []reply.Reply{}, []reply.Reply{}, []reply.Reply{}, []reply.Reply{}, []reply.Reply{}
	for _, f := range flagNames {
		if c.Flags&f.flag != 0 {
			flags = append(flags, reply.Simple(f.name))
		}
	}
	for _, name := range c.Categories {
		categories = append(categories, reply.Simple("@"+name))
	}
	for _, tip := range c.tips {
		tips = append(tips, reply.BulkString(tip))
	}
	for i := range c.searches {
		searches = append(searches, c.searches[i].describe())
	}
	for _, sub := range c.Subcommands {
		subs = append(subs, sub.describe())
	}
	listed := reply.Array(subs...)
	if len(subs) == 0 {
		listed = reply.Set() // as redis-server has it
	}
	return reply.Array(
		reply.BulkString(c.Name), reply.Integer(int64(c.Arity)), reply.Set(flags...),
		reply.Integer(int64(c.FirstKey)), reply.Integer(int64(c.LastKey)), reply.Integer(int64(c.KeyStep)),
		reply.Set(categories...), reply.Set(tips...), reply.Set(searches...), listed,
	)
}

// commandDocs answers, for the commands asked for that exist, what they do.
func commandDocs(_ Session, argv [][]byte) reply.Reply {
	var asked []*Command
	if len(argv) == 2 {
		asked = All()
	}
	for _, name := range argv[2:] {
		if c := find(name); c != nil {
			asked = append(asked, c)
		}
	}
	pairs := []reply.Reply{}
	for _, c := range asked {
		pairs = append(pairs, reply.BulkString(c.Name), descriptions()[c].docs)
	}
	return reply.Map(pairs...)
}

func (c *Command) docs() reply.Reply {
	doc := docs[c.Name]
	pairs := []reply.Reply{
		reply.BulkString("summary"), reply.BulkString(doc.summary),
		reply.BulkString("since"), reply.BulkString(doc.since),
		reply.BulkString("group"), reply.BulkString(c.group()),
		reply.BulkString("complexity"), reply.BulkString(doc.complexity),
	}
	pairs = append(pairs, c.cautions()...)
	if len(c.Subcommands) > 0 {
		var subs []reply.Reply
		for _, sub := range c.Subcommands {
			subs = append(subs, reply.BulkString(sub.Name), sub.docs())
		}
		pairs = append(pairs, reply.BulkString("subcommands"), reply.Map(subs...))
	}
	return reply.Map(pairs...)
}

// group is the chapter of the command reference.
func (c *Command) group() string {
	parent, _, _ := strings.Cut(c.Name, "|")
	if group, ok := groups[parent]; ok {
		return group
	}
	for _, category := range c.Categories {
		switch category {
		case "string", "set", "list", "hash", "stream", "bitmap", "hyperloglog", "geo", "pubsub", "scripting":
			return category
		case "sortedset":
			return "sorted-set"
		case "transaction":
			return "transactions"
		case "keyspace":
			return "generic"
		}
	}
	return "connection"
}

// groups are of the commands whose categories do not tell it.
var groups = map[string]string{
	"acl": "server", "bgsave": "server", "command": "server", "config": "server", "dbsize": "server", "debug": "server", "flushall": "server", "flushdb": "server",
	"info": "server", "lastsave": "server", "latency": "server", "memory": "server", "monitor": "server", "role": "server", "save": "server", "slowlog": "server", "swapdb": "server", "time": "server",
	"object": "generic", "sort": "generic", "sort_ro": "generic", "wait": "generic",
	"pubsub": "pubsub", "script": "scripting", "xgroup": "stream", "xinfo": "stream",
	"readonly": "cluster", "readwrite": "cluster",
}

// commandGetKeys lists the keys of a whole command.
func commandGetKeys(_ Session, argv [][]byte) reply.Reply {
	return keysOf(argv[2:], func(key *acl.Key) reply.Reply { return reply.Bulk(key.Name) })
}

// commandGetKeysAndFlags lists them with what is done with each.
func commandGetKeysAndFlags(_ Session, argv [][]byte) reply.Reply {
	return keysOf(argv[2:], func(key *acl.Key) reply.Reply {
		return reply.Array(reply.Bulk(key.Name), keyFlags(key.Flags).names())
	})
}

func keysOf(called [][]byte, tell func(*acl.Key) reply.Reply) reply.Reply {
	c := Lookup(called[0])
	if c != nil && c.Subcommands != nil && len(called) > 1 {
		c = c.subcommand(called[1])
	}
	switch {
	case c == nil:
		return fail(textError("ERR Invalid command specified"))
	case c.FirstKey == 0 && c.Flags&MovableKeys == 0 || slices.Contains(c.uses, notKey):
		return fail(textError("ERR The command has no key arguments"))
	case c.Arity > 0 && len(called) != c.Arity || len(called) < -c.Arity:
		return fail(textError("ERR Invalid number of arguments specified for command"))
	}
	var keys []reply.Reply
	for _, key := range c.AppendKeys(nil, called) {
		if key.Unnamed {
			continue
		}
		keys = append(keys, tell(&key))
	}
	if len(keys) == 0 && c.Flags&NoMandatoryKeys != 0 {
		return reply.Array()
	}
	if len(keys) == 0 || len(keys) < len(c.uses) { // redis-server finds none where one of its specifications does not
		return fail(textError("ERR Invalid arguments specified for command"))
	}
	return reply.Array(keys...)
}
