package server

import (
	"errors"
	"fmt"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/protocol/resp"
	"github.com/coffer-dev/coffer/engine/reply"
)

const (
	// maxTurn is how many commands of one connection a turn of the loop serves,
	// and turnInput how many bytes of them, about.
	maxTurn   = 1024
	turnInput = 64 << 10
	// heavyTurn is how long heavy commands of one connection take in a turn before
	// others have theirs, and heavyReplies how many bytes of replies: two TLS
	// records.
	heavyTurn    = 200 * time.Microsecond
	heavyReplies = 32 << 10
	// flushSize is how many reply bytes are gathered before they are written
	// although the batch goes on.
	flushSize = 1 << 20
	// writeChunk bytes must be taken by the client within writeTimeout.
	writeChunk   = 256 << 10
	writeTimeout = 30 * time.Second
)

// barrier is a request that waits for those before it to be answered: it is
// not of the keyspace, or heavy, or none at all.
type barrier struct {
	cmd     *command.Command // nil for a refusal
	argv    [][]byte
	item    machine.Item
	refusal reply.Reply
	err     error // of the protocol
}

// serve lets the session go on until it has to wait: for input, for the
// executor, for the client to take its replies, for the end of a hold, for data
// that a command waits for, or for the loop's next turn.
func (c *session) serve() {
	c.serveMore()
	c.tracking.taking = false
	c.tellWithheld()
	if c.stands() {
		c.attend()
	}
	c.settle()
}

func (c *session) serveMore() {
	if c.blocked && !c.flush() {
		return
	}
	c.spent = 0
	for served := 0; c.free(); {
		switch {
		case len(c.replies) > 0:
			c.answer(c.takeReplies())
		case c.barrier != nil:
			if long := c.pass(); long && c.free() {
				c.yield()
				return
			}
		case c.closing || !c.mayGoOn():
			if c.flush() {
				c.end()
			}
			return
		case served >= maxTurn || c.input >= turnInput || c.spent >= heavyTurn:
			c.yield()
			return
		default:
			n := c.gather()
			served += n
			if n == 0 && c.barrier == nil && !c.closing && c.input < turnInput {
				c.input = 0
				c.flush()
				return
			}
		}
	}
}

// yield lets the others go first.
func (c *session) yield() {
	c.input = 0
	if c.flush() {
		c.loop.again = append(c.loop.again, c)
	}
}

// free tells whether nothing keeps the session from going on.
func (c *session) free() bool {
	return c.joined && !c.executing && !c.blocked && !c.held && !c.ended && !c.stands()
}

// next returns the next complete request. Without one it has read all that
// there was, or enough for this turn.
func (c *session) next() (argv [][]byte, ok bool, err error) {
	if argv = c.postponed; argv != nil {
		c.postponed = nil
		return argv, true, nil
	}
	for {
		argv, ok, err = c.reader.Next()
		if ok || err != nil || c.input >= turnInput {
			return argv, ok, err
		}
		if err := c.reader.Fill(countingReader{c}); err != nil {
			c.closing = c.closing || !errors.Is(err, errWouldBlock)
			return nil, false, nil
		}
	}
}

// countingReader counts what is read from the client.
type countingReader struct{ c *session }

func (r countingReader) Read(p []byte) (int, error) {
	n, err := r.c.conn.Read(p)
	r.c.input += n
	r.c.progress(n)
	r.c.srv.counters.BytesIn.Add(int64(n))
	return n, err
}

// gather takes up complete requests until there are no more, or one stands in
// the way of those behind it, and has them executed.
func (c *session) gather() (served int) {
	b := c.loop.batch
	from, bytes, writes, scripts := len(b.items), 0, false, 0
	for served < maxTurn && scripts < briskTogether && c.barrier == nil && !c.held {
		argv, complete, err := c.next()
		if err != nil {
			c.barrier = &barrier{err: err}
			break
		}
		if !complete {
			break
		}
		if c.postpone(argv) {
			break
		}
		served++
		c.progressAt = c.loop.now
		cmd, item, refusal := c.prepare(argv)
		if c.loop.brisk.has(cmd, argv) {
			scripts++
		} else if cmd == nil || cmd.Parse == nil || cmd.Heavy() || waits(item) {
			c.barrier = &barrier{cmd: cmd, argv: argv, item: item, refusal: refusal}
			break
		}
		b.items = append(b.items, item)
		writes = writes || item.Write
		bytes += sizeOf(argv)
	}
	c.loop.forgetKeys()
	c.srv.counters.Commands.Add(int64(served))
	c.execute(from, bytes, writes)
	return served
}

func waits(item machine.Item) bool {
	_, ok := item.Op.(command.Waiter)
	return ok
}

// sizeOf is what arguments take in memory: a million empty ones are not nothing.
func sizeOf(argv [][]byte) (n int) {
	for _, arg := range argv {
		n += len(arg) + argumentCost
	}
	return n
}

