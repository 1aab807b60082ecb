package queue

// Check implements Op.
func (op *Get) Check(int64) *Error { return checkCount("ids", len(op.IDs), 1, MaxBatch) }

// Apply implements Op.
func (op *Get) Apply(q *Queues, _ int64, _ uint64) {
	op.Result = make([]*Job, len(op.IDs))
	for i, id := range op.IDs {
		if j := q.jobs.find(id); j != nil {
			op.Result[i] = j.view()
		}
	}
}

// Check implements Op.
func (op *Find) Check(int64) *Error { return checkText("job_id", op.CustomID, MaxKey) }

// Apply implements Op.
func (op *Find) Apply(q *Queues, _ int64, _ uint64) {
	if j := q.custom[op.CustomID]; j != nil {
		op.Result = j.view()
	}
}

// Check implements Op.
func (op *Children) Check(int64) *Error { return nil }

// Apply implements Op.
func (op *Children) Apply(q *Queues, _ int64, _ uint64) {
	parent := q.jobs.find(op.ID)
	if parent == nil {
		op.Err = noJob(op.ID)
		return
	}
	if parent.marks == nil {
		return
	}
	for _, id := range parent.marks.children {
		if j := q.jobs.find(id); j != nil {
			op.Result = append(op.Result, j.view())
		}
	}
}

// Check implements Op.
func (op *List) Check(int64) *Error {
	if op.State > Failed {
		return invalid("state", "must be one of waiting, delayed, active, waitingchildren, completed, failed")
	}
	return first(
		checkQueue("queue", op.Queue), checkCount("limit", op.Limit, 1, MaxListed),
		checkNumbers(number{"offset", int64(op.Offset), 0, 1 << 53, ""}),
	)
}

// Apply implements Op.
func (op *List) Apply(q *Queues, _ int64, _ uint64) {
	qu := q.named[op.Queue]
	if qu == nil {
		return
	}
	for _, s := range [...]State{Waiting, Delayed, Active, Blocked, Completed, Failed} {
		if op.State != 0 && op.State != s {
			continue
		}
		op.list(qu.tree(s), s == Completed || s == Failed)
		if s == Waiting {
			op.list(qu.held, false)
		}
	}
}

// list takes up a tree's jobs that are of the range; what is left of Offset is
// for the next tree.
func (op *List) list(t *tree, backwards bool) {
	n := t.Len()
	if op.Offset >= n {
		op.Offset -= n
		return
	}
	for i := op.Offset; i < n && len(op.Result) < op.Limit; i++ {
		at := i
		if backwards {
			at = n - 1 - i
		}
		j, _ := t.GetAt(at)
		op.Result = append(op.Result, j.view())
	}
	op.Offset = 0
}

func (qu *queue) counts() Counts {
	return Counts{
		Name: qu.name, Declared: qu.declared != nil, Closed: qu.closed, Paused: qu.paused,
		Waiting: qu.waiting(), Delayed: int64(qu.delayed.Len()), Active: int64(qu.active.Len()), Blocked: int64(qu.blocked.Len()),
		Completed: int64(qu.completed.Len()), Failed: int64(qu.failed.Len()),
		Pushed: qu.pushed, TotalCompleted: qu.totalCompleted, TotalFailed: qu.totalFailed,
		RateLimit: qu.rateLimit(), Concurrency: qu.concurrencyLimit(),
	}
}

// Check implements Op.
func (op *Count) Check(int64) *Error { return checkQueue("queue", op.Queue) }

// Apply implements Op.
func (op *Count) Apply(q *Queues, _ int64, _ uint64) {
	op.Result.Name = op.Queue
	if qu := q.named[op.Queue]; qu != nil {
		op.Result = qu.counts()
	}
}

// Check implements Op.
func (op *ListQueues) Check(int64) *Error { return checkCount("limit", op.Limit, 1, MaxListed) }

// Apply implements Op.
func (op *ListQueues) Apply(q *Queues, _ int64, _ uint64) {
	q.queues.Ascend(op.After, func(name string, qu *queue) bool {
		switch {
		case name == op.After:
		case len(op.Result) == op.Limit:
			op.ResultMore = true
			return false
		default:
			op.Result = append(op.Result, qu.counts())
		}
		return true
	})
}

// Check implements Op.
func (op *ListSchedules) Check(int64) *Error { return nil }

// Apply implements Op.
func (op *ListSchedules) Apply(q *Queues, _ int64, _ uint64) {
	q.schedules.Scan(func(_ string, s *schedule) bool {
		op.Result = append(op.Result, ScheduleStatus{s.Schedule, s.declared, s.next, s.last, s.runs})
		return true
	})
}
