package queue

import (
	"cmp"
	"slices"
)

// Check implements Op.
func (op *Progress) Check(int64) *Error {
	op.Message = clip(op.Message)
	return first(checkNumbers(number{"progress", int64(op.Progress), 0, 100, ""}), checkText("message", op.Message, MaxText))
}

// Apply implements Op.
func (op *Progress) Apply(q *Queues, now int64, _ uint64) {
	j, err := q.leased(op.Holder)
	if op.Err = err; err != nil {
		return
	}
	q.edit(j, func() { j.run.progress, j.run.message = op.Progress, op.Message })
	q.emit(EventProgress, j, now, op.Message, false)
}

// Check implements Op.
func (op *Log) Check(int64) *Error {
	op.Message = clip(op.Message)
	if op.Level == "" {
		op.Level = "info"
	}
	return first(checkText("level", op.Level, maxLevel), checkText("message", op.Message, MaxText))
}

// Apply implements Op.
func (op *Log) Apply(q *Queues, now int64, _ uint64) {
	j, err := q.leased(op.Holder)
	if op.Err = err; err != nil {
		return
	}
	q.edit(j, func() {
		r := j.run
		if len(r.logs) == MaxLogs {
			r.bytesLogs -= r.logs[0].size()
			r.logs = r.logs[1:]
		}
		line := LogLine{now, op.Level, op.Message}
		r.logs = append(r.logs, line)
		r.bytesLogs += line.size()
	})
}

func (l *LogLine) size() int64 { return textOverhead + int64(len(l.Level)+len(l.Message)) }

func (p *PartialResult) size() int64 { return textOverhead + int64(len(p.Data)) }

// Check implements Op.
func (op *Partial) Check(int64) *Error {
	return first(checkData("data", op.Data), checkNumbers(number{"index", op.Index, -1, 1<<53 - 1, ""}))
}

// Apply implements Op.
func (op *Partial) Apply(q *Queues, now int64, _ uint64) {
	j, err := q.leased(op.Holder)
	if op.Err = err; err != nil {
		return
	}
	r, index := j.run, op.Index
	if n := len(r.partials); index < 0 && n > 0 {
		index = r.partials[n-1].Index + 1
	}
	index = max(index, 0)
	at, found := slices.BinarySearchFunc(r.partials, index, func(p PartialResult, i int64) int { return cmp.Compare(p.Index, i) })
	part := PartialResult{index, string(op.Data)}
	size := part.size()
	switch {
	case found:
		size -= r.partials[at].size()
	case len(r.partials) == MaxPartials:
		op.Err = fail(CodeFull, "index", "job %d has %d partial results, which is the most", j.id, MaxPartials)
		return
	}
	if r.bytesP+size > MaxData {
		op.Err = fail(CodeFull, "data", "the partial results of job %d would be larger than %d bytes", j.id, MaxData)
		return
	}
	q.edit(j, func() {
		switch {
		case found:
			r.partials = slices.Clone(r.partials)
			r.partials[at] = part
		case at == len(r.partials):
			r.partials = append(r.partials, part)
		default:
			r.partials = slices.Insert(slices.Clone(r.partials), at, part)
		}
		r.bytesP += size
	})
	op.Result = index
	if q.OnEvent != nil {
		q.OnEvent(Event{Kind: EventPartial, Queue: j.queue().name, ID: j.id, Time: now, Index: index, Data: part.Data})
	}
}
