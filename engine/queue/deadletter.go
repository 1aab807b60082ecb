package queue

import "slices"

// Check implements Op.
func (op *Retry) Check(int64) *Error {
	if op.ID != 0 {
		return nil
	}
	return checkQueue("queue", op.Queue)
}

// Apply implements Op.
func (op *Retry) Apply(q *Queues, now int64, _ uint64) {
	op.begin(q)
	if op.ID != 0 {
		j := q.jobs.find(op.ID)
		switch {
		case j == nil:
			op.Err = noJob(op.ID)
		case j.state != Failed:
			op.Err = fail(CodeConflict, "id", "job %d is %s, not failed", op.ID, j.state)
		default:
			op.Err = q.retry(j, now)
		}
		if op.Err == nil {
			op.Result = 1
		}
		q.settle(now)
		return
	}
	qu, err := q.existing(op.Queue)
	if op.Err = err; err != nil {
		return
	}
	for _, j := range op.take(qu.failed) {
		if q.retry(j, now) == nil {
			op.Result++
			continue
		}
		q.leave(j) // and lets the others come first
		j.order = now
		q.enter(j, Failed)
	}
	op.ResultMore = op.ResultMore && op.Result > 0
	q.settle(now)
}

// retry gives a dead letter all its attempts again. If it waited for jobs that
// are not completed yet it waits again.
func (q *Queues) retry(j *job, now int64) *Error {
	qu := j.queue()
	if slices.ContainsFunc(q.outcomes, func(o outcome) bool { return o.id == j.id }) {
		return fail(CodeConflict, "id", "those that wait for job %d are still being told that it failed: try again", j.id)
	}
	if j.marks != nil && j.marks.unique != "" {
		if other := qu.unique[j.marks.unique]; other != nil {
			return fail(CodeConflict, "unique_key", "job %d has it now", other.id)
		}
		qu.unique[j.marks.unique] = j
	}
	q.leave(j)
	j.attempts = 0
	if j.marks != nil {
		j.marks.pending = q.unmet(j)
		if j.marks.ttl > 0 {
			j.marks.expires = now + j.marks.ttl
		}
	}
	q.admit(j, 0, now)
	q.emit(EventWaiting, j, now, "", false)
	return nil
}

// Check implements Op.
func (op *Purge) Check(int64) *Error { return checkQueue("queue", op.Queue) }

// Apply implements Op.
func (op *Purge) Apply(q *Queues, now int64, _ uint64) {
	qu, err := q.existing(op.Queue)
	if op.Err = err; err != nil {
		return
	}
	op.begin(q)
	op.purge(q, now, "purged", qu.failed)
	q.settle(now)
}
