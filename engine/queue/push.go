package queue

import (
	"fmt"
	"slices"
)

// Check implements Op.
func (op *Push) Check(int64) *Error {
	if err := checkCount("jobs", len(op.Jobs), 1, MaxBatch); err != nil {
		return err
	}
	return checkJobs("jobs", op.Jobs)
}

func checkJobs(field string, jobs []NewJob) *Error {
	depends := 0
	for i := range jobs {
		if depends += len(jobs[i].DependsOn); depends > MaxDependsAll {
			return invalid(field, "depend on more than %d jobs together: push fewer at once", MaxDependsAll)
		}
		if err := jobs[i].check(); err != nil {
			if len(jobs) > 1 || field != "jobs" {
				err.Field = fmt.Sprintf("%s[%d].%s", field, i, err.Field)
			}
			return err
		}
	}
	return nil
}

// Apply implements Op.
func (op *Push) Apply(q *Queues, now int64, _ uint64) {
	if op.Err = q.accepts("jobs", op.Jobs, nil); op.Err != nil {
		return
	}
	op.Result = make([]Pushed, len(op.Jobs))
	for i := range op.Jobs {
		op.Result[i] = q.push(&op.Jobs[i], now)
	}
	q.settle(now)
}

// accepts says why jobs cannot be pushed: nothing is when one of them is not.
// more are pushed with them.
func (q *Queues) accepts(field string, jobs []NewJob, more *NewJob) *Error {
	var last *queue // of a run of jobs of one queue
	room, name := int64(0), ""
	made := 0
	for i := range jobs {
		n := &jobs[i]
		if i == 0 || n.Queue != name {
			name, last = n.Queue, q.named[n.Queue]
			if err := q.open(name, last, &made); err != nil {
				return err
			}
			room = q.room(last, name, jobs[:i], more)
		}
		if room--; room < 0 {
			return fail(CodeFull, "queue", "%s is full: it is bounded to %d jobs that wait", name, last.declared.MaxWaiting)
		}
		if err := q.placeable(n, last); err != nil {
			if len(jobs) > 1 {
				err.Field = fmt.Sprintf("%s[%d].%s", field, i, err.Field)
			}
			return err
		}
	}
	return nil
}

// open says why a queue takes no jobs; qu is nil for one that is yet to be
// made, as made counts.
func (q *Queues) open(name string, qu *queue, made *int) *Error {
	switch {
	case qu == nil:
		if *made++; q.queues.Len()+*made > MaxQueues {
			return invalid("queue", "there are %d queues already, which is the most", MaxQueues)
		}
	case qu.declared != nil:
		return nil
	case qu.closed || qu.purging:
		return fail(CodeClosed, "queue", "%s is closed: it is not declared any more", name)
	}
	if q.settings != nil && q.settings.Undeclared == UndeclaredDeny {
		return fail(CodeUndeclared, "queue", "%s is not declared: add it to spec.queues, or set spec.undeclaredQueues to Allow", name)
	}
	return nil
}

// room is how many jobs a queue still takes, beside those before them.
func (q *Queues) room(qu *queue, name string, before []NewJob, more *NewJob) int64 {
	if qu == nil || qu.declared == nil || qu.declared.MaxWaiting == 0 {
		return 1 << 62
	}
	room := qu.declared.MaxWaiting - qu.unstarted()
	for i := range before {
		if before[i].Queue == name {
			room--
		}
	}
	if more != nil && more.Queue == name {
		room--
	}
	return room
}

// placeable says why a job cannot be taken as it is.
func (q *Queues) placeable(n *NewJob, qu *queue) *Error {
	for _, id := range n.DependsOn {
		if id == 0 || id > q.lastID {
			return invalid("depends_on", "there has never been a job %d", id)
		}
		if on := q.jobs.find(id); on != nil && on.state == Failed {
			return fail(CodeConflict, "depends_on", "job %d has failed", id)
		}
	}
	if n.CustomID != "" {
		if j := q.custom[n.CustomID]; j != nil && j.queue() != qu {
			return fail(CodeConflict, "job_id", "%q is a job of another queue", n.CustomID)
		}
	}
	return nil
}

// push adds a job that accepts has nothing against.
func (q *Queues) push(n *NewJob, now int64) Pushed {
	qu := q.queue(n.Queue)
	if id := q.duplicate(n, qu, now); id != 0 {
		return Pushed{ID: id, Duplicate: true}
	}
	j := q.create(n, qu, now)
	if len(n.DependsOn) > 0 {
		j.marks.pending = q.unmet(j)
	}
	q.begin(j, n.Delay, now)
	return Pushed{ID: j.id}
}

