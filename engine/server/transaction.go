package server

import (
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

const (
	// queuedCost is what a queued command takes in memory beside its arguments'
	// bytes, and argumentCost an argument, in bytes. A transaction may be as
	// large as a request, limits.maxRequestBytes, with these counted.
	queuedCost   = 256
	argumentCost = 32
	// maxWatched bounds what the keys that one connection watches may take in
	// memory, in bytes, watchedCost that of one beside its name.
	maxWatched  = 1 << 20
	watchedCost = 160
)

var (
	errNested        = errors.New("ERR MULTI calls can not be nested")
	errNoMulti       = errors.New("ERR DISCARD without MULTI")
	errWatchInside   = errors.New("ERR WATCH inside MULTI is not allowed")
	errTooManyKeys   = errors.New("ERR the keys that one connection watches may take 1 MiB of memory: UNWATCH those that are not needed")
	errNotQueueable  = errors.New("ERR Command not allowed inside a transaction")
	errStopping      = errors.New("ERR the server is stopping")
	errTooMuchQueued = "ERR the commands of a transaction may take %d bytes (limits.maxRequestBytes): make it smaller"
)

// transaction is what a session has queued since MULTI.
type transaction struct {
	queued []queued
	bytes  int64
	failed bool // a command was refused: all are
}

type queued struct {
	cmd      *command.Command
	argv     [][]byte
	op       machine.Op // nil for a command of the connection
	err      error      // the answer instead
	database uint8      // that it is carried out in, known at EXEC
}

// watched is what the next transaction depends on.
type watched struct {
	watch *store.Watch // nil for nothing; the executor's lock guards it
	bytes int64
}

var _ command.Transactor = (*session)(nil)

// Transactor implements command.Session.
func (c *session) Transactor() command.Transactor { return c }

// Multi implements command.Transactor.
func (c *session) Multi() error {
	if c.multi != nil {
		return errNested
	}
	c.multi = &transaction{}
	return nil
}

// Discard implements command.Transactor.
func (c *session) Discard() error {
	if c.multi == nil {
		return errNoMulti
	}
	c.multi = nil
	c.spendCaching(nil)
	c.Unwatch()
	return nil
}

// locked is something that is done under the executor's lock.
type locked func(tx *machine.Tx)

// Apply implements machine.Op.
func (f locked) Apply(tx *machine.Tx) reply.Reply {
	f(tx)
	return reply.OK
}

func (c *session) underLock(f locked) error {
	items := []machine.Item{{Op: f, Database: c.database}}
	switch err := c.srv.opts.Executor.Look(items); {
	case err != nil:
		return errStopping
	case items[0].Reply.IsError():
		return errors.New(string(items[0].Reply.Str))
	}
	return nil
}

// Watch implements command.Transactor.
func (c *session) Watch(keys [][]byte) error {
	if c.multi != nil {
		return errWatchInside
	}
	bytes := c.watched.bytes
	for _, key := range keys {
		bytes += int64(len(key)) + watchedCost
	}
	if bytes > maxWatched {
		return errTooManyKeys
	}
	watch := c.watched.watch
	if watch == nil {
		watch = &store.Watch{}
	}
	err := c.underLock(func(tx *machine.Tx) {
		for _, key := range keys {
			tx.Store.Watch(watch, key, tx.Now)
		}
	})
	if err == nil {
		c.watched = watched{watch, bytes}
	}
	return err
}

// Unwatch implements command.Transactor. A transaction that is on its way and
// depends on the watch finds it broken.
func (c *session) Unwatch() {
	if watch := c.watched.watch; watch != nil {
		_ = c.underLock(func(*machine.Tx) { watch.Stop() })
		c.watched = watched{}
	}
}

// refused is the answer to a command that is not carried out. One that should
// have been queued takes the transaction with it.
func (c *session) refused(argv [][]byte, err error) reply.Reply {
	c.loop.statistics.rejected(argv)
	if c.multi != nil {
		*c.multi = transaction{failed: true}
	}
	if command.Lookup(argv[0]) != command.Exec {
		return reply.Error(err.Error())
	}
	c.multi = nil
	c.Unwatch()
	return aborted(err.Error())
}

func aborted(because string) reply.Reply {
	return reply.Error("EXECABORT Transaction discarded because of: " + strings.TrimPrefix(because, "ERR "))
}

// queue keeps a command for EXEC. What is wrong with its arguments is answered
// then, as by redis-server.
func (c *session) queue(cmd *command.Command, argv [][]byte) reply.Reply {
	if !cmd.InTransaction() {
		return c.refused(argv, errNotQueueable)
	}
	t := c.multi
	if !t.failed {
		t.bytes += int64(sizeOf(argv)) + queuedCost
		if limit := c.srv.opts.Limits.MaxRequestBytes; t.bytes > limit {
			return c.refused(argv, fmt.Errorf(errTooMuchQueued, limit))
		}
		q := queued{cmd: cmd, argv: argv}
		if cmd.Parse != nil {
			q.op, q.err = cmd.Parse(argv)
		}
		t.queued = append(t.queued, q)
	}
	return reply.Simple("QUEUED")
}

// exec carries out what is queued: the commands of the keyspace as one, the
// connection's when that is done. What the user may do is asked again, since it
// may be less by now.
func (c *session) exec() {
	t := c.multi
	c.multi = nil
	c.loop.statistics.called(command.Exec)
	defer c.spendCaching(nil)
	switch {
	case t == nil:
		c.write(c.failed(command.Exec, reply.Error("ERR EXEC without MULTI")))
		return
	case t.failed:
		c.Unwatch()
		c.write(c.failed(command.Exec, reply.Error("EXECABORT Transaction discarded because of previous errors.")))
		return
	case !c.mayGoOn():
		c.closing = true
		return
	}
	c.executes = t
	var items []machine.Item
	database := c.database
	for i := range t.queued {
		q := &t.queued[i]
		q.database = database
		action := c.action(q.cmd, q.argv)
		if denied := c.judge(database, q.cmd, action); denied != nil {
			q.op, q.err = nil, lost(denied)
			c.loop.statistics.rejected(q.argv)
		} else if c.remember(q.cmd, action.Keys); q.err != nil {
			c.loop.statistics.called(q.cmd)
			c.failed(q.cmd, reply.Error(q.err.Error()))
		}
		if q.err != nil {
			continue
		}
		if q.op != nil {
			item := c.itemOf(q.cmd, q.op, q.argv)
			item.Database = database
			items = append(items, item)
		}
		database = behind(database, q.cmd, q.argv)
	}
	c.loop.forgetKeys()
	item := machine.Transaction(items, c.watched.watch)
	item.By = c.id
	if c.showQueued(t); c.ended { // those who monitor have filled the buffers
		return
	}
	b := c.loop.batch
	from := len(b.items)
	b.items = append(b.items, item)
	c.execute(from, int(t.bytes), item.Write)
}

// lost is the answer to a command that was permitted when it was queued.
func lost(denied *acl.Denied) error {
	reason := "no permission to touch the specified keys"
	switch {
	case denied.Command != "":
		reason = "no permission to execute the command or subcommand"
	case denied.Channel != nil:
		reason = "no permission to access one of the channels used as arguments"
	}
	if denied.Source != "" {
		reason += ": see " + denied.Source
	}
	return errors.New("NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. " +
		"This command is no longer allowed for the following reason: " + reason)
}

// conclude makes EXEC's reply of what the executor answered.
func (c *session) conclude(r reply.Reply) reply.Reply {
	t := c.executes
	defer func() { c.executes = nil }()
	c.Unwatch()
	switch r.Kind {
	case reply.KindError:
		return c.failed(command.Exec, aborted(string(r.Str)))
	case reply.KindNullArray:
		return r
	}
	all, size := make([]reply.Reply, 0, len(t.queued)), r.Size()
	for _, q := range t.queued {
		switch {
		case q.err != nil:
			answer := reply.Error(q.err.Error())
			c.noteError(answer)
			all = append(all, answer)
		case q.op == nil:
			// What only answers is left out of an answer that nobody gets.
			if size > c.srv.opts.Limits.MaxOutputBytes && q.cmd.Flags&command.PubSub == 0 {
				continue
			}
			answer := c.run(q.cmd, q.argv)
			c.noteError(answer)
			all, size = append(all, answer), size+answer.Size()
		case len(r.Items) > 0: // fewer than asked for are more than anybody gets
			c.loop.statistics.called(q.cmd)
			c.noteError(c.failed(q.cmd, r.Items[0]))
			all = append(all, r.Items[0])
			r.Items = r.Items[1:]
		}
	}
	return reply.Array(all...)
}