// execute has the items of the batch from there on executed: at once when none
// of them is a write, else with the batch.
func (c *session) execute(from, bytes int, writes bool) {
	b := c.loop.batch
	items := b.items[from:]
	c.tracking.taking = false
	if writes {
		if len(b.parts) == 0 {
			b.since = c.loop.now
		}
		b.parts = append(b.parts, part{c, from, len(b.items)})
		b.bytes += bytes
		c.executing, c.sent = true, bytes
		return
	}
	if len(items) == 0 {
		return
	}
	err := c.srv.opts.Executor.Read(items)
	if errors.Is(err, machine.ErrUnproven) {
		c.execute(from, bytes, true)
		return
	}
	c.executed(items, err)
	clear(items)
	b.items = b.items[:from]
}

// executed takes the replies of what was executed.
func (c *session) executed(items []machine.Item, err error) {
	c.executing, c.sent = false, 0
	c.loop.brisk.note(items)
	c.noteSlow()
	if err == nil { // although the client may be gone
		c.followAll(items)
	}
	switch {
	case c.ended:
	case err != nil:
		if c.parked != nil {
			c.parked.leave()
		}
		if !errors.Is(err, machine.ErrLost) { // of which nobody knows what to say
			c.write(reply.Error(errStopping.Error()))
		}
		c.barrier, c.closing = nil, true
	case c.parked != nil:
		c.parked.tried(items[0])
	default:
		if c.executes != nil {
			items[0].Reply = c.conclude(items[0].Reply)
		}
		c.answer(items)
	}
	c.tellWithheld()
}

// pass serves the request at the barrier, and tells whether others are to have their
// turn now.
func (c *session) pass() (long bool) {
	b := c.barrier
	c.barrier = nil
	switch {
	case b.err != nil:
		c.protocolError(b.err)
	case b.cmd == nil:
		c.write(b.refusal)
	case b.cmd == command.Exec:
		long = true
		c.exec()
	case b.cmd.Run != nil:
		c.write(c.run(b.cmd, b.argv))
	case waits(b.item):
		c.noteSlow() // what waits is timed when it is served
		c.park(b)
	default:
		// Alone: others get their turn in between, unless it was short, and one such
		// reply that is large is in memory at a time.
		if b.item.Timing != nil { // the first one went with what was in front
			b.item.Timing = c.timed(b.cmd, b.argv)
		}
		from := len(c.loop.batch.items)
		c.loop.batch.items = append(c.loop.batch.items, b.item)
		c.execute(from, sizeOf(b.argv), b.item.Write)
		long = len(c.out) >= heavyReplies
	}
	if c.unauthenticated && c.free() {
		c.flush() // a stranger's replies do not gather
	}
	return long
}

// run carries out a command of the connection.
func (c *session) run(cmd *command.Command, argv [][]byte) reply.Reply {
	var t *timing
	if c.times(cmd, argv) {
		t = c.timed(cmd, argv)
		t.Begin()
	}
	answer := cmd.Run(c, argv)
	c.loop.statistics.called(cmd) // behind CONFIG RESETSTAT
	c.failed(cmd, answer)
	if t != nil {
		t.End()
		c.noteSlow()
	}
	return answer
}

// times tells whether it is looked how long a call takes.
func (c *session) times(cmd *command.Command, argv [][]byte) bool {
	return cmd.Timed(argv) || c.loop.statistics.samples(cmd)
}

// prepare finds the command, asks whether it may be run, and parses it. A nil
// command means that the refusal is the answer.
func (c *session) prepare(argv [][]byte) (*command.Command, machine.Item, reply.Reply) {
	cmd, err := c.permitted(argv)
	if err == nil && c.multi == nil {
		c.remember(cmd, c.loop.keys)
	}
	c.spendCaching(argv[0])
	switch {
	case err != nil:
		return nil, machine.Item{}, c.refused(argv, err)
	case c.multi != nil && cmd.Queued():
		return nil, machine.Item{}, c.queue(cmd, argv)
	}
	if cmd != command.Exec {
		c.show(behind(c.database, cmd, argv), cmd, argv)
	}
	if cmd.Parse == nil {
		return cmd, machine.Item{}, reply.Reply{}
	}
	c.loop.statistics.called(cmd)
	op, err := cmd.Parse(argv)
	if err != nil {
		return nil, machine.Item{}, c.failed(cmd, reply.Error(err.Error()))
	}
	return cmd, c.itemOf(cmd, op, argv), reply.Reply{}
}

// itemOf makes a command's item. What it does by itself it does as its caller.
func (c *session) itemOf(cmd *command.Command, op machine.Op, argv [][]byte) machine.Item {
	write, since := cmd.Logged(), cmd.Since(argv)
	var timing machine.Timing
	if c.times(cmd, argv) {
		timing = c.timed(cmd, argv)
	}
	if called, ok := op.(command.Called); ok {
		if c.Replica() {
			called.OnReplica()
			write = false
		}
		argv = called.As(c.identity, c.audits)
	}
	return machine.Item{Op: op, Argv: argv, Write: write, Grows: cmd.Grows(), Reserved: cmd.Reserved(), Timing: timing, Since: since, Database: c.database, By: c.id}
}

// behind is the database that is chosen once a command is carried out in one.
func behind(database uint8, cmd *command.Command, argv [][]byte) uint8 {
	if chosen, ok := cmd.Selects(argv); ok {
		return uint8(chosen) //nolint:gosec // there are 16
	}
	return database
}