// duplicate is the job in whose place another one is pushed, 0 for none.
func (q *Queues) duplicate(n *NewJob, qu *queue, now int64) uint64 {
	if n.CustomID != "" {
		if j := q.custom[n.CustomID]; j != nil {
			return j.id
		}
	}
	if n.UniqueKey != "" {
		if j := qu.unique[n.UniqueKey]; j != nil {
			return j.id
		}
	}
	if n.DebounceID != "" {
		if d, ok := q.debounces.Get(qu.debounceKey(n.DebounceID)); ok && d.until > now {
			return d.id
		}
	}
	return 0
}

func (qu *queue) debounceKey(id string) string { return qu.name + "\x00" + id }

// create makes a job that is nowhere yet, with the names that it goes by.
func (q *Queues) create(n *NewJob, qu *queue, now int64) *job {
	q.lastID++
	j := q.jobs.place(q.lastID)
	j.make(q.lastID, n, qu, now)
	qu.pushed++
	if n.CustomID != "" {
		q.custom[n.CustomID] = j
	}
	if n.UniqueKey != "" {
		qu.unique[n.UniqueKey] = j
	}
	if n.DebounceID != "" {
		ttl := n.DebounceTTL
		if ttl == 0 {
			ttl = defaultDebounceWindow
		}
		q.setDebounce(qu.debounceKey(n.DebounceID), debounce{j.id, now + ttl})
	}
	return j
}

// begin lets a new job into its first state.
func (q *Queues) begin(j *job, delay, now int64) {
	at := int64(0)
	if delay > 0 {
		at = now + delay
	}
	q.admit(j, at, now)
	q.emit(EventPushed, j, now, "", false)
	if j.state == Delayed {
		q.emit(EventDelayed, j, now, "", false)
	}
}

// Check implements Op.
func (op *Flow) Check(int64) *Error {
	if err := op.Parent.check(); err != nil {
		return err
	}
	if err := checkCount("children", len(op.Children), 1, MaxChildren); err != nil {
		return err
	}
	for i := range op.Children {
		if field := op.Parent.shares(&op.Children[i]); field != "" {
			return invalid(fmt.Sprintf("children[%d].%s", i, field), "is the parent's: it would wait for itself")
		}
	}
	return checkJobs("children", op.Children)
}

// shares is the field by which one job would be a duplicate of another.
func (j *NewJob) shares(o *NewJob) string {
	switch {
	case j.CustomID != "" && j.CustomID == o.CustomID:
		return "job_id"
	case j.Queue != o.Queue:
	case j.UniqueKey != "" && j.UniqueKey == o.UniqueKey:
		return "unique_key"
	case j.DebounceID != "" && j.DebounceID == o.DebounceID:
		return "debounce_id"
	}
	return ""
}

// Apply implements Op.
func (op *Flow) Apply(q *Queues, now int64, _ uint64) {
	op.Err = first(q.accepts("parent", []NewJob{op.Parent}, nil), q.accepts("children", op.Children, &op.Parent), op.failed(q))
	if op.Err != nil {
		return
	}
	qu := q.queue(op.Parent.Queue)
	if id := q.duplicate(&op.Parent, qu, now); id != 0 {
		op.Result = Pushed{ID: id, Duplicate: true} // the flow is there already
		if j := q.jobs.find(id); j != nil && j.marks != nil {
			for _, child := range j.marks.children {
				op.ResultChildren = append(op.ResultChildren, Pushed{ID: child, Duplicate: true})
			}
		}
		return
	}
	parent := q.create(&op.Parent, qu, now)
	if parent.marks == nil {
		parent.marks = &marks{}
	}
	for i := range op.Children {
		child := q.push(&op.Children[i], now)
		op.ResultChildren = append(op.ResultChildren, child)
		if !slices.Contains(parent.marks.children, child.ID) {
			parent.marks.children = append(parent.marks.children, child.ID)
		}
		q.adoptChild(child.ID, parent.id)
	}
	parent.marks.pending = q.unmet(parent)
	q.begin(parent, op.Parent.Delay, now)
	op.Result = Pushed{ID: parent.id}
	q.settle(now)
}

// failed refuses children that are failed jobs, by their custom ids: the parent
// would wait for nothing.
func (op *Flow) failed(q *Queues) *Error {
	for i := range op.Children {
		if j := q.custom[op.Children[i].CustomID]; j != nil && j.state == Failed {
			return fail(CodeConflict, fmt.Sprintf("children[%d].job_id", i), "job %d has failed", j.id)
		}
	}
	return nil
}

// adoptChild notes whose child a job is, unless it is another's already.
func (q *Queues) adoptChild(id, parent uint64) {
	j := q.jobs.find(id)
	if j == nil || j.marks != nil && j.marks.parent != 0 {
		return
	}
	q.edit(j, func() {
		if j.marks == nil {
			j.marks = &marks{}
		}
		j.marks.parent = parent
	})
}
