package job

import (
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/glob"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// queueCommands are about whole queues.
var queueCommands = []command{
	{name: "PAUSE", operation: acl.JobManage, byQueue: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		return &queue.Pause{Queue: c.Queue, Paused: true}, nil
	}},
	{name: "RESUME", operation: acl.JobManage, byQueue: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		return &queue.Pause{Queue: c.Queue}, nil
	}},
	{name: "DRAIN", operation: acl.JobManage, byQueue: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		return &queue.Drain{Queue: c.Queue}, nil
	}, then: thenStep, answer: answerCount},
	{name: "OBLITERATE", operation: acl.JobManage, byQueue: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		return &queue.Obliterate{Queue: c.Queue}, nil
	}, then: thenStep, answer: answerCount},
	{name: "PURGEDLQ", operation: acl.JobDeadLetter, byQueue: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		return &queue.Purge{Queue: c.Queue}, nil
	}, then: thenStep, answer: answerCount},
	{name: "RETRYDLQ", operation: acl.JobDeadLetter, byQueue: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		return &queue.Retry{Queue: c.Queue, ID: c.ID}, nil
	}, then: thenStep, answer: func(c *Call, dst []byte) []byte {
		n := c.done()
		return append(appendInt(append(appendNumber(dst, "count", n), `,"ids":[`...), n), ']')
	}},
	{name: "CLEAN", operation: acl.JobManage, changes: true, make: makeClean, then: thenClean, answer: answerCount},
	{name: "ERASE", changes: true, make: makeErase, then: thenErase, answer: answerCount},
	{name: "RATELIMIT", operation: acl.JobManage, byQueue: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		if !c.Set.Has(wire.FieldLimit) {
			return nil, missing("limit")
		}
		if c.Limit < 1 {
			return nil, invalid("limit", "%d, must be from 1 to %d; RATELIMITCLEAR removes it", c.Limit, queue.MaxRate)
		}
		per := c.Duration
		if per == 0 {
			per = 1000
		}
		return &queue.SetRateLimit{Queue: c.Queue, RateLimit: queue.RateLimit{Max: c.Limit, Per: per}}, nil
	}},
	{name: "RATELIMITCLEAR", operation: acl.JobManage, byQueue: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		return &queue.SetRateLimit{Queue: c.Queue}, nil
	}},
	{name: "SETCONCURRENCY", operation: acl.JobManage, byQueue: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		if !c.Set.Has(wire.FieldLimit) {
			return nil, missing("limit")
		}
		if c.Limit < 1 {
			return nil, invalid("limit", "%d, must be positive; CLEARCONCURRENCY removes it", c.Limit)
		}
		return &queue.SetConcurrency{Queue: c.Queue, Limit: c.Limit}, nil
	}},
	{name: "CLEARCONCURRENCY", operation: acl.JobManage, byQueue: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		return &queue.SetConcurrency{Queue: c.Queue}, nil
	}},
	{name: "LISTQUEUES", make: makeQueues, then: thenQueues, answer: answerQueues},
	{name: "STATS", make: makeQueues, then: thenQueues, answer: answerStats},
	{name: "METRICS", make: makeQueues, then: thenQueues, answer: answerMetrics},
}

// steps is the state of a command that is carried out in several.
type steps struct {
	done   int64
	queues []string // CLEAN's
	limit  int64    // what is left of CLEAN's; -1: none
}

func (c *Call) done() int64 { return c.state.(*steps).done }

func answerCount(c *Call, dst []byte) []byte { return appendNumber(dst, "count", c.done()) }

// thenStep goes on where the last step ended.
func thenStep(c *Call) (queue.Op, *queue.Error) {
	if c.state == nil {
		c.state = &steps{}
	}
	s := c.state.(*steps)
	var step queue.Step
	var next queue.Op
	switch op := c.op.(type) {
	case *queue.Drain:
		step, next = op.Step, &queue.Drain{Queue: op.Queue, Step: queue.Step{Before: op.ResultBefore}}
	case *queue.Obliterate:
		step, next = op.Step, &queue.Obliterate{Queue: op.Queue, Step: queue.Step{Before: op.ResultBefore}}
	case *queue.Purge:
		step, next = op.Step, &queue.Purge{Queue: op.Queue, Step: queue.Step{Before: op.ResultBefore}}
	case *queue.Retry:
		step, next = op.Step, &queue.Retry{Queue: op.Queue, Step: queue.Step{Before: op.ResultBefore}}
	}
	s.done += int64(step.Result)
	if step.ResultMore {
		return next, nil
	}
	return nil, nil
}

// makeClean cleans one queue, or all that a pattern matches.
func makeClean(c *Call) (queue.Op, *queue.Error) {
	s := &steps{limit: -1}
	c.state = s
	switch {
	case c.Queue == "":
		return nil, missing("queue")
	case !c.Set.Has(wire.FieldState):
		return nil, missing("state")
	case !c.Set.Has(wire.FieldGrace):
		return nil, missing("grace")
	case c.Set.Has(wire.FieldLimit):
		if s.limit = c.Limit; c.Limit < 1 {
			return nil, invalid("limit", "%d, must be positive; without it all are removed", c.Limit)
		}
	}
	if _, err := parseState(c.State); err != nil {
		return nil, err
	}
	if !queue.ValidQueue(c.Queue) {
		if err := acl.ValidatePattern(c.Queue); err != nil {
			return nil, invalid("queue", "%v", err)
		}
		return &queue.ListQueues{Limit: queue.MaxListed}, nil
	}
	if err := c.allow(acl.JobManage, c.Queue); err != nil {
		return nil, err
	}
	s.queues = []string{c.Queue}
	return s.clean(c), nil
}

