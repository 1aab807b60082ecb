package queue

import "fmt"

// What one Tick does at most.
const (
	tickTimers = 1000
	tickAlarms = 1000
	tickPurge  = 1000 // jobs of one queue
)

// Tick makes the Op that does what is due at that time.
func (q *Queues) Tick(now int64) *Tick {
	op := &Tick{}
	q.alarms.Scan(func(a alarm) bool {
		if a.at > now || len(op.Runs) == tickAlarms {
			return false
		}
		if s, ok := q.schedules.Get(a.name); ok && a.kind == alarmSchedule {
			op.Runs = append(op.Runs, Run{s.Name, s.following(now)})
		}
		return true
	})
	return op
}

// Adds is how many bytes the jobs of its runs take, about.
func (op *Tick) Adds(q *Queues) (bytes int64) {
	for _, r := range op.Runs {
		if s, ok := q.schedules.Get(r.Name); ok {
			bytes += jobOverhead + int64(len(s.Data))
		}
	}
	return bytes
}

// Check implements Op.
func (op *Tick) Check(int64) *Error { return nil }

// Apply implements Op.
func (op *Tick) Apply(q *Queues, now int64, seed uint64) {
	op.Result = q.tellOutcomes(now, outcomesTick)
	for n := 0; n < tickTimers; n++ {
		t, ok := q.timers.Min()
		if !ok || t.at > now {
			break
		}
		q.timeout(q.jobs.find(t.id), now, mix(seed^uint64(n)))
		op.Result++
	}
	for _, r := range op.Runs {
		if s, ok := q.schedules.Get(r.Name); ok && s.next != 0 && s.next <= now {
			q.fire(s, r.Next, now, op.Full)
			op.Result++
		}
	}
	op.Result += q.ring(now)
	q.settle(now)
}

// timeout does what a job's timer is for.
func (q *Queues) timeout(j *job, now int64, seed uint64) {
	expired := j.expires() != 0 && j.expires() <= now
	switch {
	case j.state == Completed:
		q.remove(j, now, "retention")
	case j.state == Active && j.terms.timeout > 0 && j.run.started+j.terms.timeout <= now:
		q.attemptFailed(j, fmt.Sprintf("the attempt took longer than its timeout of %d ms", j.terms.timeout), false, now, seed)
	case j.state == Active:
		q.lost(j, fmt.Sprintf("its lease of %d ms ran out without a heartbeat", j.run.lease), now)
	case expired:
		q.remove(j, now, "expired")
	default:
		q.ripe(j, now)
	}
}

// ring does what alarms that are due are for, schedules excepted. It returns
// how many it did.
func (q *Queues) ring(now int64) int {
	var due []alarm
	seen := 0
	q.alarms.Scan(func(a alarm) bool {
		if seen++; a.at > now || seen > 2*tickAlarms {
			return false
		}
		if a.kind != alarmSchedule {
			due = append(due, a)
		}
		return true
	})
	for _, a := range due {
		if a.kind == alarmDebounce {
			q.dropDebounce(a.name)
			continue
		}
		qu := q.named[a.name]
		switch a.kind {
		case alarmKeep:
			q.forgetOld(qu, now)
		case alarmPurge:
			q.purge(qu, now)
		}
		q.mark(qu) // settle sets the next one
	}
	return len(due)
}

// forgetOld removes finished jobs that were kept long enough.
func (q *Queues) forgetOld(qu *queue, now int64) {
	for _, s := range [...]State{Completed, Failed} {
		age := qu.keep(s).MaxAge
		for n := 0; age > 0 && n < tickPurge; n++ {
			oldest, ok := qu.tree(s).Min()
			if !ok || oldest.order+age > now {
				break
			}
			q.remove(oldest, now, "retention")
		}
	}
}

// purge removes some of the jobs of a queue that is on its way out.
func (q *Queues) purge(qu *queue, now int64) {
	step := Step{Before: q.lastID + 1, Result: MaxStep - tickPurge}
	step.purge(q, now, "the queue is not declared any more", qu.all()...)
}
