package queue

import (
	"fmt"
	"slices"
)

const (
	// outcomesAnOp is how many of those who wait for a job are told by the Op
	// that ended it; what is left is a Tick's.
	outcomesAnOp = 100
	outcomesTick = 1000
)

// outcome is how a job ended that others wait for.
type outcome struct {
	id        uint64
	completed bool
}

// tell has those who wait for a job learn how it ended.
func (q *Queues) tell(id uint64, completed bool) {
	if _, ok := q.waiter(id); ok {
		q.outcomes = append(q.outcomes, outcome{id, completed})
	}
}

// waiter is the first job that waits for another.
func (q *Queues) waiter(on uint64) (by uint64, ok bool) {
	q.edges.Ascend(edge{on: on}, func(e edge) bool {
		by, ok = e.by, e.on == on
		return false
	})
	return by, ok
}

// tellOutcomes tells up to limit jobs, and returns how many it told.
func (q *Queues) tellOutcomes(now int64, limit int) (told int) {
	for ; len(q.outcomes) > 0 && told < limit; told++ {
		o := q.outcomes[0]
		by, ok := q.waiter(o.id)
		if !ok {
			q.outcomes = q.outcomes[1:]
			continue
		}
		j := q.jobs.find(by)
		if o.completed {
			q.satisfy(j, o.id, now)
			continue
		}
		q.leave(j)
		j.ran().err = dependencyText(o.id, slices.Contains(j.marks.children, o.id))
		q.bury(j, now)
	}
	if len(q.outcomes) == 0 {
		q.outcomes = nil
	}
	return told
}

// satisfy notes that a job which was waited for is completed.
func (q *Queues) satisfy(j *job, on uint64, now int64) {
	q.touch(j)
	q.bytes -= j.size()
	q.edges.Delete(edge{on, j.id})
	j.marks.pending = slices.DeleteFunc(j.marks.pending, func(id uint64) bool { return id == on })
	q.bytes += j.size()
	if len(j.marks.pending) == 0 {
		at := j.order
		q.leave(j)
		q.admit(j, at, now)
		q.emit(EventWaiting, j, now, "", false)
	}
}

// unmet are the jobs among those a job waits for that are there and not
// completed.
func (q *Queues) unmet(j *job) (pending []uint64) {
	if j.marks == nil {
		return nil
	}
	for _, ids := range [...][]uint64{j.marks.depends, j.marks.children} {
		for _, id := range ids {
			if on := q.jobs.find(id); on != nil && on.state != Completed {
				pending = append(pending, id)
			}
		}
	}
	slices.Sort(pending)
	return slices.Compact(pending)
}

// admit puts a job that is nowhere, with what it waits for known, where it
// belongs: blocked, delayed until a time, or ready.
func (q *Queues) admit(j *job, at, now int64) {
	switch {
	case j.marks != nil && len(j.marks.pending) > 0:
		j.order = at
		q.enter(j, Blocked)
	case at > now:
		j.order = at
		q.enter(j, Delayed)
	default:
		q.makeReady(j)
	}
}

func dependencyText(id uint64, child bool) string {
	if child {
		return fmt.Sprintf("child %d was not completed: it failed or was removed", id)
	}
	return fmt.Sprintf("job %d, which it depends on, was not completed: it failed or was removed", id)
}
