package queue

import (
	"cmp"
	"fmt"
	"slices"
)

// model is jobs as simply as can be: one list, looked through for everything.
// It knows nothing of how Queues does it.
type model struct {
	now       int64
	lastID    uint64
	rank      int64
	jobs      []*mJob // in the order of ids, until they are removed
	queues    map[string]*mQueue
	debounces map[string]mDebounce
	schedules map[string]*mSchedule
	settings  *Settings
	ended     []mEnd // that those who wait are told at the end of the operation
}

type mEnd struct {
	id        uint64
	completed bool
}

type mJob struct {
	NewJob
	id               uint64
	state            State
	attempts         int32
	order            int64 // rank, or a time
	created, expires int64
	token            Token
	owner            uint64
	deadline, lease  int64
	started          int64
	result, err      string
	parent           uint64
	children         []uint64
	pending          map[uint64]bool
	progress         int32
	logs, partials   int
}

type mQueue struct {
	name                      string
	declared                  *QueueSettings
	closed, purging, paused   bool
	rate                      RateLimit
	concurrency               int64
	pulls                     []int64
	pushed, completed, failed int64
}

type mDebounce struct {
	id    uint64
	until int64
}

type mSchedule struct {
	Schedule
	declared         bool
	next, last, runs int64
}

func newModel() *model {
	return &model{queues: map[string]*mQueue{}, debounces: map[string]mDebounce{}, schedules: map[string]*mSchedule{}}
}

func (m *model) queue(name string) *mQueue {
	if m.queues[name] == nil {
		m.queues[name] = &mQueue{name: name}
	}
	return m.queues[name]
}

func (m *model) find(id uint64) *mJob {
	for _, j := range m.jobs {
		if j.id == id {
			return j
		}
	}
	return nil
}

