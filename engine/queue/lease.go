package queue

// Check implements Op.
func (op *Renew) Check(int64) *Error {
	return first(
		checkCount("owners", len(op.Owners), 0, MaxOwners), checkCount("ids", len(op.Jobs), 0, MaxBatch),
		checkNumbers(number{"lease", op.Lease, 0, MaxDuration, " ms"}),
	)
}

// Apply implements Op.
func (op *Renew) Apply(q *Queues, now int64, _ uint64) {
	for _, owner := range op.Owners {
		q.held.Ascend(hold{owner: owner}, func(h hold) bool {
			if h.owner == owner {
				q.prolong(q.jobs.find(h.id), 0, now)
			}
			return h.owner == owner
		})
	}
	op.ResultDeadlines = make([]int64, len(op.Jobs))
	for i, h := range op.Jobs {
		j, err := q.leased(h)
		if err != nil {
			if op.ResultErrs == nil {
				op.ResultErrs = make([]*Error, len(op.Jobs))
			}
			op.ResultErrs[i] = err
			continue
		}
		q.prolong(j, op.Lease, now)
		op.ResultDeadlines[i] = j.run.deadline
	}
	if len(op.Jobs) == 1 && op.ResultErrs != nil {
		op.Err = op.ResultErrs[0]
	}
	q.settle(now)
}

// prolong makes an active job's lease last from now on, for as long as it was
// given for unless lease says. It never makes it shorter.
func (q *Queues) prolong(j *job, lease, now int64) {
	if lease == 0 {
		lease = j.run.lease
	}
	q.edit(j, func() { j.run.deadline = max(j.run.deadline, now+lease) })
}

// Check implements Op.
func (op *Release) Check(int64) *Error { return checkCount("owners", len(op.Owners), 0, MaxOwners) }

// Apply implements Op.
func (op *Release) Apply(q *Queues, now int64, _ uint64) {
	for _, owner := range op.Owners {
		for {
			id, ok := q.heldBy(owner)
			if !ok {
				break
			}
			if op.Result == MaxStep {
				op.ResultMore = true
				break
			}
			q.lost(q.jobs.find(id), "the connection that had pulled it is gone", now)
			op.Result++
		}
	}
	q.settle(now)
}

// heldBy is the first job that an owner has.
func (q *Queues) heldBy(owner uint64) (id uint64, ok bool) {
	q.held.Ascend(hold{owner: owner}, func(h hold) bool {
		id, ok = h.id, h.owner == owner
		return false
	})
	return id, ok
}

// Held is how many jobs are leased to an owner, at most limit.
func (q *Queues) Held(owner uint64, limit int) (n int) {
	q.held.Ascend(hold{owner: owner}, func(h hold) bool {
		if h.owner == owner {
			n++
		}
		return h.owner == owner && n < limit
	})
	return n
}

// lost gives an active job back whose worker is: an attempt is counted, and it
// is at once where it was in the line.
func (q *Queues) lost(j *job, why string, now int64) {
	last := q.count(j, why)
	q.emit(EventStalled, j, now, why, last)
	if last {
		q.emit(EventFailed, j, now, why, true)
		q.bury(j, now)
		return
	}
	q.enter(j, Waiting)
}
