package queue

import (
	"encoding/json"
	"errors"

	"github.com/coffer-dev/coffer/engine/queue/cron"
)

// schedule is one that is in force.
type schedule struct {
	Schedule
	declared         bool
	next, last, runs int64
	parsed           *cron.Schedule // no state; nil until it is needed
}

// minEvery is the shortest interval of a schedule, in ms.
const minEvery = 100

// Validate says what is wrong with a schedule, naming the field.
func (s *Schedule) Validate() *Error {
	if s.Name == "" {
		return invalid("name", "must not be empty")
	}
	err := first(checkText("name", s.Name, MaxName), checkQueue("queue", s.Queue), checkData("data", s.Data),
		checkText("cron", s.Cron, MaxCronText), checkText("timeZone", s.TimeZone, MaxCronText),
		checkNumbers(number{"limit", s.Limit, 0, 1 << 53, ""}))
	switch {
	case err != nil:
		return err
	case len(s.Data) > 0 && !json.Valid(s.Data):
		return invalid("data", "must be JSON")
	case (s.Cron == "") == (s.Every == 0):
		return invalid("cron", "give either it or everyMilliseconds")
	case s.Every != 0:
		return checkNumbers(number{"everyMilliseconds", s.Every, minEvery, MaxDuration, " ms"})
	}
	switch _, err := cron.Parse(s.Cron, s.TimeZone); {
	case errors.Is(err, cron.ErrZone):
		return invalid("timeZone", "%q %s", s.TimeZone, cron.ErrZone)
	case err != nil:
		return invalid("cron", "%q: %s", s.Cron, err)
	}
	return nil
}

// after is the first run behind now, 0 for never; last is the one before, 0
// when there was none.
func (s *Schedule) after(last, now int64) int64 {
	if s.Every > 0 {
		if last == 0 {
			return now + s.Every
		}
		return last + (max(now-last, 0)/s.Every+1)*s.Every // in step with those before
	}
	c, err := cron.Parse(s.Cron, s.TimeZone)
	if err != nil {
		return 0
	}
	return behind(c, now)
}

func behind(c *cron.Schedule, now int64) int64 {
	next, err := c.Next(now)
	if err != nil {
		return 0
	}
	return next
}

// following is the first run behind now of a schedule that is due.
func (s *schedule) following(now int64) int64 {
	if s.Every > 0 {
		return s.after(s.next, now)
	}
	if s.parsed == nil {
		c, err := cron.Parse(s.Cron, s.TimeZone)
		if err != nil {
			return 0
		}
		s.parsed = c
	}
	return behind(s.parsed, now)
}

// Check implements Op.
func (op *SetSchedule) Check(now int64) *Error {
	if err := op.Validate(); err != nil {
		return err
	}
	op.Next = op.after(0, now)
	return nil
}

// Apply implements Op.
func (op *SetSchedule) Apply(q *Queues, now int64, _ uint64) {
	before, ok := q.schedules.Get(op.Name)
	switch {
	case ok && before.declared:
		op.Err = fail(CodeConflict, "name", "%s is declared: change spec.schedules instead", op.Name)
	case !ok && q.schedules.Len() >= MaxSchedules:
		op.Err = invalid("name", "there are %d schedules already, which is the most", MaxSchedules)
	default:
		_, op.Err = q.settable(op.Queue)
	}
	if op.Err == nil {
		q.schedule(op.Schedule, false, op.Next)
	}
}

// schedule puts a schedule in force, in place of the one of its name, whose
// runs go on counting.
func (q *Queues) schedule(given Schedule, declared bool, next int64) {
	given.Data = json.RawMessage(string(given.Data)) // of its own
	s := &schedule{Schedule: given, declared: declared}
	if before, ok := q.schedules.Get(given.Name); ok {
		s.runs, s.last = before.runs, before.last
		q.unschedule(before)
	}
	q.schedules.Set(s.Name, s)
	q.bytes += s.size()
	q.reschedule(s, next)
}

// reschedule says when a schedule runs next; 0 for never.
func (q *Queues) reschedule(s *schedule, next int64) {
	if s.next != 0 {
		q.alarms.Delete(alarm{s.next, alarmSchedule, s.Name})
	}
	if s.next = next; s.Limit > 0 && s.runs >= s.Limit {
		s.next = 0
	}
	if s.next != 0 {
		q.alarms.Set(alarm{s.next, alarmSchedule, s.Name})
	}
}

func (q *Queues) unschedule(s *schedule) {
	q.reschedule(s, 0)
	q.schedules.Delete(s.Name)
	q.bytes -= s.size()
}

// Check implements Op.
func (op *DeleteSchedule) Check(int64) *Error { return checkText("name", op.Name, MaxName) }

// Apply implements Op.
func (op *DeleteSchedule) Apply(q *Queues, _ int64, _ uint64) {
	switch s, ok := q.schedules.Get(op.Name); {
	case !ok:
		op.Err = fail(CodeNotFound, "name", "there is no schedule %s", op.Name)
	case s.declared:
		op.Err = fail(CodeConflict, "name", "%s is declared: remove it from spec.schedules instead", op.Name)
	default:
		q.unschedule(s)
	}
}

// fire pushes the job of a schedule that is due. A queue that takes no jobs
// misses the run, as all do while memory is full.
func (q *Queues) fire(s *schedule, next, now int64, full bool) {
	n := NewJob{Queue: s.Queue, Data: s.Data, Priority: s.Priority}
	if len(n.Data) == 0 {
		n.Data = []byte("null")
	}
	if !full && q.accepts("queue", []NewJob{n}, nil) == nil {
		q.push(&n, now)
		s.runs++
		s.last = now
	}
	q.reschedule(s, next)
}