// in is the jobs of a queue in some states.
func (m *model) in(name string, states ...State) (jobs []*mJob) {
	for _, j := range m.jobs {
		if j.Queue == name && slices.Contains(states, j.state) {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

func (m *model) refuses(n *NewJob, batch []NewJob) string {
	q := m.queues[n.Queue]
	switch {
	case q != nil && q.declared != nil:
	case q != nil && (q.closed || q.purging):
		return CodeClosed
	case m.settings != nil && m.settings.Undeclared == UndeclaredDeny:
		return CodeUndeclared
	}
	if q != nil && q.declared != nil && q.declared.MaxWaiting > 0 {
		n := len(m.in(n.Queue, Waiting, Delayed, Blocked))
		for _, o := range batch {
			if o.Queue == q.name {
				n++
			}
		}
		if int64(n) > q.declared.MaxWaiting {
			return CodeFull
		}
	}
	for _, id := range n.DependsOn {
		if id == 0 || id > m.lastID {
			return CodeInvalid
		}
		if on := m.find(id); on != nil && on.state == Failed {
			return CodeConflict
		}
	}
	for _, j := range m.jobs {
		if n.CustomID != "" && j.CustomID == n.CustomID && j.Queue != n.Queue {
			return CodeConflict
		}
	}
	return ""
}

func (m *model) duplicate(n *NewJob) uint64 {
	for _, j := range m.jobs {
		if n.CustomID != "" && j.CustomID == n.CustomID {
			return j.id
		}
	}
	for _, j := range m.jobs {
		if n.UniqueKey != "" && j.UniqueKey == n.UniqueKey && j.Queue == n.Queue && j.state != Completed && j.state != Failed {
			return j.id
		}
	}
	if d := m.debounces[n.Queue+"/"+n.DebounceID]; n.DebounceID != "" && d.until > m.now {
		return d.id
	}
	return 0
}

func (m *model) create(n NewJob) *mJob {
	m.lastID++
	j := &mJob{NewJob: n, id: m.lastID, created: m.now, pending: map[uint64]bool{}}
	if n.TTL > 0 {
		j.expires = m.now + n.TTL
	}
	if n.DebounceID != "" {
		m.debounces[n.Queue+"/"+n.DebounceID] = mDebounce{j.id, m.now + cmp.Or(n.DebounceTTL, defaultDebounceWindow)}
	}
	m.jobs = append(m.jobs, j)
	m.queue(n.Queue).pushed++
	return j
}

func (m *model) push(n NewJob) Pushed {
	m.queue(n.Queue)
	if id := m.duplicate(&n); id != 0 {
		return Pushed{id, true}
	}
	j := m.create(n)
	m.wait(j)
	m.place(j, n.Delay)
	return Pushed{ID: j.id}
}

// wait notes what a job waits for.
func (m *model) wait(j *mJob) {
	j.pending = map[uint64]bool{}
	for _, id := range append(slices.Clone(j.DependsOn), j.children...) {
		if on := m.find(id); on != nil && on.state != Completed {
			j.pending[id] = true
		}
	}
}

func (m *model) place(j *mJob, delay int64) {
	at := int64(0)
	if delay > 0 {
		at = m.now + delay
	}
	m.admit(j, at)
}

func (m *model) admit(j *mJob, at int64) {
	switch {
	case len(j.pending) > 0:
		j.state, j.order = Blocked, at
	case at > m.now:
		j.state, j.order = Delayed, at
	default:
		m.ready(j)
	}
}

func (m *model) ready(j *mJob) {
	m.rank++
	j.state, j.order = Waiting, m.rank
	if j.LIFO {
		j.order = -m.rank
	}
}

// line is the waiting jobs of a queue in the order of pulls.
func (m *model) line(name string) []*mJob {
	line := m.in(name, Waiting)
	slices.SortFunc(line, func(a, b *mJob) int {
		return cmp.Or(-cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.order, b.order), cmp.Compare(a.id, b.id))
	})
	return line
}

func (m *model) pull(op *Pull) (pulled []*mJob) {
	q := m.queues[op.Queue]
	if q == nil {
		return nil
	}
	concurrency, rate := q.limits()
	if rate.Max > 0 { // what a longer window would hold is forgotten
		q.pulls = slices.DeleteFunc(q.pulls, func(at int64) bool { return at+rate.Per <= m.now })
	}
	room := op.Count
	if q.paused {
		return nil
	}
	if concurrency > 0 {
		room = min(room, int(concurrency)-len(m.in(op.Queue, Active)))
	}
	if rate.Max > 0 {
		room = min(room, int(rate.Max)-len(q.pulls))
	}
	for len(pulled) < room {
		j := m.first(op.Queue)
		if j == nil {
			break
		}
		if j.expires != 0 && j.expires <= m.now {
			m.remove(j)
			continue
		}
		j.state, j.owner, j.started, j.progress = Active, op.Owner, m.now, 0
		j.lease = cmp.Or(op.Lease, j.StallTimeout)
		if j.lease == 0 && q.declared != nil {
			j.lease = q.declared.Lease
		}
		j.lease = cmp.Or(j.lease, DefaultLease)
		j.deadline = m.now + j.lease
		if rate.Max > 0 {
			q.pulls = append(q.pulls, m.now)
		}
		pulled = append(pulled, j)
	}
	return pulled
}

func (q *mQueue) limits() (concurrency int64, rate RateLimit) {
	concurrency, rate = q.concurrency, q.rate
	if q.declared != nil {
		concurrency = cmp.Or(concurrency, q.declared.Concurrency)
		if rate.Max == 0 && q.declared.RateLimit != nil {
			rate = *q.declared.RateLimit
		}
	}
	return concurrency, rate
}

// first is the first in line whose group is not busy.
func (m *model) first(name string) *mJob {
	for _, j := range m.line(name) {
		busy := slices.ContainsFunc(m.in(name, Active), func(o *mJob) bool { return j.GroupID != "" && o.GroupID == j.GroupID })
		if !busy {
			return j
		}
	}
	return nil
}

func (m *model) leased(h Holder) (*mJob, string) {
	j := m.find(h.ID)
	switch {
	case j == nil:
		return nil, CodeNotFound
	case j.state != Active,
		h.Token != Token{} && h.Token != j.token,
		h.Token == Token{} && (h.Owner == 0 || h.Owner != j.owner):
		return nil, CodeLease
	}
	return j, ""
}

func (m *model) remove(j *mJob) {
	state := j.state
	j.state = 0
	m.jobs = slices.DeleteFunc(m.jobs, func(o *mJob) bool { return o == j })
	if state != Completed {
		m.ended = append(m.ended, mEnd{j.id, false})
	}
}

// tell has all that wait for a job learn how it ended.
func (m *model) tell(id uint64, completed bool) {
	for _, j := range slices.Clone(m.jobs) {
		switch {
		case j.state != Blocked || !j.pending[id]:
		case !completed:
			j.err = dependencyText(id, slices.Contains(j.children, id))
			m.bury(j)
		default:
			if delete(j.pending, id); len(j.pending) == 0 {
				m.admit(j, j.order)
			}
		}
	}
}

func (m *model) complete(j *mJob, result string) {
	q := m.queue(j.Queue)
	j.state, j.order, j.result, j.err = Completed, m.now, result, ""
	q.completed++
	j.unlease()
	m.ended = append(m.ended, mEnd{j.id, true})
	if j.RemoveOnComplete {
		m.jobs = slices.DeleteFunc(m.jobs, func(o *mJob) bool { return o == j })
		return
	}
	most := q.keeps(Completed).MaxCount
	if n := int64(j.KeepCount); n > 0 && (most == 0 || n < most) {
		most = n
	}
	m.trim(j.Queue, Completed, most)
}

func (j *mJob) unlease() { j.token, j.owner, j.deadline, j.lease = Token{}, 0, 0, 0 }

func (q *mQueue) keeps(s State) (k Keep) {
	if q.declared != nil {
		k = q.declared.Retention.Failed
		if s == Completed {
			k = q.declared.Retention.Completed
		}
	}
	if s == Completed && k == (Keep{}) {
		k.MaxCount = DefaultKeepCompleted
	}
	return k
}

func (m *model) byTime(name string, s State) []*mJob {
	jobs := m.in(name, s)
	slices.SortFunc(jobs, func(a, b *mJob) int { return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.id, b.id)) })
	return jobs
}

