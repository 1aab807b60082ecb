package queue

// job is a job as it is held. Millions of them wait at a time, so that it has
// what every one has; what is rare, or comes once it was pulled, hangs on it.
type job struct {
	id    uint64 // 0: an empty place in its page
	data  string
	terms *terms // never nil
	marks *marks // nil for a job without
	run   *run   // nil until it was pulled or failed
	// order is a rank while it is Waiting or Active: lower is pulled first; a time
	// otherwise: when it becomes ready, of one that is Blocked not before; when
	// it was finished.
	order    int64
	created  int64
	priority int32
	attempts uint16
	state    State
	lifo     bool
}

// terms are what jobs of a queue have in common, mostly: they share them.
type terms struct {
	queue            *queue
	maxAttempts      int32
	keepCount        int32
	backoff          int64
	timeout          int64
	stall            int64
	keepAge          int64
	removeOnComplete bool
	removeOnFail     bool
}

// marks are what few jobs have. Slices in them, but for pending, are never
// written to: readers may still use them.
type marks struct {
	ttl, expires int64
	unique       string
	debounce     string
	debounceTTL  int64
	custom       string
	group        string
	tags         []string
	depends      []uint64
	children     []uint64
	parent       uint64
	pending      []uint64 // of depends and children, those that it waits for
}

// run is what came of a job. Slices in it are appended to or replaced: readers
// may still use them.
type run struct {
	token             Token
	deadline, lease   int64
	owner             uint64
	started           int64
	progress          int32
	message, err      string
	result            string
	logs              []LogLine
	partials          []PartialResult
	bytesLogs, bytesP int64 // of logs and partials
}

func (j *job) queue() *queue { return j.terms.queue }

func (j *job) group() string {
	if j.marks == nil {
		return ""
	}
	return j.marks.group
}

func (j *job) expires() int64 {
	if j.marks == nil {
		return 0
	}
	return j.marks.expires
}

// ran is the job's run, made when there is none.
func (j *job) ran() *run {
	if j.run == nil {
		j.run = &run{}
	}
	return j.run
}

func (j *job) finished() bool { return j.state == Completed || j.state == Failed }

// timer is when the next thing happens to the job by itself, 0 for never.
func (j *job) timer() (at int64) {
	switch j.state {
	case Waiting, Blocked:
		return j.expires()
	case Delayed:
		return earliest(j.order, j.expires())
	case Active:
		if j.terms.timeout > 0 {
			return min(j.run.deadline, j.run.started+j.terms.timeout)
		}
		return j.run.deadline
	case Completed:
		if j.terms.keepAge > 0 {
			return j.order + j.terms.keepAge
		}
	}
	return 0
}

// earliest is the smaller of two times of which 0 is never.
func earliest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// What the parts of a job take in memory beside their texts, about: a place in
// its page, in the index of its state and in the page's; its marks and its run
// with what else indexes them.
const (
	jobOverhead   = 72 + 16 + 8 + 20
	marksOverhead = 240 + 100
	runOverhead   = 208 + 60
	textOverhead  = 40
)

// size approximates the memory that the job takes.
func (j *job) size() int64 {
	n := jobOverhead + int64(len(j.data))
	if m := j.marks; m != nil {
		n += marksOverhead + int64(len(m.unique)+len(m.debounce)+len(m.custom)+len(m.group)) + 8*int64(len(m.depends)+len(m.children)+8*len(m.pending))
		for _, tag := range m.tags {
			n += textOverhead + int64(len(tag))
		}
	}
	if r := j.run; r != nil {
		n += runOverhead + int64(len(r.message)+len(r.err)+len(r.result)) + r.bytesLogs + r.bytesP
	}
	return n
}

// given is the job's options as they were pushed, or changed since.
func (j *job) given() NewJob {
	t := j.terms
	n := NewJob{
		Queue: t.queue.name, Priority: j.priority, Timeout: t.timeout, StallTimeout: t.stall, MaxAttempts: t.maxAttempts, Backoff: t.backoff,
		LIFO: j.lifo, RemoveOnComplete: t.removeOnComplete, RemoveOnFail: t.removeOnFail, KeepAge: t.keepAge, KeepCount: t.keepCount,
	}
	if m := j.marks; m != nil {
		n.TTL, n.UniqueKey, n.DebounceID, n.DebounceTTL, n.CustomID, n.GroupID = m.ttl, m.unique, m.debounce, m.debounceTTL, m.custom, m.group
		n.DependsOn, n.Tags = m.depends, m.tags
	}
	return n
}

// view is the job as it is read.
func (j *job) view() *Job {
	v := new(Job)
	j.viewInto(v)
	return v
}

func (j *job) viewInto(v *Job) {
	v.NewJob = j.given()
	v.MaxAttempts, v.Backoff = j.queue().maxAttempts(j), j.queue().firstBackoff(j)
	v.ID, v.Payload, v.State, v.Attempts, v.CreatedAt = j.id, j.data, j.state, int32(j.attempts), j.created
	switch {
	case j.state == Delayed:
		v.RunAt = j.order
	case j.finished():
		v.FinishedAt = j.order
	}
	if m := j.marks; m != nil {
		v.ExpiresAt, v.Parent, v.Children, v.Pending = m.expires, m.parent, m.children, len(m.pending)
	}
	if r := j.run; r != nil {
		v.StartedAt, v.Progress, v.Message, v.Result, v.Error = r.started, r.progress, r.message, r.result, r.err
		v.Logs, v.Partials = r.logs, r.partials
		if j.state == Active {
			v.Lease = Lease{r.token, r.deadline, r.owner}
		}
	}
}

// make sets up a job from what was pushed.
func (j *job) make(id uint64, n *NewJob, qu *queue, now int64) {
	*j = job{id: id, data: string(n.Data), created: now, priority: n.Priority, lifo: n.LIFO}
	j.terms = qu.share(terms{
		queue: qu, maxAttempts: n.MaxAttempts, keepCount: n.KeepCount, backoff: n.Backoff, timeout: n.Timeout, stall: n.StallTimeout,
		keepAge: n.KeepAge, removeOnComplete: n.RemoveOnComplete, removeOnFail: n.RemoveOnFail,
	})
	if n.TTL != 0 || n.UniqueKey != "" || n.DebounceID != "" || n.CustomID != "" || n.GroupID != "" || len(n.Tags) > 0 || len(n.DependsOn) > 0 {
		j.marks = &marks{
			ttl: n.TTL, unique: n.UniqueKey, debounce: n.DebounceID, debounceTTL: n.DebounceTTL, custom: n.CustomID, group: n.GroupID,
			tags: n.Tags, depends: n.DependsOn,
		}
		if n.TTL > 0 {
			j.marks.expires = now + n.TTL
		}
	}
}
