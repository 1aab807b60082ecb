// Package job carries out requests for jobs, whichever port they come by. It
// judges every one of them once, by its user's permissions on the queue that it
// concerns, makes queue's operations of them, and answers with what those say.
// It has what no log has: pulls that wait for a job, requests that wait for one
// to end, subscriptions to events, and the leases that live as long as a
// connection does.
//
// A Client is whoever sends requests. Its Calls are prepared in the order in
// which they came and carried out together by Dispatcher.Carry; those that then
// wait are answered through the client's Deliver.
package job

import (
	"fmt"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/reply"
)

// Name is that of every operation on jobs in the log: Name, the operation.
const Name = "job"

// Item makes an operation of the engine itself one that the group carries out.
func Item(op queue.Op) machine.Item {
	item := machine.Item{Op: logged{op}, Write: op.Writes(), Grows: op.Grows()}
	if item.Write {
		item.Argv = [][]byte{[]byte(Name), op.Append(nil)}
	}
	return item
}

// Parse reads back an operation from the log.
func Parse(argv [][]byte) (machine.Op, error) {
	if len(argv) != 2 || string(argv[0]) != Name {
		return nil, fmt.Errorf("job: malformed command of %d arguments", len(argv))
	}
	op, err := queue.ParseOp(argv[1])
	if err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	return logged{op}, nil
}

// logged is an operation about which nobody asks any more.
type logged struct{ op queue.Op }

// Apply implements machine.Op.
func (l logged) Apply(tx *machine.Tx) reply.Reply {
	l.op.Apply(tx.Queues, tx.Now, tx.Seed)
	noteErased(tx, l.op)
	return reply.OK
}

// Call is one request on its way.
type Call struct {
	wire.Request

	client   *Client
	identity *acl.Identity
	command  *command

	op      queue.Op // what is to be carried out; nil: nothing
	applied bool     // it was

	failure *queue.Error // instead of what op says
	denied  *acl.Denied
	refused []*queue.Error // of ACKB and HEARTBEAT, one for each job; nil for all of them

	recorded bool // in the audit log

	state   any // of a command of several operations
	waits   bool
	answer  []byte
	encoded bool
	said    queue.Op // what Answer is still to tell of; nil: answer is it
}

// CodeDenied is the code of an error for want of permission; CodeUnknown that
// of an unknown command. The others are queue's.
const (
	CodeDenied  = "DENIED"
	CodeUnknown = "UNKNOWN"
	CodeBusy    = "BUSY"
)

// Waits tells whether the call is answered later, through Deliver.
func (c *Call) Waits() bool { return c.waits }

// Answer is a JSON object. It is made when it is asked for: the answers of calls
// that were carried out together may be far larger than those.
func (c *Call) Answer() []byte {
	if c.said != nil {
		c.op, c.said = c.said, nil
		c.answer = append(c.command.answer(c, append(c.answer[:0], `{"ok":true`...)), '}')
		c.op = nil
	}
	return c.answer
}

// Weight is about how many jobs the call brings or answers with, which is what
// it takes of the memory of those who carry out many at once.
func (c *Call) Weight() int {
	n := 1 + len(c.Jobs) + len(c.Children) + len(c.IDs)
	if l, ok := c.state.(*listing); ok {
		return n + l.limit
	}
	switch op := c.op.(type) {
	case *queue.Pull:
		n += op.Count
	case *queue.List:
		n += op.Limit
	case *queue.Children, *queue.ListQueues, *queue.ListSchedules:
		n += queue.MaxListed
	}
	return n
}

// Fail answers with an error.
func (c *Call) Fail(code, text string) {
	c.op = nil
	c.answer, c.encoded = appendError(c.answer[:0], code, text), true
}

// fail answers with why something was not done.
func (c *Call) fail(err *queue.Error) { c.Fail(err.Code, err.Error()) }

// Succeed answers that it was done, and no more.
func (c *Call) Succeed() {
	c.op = nil
	c.answer, c.encoded = append(c.answer[:0], `{"ok":true}`...), true
}

func invalid(field, format string, args ...any) *queue.Error {
	return &queue.Error{Code: queue.CodeInvalid, Field: field, Text: fmt.Sprintf(format, args...)}
}

// item makes the call one that the group carries out.
func (c *Call) item() machine.Item {
	c.applied = false
	item := machine.Item{Op: c, Write: c.op.Writes(), Grows: c.op.Grows()}
	if item.Write {
		item.Argv = c.argv()
	}
	return item
}

func (c *Call) argv() [][]byte { return [][]byte{[]byte(Name), c.op.Append(nil)} }

// Decide implements machine.Decider: it looks, under the lock, at the queue of
// the jobs that the call names, and does not have logged what would be refused,
// or would find nothing.
func (c *Call) Decide(tx *machine.Tx, argv [][]byte) ([][]byte, bool) {
	if pull, ok := c.op.(*queue.Pull); ok {
		carry := tx.Queues.Ready(pull.Queue, tx.Now, 1) > 0
		c.applied = !carry
		return argv, carry
	}
	changed := c.judge(tx.Queues, tx.Now)
	if c.failure != nil {
		return nil, false
	}
	if changed {
		argv = c.argv()
	}
	return argv, true
}

// Apply implements machine.Op.
func (c *Call) Apply(tx *machine.Tx) reply.Reply {
	c.op.Apply(tx.Queues, tx.Now, tx.Seed)
	noteErased(tx, c.op)
	c.applied = true
	return reply.OK
}
