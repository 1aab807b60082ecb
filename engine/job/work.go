package job

import (
	"encoding/hex"
	"fmt"
	"math"

	"github.com/coffer-dev/coffer/engine/acl"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// Bounds of what waits.
const (
	// DefaultWait is how long a PULL waits for a job, in ms, if it does not say,
	// DefaultWaitJob how long WAITJOB does, and MaxWait the longest of both.
	DefaultWait    = 60_000
	DefaultWaitJob = 30_000
	MaxWait        = 600_000
)

// workCommands are what producers and workers do all day.
var workCommands = []command{
	{name: "PUSH", operation: acl.JobPush, byQueue: true, changes: true, make: makePush, answer: answerPush},
	{name: "PUSHB", operation: acl.JobPush, byQueue: true, changes: true, make: makePushBatch, answer: answerPushBatch},
	{name: "FLOW", operation: acl.JobPush, byQueue: true, changes: true, make: makeFlow, answer: answerFlow},
	{name: "PULL", operation: acl.JobPull, byQueue: true, changes: true, make: makePull, then: thenPull, answer: answerPull},
	{name: "PULLB", operation: acl.JobPull, byQueue: true, changes: true, make: makePull, then: thenPull, answer: answerPull},
	{name: "ACK", operation: acl.JobAck, byJob: true, changes: true, make: makeAck, then: thenLetGo},
	{name: "ACKB", operation: acl.JobAck, changes: true, make: makeAckBatch, then: thenLetGo, answer: answerAckBatch},
	{name: "FAIL", operation: acl.JobFail, byJob: true, changes: true, make: makeFail, then: thenLetGo, answer: answerFail},
	{name: "HEARTBEAT", operation: acl.JobPull, changes: true, make: makeHeartbeat, answer: answerHeartbeat},
	{name: "PROGRESS", operation: acl.JobProgress, byJob: true, changes: true, make: makeProgress},
	{name: "LOG", operation: acl.JobProgress, byJob: true, changes: true, make: makeLog},
	{name: "PARTIAL", operation: acl.JobProgress, byJob: true, changes: true, make: makePartial, answer: answerPartial},
}

func makePush(c *Call) (queue.Op, *queue.Error) {
	if c.Data == nil {
		return nil, missing("data")
	}
	op := &queue.Push{Jobs: make([]queue.NewJob, 1)}
	return op, newJob(&op.Jobs[0], &c.Job, c.Queue)
}

func answerPush(c *Call, dst []byte) []byte {
	pushed := c.op.(*queue.Push).Result[0]
	dst = appendUint(dst, "id", pushed.ID)
	if pushed.Duplicate {
		dst = append(dst, `,"duplicate":true`...)
	}
	return dst
}

func makePushBatch(c *Call) (queue.Op, *queue.Error) {
	if !c.Set.Has(wire.FieldJobs) {
		return nil, missing("jobs")
	}
	op := &queue.Push{Jobs: make([]queue.NewJob, len(c.Jobs))}
	for i := range c.Jobs {
		if err := newJob(&op.Jobs[i], &c.Jobs[i], c.Queue); err != nil {
			err.Field = fmt.Sprintf("jobs[%d].%s", i, err.Field)
			return nil, err
		}
	}
	return op, nil
}

func answerPushBatch(c *Call, dst []byte) []byte {
	result := c.op.(*queue.Push).Result
	return appendIDs(dst, "ids", result, func(p queue.Pushed) uint64 { return p.ID })
}

func makeFlow(c *Call) (queue.Op, *queue.Error) {
	if !c.Set.Has(wire.FieldChildren) {
		return nil, missing("children")
	}
	op := &queue.Flow{Children: make([]queue.NewJob, len(c.Children))}
	if err := newJob(&op.Parent, &c.Job, c.Queue); err != nil {
		return nil, err
	}
	for i := range c.Children {
		child := &c.Children[i]
		err := newJob(&op.Children[i], child, child.Queue)
		if err == nil && child.Queue == "" {
			err = missing("queue")
		}
		if err == nil && !queue.ValidQueue(child.Queue) {
			err = invalidQueue(child.Queue)
		}
		if err == nil {
			err = c.allow(acl.JobPush, child.Queue)
		}
		if err != nil {
			if err.Field != "" {
				err.Field = fmt.Sprintf("children[%d].%s", i, err.Field)
			}
			return nil, err
		}
	}
	return op, nil
}

func answerFlow(c *Call, dst []byte) []byte {
	op := c.op.(*queue.Flow)
	dst = appendUint(dst, "parent_id", op.Result.ID)
	dst = appendIDs(dst, "children_ids", op.ResultChildren, func(p queue.Pushed) uint64 { return p.ID })
	if op.Result.Duplicate {
		dst = append(dst, `,"duplicate":true`...)
	}
	return dst
}

// newJob makes a queue's job of what was sent.
func newJob(n *queue.NewJob, j *wire.Job, name string) *queue.Error {
	*n = queue.NewJob{
		Queue: name, Data: j.Data, Delay: j.Delay, TTL: j.TTL, Timeout: j.Timeout, StallTimeout: j.StallTimeout, Backoff: j.Backoff,
		UniqueKey: j.UniqueKey, DebounceID: j.DebounceID, DebounceTTL: j.DebounceTTL, CustomID: j.CustomID, GroupID: j.GroupID,
		DependsOn: j.DependsOn, Tags: j.Tags, LIFO: j.Lifo, RemoveOnComplete: j.RemoveOnComplete, RemoveOnFail: j.RemoveOnFail,
		KeepAge: j.KeepCompletedAge,
	}
	if n.Data == nil {
		n.Data = []byte("null")
	}
	switch {
	case j.Backoff < 0:
		return invalid("backoff", "must not be negative")
	case j.Set.Has(wire.FieldBackoff) && j.Backoff == 0:
		n.Backoff = queue.None
	}
	var err *queue.Error
	if n.Priority, err = small("priority", j.Priority, math.MinInt32); err != nil {
		return err
	}
	if n.KeepCount, err = small("keep_completed_count", j.KeepCompletedCount, 0); err != nil {
		return err
	}
	if n.MaxAttempts, err = small("max_attempts", j.MaxAttempts, 0); err != nil {
		return err
	}
	if j.Set.Has(wire.FieldMaxAttempts) && j.MaxAttempts == 0 {
		n.MaxAttempts = queue.None
	}
	return nil
}

// small is a number that has 32 bits in a job.
func small(field string, n, least int64) (int32, *queue.Error) {
	if n < least || n > math.MaxInt32 {
		return 0, invalid(field, "%d, must be from %d to %d", n, least, math.MaxInt32)
	}
	return int32(n), nil
}

// pull is the state of a PULL or PULLB.
type pull struct {
	wait int64 // ms
}

func makePull(c *Call) (queue.Op, *queue.Error) {
	count := int64(1)
	if c.Cmd == "PULLB" {
		if !c.Set.Has(wire.FieldCount) {
			return nil, missing("count")
		}
		count = c.Count
	}
	wait, err := c.wait(c.client.opts.PullWait)
	if err != nil {
		return nil, err
	}
	op := &queue.Pull{Queue: c.Queue, Count: int(min(max(count, math.MinInt32), math.MaxInt32)), Lease: c.LeaseFor}
	if !c.WantsLease && !c.client.opts.TokensOnly {
		op.Owner = c.client.owner
		if err := c.client.mayHold(); err != nil {
			return nil, err
		}
	}
	c.state = &pull{wait: wait}
	if wait > 0 && c.client.d.pulls.lined(c.Queue) { // others came before
		if err := op.Check(c.client.d.now()); err != nil {
			return nil, err
		}
		return nil, c.client.d.pulls.park(c, op, wait)
	}
	return op, nil
}

// wait is for how long the call may wait, in ms.
func (c *Call) wait(otherwise int64) (int64, *queue.Error) {
	switch {
	case !c.Set.Has(wire.FieldTimeout):
		return otherwise, nil
	case c.Timeout < 0 || c.Timeout > MaxWait:
		return 0, invalid("timeout", "%d, must be from 0 to %d ms", c.Timeout, MaxWait)
	}
	return c.Timeout, nil
}

// thenPull waits if there was nothing.
func thenPull(c *Call) (queue.Op, *queue.Error) {
	op := c.op.(*queue.Pull)
	if len(op.Result) > 0 {
		c.client.took(op)
		return nil, nil
	}
	if wait := c.state.(*pull).wait; wait > 0 {
		return nil, c.client.d.pulls.park(c, op, wait)
	}
	return nil, nil
}

func answerPull(c *Call, dst []byte) []byte {
	return c.client.appendPulls(dst, c.Cmd == "PULL", c.op.(*queue.Pull))
}

// holder is who claims the lease of a job.
func (c *Call) holder(id uint64, lease string) (h queue.Holder, _ *queue.Error) {
	h.ID = id
	if lease == "" {
		h.Owner = c.client.owner
		return h, nil
	}
	if len(lease) != 2*len(h.Token) {
		return h, invalid("lease", "must be the %d digits that the pull answered with", 2*len(h.Token))
	}
	if _, err := hex.Decode(h.Token[:], []byte(lease)); err != nil {
		return h, invalid("lease", "must be the %d digits that the pull answered with", 2*len(h.Token))
	}
	if h.Token == (queue.Token{}) {
		h.Token[len(h.Token)-1] = 1 // zero is who names none; no lease has this either
	}
	return h, nil
}

// holders are those of a list of ids.
func (c *Call) holders() ([]queue.Holder, *queue.Error) {
	if !c.Set.Has(wire.FieldIDs) {
		return nil, missing("ids")
	}
	if len(c.Leases) > 0 && len(c.Leases) != len(c.IDs) {
		return nil, invalid("leases", "%d, must be as many as ids (%d)", len(c.Leases), len(c.IDs))
	}
	list := make([]queue.Holder, len(c.IDs))
	for i, id := range c.IDs {
		lease := ""
		if len(c.Leases) > 0 {
			lease = c.Leases[i]
		}
		var err *queue.Error
		if list[i], err = c.holder(id, lease); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func makeAck(c *Call) (queue.Op, *queue.Error) {
	h, err := c.holder(c.ID, c.Lease)
	return &queue.Ack{Jobs: []queue.Finished{{Holder: h, Result: c.Result}}}, err
}

func makeAckBatch(c *Call) (queue.Op, *queue.Error) {
	list, err := c.holders()
	if err != nil {
		return nil, err
	}
	if len(c.Results) > 0 && len(c.Results) != len(list) {
		return nil, invalid("results", "%d, must be as many as ids (%d)", len(c.Results), len(list))
	}
	op := &queue.Ack{Jobs: make([]queue.Finished, len(list))}
	for i, h := range list {
		op.Jobs[i].Holder = h
		if len(c.Results) > 0 {
			op.Jobs[i].Result = c.Results[i]
		}
	}
	return op, nil
}

// thenLetGo notes that leases of the connection are over.
func thenLetGo(c *Call) (queue.Op, *queue.Error) {
	switch op := c.op.(type) {
	case *queue.Fail:
		c.client.letGo(op.Holder)
	case *queue.Ack:
		for i := range op.Jobs {
			if op.ResultErrs == nil || op.ResultErrs[i] == nil {
				c.client.letGo(op.Jobs[i].Holder)
			}
		}
	}
	return nil, nil
}

// answerAckBatch says how many were acknowledged, twice: flashQ's client looks
// for the number in ids.
func answerAckBatch(c *Call, dst []byte) []byte {
	op := c.op.(*queue.Ack)
	errs := c.errors(len(op.Jobs), op.ResultErrs)
	n := len(op.Jobs)
	for _, err := range errs {
		if err != nil {
			n--
		}
	}
	dst = appendUint(dst, "count", uint64(n)) //nolint:gosec // not negative
	dst = append(appendInt(append(dst, `,"ids":[`...), int64(n)), ']')
	return appendErrors(dst, errs)
}

// errors are those of a batch: what the operation says, and what was refused
// before it.
func (c *Call) errors(n int, said []*queue.Error) []*queue.Error {
	if c.refused == nil {
		return said
	}
	errs := make([]*queue.Error, n)
	for i := range errs {
		if said != nil {
			errs[i] = said[i]
		}
		if c.refused[i] != nil {
			errs[i] = c.refused[i]
		}
	}
	return errs
}

func makeFail(c *Call) (queue.Op, *queue.Error) {
	h, err := c.holder(c.ID, c.Lease)
	return &queue.Fail{Holder: h, Error: c.Error}, err
}

func answerFail(c *Call, dst []byte) []byte {
	op := c.op.(*queue.Fail)
	if op.ResultState == 0 {
		return append(dst, `,"state":"unknown"`...)
	}
	dst = appendText(dst, "state", op.ResultState.String())
	if op.ResultRunAt != 0 {
		dst = appendNumber(dst, "run_at", op.ResultRunAt)
	}
	return dst
}

// makeHeartbeat renews one job's lease, or those of many: id and lease, or ids
// and leases.
func makeHeartbeat(c *Call) (queue.Op, *queue.Error) {
	if c.Set.Has(wire.FieldIDs) {
		list, err := c.holders()
		return &queue.Renew{Jobs: list}, err
	}
	if !c.Set.Has(wire.FieldID) {
		return nil, missing("id")
	}
	h, err := c.holder(c.ID, c.Lease)
	return &queue.Renew{Jobs: []queue.Holder{h}}, err
}

func answerHeartbeat(c *Call, dst []byte) []byte {
	op := c.op.(*queue.Renew)
	if !c.Set.Has(wire.FieldIDs) {
		return appendNumber(dst, "lease_until", op.ResultDeadlines[0])
	}
	dst = append(dst, `,"lease_until":[`...)
	for i, at := range op.ResultDeadlines {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendInt(dst, at)
	}
	return appendErrors(append(dst, ']'), c.errors(len(op.Jobs), op.ResultErrs))
}

func makeProgress(c *Call) (queue.Op, *queue.Error) {
	if !c.Set.Has(wire.FieldProgress) {
		return nil, missing("progress")
	}
	if c.Progress < 0 || c.Progress > 100 {
		return nil, invalid("progress", "%d, must be from 0 to 100", c.Progress)
	}
	h, err := c.holder(c.ID, c.Lease)
	return &queue.Progress{Holder: h, Progress: int32(c.Progress), Message: c.Message}, err //nolint:gosec // bounded
}

func makeLog(c *Call) (queue.Op, *queue.Error) {
	if !c.Set.Has(wire.FieldMessage) {
		return nil, missing("message")
	}
	h, err := c.holder(c.ID, c.Lease)
	return &queue.Log{Holder: h, Level: c.Level, Message: c.Message}, err
}

func makePartial(c *Call) (queue.Op, *queue.Error) {
	if c.Data == nil {
		return nil, missing("data")
	}
	h, err := c.holder(c.ID, c.Lease)
	op := &queue.Partial{Holder: h, Index: -1, Data: c.Data}
	if c.Set.Has(wire.FieldIndex) {
		if op.Index = c.Index; op.Index < 0 {
			return nil, invalid("index", "must not be negative")
		}
	}
	return op, err
}

func answerPartial(c *Call, dst []byte) []byte {
	return appendNumber(dst, "index", c.op.(*queue.Partial).Result)
}