// clean is the next step; nil if nothing is left to do.
func (s *steps) clean(c *Call) queue.Op {
	if len(s.queues) == 0 || s.limit == 0 {
		return nil
	}
	state, _ := parseState(c.State) // looked at before
	op := &queue.Clean{Queues: s.queues[:min(len(s.queues), queue.MaxBatch)], State: state, Grace: c.Grace}
	if s.limit > 0 {
		op.Limit = int(min(s.limit, queue.MaxStep))
	}
	return op
}

func thenClean(c *Call) (queue.Op, *queue.Error) {
	s := c.state.(*steps)
	switch op := c.op.(type) {
	case *queue.ListQueues:
		for _, q := range op.Result {
			if glob.Match([]byte(c.Queue), []byte(q.Name)) && c.identity.AllowsJob(acl.JobManage, q.Name) == nil {
				s.queues = append(s.queues, q.Name)
			}
		}
		if op.ResultMore {
			return &queue.ListQueues{After: op.Result[len(op.Result)-1].Name, Limit: queue.MaxListed}, nil
		}
	case *queue.Clean:
		s.done += int64(op.Result)
		if s.limit > 0 {
			s.limit -= int64(op.Result)
		}
		if !op.ResultMore {
			s.queues = s.queues[len(op.Queues):]
		}
	}
	if op := s.clean(c); op != nil {
		return op, nil
	}
	return nil, nil
}

func makeQueues(*Call) (queue.Op, *queue.Error) {
	return &queue.ListQueues{Limit: queue.MaxListed}, nil
}

// thenQueues gathers the queues that the user may read.
func thenQueues(c *Call) (queue.Op, *queue.Error) {
	op := c.op.(*queue.ListQueues)
	list, _ := c.state.([]queue.Counts)
	for i := range op.Result {
		if c.mayRead(op.Result[i].Name) {
			list = append(list, op.Result[i])
		}
	}
	c.state = list
	if op.ResultMore {
		return &queue.ListQueues{After: op.Result[len(op.Result)-1].Name, Limit: queue.MaxListed}, nil
	}
	return nil, nil
}

func appendLimit(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return append(appendName(dst, name), "null"...)
	}
	return appendNumber(dst, name, n)
}

func answerQueues(c *Call, dst []byte) []byte {
	dst = append(dst, `,"queues":[`...)
	for i, n := range c.state.([]queue.Counts) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(append(dst, `{"name":`...), n.Name)
		for _, m := range []member{{"pending", n.Waiting + n.Blocked}, {"processing", n.Active}, {"completed", n.Completed}, {"delayed", n.Delayed}, {"dlq", n.Failed}} {
			dst = appendNumber(dst, m.name, m.n)
		}
		dst = appendBool(dst, "paused", n.Paused)
		dst = appendLimit(dst, "rate_limit", n.RateLimit.Max)
		dst = appendLimit(dst, "rate_limit_duration", n.RateLimit.Per)
		dst = appendLimit(dst, "concurrency_limit", n.Concurrency)
		dst = appendBool(appendBool(dst, "declared", n.Declared), "closed", n.Closed)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func answerStats(c *Call, dst []byte) []byte {
	var queued, processing, delayed, dead, completed int64
	for _, n := range c.state.([]queue.Counts) {
		queued += n.Waiting + n.Blocked
		processing += n.Active
		delayed += n.Delayed
		dead += n.Failed
		completed += n.Completed
	}
	for _, m := range []member{{"queued", queued}, {"processing", processing}, {"delayed", delayed}, {"dlq", dead}, {"completed", completed}} {
		dst = appendNumber(dst, m.name, m.n)
	}
	return dst
}

func answerMetrics(c *Call, dst []byte) []byte {
	var pushed, completed, failed int64
	queues := c.state.([]queue.Counts)
	for _, n := range queues {
		pushed += n.Pushed
		completed += n.TotalCompleted
		failed += n.TotalFailed
	}
	dst = appendInt(append(dst, `,"metrics":{"total_pushed":`...), pushed)
	dst = appendNumber(appendNumber(dst, "total_completed", completed), "total_failed", failed)
	dst = append(dst, `,"queues":[`...)
	for i, n := range queues {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(append(dst, `{"name":`...), n.Name)
		for _, m := range []member{{"pending", n.Waiting + n.Blocked}, {"processing", n.Active}, {"dlq", n.Failed}} {
			dst = appendNumber(dst, m.name, m.n)
		}
		dst = append(appendLimit(dst, "rate_limit", n.RateLimit.Max), '}')
	}
	return append(dst, `]}`...)
}
