package queue

// unfinished is a job that has not ended, by its id.
func (q *Queues) unfinished(id uint64) (*job, *Error) {
	j := q.jobs.find(id)
	switch {
	case j == nil:
		return nil, noJob(id)
	case j.finished():
		return nil, fail(CodeConflict, "id", "job %d is %s", id, j.state)
	}
	return j, nil
}

// Check implements Op.
func (op *Cancel) Check(int64) *Error { return nil }

// Apply implements Op.
func (op *Cancel) Apply(q *Queues, now int64, _ uint64) {
	j, err := q.unfinished(op.ID)
	if op.Err = err; err != nil {
		return
	}
	q.remove(j, now, "cancelled")
	q.settle(now)
}

// Check implements Op.
func (op *Update) Check(int64) *Error { return checkData("data", op.Data) }

// Apply implements Op.
func (op *Update) Apply(q *Queues, _ int64, _ uint64) {
	j := q.jobs.find(op.ID)
	if j == nil {
		op.Err = noJob(op.ID)
		return
	}
	q.edit(j, func() { j.data = string(op.Data) })
}

// Check implements Op.
func (op *SetPriority) Check(int64) *Error { return nil }

// Apply implements Op.
func (op *SetPriority) Apply(q *Queues, now int64, _ uint64) {
	j, err := q.unfinished(op.ID)
	if op.Err = err; err != nil {
		return
	}
	if j.state == Waiting {
		q.leave(j)
		j.priority = op.Priority
		q.enter(j, Waiting)
	} else {
		q.touch(j)
		j.priority = op.Priority
	}
	q.settle(now)
}

// Check implements Op.
func (op *MoveToDelayed) Check(int64) *Error {
	return checkNumbers(number{"delay", op.Delay, 0, MaxDuration, " ms"})
}

// Apply implements Op.
func (op *MoveToDelayed) Apply(q *Queues, now int64, _ uint64) {
	j, err := q.unfinished(op.ID)
	if err == nil && (j.state == Active || op.Token != Token{}) {
		j, err = q.leased(op.Holder)
	}
	if err == nil && j.state == Blocked {
		err = fail(CodeConflict, "id", "job %d is %s", op.ID, j.state)
	}
	if op.Err = err; err != nil {
		return
	}
	q.leave(j)
	op.Result = now + op.Delay
	q.admit(j, op.Result, now)
	q.emit(EventDelayed, j, now, "", false)
	q.settle(now)
}

// Check implements Op.
func (op *Promote) Check(int64) *Error { return nil }

// Apply implements Op.
func (op *Promote) Apply(q *Queues, now int64, _ uint64) {
	j, err := q.unfinished(op.ID)
	if err == nil && j.state != Delayed {
		err = fail(CodeConflict, "id", "job %d is %s, not delayed", op.ID, j.state)
	}
	if op.Err = err; err != nil {
		return
	}
	q.ripe(j, now)
	q.settle(now)
}

// ripe makes a delayed job ready.
func (q *Queues) ripe(j *job, now int64) {
	q.leave(j)
	q.makeReady(j)
	q.emit(EventWaiting, j, now, "", false)
}

// Check implements Op.
func (op *Discard) Check(int64) *Error { return nil }

// Apply implements Op.
func (op *Discard) Apply(q *Queues, now int64, _ uint64) {
	j, err := q.unfinished(op.ID)
	if op.Err = err; err != nil {
		return
	}
	q.leave(j)
	j.ran().err = "discarded"
	q.emit(EventFailed, j, now, "discarded", true)
	q.bury(j, now)
	q.settle(now)
}
