package job

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/audit"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// command is one row of the table.
type command struct {
	name      string
	operation acl.Operation // needed on the queue; 0: it looks itself
	byQueue   bool          // it names a queue
	byJob     bool          // it names a job, whose queue is looked up under the lock
	changes   bool
	// make makes the operation, or answers the call itself.
	make func(c *Call) (queue.Op, *queue.Error)
	// answer appends what the operation says behind `{"ok":true`; nil: nothing.
	answer func(c *Call, dst []byte) []byte
	// then looks at what the operation did and returns the next one, nil if that
	// was the last.
	then func(c *Call) (queue.Op, *queue.Error)
}

var table map[string]*command

func init() {
	rows := slices.Concat(workCommands, jobCommands, readCommands, queueCommands, scheduleCommands, connectionCommands)
	table = make(map[string]*command, len(rows))
	for i := range rows {
		table[rows[i].name] = &rows[i]
	}
}

// Commands are the names of all commands, sorted; AUTH is the ports' own.
func Commands() []string {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Operation is the name of what a user needs for a command; empty if the command
// looks by itself, or does not exist.
func Operation(name string) string {
	if row := table[name]; row != nil {
		return row.operation.String()
	}
	return ""
}

// Prepare finds the command, asks whether the client may run it, and makes its
// operation. It may answer the call.
func (c *Call) Prepare() {
	c.identity = c.client.Identity()
	if c.identity == nil {
		c.Fail(CodeDenied, "Authentication required")
		return
	}
	c.command = table[c.Cmd]
	if c.command == nil {
		c.Fail(CodeUnknown, unknown(c.Cmd))
		return
	}
	if err := c.permit(); err != nil {
		c.fail(err)
		c.record()
		return
	}
	c.next(c.command.make(c))
	if c.op == nil {
		c.record()
	}
}

func unknown(name string) string {
	if strings.HasPrefix(name, "KV") {
		return fmt.Sprintf("unknown command %.32q: a JobQueue keeps no keys; use a KVDatabase", name)
	}
	if upper := strings.ToUpper(name); table[upper] != nil {
		return fmt.Sprintf("unknown command %.32q: write %s", name, upper)
	}
	return fmt.Sprintf("unknown command %.32q", name)
}

// permit looks at what the request names, without the lock.
func (c *Call) permit() *queue.Error {
	if c.command.byJob && !c.Set.Has(wire.FieldID) && !c.Set.Has(wire.FieldParentID) {
		return missing("id")
	}
	if !c.command.byQueue {
		return nil
	}
	return c.permitQueue(c.command.operation)
}

// permitQueue looks at the queue that the request names.
func (c *Call) permitQueue(op acl.Operation) *queue.Error {
	switch {
	case c.Queue == "":
		return missing("queue")
	case !queue.ValidQueue(c.Queue):
		return invalidQueue(c.Queue)
	}
	return c.allow(op, c.Queue)
}

func invalidQueue(name string) *queue.Error {
	return invalid("queue", "%.64q, must have 1 to %d letters, digits, '_', '.', ':' or '-'", name, queue.MaxQueueName)
}

// allow asks whether the user may do something with a queue.
func (c *Call) allow(op acl.Operation, name string) *queue.Error {
	if denied := c.identity.AllowsJob(op, name); denied != nil {
		c.denied = denied
		return &queue.Error{Code: CodeDenied, Text: denied.Error()}
	}
	return nil
}

func missing(field string) *queue.Error { return invalid(field, "is missing") }

// next takes up the operation that is to be carried out.
func (c *Call) next(op queue.Op, err *queue.Error) {
	if err == nil && op != nil {
		err = c.seal(op)
	}
	if err == nil && op != nil {
		if err = op.Check(c.client.d.now()); err != nil {
			err.Field = wireName(op, err.Field)
		}
	}
	switch {
	case err != nil:
		c.fail(err)
	case op != nil:
		c.op = op
	case !c.encoded && !c.waits:
		c.Succeed()
	}
}

// record has the audit log note the call, by its queue or its job.
func (c *Call) record() {
	if c.recorded {
		return
	}
	c.recorded = true
	class := audit.Read
	switch {
	case c.denied != nil:
		class = audit.Refusal
		c.client.countDenied()
	case c.command.changes:
		class = audit.Change
	}
	log := c.client.d.opts.Audit
	if !log.Wants(class) {
		return
	}
	e := c.client.entry(c.Cmd)
	name := c.Queue
	if c.denied != nil {
		name, e.Denied, e.Reason = c.denied.Queue, true, c.denied.Reason()
	}
	if name == "" && c.command.byJob {
		name = fmt.Sprint("#", c.ID)
	}
	if name != "" {
		e.Keys, _ = audit.Keys([]string{name}, func(s string) []byte { return []byte(s) })
	}
	log.Add(e)
}

// finish looks at what came of the operation: it answers, or has the next one
// carried out.
func (c *Call) finish() {
	if c.op.Writes() || c.failure != nil {
		c.record()
	}
	defer func() {
		if c.op == nil { // no other one follows
			c.record()
		}
	}()
	if c.failure != nil {
		c.fail(c.failure)
		return
	}
	if err := c.op.Failed(); err != nil {
		c.fail(err)
		return
	}
	if c.command.then != nil {
		op, err := c.command.then(c)
		if err != nil || op != nil || c.waits || c.encoded {
			c.op = nil
			if !c.waits {
				c.next(op, err)
			}
			return
		}
	}
	if c.command.answer == nil {
		c.Succeed()
	} else {
		c.said = c.op
	}
	c.op = nil
}
