package command

import "github.com/coffer-dev/coffer/engine/reply"

// Transactor is what a session offers to the commands of transactions.
type Transactor interface {
	// Multi begins to queue commands.
	Multi() error
	// Discard forgets them, and what is watched.
	Discard() error
	// Watch has the next transaction depend on keys.
	Watch(keys [][]byte) error
	Unwatch()
}

// Exec carries a transaction out, which is the server's to do: it has no Run.
var Exec = connection("exec", 1, NoScript|Loading|Stale|SkipSlowlog, "slow transaction", nil)

func init() {
	flags := NoScript | Loading | Stale | Fast | AllowBusy
	register(
		Exec,
		connection("multi", 1, flags, "fast transaction", multi),
		connection("discard", 1, flags, "fast transaction", discard),
		connection("unwatch", 1, flags, "fast transaction", unwatch),
		connection("watch", -2, flags, "fast transaction", watch).onKeys(allKeys.to(ro)),
	)
}

// Queued reports whether the command waits for EXEC behind MULTI, as all but
// those do that are about the transaction, or the end of the connection.
func (c *Command) Queued() bool {
	switch c.Name {
	case "multi", "exec", "discard", "watch", "quit", "reset":
		return false
	}
	return true
}

// InTransaction reports whether the command may be part of a transaction. Those
// that change who asks may not: the others would be judged as whose they are not.
// Nor may those that do something else with answers than to give them, and DEBUG,
// which would find the transaction carried out.
func (c *Command) InTransaction() bool {
	return !c.Queued() || c.Flags&(NoAuth|NoMulti) == 0 && c.Name != "client|reply" && c.Name != "monitor" && c.Name != "debug"
}

func multi(s Session, _ [][]byte) reply.Reply {
	if err := s.Transactor().Multi(); err != nil {
		return fail(err)
	}
	return reply.OK
}

func discard(s Session, _ [][]byte) reply.Reply {
	if err := s.Transactor().Discard(); err != nil {
		return fail(err)
	}
	return reply.OK
}

func watch(s Session, argv [][]byte) reply.Reply {
	if err := s.Transactor().Watch(argv[1:]); err != nil {
		return fail(err)
	}
	return reply.OK
}

func unwatch(s Session, _ [][]byte) reply.Reply {
	s.Transactor().Unwatch()
	return reply.OK
}
