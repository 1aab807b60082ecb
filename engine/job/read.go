package job

import (
	"strconv"

	"github.com/coffer-dev/coffer/engine/acl"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// DefaultListed is how many jobs GETJOBS and DLQ list if they do not say.
const DefaultListed = 100

// readCommands read jobs. Those of queues that the user may not read are as if
// they were not there.
var readCommands = []command{
	{name: "GETJOB", operation: acl.JobRead, make: makeGet, answer: answerJob},
	{name: "GETSTATE", operation: acl.JobRead, make: makeGet, answer: func(c *Call, dst []byte) []byte {
		state := queue.State(0)
		if j := c.found(); j != nil {
			state = j.State
		}
		return appendText(appendUint(dst, "id", c.ID), "state", state.String())
	}},
	{name: "GETRESULT", operation: acl.JobRead, make: makeGet, answer: func(c *Call, dst []byte) []byte {
		result := ""
		if j := c.found(); j != nil {
			result = j.Result
		}
		return appendJSON(appendUint(dst, "id", c.ID), "result", result)
	}},
	{name: "GETPROGRESS", operation: acl.JobRead, make: makeGet, then: mustExist, answer: func(c *Call, dst []byte) []byte {
		j := c.found()
		dst = strconv.AppendUint(append(dst, `,"progress":{"id":`...), c.ID, 10)
		dst = appendNumber(dst, "progress", int64(j.Progress))
		if j.Message == "" {
			return append(dst, `,"message":null}`...)
		}
		return append(appendText(dst, "message", j.Message), '}')
	}},
	{name: "GETLOGS", operation: acl.JobRead, make: makeGet, then: mustExist, answer: answerLogs},
	{name: "GETJOBBYCUSTOMID", operation: acl.JobRead, make: func(c *Call) (queue.Op, *queue.Error) {
		if !c.Set.Has(wire.FieldJobID) {
			return nil, missing("job_id")
		}
		return &queue.Find{CustomID: c.CustomID}, nil
	}, answer: answerJob},
	{name: "GETJOBSBATCH", operation: acl.JobRead, make: func(c *Call) (queue.Op, *queue.Error) {
		if !c.Set.Has(wire.FieldIDs) {
			return nil, missing("ids")
		}
		return &queue.Get{IDs: c.IDs}, nil
	}, answer: func(c *Call, dst []byte) []byte {
		var jobs []*queue.Job
		for _, j := range c.op.(*queue.Get).Result {
			if c.readable(j) != nil {
				jobs = append(jobs, j)
			}
		}
		dst, left := c.client.appendJobs(dst, "jobs", jobs, appendFlat)
		return appendLeft(dst, left)
	}},
	{name: "GETCHILDREN", operation: acl.JobRead, byJob: true, make: func(c *Call) (queue.Op, *queue.Error) {
		return &queue.Get{IDs: []uint64{c.ID}}, nil
	}, then: thenChildren, answer: answerChildren},
	{name: "GETJOBS", operation: acl.JobRead, make: makeList, then: thenList, answer: answerList},
	{name: "GETJOBCOUNTS", operation: acl.JobRead, byQueue: true, make: makeCount, answer: func(c *Call, dst []byte) []byte {
		n := &c.op.(*queue.Count).Result
		for _, m := range []member{
			{"waiting", n.Waiting}, {"active", n.Active}, {"delayed", n.Delayed}, {"completed", n.Completed}, {"failed", n.Failed},
			{"waitingchildren", n.Blocked},
		} {
			dst = appendNumber(dst, m.name, m.n)
		}
		return dst
	}},
	{name: "COUNT", operation: acl.JobRead, byQueue: true, make: makeCount, answer: func(c *Call, dst []byte) []byte {
		n := &c.op.(*queue.Count).Result
		return appendNumber(dst, "count", n.Waiting+n.Delayed+n.Blocked)
	}},
	{name: "ISPAUSED", operation: acl.JobRead, byQueue: true, make: makeCount, answer: func(c *Call, dst []byte) []byte {
		return appendBool(dst, "paused", c.op.(*queue.Count).Result.Paused)
	}},
	{name: "DLQ", operation: acl.JobRead, byQueue: true, make: func(c *Call) (queue.Op, *queue.Error) {
		limit := int64(DefaultListed)
		if c.Set.Has(wire.FieldCount) {
			limit = c.Count
		}
		n, err := listed("count", limit)
		return &queue.List{Queue: c.Queue, State: queue.Failed, Limit: n}, err
	}, answer: func(c *Call, dst []byte) []byte {
		dst, left := c.client.appendJobs(dst, "jobs", c.op.(*queue.List).Result, appendFlat)
		return appendLeft(dst, left)
	}},
	{name: "WAITJOB", operation: acl.JobRead, make: makeWaitJob, then: thenWaitJob, answer: func(c *Call, dst []byte) []byte {
		j := c.found()
		if j.State == queue.Failed {
			return appendFailure(dst, j.Error)
		}
		return appendJSON(dst, "result", j.Result)
	}},
}

func makeGet(c *Call) (queue.Op, *queue.Error) {
	if !c.Set.Has(wire.FieldID) {
		return nil, missing("id")
	}
	return &queue.Get{IDs: []uint64{c.ID}}, nil
}

// found is the job that was read, nil if there is none to be seen.
func (c *Call) found() *queue.Job {
	switch op := c.op.(type) {
	case *queue.Get:
		return c.readable(op.Result[0])
	case *queue.Find:
		return c.readable(op.Result)
	}
	return nil
}

func mustExist(c *Call) (queue.Op, *queue.Error) {
	if c.found() == nil {
		return nil, noJob(c.ID)
	}
	return nil, nil
}

func answerJob(c *Call, dst []byte) []byte {
	j := c.found()
	if j == nil {
		return append(dst, `,"job":null,"state":"unknown"`...)
	}
	dst = c.client.openly(appendName(dst, "job"), j, appendJob)
	return appendText(dst, "state", j.State.String())
}

func answerLogs(c *Call, dst []byte) []byte {
	dst = append(appendUint(dst, "id", c.ID), `,"logs":[`...)
	for i, line := range c.found().Logs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendInt(append(dst, `{"timestamp":`...), line.Time)
		dst = appendText(dst, "message", line.Message)
		dst = append(appendText(dst, "level", line.Level), '}')
	}
	return append(dst, ']')
}

