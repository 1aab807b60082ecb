package command

import (
	"fmt"

	"github.com/coffer-dev/coffer/engine/reply"
)

// Slowness is what a session offers to SLOWLOG.
type Slowness interface {
	// Slow are the slow commands of late, the latest first.
	Slow() []SlowCall
	ForgetSlow()
	// Latencies are how many calls of the command took how long at most, of those that
	// were timed, in rising order; nil without any.
	Latencies(of *Command) []Cumulated
}

// Cumulated is how many calls took no longer.
type Cumulated struct{ Micros, Calls int64 }

// SlowCall is a command that took long. Of its arguments it has keys, and how long
// the others are: values are nobody's business who looks after the server.
type SlowCall struct {
	ID, Time, Micros int64 // Time in s since the epoch
	Args             []string
	Addr, Name       string
}

const (
	errSlowCount    = textError("ERR count should be greater than or equal to -1")
	recentSlow      = 10  // rows of SLOWLOG GET
	maxSlowArgs     = 32  // that a row has
	maxSlowArgument = 128 // bytes of one
)

func init() {
	flags, categories := Admin|Loading|Stale, "admin slow dangerous"
	register(container("slowlog", -2, 0, "slow",
		connection("slowlog|get", -2, flags, categories, slowlogGet).tip(tipAllNodes, tipVaries),
		connection("slowlog|len", 2, flags, categories, func(s Session, _ [][]byte) reply.Reply { return reply.Integer(int64(len(s.Slowness().Slow()))) }).tip(tipAllNodes, tipSum, tipVaries),
		connection("slowlog|reset", 2, flags, categories, func(s Session, _ [][]byte) reply.Reply {
			s.Slowness().ForgetSlow()
			return reply.OK
		}).tip(tipAllNodes, tipAllSucceeded),
		connection("slowlog|help", 2, Loading|Stale, "slow", help(
			"SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
			"GET [<count>]",
			"    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
			"    Entries are made of:",
			"    id, timestamp, time in microseconds, arguments array, client IP and port,",
			"    client name",
			"LEN",
			"    Return the length of the slowlog.",
			"RESET",
			"    Reset the slowlog.",
		)),
	).since7())
}

func slowlogGet(s Session, argv [][]byte) reply.Reply {
	if len(argv) > 3 {
		return fail(errSubcommand(argv))
	}
	all, count := s.Slowness().Slow(), int64(recentSlow)
	if len(argv) == 3 {
		n, ok := parseInt(argv[2])
		if !ok || n < -1 {
			return fail(errSlowCount)
		}
		if count = n; n < 0 {
			count = int64(len(all))
		}
	}
	rows := []reply.Reply{}
	for _, call := range all[:min(count, int64(len(all)))] {
		args := make([]reply.Reply, len(call.Args))
		for i, arg := range call.Args {
			args[i] = reply.BulkString(arg)
		}
		rows = append(rows, reply.Array(reply.Integer(call.ID), reply.Integer(call.Time), reply.Integer(call.Micros),
			reply.Array(args...), reply.BulkString(call.Addr), reply.BulkString(call.Name)))
	}
	return reply.Array(rows...)
}

// Shown are the arguments of a call as SLOWLOG shows them: its name, its keys, and
// the lengths of all others.
func (c *Command) Shown(argv [][]byte) []string {
	keys := map[string]bool{}
	for _, key := range c.AppendKeys(nil, argv) {
		keys[string(key.Name)] = true
	}
	named := 1
	if len(argv) > 1 && c.Subcommands == nil && Lookup(argv[0]) != c {
		named = 2 // a subcommand
	}
	var shown []string
	for i, arg := range argv {
		if i == maxSlowArgs-1 && len(argv) > maxSlowArgs {
			return append(shown, fmt.Sprintf("... (%d more arguments)", len(argv)-i))
		}
		text := fmt.Sprintf("(%d bytes)", len(arg))
		if i < named || keys[string(arg)] {
			text = string(arg[:min(len(arg), maxSlowArgument)])
			if more := len(arg) - maxSlowArgument; more > 0 {
				text += fmt.Sprintf("... (%d more bytes)", more)
			}
		}
		shown = append(shown, text)
	}
	return shown
}

// Timed reports whether it is looked how long the call takes: those whose work
// grows with the data, or that have many arguments, may be slow.
func (c *Command) Timed(argv [][]byte) bool {
	const many = 64
	return c.Heavy() || len(argv) > many || c.Run != nil && c.Flags&Fast == 0
}