// permitted finds the command that argv calls, if the session may call it now.
func (c *session) permitted(argv [][]byte) (*command.Command, error) {
	cmd, err := command.Resolve(argv)
	if err != nil {
		return nil, err
	}
	c.last, c.lastAt = cmd.Name, c.loop.now
	action := c.action(cmd, argv)
	if cmd.Flags&command.NoAuth == 0 {
		if c.identity == nil {
			return nil, command.ErrNoAuth
		}
		if err := c.permit(cmd, action); err != nil {
			return nil, err
		}
	}
	if c.Replica() {
		if err := c.onReplica(cmd); err != nil {
			return nil, err
		}
	}
	if c.proto == 2 && c.Listens() && !cmd.AllowedSubscribed() {
		return nil, fmt.Errorf(errSubscribedOnly, cmd.Name)
	}
	limit := c.srv.opts.Limits.MaxKeyBytes
	for _, key := range action.Keys {
		if len(key.Name) > limit {
			return nil, fmt.Errorf("ERR key is longer than %d bytes", limit)
		}
	}
	for _, channel := range action.Channels {
		if len(channel) > maxChannel {
			return nil, fmt.Errorf("ERR channel is longer than %d bytes", maxChannel)
		}
	}
	return cmd, nil
}

// action is what a command asks for. Its keys are in the loop's room for them.
func (c *session) action(cmd *command.Command, argv [][]byte) acl.Action {
	keys := cmd.AppendKeys(c.loop.keys[:0], argv)
	c.loop.keys = keys
	channels, patterns := cmd.Channels(argv)
	return cmd.Action(keys, channels, patterns)
}

// answer appends the replies of commands. What the client does not take waits
// as it is: encoded, it could be many times as large.
func (c *session) answer(items []machine.Item) {
	for i := range items {
		if c.blocked {
			c.replies = append(c.replies, items[i:]...)
			for _, item := range items[i:] {
				c.waiting += item.Reply.Size()
			}
			return
		}
		c.failedItem(&items[i])
		if !c.write(items[i].Reply) {
			return
		}
		items[i] = machine.Item{} // lets go of it before the next is encoded
	}
}

func (c *session) takeReplies() []machine.Item {
	items := c.replies
	c.replies, c.waiting = nil, 0
	return items
}

// write appends a reply, and flushes when a good deal has gathered. False means
// that the connection is to be closed instead.
func (c *session) write(r reply.Reply) bool {
	c.noteError(r)
	if r.Kind == reply.KindSeveral && len(r.Items) == 0 || c.silent() {
		return true
	}
	if size := r.Size(); size > c.srv.opts.Limits.MaxOutputBytes {
		c.srv.counters.OutputExceeded.Add(1)
		c.srv.opts.Log.Warn("closing a connection whose reply exceeds limits.maxOutputBytes", "conn", c.id, "command", c.last, "bytes", size)
		c.barrier, c.closing = nil, true
		return false
	}
	if c.out == nil {
		c.out = c.loop.buffer()
	}
	c.out = resp.AppendReply(c.out, c.proto, r)
	r.Sent()
	if len(c.out) >= flushSize {
		c.flush()
	}
	return true
}

// protocolError answers as redis does; the connection is then closed.
func (c *session) protocolError(err error) {
	c.srv.counters.ProtocolErrors.Add(1)
	c.srv.opts.Log.Debug("protocol error", "conn", c.id, "host", c.Host, "error", err)
	c.write(reply.Error("ERR " + err.Error()))
	c.closing = true
}

// flush writes what has gathered, as far as the client takes it, and reports
// whether that was all. If not, the session is blocked until it is.
func (c *session) flush() bool {
	for total := 0; !c.ended; {
		n, err := c.wire.send()
		c.srv.counters.BytesOut.Add(int64(n))
		total += n
		c.taken += n
		switch {
		case err != nil:
			c.srv.opts.Log.Debug("writing replies", "conn", c.id, "error", err)
			c.end()
			return false
		case len(c.wire.out) > 0 || total >= flushSize && c.flushed < len(c.out):
			c.block()
			return false
		case c.flushed == len(c.out):
			c.unblock()
			return true
		}
		end := min(c.flushed+writeChunk, len(c.out))
		if _, err := c.conn.Write(c.out[c.flushed:end]); err != nil {
			c.end()
			return false
		}
		c.flushed = end
	}
	return false
}

// block waits until the client has taken more, or has been too slow.
func (c *session) block() {
	if !c.wire.full { // it took a good deal: the others come first
		c.loop.again = append(c.loop.again, c)
	}
	if c.blocked && c.taken < writeChunk {
		return
	}
	c.blocked, c.taken = true, 0
	c.slow.stop()
	c.slow = c.loop.after(c.srv.replyTimeout, c.end)
}

func (c *session) unblock() {
	if c.out != nil {
		c.loop.release(c.out)
		c.out, c.flushed = nil, 0
	}
	if c.blocked {
		c.blocked = false
		c.slow.stop()
	}
}
