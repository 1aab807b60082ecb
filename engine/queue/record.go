package queue

// fields are all of the state but its debounces and jobs, and what follows from
// those.
func (q *Queues) fields(c *codec) {
	c.uint(&q.lastID)
	c.int(&q.rank)
	c.uint(&q.lastSerial)
	c.bytes(&q.declared, MaxSettings)
	n := c.count(q.queues.Len(), 1<<32, 8)
	if c.reading {
		for ; n > 0 && c.err == nil; n-- {
			qu := newQueue("", 0)
			qu.fields(c)
			q.adopt(qu)
		}
	} else {
		q.queues.Scan(func(_ string, qu *queue) bool { qu.fields(c); return true })
	}
	n = c.count(q.schedules.Len(), 2*MaxSchedules, 8)
	if c.reading {
		for ; n > 0 && c.err == nil; n-- {
			s := &schedule{}
			s.fields(c)
			q.schedules.Set(s.Name, s)
			q.bytes += s.size()
		}
	} else {
		q.schedules.Scan(func(_ string, s *schedule) bool { s.fields(c); return true })
	}
	list(c, &q.outcomes, 1<<40, 2, func(o *outcome) {
		c.uint(&o.id)
		c.bool(&o.completed)
	})
	q.keyFields(c)
}

func (qu *queue) fields(c *codec) {
	c.uint(&qu.serial)
	c.string(&qu.name, MaxQueueName)
	c.bool(&qu.closed)
	c.bool(&qu.purging)
	c.bool(&qu.paused)
	c.int(&qu.rate.Max)
	c.int(&qu.rate.Per)
	c.int(&qu.concurrency)
	list(c, &qu.window.parts, MaxRate, 2, func(p *part) {
		c.int(&p.end)
		c.int(&p.n)
		if c.reading {
			qu.window.used += p.n
		}
	})
	c.int(&qu.pushed)
	c.int(&qu.totalCompleted)
	c.int(&qu.totalFailed)
	for i := range qu.alarms {
		c.int(&qu.alarms[i])
	}
}

func (s *schedule) fields(c *codec) {
	s.Schedule.fields(c)
	c.bool(&s.declared)
	c.int(&s.next)
	c.int(&s.last)
	c.int(&s.runs)
}

// maxRedacted bounds data and results as they are kept, in bytes: what stands
// in the place of a value may be longer than it was.
const maxRedacted = 1 << 30

// recorded is a job on its way into a snapshot or out of it.
type recorded struct {
	job
	serial uint64 // of its queue
	given  NewJob
}

// recorder writes jobs; what that takes is kept for the next one.
type recorder struct {
	codec
	job recorded
}

// record is a job's record, until the next one is written.
func (w *recorder) record(j *job) []byte {
	w.job = recorded{job: *j, serial: j.queue().serial, given: j.given()}
	w.dst = w.dst[:0]
	w.job.fields(&w.codec)
	w.job = recorded{}
	return w.dst
}

// What a record has, beside what a job was pushed with.
const (
	hasExpires = 1 << iota
	hasParent
	hasChildren
	hasPending
	hasRun
)

func (r *recorded) fields(c *codec) {
	c.uint(&r.id)
	c.uint(&r.serial)
	c.string(&r.data, maxRedacted)
	state, attempts := uint64(r.state), uint64(r.attempts)
	c.uint(&state)
	c.uint(&attempts)
	if state == 0 || state > uint64(Failed) || attempts >= 1<<16 {
		c.fail("state or attempts out of range")
		return
	}
	r.state, r.attempts = State(state), uint16(attempts)
	c.int(&r.order)
	c.int(&r.created)
	r.given.options(c)
	m, mask := &marks{}, uint64(0)
	if !c.reading {
		if r.marks != nil {
			m = r.marks
		}
		mask = r.parts(m)
	}
	c.uint(&mask)
	if mask&hasExpires != 0 {
		c.int(&m.expires)
	}
	if mask&hasParent != 0 {
		c.uint(&m.parent)
	}
	if mask&hasChildren != 0 {
		c.uints(&m.children, MaxChildren)
	}
	if mask&hasPending != 0 {
		c.uints(&m.pending, MaxChildren+MaxDepends)
	}
	if mask&hasRun != 0 {
		r.ran().fields(c)
	}
	if c.reading {
		r.marks = m
	}
}

func (r *recorded) parts(m *marks) uint64 {
	return is(m.expires != 0, hasExpires) | is(m.parent != 0, hasParent) | is(len(m.children) > 0, hasChildren) |
		is(len(m.pending) > 0, hasPending) | is(r.run != nil, hasRun)
}

func (r *run) fields(c *codec) {
	c.token(&r.token)
	c.int(&r.deadline)
	c.int(&r.lease)
	c.uint(&r.owner)
	c.int(&r.started)
	c.int32(&r.progress)
	c.string(&r.message, MaxText)
	c.string(&r.err, MaxText)
	c.string(&r.result, maxRedacted)
	list(c, &r.logs, MaxLogs, 3, func(l *LogLine) {
		c.int(&l.Time)
		c.string(&l.Level, maxLevel)
		c.string(&l.Message, MaxText)
	})
	list(c, &r.partials, MaxPartials, 2, func(p *PartialResult) {
		c.int(&p.Index)
		c.string(&p.Data, MaxData)
	})
	r.bytesLogs, r.bytesP = 0, 0
	for i := range r.logs {
		r.bytesLogs += r.logs[i].size()
	}
	for i := range r.partials {
		r.bytesP += r.partials[i].size()
	}
}
