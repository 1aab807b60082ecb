package command

import "sync"

// Count is how many commands there are, subcommands among them, each of which has
// a Number below it.
var Count = sync.OnceValue(func() (n int) {
	for _, c := range All() {
		c.number, n = n, n+1
		for _, sub := range c.Subcommands {
			sub.number, n = n, n+1
		}
	}
	return n
})

// Number tells commands apart, once Count was called.
func (c *Command) Number() int { return c.number }

// Of is the command that argv calls, whatever its arguments; nil if there is none.
// What the log carries of a script is the call of one.
func Of(argv [][]byte) *Command {
	if string(argv[0]) == scriptName && len(argv) > beforeCall {
		argv = argv[beforeCall:]
	}
	c := Lookup(argv[0])
	if c != nil && c.Subcommands != nil && len(argv) > 1 {
		return c.subcommand(argv[1])
	}
	return c
}
