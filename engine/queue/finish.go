package queue

// leased is the active job that a holder names, if it has its lease.
func (q *Queues) leased(h Holder) (*job, *Error) {
	j := q.jobs.find(h.ID)
	switch {
	case j == nil:
		return nil, noJob(h.ID)
	case j.state != Active:
		return nil, fail(CodeLease, "id", "job %d is %s: its lease was lost, or it was never pulled", h.ID, j.state)
	case h.Token != Token{} && h.Token != j.run.token:
		return nil, fail(CodeLease, "lease", "job %d is leased to somebody else: this lease was lost", h.ID)
	case h.Token == Token{} && (h.Owner == 0 || h.Owner != j.run.owner):
		return nil, fail(CodeLease, "id", "job %d was pulled by another connection: give the lease that its pull answered with", h.ID)
	}
	return j, nil
}

// Check implements Op.
func (op *Ack) Check(int64) *Error {
	err := checkCount("ids", len(op.Jobs), 1, MaxBatch)
	for i := range op.Jobs {
		err = first(err, checkData("result", op.Jobs[i].Result))
	}
	return err
}

// Apply implements Op.
func (op *Ack) Apply(q *Queues, now int64, _ uint64) {
	for i := range op.Jobs {
		f := &op.Jobs[i]
		j, err := q.leased(f.Holder)
		if err != nil {
			if op.ResultErrs == nil {
				op.ResultErrs = make([]*Error, len(op.Jobs))
			}
			op.ResultErrs[i] = err
			continue
		}
		q.complete(j, string(f.Result), now)
	}
	if len(op.Jobs) == 1 && op.ResultErrs != nil {
		op.Err = op.ResultErrs[0]
	}
	q.settle(now)
}

// complete ends an active job well.
func (q *Queues) complete(j *job, result string, now int64) {
	qu := j.queue()
	q.leave(j)
	q.release(j)
	r := j.run
	r.result, r.err, r.lease = result, "", 0
	qu.totalCompleted++
	q.tell(j.id, true)
	j.order = now
	q.emit(EventCompleted, j, now, result, true)
	if j.terms.removeOnComplete {
		q.erase(j)
		q.jobs.remove(j.id)
		return
	}
	q.enter(j, Completed)
	most := qu.keep(Completed).MaxCount
	if n := int64(j.terms.keepCount); n > 0 && (most == 0 || n < most) {
		most = n
	}
	q.trim(qu.completed, most, now)
	if d := qu.declared; d != nil && d.Retention.Completed != (Keep{}) {
		return
	}
	for n := 0; qu.kept > DefaultKeepBytes && n < 100; n++ {
		oldest, _ := qu.completed.Min()
		q.remove(oldest, now, "retention")
	}
}

// trim lets the oldest finished jobs go, but for so many; 0 for all. It is
// bounded: what a smaller limit leaves goes with the next ones.
func (q *Queues) trim(t *tree, most, now int64) {
	for n := 0; most > 0 && int64(t.Len()) > most && n < 100; n++ {
		oldest, _ := t.Min()
		q.remove(oldest, now, "retention")
	}
}

// Check implements Op.
func (op *Fail) Check(int64) *Error {
	op.Error = clip(op.Error)
	return checkText("error", op.Error, MaxText)
}

// Apply implements Op.
func (op *Fail) Apply(q *Queues, now int64, seed uint64) {
	j, err := q.leased(op.Holder)
	if op.Err = err; err != nil {
		return
	}
	q.attemptFailed(j, op.Error, op.Final, now, seed)
	if j.id == op.ID { // it was not removed
		op.ResultState = j.state
		if j.state == Delayed {
			op.ResultRunAt = j.order
		}
	}
	q.settle(now)
}

// attemptFailed ends an active job's attempt: there is another one, or none.
func (q *Queues) attemptFailed(j *job, why string, final bool, now int64, seed uint64) {
	last := q.count(j, why) || final
	q.emit(EventFailed, j, now, why, last)
	if last {
		q.bury(j, now)
		return
	}
	at := int64(0)
	if delay := j.queue().backoff(j, seed); delay > 0 {
		at = now + delay
	}
	q.admit(j, at, now)
	if j.state == Delayed {
		q.emit(EventDelayed, j, now, "", false)
	}
}

// count takes a job out of an attempt that failed, and says whether it was the
// last that it may have.
func (q *Queues) count(j *job, why string) (last bool) {
	q.leave(j)
	j.run.err, j.run.lease = why, 0
	if j.attempts < 1<<16-1 {
		j.attempts++
	}
	most := j.queue().maxAttempts(j)
	return most > 0 && int32(j.attempts) >= most
}

// bury makes a dead letter of a job that is nowhere: in its queue's place for
// them, or in the queue that is named for them, where it waits like others.
func (q *Queues) bury(j *job, now int64) {
	qu := j.queue()
	q.release(j)
	qu.totalFailed++
	q.tell(j.id, false)
	j.order = now
	if j.terms.removeOnFail {
		q.erase(j)
		q.emit(EventRemoved, j, now, "failed", true)
		q.jobs.remove(j.id)
		return
	}
	if d := qu.declared; d != nil && d.DeadLetter != "" && d.DeadLetter != qu.name {
		q.move(j, d.DeadLetter)
		q.emit(EventPushed, j, now, "", false)
		return
	}
	q.enter(j, Failed)
	q.trim(qu.failed, qu.keep(Failed).MaxCount, now)
}

// move makes a job that is nowhere a waiting one of another queue, in which it
// has all attempts. Unique key, group and ttl were of the queue that it leaves.
func (q *Queues) move(j *job, to string) {
	t := *j.terms
	t.queue = q.queue(to)
	j.terms = t.queue.share(t)
	j.attempts = 0
	t.queue.pushed++
	if j.marks != nil {
		j.marks.unique, j.marks.group, j.marks.ttl, j.marks.expires = "", "", 0, 0
	}
	q.makeReady(j)
}
