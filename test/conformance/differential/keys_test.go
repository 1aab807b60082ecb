package differential

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/test/fixture/commands"
)

// keys compares which keys both find in a command, and what it does with them.
func (p *pair) keys(called [][]byte) {
	p.t.Helper()
	p.do(append(args("COMMAND", "GETKEYS"), called...))
	p.do(append(args("COMMAND", "GETKEYSANDFLAGS"), called...))
}

// TestKeysOfEveryCommand calls every command that both have, with no more
// arguments than it must have and with some more, words and numbers.
func TestKeysOfEveryCommand(t *testing.T) {
	theirs := acl.RedisCommands()
	both(t, func(t *testing.T, p *pair) {
		for _, c := range command.All() {
			for _, each := range append([]*command.Command{c}, c.Subcommands...) {
				if !slices.Contains(theirs, each.Name) || slices.Contains(since72, each.Name) {
					continue
				}
				for more := range 6 {
					p.called(each, max(each.Arity, -each.Arity)+more)
				}
			}
		}
	})
}

// since72 are those that redis-server 7.0 has not.
var since72 = []string{"client|no-touch", "client|setinfo"}

// called compares the keys of a command of so many arguments, its name among them.
func (p *pair) called(c *command.Command, n int) {
	p.t.Helper()
	name := strings.Split(c.Name, "|")
	words, numbers := args(name...), args(name...)
	for i := len(name); i < n; i++ {
		words = append(words, []byte("k"+strconv.Itoa(i)))
		numbers = append(numbers, []byte(strconv.Itoa(i)))
	}
	p.keys(words)
	p.keys(numbers)
}

// TestKeysOfRandomCommands: keys stand among options, and options decide what is
// done with them. What our parser refuses has no keys to agree on: redis-server
// reads on behind a wrong option of SORT, and 1.5 as one key.
func TestKeysOfRandomCommands(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		g := &commands.Generator{Rand: rand.New(rand.NewPCG(1, 1)), Keys: generatedKeys}
		for range 20_000 {
			called := g.Command()
			if _, err := command.Parse(called); err == nil {
				p.keys(called)
			}
		}
		p.script("COMMAND GETKEYSANDFLAGS", "COMMAND GETKEYSANDFLAGS GET", "COMMAND GETKEYSANDFLAGS PING x", "COMMAND GETKEYSANDFLAGS nonsense x",
			"COMMAND GETKEYSANDFLAGS SET a b GET", "COMMAND GETKEYSANDFLAGS SET a b EX get", "COMMAND GETKEYSANDFLAGS BITFIELD a GET u8 0", "COMMAND GETKEYSANDFLAGS BITFIELD a OVERFLOW FAIL",
			"COMMAND GETKEYSANDFLAGS SORT a BY x* STORE b", "COMMAND GETKEYSANDFLAGS EVAL x 2 a b", "COMMAND GETKEYSANDFLAGS EVAL x 0", "COMMAND GETKEYSANDFLAGS SPUBLISH a b")
	})
}
