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
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// Flag is what a command is, as COMMAND reports it.
type Flag uint16

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
)

// Command is one row of the table.
type Command struct {
	Name       string // lower case; "container|sub" for a subcommand
	Arity      int    // as redis-server: counts the name; negative is a minimum
	Flags      Flag
	FirstKey   int      // index of the first key in argv, 0 for none
	LastKey    int      // index of the last key; negative counts from the end
	KeyStep    int      // distance between keys
	Categories []string // ACL categories without "@", as redis-server's

	// Parse validates the arguments (arity is already checked) and makes the
	// Op; an error's text is the reply's, code first. Nil for commands of the
	// connection.
	Parse func(argv [][]byte) (machine.Op, error)
	// Run serves commands of the connection (AUTH, HELLO, CLIENT, …), which
	// never reach the log. Nil for commands of the keyspace.
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
	SetLib(name, version string) // "" leaves that part as it is
	User() string                // "" before authentication
	// Authenticate checks the credentials in constant time and binds the
	// session to the user and the credential's generation.
	Authenticate(user, password string) bool
	Reset() // to the state of a new connection, unauthenticated
	CloseAfterReply()
	Describe() string              // the CLIENT INFO line
	Info(sections []string) string // the text of INFO
}

var table = map[string]*Command{}

func register(cmds ...*Command) {
	for _, c := range cmds {
		table[c.Name] = c
	}
}

// Where a command's keys stand: first, last, step.
var (
	noKey    = [3]int{0, 0, 0}
	oneKey   = [3]int{1, 1, 1}
	twoKeys  = [3]int{1, 2, 1}
	allKeys  = [3]int{1, -1, 1}
	keyPairs = [3]int{1, -1, 2}
)

type parser = func(argv [][]byte) (machine.Op, error)

// row makes the row of a command of the keyspace.
func row(name string, arity int, flags Flag, keys [3]int, categories string, parse parser) *Command {
	return &Command{
		Name: name, Arity: arity, Flags: flags,
		FirstKey: keys[0], LastKey: keys[1], KeyStep: keys[2],
		Categories: strings.Fields(categories), Parse: parse,
	}
}

// maxName bounds the length of a command's name, in bytes.
const maxName = 32

// Lookup finds a command by its name in any case; nil if there is none.
func Lookup(name []byte) *Command {
	if c, ok := table[string(name)]; ok {
		return c
	}
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

// Keys lists the keys among argv.
func (c *Command) Keys(argv [][]byte) [][]byte {
	if c.FirstKey == 0 || c.FirstKey >= len(argv) {
		return nil
	}
	last := c.LastKey
	if last < 0 {
		last += len(argv)
	}
	var keys [][]byte
	for i := c.FirstKey; i <= last && i < len(argv); i += c.KeyStep {
		keys = append(keys, argv[i])
	}
	return keys
}

// Grows reports whether the command may add to the keyspace. A new name may be
// longer than the old one, which redis-server does not count.
func (c *Command) Grows() bool {
	return c.Flags&DenyOOM != 0 || c.Name == "rename" || c.Name == "renamenx"
}

// EveryKey reports whether the command concerns keys that it does not name:
// it lists, counts or removes them all.
func (c *Command) EveryKey() bool {
	return c.FirstKey == 0 && slices.Contains(c.Categories, "keyspace")
}

// Heavy reports whether the command's work or reply grows with the data rather
// than with its arguments.
func (c *Command) Heavy() bool {
	return c.Flags&(ReadOnly|Fast) == ReadOnly || c.Name == "setrange"
}

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
