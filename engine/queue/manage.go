package queue

// existing is a queue that somebody has used or declared.
func (q *Queues) existing(name string) (*queue, *Error) {
	if qu := q.named[name]; qu != nil {
		return qu, nil
	}
	return nil, fail(CodeNotFound, "queue", "there is no queue %s", name)
}

// settable is a queue, made if need be, that something is set of.
func (q *Queues) settable(name string) (*queue, *Error) {
	made := 0
	if qu := q.named[name]; qu != nil {
		return qu, nil
	}
	if err := q.open(name, nil, &made); err != nil {
		return nil, err
	}
	return q.queue(name), nil
}

// Check implements Op.
func (op *Pause) Check(int64) *Error { return checkQueue("queue", op.Queue) }

// Apply implements Op.
func (op *Pause) Apply(q *Queues, now int64, _ uint64) {
	qu, err := q.settable(op.Queue)
	if op.Err = err; err != nil {
		return
	}
	qu.paused = op.Paused
	q.mark(qu)
	q.settle(now)
}

// Check implements Op.
func (op *SetRateLimit) Check(int64) *Error {
	err := first(checkQueue("queue", op.Queue), checkNumbers(number{"limit", op.Max, 0, MaxRate, ""}))
	if op.Max > 0 {
		err = first(err, checkNumbers(number{"duration", op.Per, 1, MaxDuration, " ms"}))
	}
	return err
}

// Apply implements Op.
func (op *SetRateLimit) Apply(q *Queues, now int64, _ uint64) {
	qu, err := q.settable(op.Queue)
	if op.Err = err; err != nil {
		return
	}
	qu.rate = op.RateLimit
	q.mark(qu)
	q.settle(now)
}

// Check implements Op.
func (op *SetConcurrency) Check(int64) *Error {
	return first(checkQueue("queue", op.Queue), checkNumbers(number{"limit", op.Limit, 0, 1<<31 - 1, ""}))
}

// Apply implements Op.
func (op *SetConcurrency) Apply(q *Queues, now int64, _ uint64) {
	qu, err := q.settable(op.Queue)
	if op.Err = err; err != nil {
		return
	}
	qu.concurrency = op.Limit
	q.mark(qu)
	q.settle(now)
}

// before begins a Step, or goes on with it.
func (s *Step) begin(q *Queues) {
	if s.Before == 0 {
		s.Before = q.lastID + 1
	}
	s.ResultBefore = s.Before
}

// take visits jobs of the trees whose ids are below Before, in their order, and
// collects as many as one Step may still touch.
func (s *Step) take(trees ...*tree) (jobs []*job) {
	visits := 0
	for _, t := range trees {
		t.Scan(func(j *job) bool {
			if visits++; s.Result+len(jobs) == MaxStep || visits > 10*MaxStep {
				s.ResultMore = s.Result+len(jobs) > 0
				return false
			}
			if j.id < s.Before {
				jobs = append(jobs, j)
			}
			return true
		})
	}
	return jobs
}

// purge removes jobs, at most as many as are left of the Step.
func (s *Step) purge(q *Queues, now int64, reason string, trees ...*tree) {
	for _, j := range s.take(trees...) {
		q.remove(j, now, reason)
		s.Result++
	}
}

// Check implements Op.
func (op *Drain) Check(int64) *Error { return checkQueue("queue", op.Queue) }

// Apply implements Op.
func (op *Drain) Apply(q *Queues, now int64, _ uint64) {
	qu, err := q.existing(op.Queue)
	if op.Err = err; err != nil {
		return
	}
	op.begin(q)
	op.purge(q, now, "drained", qu.held, qu.ready, qu.delayed, qu.blocked)
	q.settle(now)
}

// Check implements Op.
func (op *Obliterate) Check(int64) *Error { return checkQueue("queue", op.Queue) }

// Apply implements Op.
func (op *Obliterate) Apply(q *Queues, now int64, _ uint64) {
	qu, err := q.existing(op.Queue)
	if op.Err = err; err != nil {
		return
	}
	op.begin(q)
	op.purge(q, now, "obliterated", qu.all()...)
	if !op.ResultMore {
		qu.paused, qu.rate, qu.concurrency, qu.window = false, RateLimit{}, 0, window{}
		qu.pushed, qu.totalCompleted, qu.totalFailed = 0, 0, 0
		if qu.declared == nil && qu.empty() {
			q.forget(qu)
		}
	}
	q.settle(now)
}

// all are the places of a queue's jobs. Those that are held go first, lest they
// move up one by one.
func (qu *queue) all() []*tree {
	return []*tree{qu.held, qu.ready, qu.delayed, qu.active, qu.blocked, qu.completed, qu.failed}
}

// Check implements Op.
func (op *Clean) Check(int64) *Error {
	if op.State == Active || op.State == 0 || op.State > Failed {
		return invalid("state", "must be waiting, delayed, waitingchildren, completed or failed")
	}
	err := first(
		checkCount("queue", len(op.Queues), 1, MaxBatch), checkCount("limit", op.Limit, 0, MaxStep),
		checkNumbers(number{"grace", op.Grace, 0, 1 << 53, " ms"}),
	)
	for _, name := range op.Queues {
		err = first(err, checkQueue("queue", name))
	}
	return err
}

// Apply implements Op.
func (op *Clean) Apply(q *Queues, now int64, _ uint64) {
	limit := op.Limit
	if limit == 0 {
		limit = MaxStep
	}
	for _, name := range op.Queues {
		if qu := q.named[name]; qu != nil {
			op.clean(q, qu, limit, now)
		}
	}
	q.settle(now)
}

func (op *Clean) clean(q *Queues, qu *queue, limit int, now int64) {
	var old []*job
	trees := []*tree{qu.tree(op.State)}
	if op.State == Waiting {
		trees = append(trees, qu.held)
	}
	visits := 0
	for _, t := range trees {
		t.Scan(func(j *job) bool {
			since := j.created
			if j.finished() {
				since = j.order
			}
			switch visits++; {
			case j.finished() && since > now-op.Grace: // so are all behind it
				return false
			case visits > 10*MaxStep:
				return false
			case since > now-op.Grace:
				return true
			case op.Result+len(old) == limit:
				op.ResultMore = true
				return false
			}
			old = append(old, j)
			return true
		})
	}
	for _, j := range old {
		q.remove(j, now, "cleaned")
		op.Result++
	}
}
