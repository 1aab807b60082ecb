package job

import (
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/glob"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/queue"
)

// makeErase erases from the jobs of a queue, or of all that a pattern matches.
func makeErase(c *Call) (queue.Op, *queue.Error) {
	switch {
	case c.Queue == "":
		return nil, missing("queue")
	case c.Path == "":
		return nil, missing("path")
	case c.Value == nil:
		return nil, missing("value")
	}
	if queue.ValidQueue(c.Queue) {
		if err := c.allow(acl.JobErase, c.Queue); err != nil {
			return nil, err
		}
	} else if err := acl.ValidatePattern(c.Queue); err != nil {
		return nil, invalid("queue", "%v", err)
	}
	return c.erase(1), nil
}

// erase is the step that begins at an id.
func (c *Call) erase(from uint64) *queue.Erase {
	return &queue.Erase{Queue: c.Queue, Path: c.Path, Value: c.Value, Redact: c.Redact, From: from}
}

// judgeErase: of the queues that the pattern matches none may be another's, and
// none may encrypt what is looked for.
func (c *Call) judgeErase(q *queue.Queues, now int64) {
	list := &queue.ListQueues{Limit: queue.MaxListed, ResultMore: true}
	for after := ""; list.ResultMore; {
		list = &queue.ListQueues{After: after, Limit: queue.MaxListed}
		list.Apply(q, now, 0)
		for i := range list.Result {
			name := list.Result[i].Name
			if after = name; name != c.Queue && !glob.Match([]byte(c.Queue), []byte(name)) {
				continue
			}
			if denied := c.identity.AllowsJob(acl.JobErase, name); denied != nil {
				c.denied = denied
				c.failure = &queue.Error{Code: CodeDenied, Field: "queue", Text: "it matches queues that this user may not erase from: name those that it may"}
				return
			}
			if path := c.client.d.opts.Guard.Encrypts(name, c.Path); path != "" {
				c.failure = invalid("path", "queue %s encrypts %s, so that values of it cannot be looked for: look for another one that the same jobs have", name, path)
				return
			}
		}
	}
}

func thenErase(c *Call) (queue.Op, *queue.Error) {
	if c.state == nil {
		c.state = &steps{}
	}
	op, s := c.op.(*queue.Erase), c.state.(*steps)
	s.done += int64(op.Result)
	if op.ResultNext == 0 {
		return nil, nil
	}
	return c.erase(op.ResultNext), nil
}

// noteErased has files lose what an operation erased.
func noteErased(tx *machine.Tx, op queue.Op) {
	if e, ok := op.(*queue.Erase); ok && e.Result > 0 {
		tx.Erased()
	}
}
