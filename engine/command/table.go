// Package command is the command table: for every command its name, arity,
// keys and permissions, a parser that makes a machine.Op of its arguments, and
// the Op's handler. One file holds one command family.
package command

import (
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
	NoAuth // allowed before authentication
	Fast
	Loading
	Stale
	NoScript
)

// Command is one row of the table.
type Command struct {
	Name       string // lower case
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

// Lookup finds a command by its name in any case; nil if there is none.
func Lookup(name []byte) *Command {
	if c, ok := table[string(name)]; ok {
		return c
	}
	return table[strings.ToLower(string(name))]
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
