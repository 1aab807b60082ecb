// Package command is the command table: for every command its name, arity,
// keys and permissions, a parser that makes a machine.Op of its arguments, and
// the Op's handler. One file holds one command family.
//
// Replies, errors included, are those of redis-server 7.0, byte for byte;
// where a command came with 7.2 (CLIENT SETINFO, CLIENT NO-TOUCH), those of
// 7.2. The reference of every command is its page under
// https://redis.io/docs/latest/commands/. What redis-server checks before it
// looks at the keyspace is checked by the parser, the rest by the handler, so
// that of two errors the same one is answered.
package command

import (
	"strings"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// Flag is what a command is, as COMMAND reports it.
type Flag uint32

// The flags, named as by redis-server's COMMAND.
const (
	Write Flag = 1 << iota
	ReadOnly
	DenyOOM
	Admin
	NoScript
	Loading
	Stale
	Fast
	NoAuth // allowed before authentication
	AllowBusy
	Blocking    // may wait for data
	MovableKeys // their places depend on the arguments
	PubSub
	SkipSlowlog
	SkipMonitor
	NoMandatoryKeys
	NoAsyncLoading
	NoMulti // not within a transaction
)

// Command is one row of the table.
type Command struct {
	Name       string // lower case; "container|sub" for a subcommand
	Arity      int    // as redis-server: counts the name; negative is a minimum
	Flags      Flag
	Categories []string // ACL categories without "@", as redis-server's

	// FirstKey, LastKey and KeyStep say where the keys stand in argv, as
	// COMMAND reports it: 0 for none; a negative last one counts from the end.
	FirstKey, LastKey, KeyStep int
	// uses of each key in turn, the last one also of those that follow.
	uses []keyFlags
	// find lists the keys where they, or what is done with them, depend on the
	// arguments; nil where they do not.
	find func(dst []acl.Key, argv [][]byte) []acl.Key
	// searches say how clients find them.
	searches []keySearch
	tips     []string
	// channels lists the channels, and says whether they are patterns.
	channels func(argv [][]byte) ([][]byte, bool)
	set      acl.Categories // Categories again
	// logged says that it goes through the log although it has no flag Write,
	// as COMMAND tells it.
	logged bool
	number int
	// since is the semantics that it came with; 0 for those of machine.BaseSemantics.
	since uint16
	// wider is the semantics with which it came to do more; 0 if it did not. What
	// it did before that is refused by narrow; nil where that is seen otherwise.
	wider  uint16
	narrow parser
	// inScript serves a command of the connection within a script.
	inScript func(h *scriptHost, argv [][]byte) reply.Reply

	// Parse validates the arguments (arity is already checked) and makes the
	// Op; an error's text is the reply's, code first. Nil for commands of the
	// connection.
	Parse func(argv [][]byte) (machine.Op, error)
	// Run serves commands of the connection (AUTH, HELLO, CLIENT, …), which
	// never reach the log. Nil for commands of the keyspace, and for Exec.
	Run func(s Session, argv [][]byte) reply.Reply
	// Subcommands of a container (CLIENT, COMMAND).
	Subcommands []*Command
}

// Session is what a command of the connection may see and change. The server
// provides it.
type Session interface {
	ID() int64
	Proto() int // 2 or 3
	SetProto(int)
	Name() string
	SetName(string)
	Select(database int)
	SetLib(name, version string) // "" leaves that part as it is
	User() string                // "" before authentication
	// Authenticate checks the credentials in constant time and binds the
	// session to the user and the credential's generation. An error's text is
	// the reply's; it is ErrAuth whatever is wrong with them.
	Authenticate(user, password string) error
	Reset() // to the state of a new connection, unauthenticated
	CloseAfterReply()
	Describe() string              // the CLIENT INFO line
	Info(sections []string) string // the text of INFO
	// Unblock ends the waiting of the connection with that ID, which gets the
	// answer; it says whether that one waited.
	Unblock(id int64, answer reply.Reply) bool
	// WaitHolders answers how many other members have what the connection wrote: at
	// once if they are so many, else later and with none for now. 0 ms is for ever.
	WaitHolders(n, ms int64) reply.Reply
	Replica() bool      // the port is a replica's
	Role() Role         // more of that
	Access() Access     // for what is about users
	Settings() Settings // for CONFIG
	Slowness() Slowness // for SLOWLOG
	Memory() Memory
	LastSave() int64        // when the last snapshot was taken, in s since the epoch
	Clients() Clients       // for what is about other connections
	Subscriber() Subscriber // for publish/subscribe
	Tracker() Tracker       // for CLIENT TRACKING
	Transactor() Transactor // for transactions
	Debugger() Debugger     // nil: DEBUG is not allowed
}

var table = map[string]*Command{}

func register(cmds ...*Command) {
	for _, c := range cmds {
		table[c.Name] = c
	}
}

type parser = func(argv [][]byte) (machine.Op, error)

// row makes the row of a command of the keyspace.
func row(name string, arity int, flags Flag, k keySpec, categories string, parse parser) *Command {
	c := &Command{
		Name: name, Arity: arity, Flags: flags,
		Categories: strings.Fields(categories), Parse: parse,
	}
	c.set = acl.CategoriesOf(c.Categories...)
	return c.onKeys(k)
}

// onKeys says where the keys of every call stand.
func (c *Command) onKeys(k keySpec) *Command {
	c.FirstKey, c.LastKey, c.KeyStep, c.uses = k.place[0], k.place[1], k.place[2], k.uses
	c.searches = k.searches()
	return c
}

// finding gives the row another way to list its keys than by their places.
func (c *Command) finding(f finder) *Command {
	c.find, c.searches = f.find, append(c.searches, f.searches...)
	return c
}

// varying says that what is done with the row's key depends on the arguments, and
// how its keys are listed then.
func (c *Command) varying(find func(dst []acl.Key, argv [][]byte) []acl.Key) *Command {
	c.find, c.searches[0].varies = find, true
	return c
}

// noting has COMMAND say something of the row's first keys.
func (c *Command) noting(note string) *Command {
	c.searches[0].note = note
	return c
}

// since7 says that the command came with semantics 7 of package machine.
func (c *Command) since7() *Command { return c.from(7) }

// from says with which semantics the command came, and its subcommands with it.
func (c *Command) from(semantics uint16) *Command {
	c.since = semantics
	for _, sub := range c.Subcommands {
		sub.since = semantics
	}
	return c
}

// sinceDatabases says that the command came to reach other databases than 0, and
// how it was parsed before.
func (c *Command) sinceDatabases(narrow parser) *Command {
	c.wider, c.narrow = machine.SinceDatabases, narrow
	return c
}

// inLog has the command go through the log.
func (c *Command) inLog() *Command {
	c.logged = true
	return c
}

// Logged reports whether the command may change the state, and so goes through
// the log.
func (c *Command) Logged() bool { return c.logged || c.Flags&Write != 0 }

// maxName bounds the length of a command's name, in bytes.
const maxName = 32

// Lookup finds a command by its name in any case; nil if there is none.
func Lookup(name []byte) *Command {
	if len(name) > maxName {
		return nil
	}
	var buf [maxName]byte
	return table[string(appendLower(buf[:0], name))]
}

// Resolve finds the command that argv calls and checks its arity. Of a
// container it is the subcommand. An error's text is the reply's.
func Resolve(argv [][]byte) (*Command, error) {
	c := Lookup(argv[0])
	if c == nil {
		return nil, errUnknown(argv)
	}
	if len(argv) > 1 && c.Subcommands != nil {
		sub := c.subcommand(argv[1])
		if sub == nil {
			return nil, errorf("ERR unknown subcommand '%.128s'. Try %s HELP.", cstring(argv[1]), strings.ToUpper(c.Name))
		}
		c = sub
	}
	if c.Arity > 0 && len(argv) != c.Arity || len(argv) < -c.Arity {
		return nil, errArity(c.Name)
	}
	return c, nil
}

// Parse is Resolve and the row's Parse in one: the machine.Parse of the log.
func Parse(argv [][]byte) (machine.Op, error) {
	if string(argv[0]) == scriptName {
		return parseLoggedScript(argv)
	}
	c, err := Resolve(argv)
	if err != nil {
		return nil, err
	}
	if c.Parse == nil {
		return nil, errorf("ERR '%s' is not a command of the keyspace", c.Name)
	}
	return c.Parse(argv)
}

func (c *Command) subcommand(name []byte) *Command {
	full := c.Name + "|" + lower(name)
	for _, sub := range c.Subcommands {
		if sub.Name == full {
			return sub
		}
	}
	return nil
}

// AppendKeys appends the keys among argv and what is done with each.
func (c *Command) AppendKeys(dst []acl.Key, argv [][]byte) []acl.Key {
	if c.find != nil {
		return c.find(dst, argv)
	}
	if c.FirstKey == 0 {
		return dst
	}
	last := c.LastKey
	if last < 0 {
		last += len(argv)
	}
	for i, n := c.FirstKey, 0; i <= last && i < len(argv); i, n = i+c.KeyStep, n+1 {
		dst = append(dst, c.uses[min(n, len(c.uses)-1)].of(argv[i]))
	}
	return dst
}

// Action is what the command asks of package acl, with keys as AppendKeys lists
// them and channels as Channels does.
func (c *Command) Action(keys []acl.Key, channels [][]byte, patterns bool) acl.Action {
	return acl.Action{Command: c.Name, Categories: c.set, Keys: keys, EveryKey: c.EveryKey(), Channels: channels, Patterns: patterns}
}

// growing may add to the keyspace although redis-server does not count it: a new
// name may be longer than the old one, and what is delivered to a consumer is
// pending then.
var growing = map[string]bool{"rename": true, "renamenx": true, "script|load": true, "xreadgroup": true, "xclaim": true, "xautoclaim": true}

// Grows reports whether the command may add to the keyspace.
func (c *Command) Grows() bool {
	return c.Flags&DenyOOM != 0 || growing[c.Name]
}

// reserved are those of the commands that grow which redis-server does not
// refuse for want of memory, but for SCRIPT LOAD.
var reserved = map[string]bool{"rename": true, "renamenx": true, "xreadgroup": true, "xclaim": true, "xautoclaim": true}

// Reserved reports whether the command may take memory that is kept in reserve.
func (c *Command) Reserved() bool { return reserved[c.Name] }

// EveryKey is what the command does with keys that it does not name: it lists,
// counts or removes them all. Zero if it does not.
func (c *Command) EveryKey() acl.Access {
	switch {
	case c.Name == "monitor": // shows what others do with theirs
		return acl.Read
	case c.FirstKey != 0 || c.find != nil || c.set&keyspace == 0:
		return 0
	case c.Flags&Write != 0:
		return acl.Write
	}
	return acl.Read
}

var (
	keyspace  = acl.CategoriesOf("keyspace")
	dangerous = acl.CategoriesOf("admin", "dangerous")
)

// Changes reports whether the command writes, or looks after the server.
func (c *Command) Changes() bool {
	return c.Logged() || c.Flags&Admin != 0 || c.set&dangerous != 0
}

// Heavy reports whether the command's work or reply grows with the data rather
// than with its arguments.
func (c *Command) Heavy() bool {
	return c.Flags&(ReadOnly|Fast) == ReadOnly || heavyWrites[c.Name]
}

var heavyWrites = map[string]bool{"setrange": true, "lrem": true, "linsert": true, "zrangestore": true, "zunionstore": true, "zinterstore": true, "zdiffstore": true,
	"sunionstore": true, "sinterstore": true, "sdiffstore": true, "copy": true, "sort": true, "geosearchstore": true, "georadius": true, "georadiusbymember": true, "eval": true, "evalsha": true, "coffer.erase": true, "xreadgroup": true, "xautoclaim": true, "xgroup|destroy": true, "xgroup|delconsumer": true}

// argvOp is the Op of commands whose arguments need no parsing.
type argvOp struct {
	argv [][]byte
	run  func(tx *machine.Tx, argv [][]byte) reply.Reply
}

// Apply implements machine.Op.
func (o argvOp) Apply(tx *machine.Tx) reply.Reply { return o.run(tx, o.argv) }

// plain makes a parser that passes argv through to its handler.
func plain(run func(tx *machine.Tx, argv [][]byte) reply.Reply) parser {
	return func(argv [][]byte) (machine.Op, error) { return argvOp{argv, run}, nil }
}