// thenChildren reads the children of a parent that may be seen.
func thenChildren(c *Call) (queue.Op, *queue.Error) {
	get, ok := c.op.(*queue.Get)
	if !ok {
		return nil, nil
	}
	parent := c.readable(get.Result[0])
	if parent == nil {
		return nil, noJob(c.ID)
	}
	c.state = parent
	return &queue.Children{ID: c.ID}, nil
}

func answerChildren(c *Call, dst []byte) []byte {
	parent := c.state.(*queue.Job)
	var jobs []*queue.Job
	for _, j := range c.op.(*queue.Children).Result {
		if c.readable(j) != nil {
			jobs = append(jobs, j)
		}
	}
	total := len(parent.Children)
	dst = appendUint(dst, "parent_id", c.ID)
	dst, left := c.client.appendJobs(dst, "children", jobs, appendFlat)
	dst = appendIDs(dst, "children_ids", parent.Children, func(id uint64) uint64 { return id })
	dst = appendNumber(dst, "completed", int64(total-min(parent.Pending, total)))
	return appendLeft(appendNumber(dst, "total", int64(total)), left)
}

// appendLeft says that an answer was cut.
func appendLeft(dst []byte, left int) []byte {
	if left == 0 {
		return dst
	}
	return appendNumber(dst, "left_out", int64(left))
}

func makeCount(c *Call) (queue.Op, *queue.Error) { return &queue.Count{Queue: c.Queue}, nil }

func listed(field string, n int64) (int, *queue.Error) {
	if n < 1 || n > queue.MaxListed {
		return 0, invalid(field, "%d, must be from 1 to %d", n, queue.MaxListed)
	}
	return int(n), nil
}

// listing is the state of GETJOBS: the queues that are left, and what was found.
type listing struct {
	state         queue.State
	offset, limit int
	queues        []queue.Counts
	jobs          []*queue.Job
	total         int64
}