func (m *model) trim(name string, s State, most int64) {
	for most > 0 && int64(len(m.in(name, s))) > most {
		m.remove(m.byTime(name, s)[0])
	}
}

// attempt ends an active job's attempt, and says whether it was the last.
func (m *model) attempt(j *mJob, why string) bool {
	j.attempts++
	j.err = why
	j.unlease()
	most := j.MaxAttempts
	if q := m.queue(j.Queue); most == Unset && q.declared != nil {
		most = q.declared.Retries.MaxAttempts
	}
	most = cmp.Or(most, DefaultAttempts)
	return most > 0 && j.attempts >= most
}

// backoff is the least and the most that a job is put off.
func (m *model) backoff(j *mJob) (least, most int64) {
	delay, fixed := j.Backoff, false
	if d := m.queue(j.Queue).declared; d != nil {
		delay, fixed = cmp.Or(delay, d.Retries.Delay), d.Retries.Backoff == BackoffFixed
	}
	if delay == None {
		return 0, 0
	}
	delay = cmp.Or(delay, DefaultBackoff)
	for i := int32(1); i < j.attempts && i <= MaxBackoffExponent && !fixed; i++ {
		delay *= 2
	}
	return delay, delay + delay/4
}

// failed ends an attempt; runAt is when Queues says that the next one is.
func (m *model) failed(j *mJob, why string, final bool, runAt int64) string {
	if m.attempt(j, why) || final {
		m.bury(j)
		return ""
	}
	least, most := m.backoff(j)
	if least == 0 {
		m.ready(j)
		return ""
	}
	if runAt == 0 { // it was removed at once
		runAt = m.now + least
	}
	if wait := runAt - m.now; wait < least || wait > most {
		return fmt.Sprintf("job %d waits %d ms for attempt %d, want %d to %d", j.id, wait, j.attempts+1, least, most)
	}
	j.state, j.order = Delayed, runAt
	return ""
}

