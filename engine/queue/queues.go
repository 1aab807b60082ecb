package queue

import "github.com/tidwall/btree"

// Queues is the state. It is not safe for concurrent use; the group's lock
// guards it.
type Queues struct {
	// OnReady is told, on the member that leads, that a job of a queue can be
	// pulled now, OnEvent what happens to jobs. They are called while an Op is
	// applied, must not block and must not call back. Nil for nobody; they are no
	// part of the state.
	OnReady func(queue string)
	OnEvent func(Event)

	jobs   table
	lastID uint64 // ids rise
	rank   int64  // of the job that became ready last

	queues     btree.Map[string, *queue]
	named      map[string]*queue // the same
	lastSerial uint64
	serials    map[uint64]*queue // the same by their serials

	custom    map[string]*job // by custom id
	debounces btree.Map[string, debounce]
	schedules btree.Map[string, *schedule]
	settings  *Settings
	declared  []byte // settings as they came
	keys      []Key

	timers   *btree.BTreeG[timer]
	alarms   *btree.BTreeG[alarm]
	edges    *btree.BTreeG[edge]
	held     *btree.BTreeG[hold] // active jobs by their owners
	outcomes []outcome           // that those who wait are yet to be told

	bytes    int64
	dirty    []*queue // touched by the Op at hand
	snapshot *Snapshot
}

// debounce is a push that others like it are duplicates of for a while.
type debounce struct {
	id    uint64
	until int64
}

// New makes an empty state.
func New() *Queues {
	return &Queues{
		named: map[string]*queue{}, serials: map[uint64]*queue{}, custom: map[string]*job{},
		timers: newTree(timer.less), alarms: newTree(alarm.less), edges: newTree(edge.less), held: newTree(hold.less),
	}
}

// NextDue is when a Tick has something to do, ms since the epoch, which may
// have passed; 0 for never.
func (q *Queues) NextDue() (at int64) {
	if len(q.outcomes) > 0 {
		return 1
	}
	if t, ok := q.timers.Min(); ok {
		at = t.at
	}
	if a, ok := q.alarms.Min(); ok {
		at = earliest(at, a.at)
	}
	return at
}

// Ready is how many jobs of a queue could be pulled at that time, at most
// limit: what is there and its limits leave.
func (q *Queues) Ready(queue string, now int64, limit int) int {
	if qu := q.named[queue]; qu != nil {
		return qu.pullable(now, limit)
	}
	return 0
}

// QueueOf is the queue that a job is in, "" when there is no such job.
func (q *Queues) QueueOf(id uint64) string {
	if j := q.jobs.find(id); j != nil {
		return j.queue().name
	}
	return ""
}

// ScheduleQueue is the queue that a schedule pushes to, "" when there is no such
// schedule.
func (q *Queues) ScheduleQueue(name string) string {
	if s, ok := q.schedules.Get(name); ok {
		return s.Queue
	}
	return ""
}

// Settings are those in force, nil when there are none. They are not to be
// changed.
func (q *Queues) Settings() *Settings { return q.settings }

// Declared are the settings of one queue, nil when it is not declared.
func (q *Queues) Declared(queue string) *QueueSettings {
	if qu := q.named[queue]; qu != nil {
		return qu.declared
	}
	return nil
}

// Len is the number of jobs in all states.
func (q *Queues) Len() int { return q.jobs.count }

// queueOverhead approximates what a queue takes in memory beside its jobs.
const queueOverhead = 1200

// What a schedule and a debounce take in memory beside their texts, about.
const (
	scheduleOverhead = 400
	debounceOverhead = 200
)

func (s *schedule) size() int64 {
	return scheduleOverhead + int64(len(s.Name)+len(s.Queue)+len(s.Cron)+len(s.TimeZone)+len(s.Data))
}

// setDebounce has others of a push be duplicates for a while, in place of what
// was set before.
func (q *Queues) setDebounce(key string, d debounce) {
	q.dropDebounce(key)
	q.debounces.Set(key, d)
	q.alarms.Set(alarm{d.until, alarmDebounce, key})
	q.bytes += debounceOverhead + int64(len(key))
}

func (q *Queues) dropDebounce(key string) {
	d, ok := q.debounces.Get(key)
	if !ok {
		return
	}
	q.alarms.Delete(alarm{d.until, alarmDebounce, key})
	q.debounces.Delete(key)
	q.bytes -= debounceOverhead + int64(len(key))
}

