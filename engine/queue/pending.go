package queue

// Check implements Op.
func (op *Push) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Push) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Flow) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Flow) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Pull) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Pull) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Ack) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Ack) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Fail) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Fail) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Renew) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Renew) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Release) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Release) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Progress) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Progress) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Log) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Log) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Partial) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Partial) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Cancel) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Cancel) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Update) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Update) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *SetPriority) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *SetPriority) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *MoveToDelayed) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *MoveToDelayed) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Promote) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Promote) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Discard) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Discard) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Pause) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Pause) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Drain) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Drain) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Obliterate) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Obliterate) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Clean) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Clean) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *SetRateLimit) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *SetRateLimit) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *SetConcurrency) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *SetConcurrency) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Retry) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Retry) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Purge) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Purge) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *SetSchedule) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *SetSchedule) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *DeleteSchedule) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *DeleteSchedule) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Configure) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Configure) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Tick) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Tick) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Erase) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Erase) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Get) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Get) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Find) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Find) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Children) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Children) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *List) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *List) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *Count) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *Count) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *ListQueues) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *ListQueues) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}

// Check implements Op.
func (op *ListSchedules) Check(now int64) *Error { return nil }

// Apply implements Op.
func (op *ListSchedules) Apply(q *Queues, now int64, seed uint64) {
	op.Err = fail(CodeInvalid, "", "not there yet")
}
