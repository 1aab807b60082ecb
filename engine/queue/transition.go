package queue

// A job changes its state by leave and enter alone: whatever a state holds, a
// place in an index, a slot of its queue's concurrency, its group, its lease, a
// timer, is given back by the one and taken by the other, so that nothing is
// given back twice or forgotten.

// enter puts a job that is nowhere into a state. What the state goes by, order
// and run, is set already.
func (q *Queues) enter(j *job, s State) {
	j.state = s
	qu := j.queue()
	switch s {
	case Waiting:
		qu.line(j)
	case Active:
		qu.occupy(j)
		qu.active.Set(j)
		if j.run.owner != 0 {
			q.held.Set(hold{j.run.owner, j.id})
		}
	default:
		qu.tree(s).Set(j)
	}
	if s == Blocked {
		for _, on := range j.marks.pending {
			q.edges.Set(edge{on, j.id})
		}
	}
	if at := j.timer(); at != 0 {
		q.timers.Set(timer{at, j.id})
	}
	size := j.size()
	if q.bytes += size; s == Completed {
		qu.kept += size
	}
	q.mark(qu)
}

// leave takes a job out of the state that it is in.
func (q *Queues) leave(j *job) {
	q.touch(j)
	qu := j.queue()
	size := j.size()
	if q.bytes -= size; j.state == Completed {
		qu.kept -= size
	}
	if at := j.timer(); at != 0 {
		q.timers.Delete(timer{at, j.id})
	}
	switch j.state {
	case Waiting:
		if qu.waitsBehind(j) {
			qu.held.Delete(j)
		} else {
			qu.ready.Delete(j)
			qu.vacate(j)
		}
	case Active:
		qu.active.Delete(j)
		qu.vacate(j)
		if j.run.owner != 0 {
			q.held.Delete(hold{j.run.owner, j.id})
		}
		j.run.token, j.run.owner, j.run.deadline = Token{}, 0, 0
	case Blocked:
		qu.blocked.Delete(j)
		for _, on := range j.marks.pending {
			q.edges.Delete(edge{on, j.id})
		}
		j.marks.pending = nil
	default:
		qu.tree(j.state).Delete(j)
	}
	j.state = 0
	q.mark(qu)
}

// start takes the job that is first in its line out of it: it becomes active,
// and keeps its group.
func (q *Queues) start(j *job) {
	q.touch(j)
	q.bytes -= j.size()
	if at := j.timer(); at != 0 {
		q.timers.Delete(timer{at, j.id})
	}
	j.queue().ready.PopMin()
}

// line puts a waiting job where it is pulled from, or behind the others of its
// group: one of a group is there at a time.
func (qu *queue) line(j *job) {
	group := j.group()
	if group == "" {
		qu.ready.Set(j)
		return
	}
	switch first := qu.groups[group]; {
	case first == nil:
		qu.groups[group] = j
		qu.ready.Set(j)
	case first.state == Waiting && byRank(j, first):
		qu.ready.Delete(first)
		qu.held.Set(first)
		qu.groups[group] = j
		qu.ready.Set(j)
	default:
		qu.held.Set(j)
	}
}

// occupy makes an active job the one of its group.
func (qu *queue) occupy(j *job) {
	group := j.group()
	if group == "" {
		return
	}
	if first := qu.groups[group]; first != nil && first != j { // only while a snapshot is read
		qu.ready.Delete(first)
		qu.held.Set(first)
	}
	qu.groups[group] = j
}

func (qu *queue) waitsBehind(j *job) bool { return j.group() != "" && qu.groups[j.marks.group] != j }

// vacate lets the next of a job's group come forward.
func (qu *queue) vacate(j *job) {
	group := j.group()
	if group == "" {
		return
	}
	delete(qu.groups, group)
	// The best rank that there can be stands for the beginning of the group.
	begin := &job{marks: &marks{group: group}, priority: 1<<31 - 1, order: -1 << 63}
	qu.held.Ascend(begin, func(next *job) bool {
		if next.marks.group == group {
			qu.groups[group] = next
		}
		return false
	})
	if next := qu.groups[group]; next != nil {
		qu.held.Delete(next)
		qu.ready.Set(next)
	}
}

// makeReady puts a job that is nowhere at the end of the line, or with lifo at
// its beginning.
func (q *Queues) makeReady(j *job) {
	q.rank++
	if j.order = q.rank; j.lifo {
		j.order = -q.rank
	}
	q.enter(j, Waiting)
}

// remove lets go of a job for good. Who waits for it fails, unless it was
// completed.
func (q *Queues) remove(j *job, now int64, reason string) {
	completed, finished := j.state == Completed, j.finished()
	q.leave(j)
	if !finished {
		q.release(j)
	}
	if !completed {
		q.tell(j.id, false)
	}
	q.erase(j)
	q.emit(EventRemoved, j, now, reason, true)
	q.jobs.remove(j.id)
}

// erase takes a job's own name away, which it has until it is gone.
func (q *Queues) erase(j *job) {
	if j.marks != nil && j.marks.custom != "" {
		delete(q.custom, j.marks.custom)
	}
}

// release gives a job's unique key free: it has ended, or is on its way out.
func (q *Queues) release(j *job) {
	if j.marks != nil && j.marks.unique != "" {
		delete(j.queue().unique, j.marks.unique)
	}
}