func (m *model) bury(j *mJob) {
	q := m.queue(j.Queue)
	q.failed++
	j.state, j.order, j.pending = Failed, m.now, map[uint64]bool{}
	switch d := q.declared; {
	case j.RemoveOnFail:
		m.jobs = slices.DeleteFunc(m.jobs, func(o *mJob) bool { return o == j })
	case d != nil && d.DeadLetter != "":
		j.Queue, j.attempts, j.UniqueKey, j.GroupID, j.TTL, j.expires = d.DeadLetter, 0, "", "", 0, 0
		m.queue(j.Queue).pushed++
		m.ready(j)
	default:
		m.trim(q.name, Failed, q.keeps(Failed).MaxCount)
	}
	m.ended = append(m.ended, mEnd{j.id, false})
}

func (m *model) lost(j *mJob, why string) {
	order := j.order
	if m.attempt(j, why) {
		m.bury(j)
		return
	}
	j.state, j.order = Waiting, order
}

// timer is when something happens to a job by itself.
func (j *mJob) timer() int64 {
	at := int64(0)
	switch j.state {
	case Waiting, Blocked:
		at = j.expires
	case Delayed:
		at = j.order
		if j.expires != 0 {
			at = min(at, j.expires)
		}
	case Active:
		at = j.deadline
		if j.Timeout > 0 {
			at = min(at, j.started+j.Timeout)
		}
	case Completed:
		if j.KeepAge > 0 {
			at = j.order + j.KeepAge
		}
	}
	return at
}

// tick does all that is due; runAt tells when Queues tries a job again.
func (m *model) tick(runs []Run, runAt func(id uint64) int64) (trouble string) {
	for {
		var due *mJob
		for _, j := range m.jobs {
			if at := j.timer(); at != 0 && at <= m.now && (due == nil || at < due.timer()) {
				due = j
			}
		}
		if due == nil {
			break
		}
		switch j := due; {
		case j.state == Completed:
			m.remove(j)
		case j.state == Active && j.Timeout > 0 && j.started+j.Timeout <= m.now:
			trouble = cmp.Or(trouble, m.failed(j, "timeout", false, runAt(j.id)))
		case j.state == Active:
			m.lost(j, "lost")
		case j.expires != 0 && j.expires <= m.now:
			m.remove(j)
		default:
			m.ready(j)
		}
	}
	for _, r := range runs {
		s := m.schedules[r.Name]
		n := NewJob{Queue: s.Queue, Data: []byte("null"), Priority: s.Priority}
		if m.refuses(&n, []NewJob{n}) == "" {
			m.push(n)
			s.runs++
			s.last = m.now
		}
		if s.next = r.Next; s.Limit > 0 && s.runs >= s.Limit {
			s.next = 0
		}
	}
	for _, q := range m.queues {
		for _, s := range []State{Completed, Failed} {
			for _, j := range m.in(q.name, s) {
				if age := q.keeps(s).MaxAge; age > 0 && j.order+age <= m.now {
					m.remove(j)
				}
			}
		}
		for _, j := range slices.Clone(m.jobs) {
			if q.purging && j.Queue == q.name {
				m.remove(j)
			}
		}
	}
	return trouble
}

// settle ends an operation.
func (m *model) settle() {
	for ; len(m.ended) > 0; m.ended = m.ended[1:] {
		m.tell(m.ended[0].id, m.ended[0].completed)
	}
	for _, q := range m.queues {
		if q.closed && len(m.in(q.name, Waiting, Delayed, Active, Blocked, Failed)) == 0 {
			q.purging = true
		}
		if q.purging && len(m.in(q.name, Waiting, Delayed, Active, Blocked, Failed, Completed)) == 0 {
			delete(m.queues, q.name)
		}
	}
}