// Bytes approximates the memory that jobs and queues take.
func (q *Queues) Bytes() int64 {
	return q.bytes + int64(q.queues.Len())*queueOverhead + int64(len(q.declared))*3
}

// queue finds a queue, or makes it.
func (q *Queues) queue(name string) *queue {
	qu := q.named[name]
	if qu == nil {
		q.lastSerial++
		qu = newQueue(name, q.lastSerial)
		q.adopt(qu)
	}
	return qu
}

func (q *Queues) adopt(qu *queue) {
	q.named[qu.name], q.serials[qu.serial] = qu, qu
	q.queues.Set(qu.name, qu)
}

// forget removes a queue that is empty.
func (q *Queues) forget(qu *queue) {
	for kind := range qu.alarms {
		q.setAlarm(qu, alarmKind(kind), 0)
	}
	delete(q.named, qu.name)
	delete(q.serials, qu.serial)
	q.queues.Delete(qu.name)
}

// touch is called before a job changes: a running snapshot may need it as it
// was.
func (q *Queues) touch(j *job) {
	if q.snapshot != nil {
		q.snapshot.save(j)
	}
}

// edit changes a job in a way that concerns no index but its timer.
func (q *Queues) edit(j *job, change func()) {
	q.touch(j)
	at, size := j.timer(), j.size()
	change()
	q.retime(j, at)
	size = j.size() - size
	if q.bytes += size; j.state == Completed {
		j.queue().kept += size
	}
}

func (q *Queues) retime(j *job, before int64) {
	at := j.timer()
	if at == before {
		return
	}
	if before != 0 {
		q.timers.Delete(timer{before, j.id})
	}
	if at != 0 {
		q.timers.Set(timer{at, j.id})
	}
}

// setAlarm sets a queue's alarm, in place of the one it had; 0 for none.
func (q *Queues) setAlarm(qu *queue, kind alarmKind, at int64) {
	if before := qu.alarms[kind]; before == at {
		return
	} else if before != 0 {
		q.alarms.Delete(alarm{before, kind, qu.name})
	}
	if qu.alarms[kind] = at; at != 0 {
		q.alarms.Set(alarm{at, kind, qu.name})
	}
}

// mark has settle look at a queue.
func (q *Queues) mark(qu *queue) {
	if !qu.dirty {
		qu.dirty = true
		q.dirty = append(q.dirty, qu)
	}
}

// settle ends an Op: who waits for jobs is told, and alarms are set for what
// nothing else will bring about.
func (q *Queues) settle(now int64) {
	q.tellOutcomes(now, outcomesAnOp)
	for len(q.dirty) > 0 {
		qu := q.dirty[len(q.dirty)-1]
		q.dirty = q.dirty[:len(q.dirty)-1]
		qu.dirty = false
		if q.named[qu.name] != qu {
			continue
		}
		if qu.closed && qu.holds() == 0 {
			qu.purging = true
		}
		if qu.purging && qu.empty() {
			q.forget(qu)
			continue
		}
		q.settleAlarms(qu, now)
		if q.OnReady != nil && qu.pullable(now, 1) > 0 {
			q.OnReady(qu.name)
		}
	}
}

func (q *Queues) settleAlarms(qu *queue, now int64) {
	rate, keep, purge := int64(0), int64(0), int64(0)
	if limit := qu.rateLimit(); limit.Max > 0 && qu.slots(1) > 0 && qu.window.room(now, limit) == 0 {
		rate = qu.window.opens(now, limit)
	}
	for _, s := range [...]State{Completed, Failed} {
		if age := qu.keep(s).MaxAge; age > 0 {
			if first, ok := qu.tree(s).Min(); ok {
				keep = earliest(keep, first.order+age)
			}
		}
	}
	if qu.purging {
		purge = now
	}
	q.setAlarm(qu, alarmRate, rate)
	q.setAlarm(qu, alarmKeep, keep)
	q.setAlarm(qu, alarmPurge, purge)
}

func (q *Queues) emit(kind EventKind, j *job, now int64, data string, final bool) {
	if q.OnEvent == nil {
		return
	}
	e := Event{Kind: kind, Queue: j.queue().name, ID: j.id, Time: now, Attempts: int32(j.attempts), Data: data, Final: final}
	if j.run != nil {
		e.Progress = j.run.progress
	}
	q.OnEvent(e)
}
