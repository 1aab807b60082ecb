package job

import (
	"fmt"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/queue"
)

// judge asks whether the call may do what it does to the jobs that it names. It
// tells whether the operation has changed: of a batch only what is permitted is
// carried out.
func (c *Call) judge(q *queue.Queues, now int64) (changed bool) {
	switch op := c.op.(type) {
	case *queue.Ack:
		for i := range op.Jobs {
			changed = c.judgeOne(q, len(op.Jobs), i, &op.Jobs[i].Holder) || changed
		}
	case *queue.Renew:
		for i := range op.Jobs {
			changed = c.judgeOne(q, len(op.Jobs), i, &op.Jobs[i]) || changed
		}
	case *queue.Erase:
		c.judgeErase(q, now)
	case *queue.Push:
		c.judgeDependencies(q, op.Jobs)
	case *queue.Flow:
		c.judgeDependencies(q, []queue.NewJob{op.Parent})
		if c.failure == nil {
			c.judgeDependencies(q, op.Children)
		}
	case *queue.Retry:
		if op.ID != 0 {
			c.failure = c.judgeJob(q, op.ID)
		}
	case *queue.SetSchedule:
		c.judgeSchedule(q, op.Name)
	case *queue.DeleteSchedule:
		c.judgeSchedule(q, op.Name)
	default:
		if c.command.byJob {
			c.failure = c.judgeJob(q, c.ID)
		}
	}
	return changed
}

// judgeOne judges one job of a batch of n. One that is refused is made one that
// does not exist.
func (c *Call) judgeOne(q *queue.Queues, n, i int, h *queue.Holder) (refused bool) {
	err := c.judgeJob(q, h.ID)
	switch {
	case err == nil:
		return false
	case n == 1:
		c.failure = err
		return false
	case c.refused == nil:
		c.refused = make([]*queue.Error, n)
	}
	c.refused[i] = err
	h.ID = 0
	return true
}

// judgeJob judges a job by its queue. Who may not read the queue learns nothing
// of the job, not even that it exists.
func (c *Call) judgeJob(q *queue.Queues, id uint64) *queue.Error {
	name := q.QueueOf(id)
	if name == "" {
		return noJob(id)
	}
	return c.judgeIn(name, id)
}

// operation is what the call is to a job. Who has its lease may put it off as it
// may fail it: a worker gives back what it does not get to.
func (c *Call) operation() acl.Operation {
	if c.Lease != "" && c.Cmd == "MOVETODELAYED" {
		return acl.JobFail
	}
	return c.command.operation
}

// judgeIn is judgeJob for a job that is in a queue.
func (c *Call) judgeIn(name string, id uint64) *queue.Error {
	denied := c.identity.AllowsJob(c.operation(), name)
	if denied == nil {
		return nil
	}
	c.denied = denied
	if c.identity.AllowsJob(acl.JobRead, name) != nil {
		return noJob(id)
	}
	return &queue.Error{Code: CodeDenied, Text: denied.Error()}
}

// judgeDependencies: who waits for a job learns when it ends.
func (c *Call) judgeDependencies(q *queue.Queues, jobs []queue.NewJob) {
	for i := range jobs {
		for _, id := range jobs[i].DependsOn {
			name := q.QueueOf(id)
			if name == "" || name == jobs[i].Queue {
				continue
			}
			if denied := c.identity.AllowsJob(acl.JobRead, name); denied != nil {
				c.denied = denied
				c.failure = invalid("depends_on", "there has never been a job %d", id)
				return
			}
		}
	}
}

// judgeSchedule: a schedule that is replaced or removed may be another queue's.
func (c *Call) judgeSchedule(q *queue.Queues, name string) {
	of := q.ScheduleQueue(name)
	if of == "" {
		return
	}
	if denied := c.identity.AllowsJob(acl.JobSchedule, of); denied != nil {
		c.denied = denied
		c.failure = &queue.Error{Code: queue.CodeNotFound, Field: "name", Text: fmt.Sprintf("there is no schedule %q that this user may change", name)}
	}
}

// mayRead tells whether what is known of a queue's jobs may be told.
func (c *Call) mayRead(name string) bool { return c.identity.AllowsJob(acl.JobRead, name) == nil }

// readable is the job, or nil for one that is not to be seen.
func (c *Call) readable(j *queue.Job) *queue.Job {
	if j != nil && c.mayRead(j.Queue) {
		return j
	}
	return nil
}

func noJob(id uint64) *queue.Error {
	return &queue.Error{Code: queue.CodeNotFound, Field: "id", Text: fmt.Sprintf("there is no job %d", id)}
}
