package queue

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// ParseSettings reads Settings and validates them. The error names the field.
func ParseSettings(data []byte) (*Settings, *Error) {
	s, err := decodeSettings(data)
	if err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s, nil
}

func decodeSettings(data []byte) (*Settings, *Error) {
	if len(data) > MaxSettings {
		return nil, invalid("settings", "%d bytes, must be at most %d", len(data), MaxSettings)
	}
	s := &Settings{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return nil, invalid("settings", "must be JSON of version %d: %s", SettingsVersion, err)
	}
	return s, nil
}

// Validate says what is wrong with settings, naming the field.
func (s *Settings) Validate() *Error {
	switch {
	case s.Version != SettingsVersion:
		return invalid("version", "%d, must be %d", s.Version, SettingsVersion)
	case s.Undeclared != "" && s.Undeclared != UndeclaredAllow && s.Undeclared != UndeclaredDeny:
		return invalid("undeclared", "%q, must be %s or %s", s.Undeclared, UndeclaredAllow, UndeclaredDeny)
	case len(s.Queues) > MaxSchedules:
		return invalid("queues", "%d, must be at most %d", len(s.Queues), MaxSchedules)
	case len(s.Schedules) > MaxSchedules:
		return invalid("schedules", "%d, must be at most %d", len(s.Schedules), MaxSchedules)
	}
	queues, schedules := map[string]*QueueSettings{}, map[string]bool{}
	for i := range s.Queues {
		q := &s.Queues[i]
		err := q.validate()
		if queues[q.Name] != nil {
			err = first(err, invalid("name", "%s is there twice", q.Name))
		}
		if err != nil {
			err.Field = fmt.Sprintf("queues[%d].%s", i, err.Field)
			return err
		}
		queues[q.Name] = q
	}
	for i := range s.Queues {
		if to := queues[s.Queues[i].DeadLetter]; to != nil && to.DeadLetter != "" {
			return invalid(fmt.Sprintf("queues[%d].deadLetter", i), "%s has a deadLetter itself: jobs could go round for ever", to.Name)
		}
	}
	for i := range s.Schedules {
		c := &s.Schedules[i]
		err := c.Validate()
		switch {
		case schedules[c.Name]:
			err = first(err, invalid("name", "%s is there twice", c.Name))
		case s.Undeclared == UndeclaredDeny && queues[c.Queue] == nil:
			err = first(err, invalid("queue", "%s is not declared", c.Queue))
		}
		if err != nil {
			err.Field = fmt.Sprintf("schedules[%d].%s", i, err.Field)
			return err
		}
		schedules[c.Name] = true
	}
	return nil
}

func (s *QueueSettings) validate() *Error {
	r := s.Retries
	err := first(
		checkQueue("name", s.Name),
		checkNumbers(
			number{"concurrency", s.Concurrency, 0, 1<<31 - 1, ""}, number{"leaseMilliseconds", s.Lease, 0, MaxDuration, " ms"},
			number{"retries.maxAttempts", int64(r.MaxAttempts), None, maxAttemptsLimit, ""},
			number{"retries.delayMilliseconds", r.Delay, None, MaxDuration, " ms"},
			number{"retention.completed.maxAgeMilliseconds", s.Retention.Completed.MaxAge, 0, MaxDuration, " ms"},
			number{"retention.completed.maxCount", s.Retention.Completed.MaxCount, 0, 1 << 53, ""},
			number{"retention.failed.maxAgeMilliseconds", s.Retention.Failed.MaxAge, 0, MaxDuration, " ms"},
			number{"retention.failed.maxCount", s.Retention.Failed.MaxCount, 0, 1 << 53, ""},
			number{"maxWaiting", s.MaxWaiting, 0, 1 << 53, ""},
		),
	)
	if l := s.RateLimit; l != nil {
		err = first(err, checkNumbers(number{"rateLimit.max", l.Max, 1, MaxRate, ""}, number{"rateLimit.perMilliseconds", l.Per, 1, MaxDuration, " ms"}))
	}
	switch {
	case err != nil:
		return err
	case r.Backoff != "" && r.Backoff != BackoffExponential && r.Backoff != BackoffFixed:
		return invalid("retries.backoff", "%q, must be %s or %s", r.Backoff, BackoffExponential, BackoffFixed)
	case s.DeletionPolicy != "" && s.DeletionPolicy != DeletionRetain && s.DeletionPolicy != DeletionDelete:
		return invalid("deletionPolicy", "%q, must be %s or %s", s.DeletionPolicy, DeletionRetain, DeletionDelete)
	case s.DeadLetter == s.Name:
		return invalid("deadLetter", "must be another queue, or absent: failed jobs then stay in their own")
	case s.DeadLetter != "":
		return checkQueue("deadLetter", s.DeadLetter)
	}
	return nil
}

// Check implements Op.
func (op *Configure) Check(now int64) *Error {
	s, err := ParseSettings(op.Settings)
	if err != nil {
		return err
	}
	op.Nexts = nil
	for i := range s.Schedules {
		op.Nexts = append(op.Nexts, Run{s.Schedules[i].Name, s.Schedules[i].after(0, now)})
	}
	return nil
}

// Apply implements Op.
func (op *Configure) Apply(q *Queues, now int64, _ uint64) {
	s, err := decodeSettings(op.Settings)
	if op.Err = err; err != nil {
		return
	}
	made := 0
	for i := range s.Queues {
		if q.named[s.Queues[i].Name] == nil {
			made++
		}
	}
	if q.queues.Len()+made > MaxQueues {
		op.Err = invalid("queues", "there would be more than %d", MaxQueues)
		return
	}
	q.settings, q.declared = s, bytes.Clone(op.Settings)
	q.declare(s)
	q.schedulesOf(s, op.Nexts)
	q.settle(now)
}

// declare makes settings those of their queues, and closes queues that have
// lost theirs.
func (q *Queues) declare(s *Settings) {
	settings := map[string]*QueueSettings{}
	for i := range s.Queues {
		d := &s.Queues[i]
		settings[d.Name] = d
		qu := q.queue(d.Name)
		qu.declared, qu.closed, qu.purging = d, false, false
	}
	q.queues.Scan(func(_ string, qu *queue) bool {
		if qu.declared != nil && settings[qu.name] == nil {
			qu.closed, qu.purging = true, qu.declared.DeletionPolicy == DeletionDelete
			qu.declared = nil
		}
		q.mark(qu)
		return true
	})
}

// schedulesOf puts the declared schedules in force. One that is as it was keeps
// its next run.
func (q *Queues) schedulesOf(s *Settings, nexts []Run) {
	next := map[string]int64{}
	for _, r := range nexts {
		next[r.Name] = r.Next
	}
	declared := map[string]bool{}
	for i := range s.Schedules {
		given := s.Schedules[i]
		declared[given.Name] = true
		if before, ok := q.schedules.Get(given.Name); ok && before.declared && before.same(&given) {
			continue
		}
		q.schedule(given, true, next[given.Name])
	}
	var gone []*schedule
	q.schedules.Scan(func(_ string, c *schedule) bool {
		if c.declared && !declared[c.Name] {
			gone = append(gone, c)
		}
		return true
	})
	for _, c := range gone {
		q.unschedule(c)
	}
}

func (s *Schedule) same(o *Schedule) bool {
	return s.Queue == o.Queue && s.Cron == o.Cron && s.TimeZone == o.TimeZone && s.Every == o.Every && bytes.Equal(s.Data, o.Data) &&
		s.Priority == o.Priority && s.Limit == o.Limit
}