func makeList(c *Call) (queue.Op, *queue.Error) {
	l := &listing{limit: DefaultListed}
	c.state = l
	var err *queue.Error
	if c.Set.Has(wire.FieldLimit) {
		if l.limit, err = listed("limit", c.Limit); err != nil {
			return nil, err
		}
	}
	if c.Offset < 0 || c.Offset > 1<<53 {
		return nil, invalid("offset", "%d, must not be negative", c.Offset)
	}
	l.offset = int(c.Offset)
	if c.Set.Has(wire.FieldState) {
		if l.state, err = parseState(c.State); err != nil {
			return nil, err
		}
	}
	if c.Queue == "" {
		return &queue.ListQueues{Limit: queue.MaxListed}, nil
	}
	if err := c.permitQueue(acl.JobRead); err != nil {
		return nil, err
	}
	return &queue.Count{Queue: c.Queue}, nil
}

// parseState accepts flashQ's spellings.
func parseState(name string) (queue.State, *queue.Error) {
	switch name {
	case "waiting-children", "waiting_children", "waitingparent", "waiting-parent", "waiting_parent":
		return queue.Blocked, nil
	case "stalled": // is waiting here
		return queue.Waiting, nil
	}
	if s, ok := queue.ParseState(name); ok {
		return s, nil
	}
	return 0, invalid("state", "%.32q, must be waiting, delayed, active, waitingchildren, completed or failed", name)
}

func thenList(c *Call) (queue.Op, *queue.Error) {
	l := c.state.(*listing)
	switch op := c.op.(type) {
	case *queue.ListQueues:
		l.add(c, op.Result)
		if op.ResultMore {
			return &queue.ListQueues{After: op.Result[len(op.Result)-1].Name, Limit: queue.MaxListed}, nil
		}
	case *queue.Count:
		l.add(c, []queue.Counts{op.Result})
	case *queue.List:
		l.jobs = append(l.jobs, op.Result...)
	}
	for len(l.queues) > 0 && len(l.jobs) < l.limit {
		next := &l.queues[0]
		l.queues = l.queues[1:]
		if n := inState(next, l.state); int64(l.offset) >= n {
			l.offset -= int(n)
			continue
		}
		op := &queue.List{Queue: next.Name, State: l.state, Offset: l.offset, Limit: l.limit - len(l.jobs)}
		l.offset = 0
		return op, nil
	}
	return nil, nil
}

func (l *listing) add(c *Call, queues []queue.Counts) {
	for i := range queues {
		if c.mayRead(queues[i].Name) {
			l.queues = append(l.queues, queues[i])
			l.total += inState(&queues[i], l.state)
		}
	}
}

// inState is how many jobs a queue has in a state, or in all.
func inState(n *queue.Counts, s queue.State) int64 {
	switch s {
	case queue.Waiting:
		return n.Waiting
	case queue.Delayed:
		return n.Delayed
	case queue.Active:
		return n.Active
	case queue.Blocked:
		return n.Blocked
	case queue.Completed:
		return n.Completed
	case queue.Failed:
		return n.Failed
	}
	return n.Unfinished() + n.Completed + n.Failed
}

func answerList(c *Call, dst []byte) []byte {
	l := c.state.(*listing)
	dst, left := c.client.appendJobs(dst, "jobs", l.jobs, appendNested)
	return appendLeft(appendNumber(dst, "total", l.total), left)
}

func makeWaitJob(c *Call) (queue.Op, *queue.Error) {
	if !c.Set.Has(wire.FieldID) {
		return nil, missing("id")
	}
	wait, err := c.wait(DefaultWaitJob)
	if err != nil {
		return nil, err
	}
	// Before the job is read, so that its end is not missed in between.
	if c.state, err = c.client.d.events.watch(c, wait); err != nil {
		return nil, err
	}
	return &queue.Get{IDs: []uint64{c.ID}}, nil
}

func thenWaitJob(c *Call) (queue.Op, *queue.Error) {
	w := c.state.(*watch)
	j := c.found()
	switch {
	case j == nil:
		if w.stop() {
			return nil, noJob(c.ID)
		}
	case j.State == queue.Completed, j.State == queue.Failed:
		if w.stop() {
			return nil, nil
		}
	}
	c.waits = true
	w.arm()
	return nil, nil
}

// appendFailure says of a job that it failed: the request did not.
func appendFailure(dst []byte, why string) []byte {
	return appendText(dst, "error", "job failed: "+why)
}
