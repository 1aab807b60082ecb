package queue

import (
	"bytes"
	"slices"
)

// compare looks at every job, queue and schedule.
func (x *play) compare() {
	x.t.Helper()
	if x.q.Len() != len(x.m.jobs) {
		x.t.Errorf("%d jobs, the model has %d", x.q.Len(), len(x.m.jobs))
	}
	size := int64(0)
	for _, want := range x.m.jobs {
		x.compareJob(want)
		if j := x.q.jobs.find(want.id); j != nil {
			size += j.size()
		}
	}
	x.q.debounces.Scan(func(key string, _ debounce) bool { size += debounceOverhead + int64(len(key)); return true })
	x.q.schedules.Scan(func(_ string, s *schedule) bool { size += s.size(); return true })
	if size != x.q.bytes {
		x.t.Errorf("%d bytes counted, %d there", x.q.bytes, size)
	}
	list := ok(x.bench, &ListQueues{Limit: MaxListed}).Result
	if len(list) != len(x.m.queues) {
		x.t.Errorf("queues %+v, the model has %d", list, len(x.m.queues))
	}
	for _, got := range list {
		if q := x.m.queues[got.Name]; q != nil {
			x.compareQueue(got, q)
		}
	}
	for _, got := range ok(x.bench, &ListSchedules{}).Result {
		s := x.m.schedules[got.Name]
		if s == nil || s.next != got.Next || s.last != got.Last || s.runs != got.Runs || s.declared != got.Declared {
			x.t.Errorf("schedule %+v, the model says %+v", got, s)
		}
	}
}

func (x *play) compareJob(want *mJob) {
	x.t.Helper()
	got := x.job(want.id)
	if got == nil {
		x.t.Errorf("job %d is not there, the model says %s", want.id, want.state)
		return
	}
	order := got.RunAt + got.FinishedAt
	if want.state != Delayed && want.state != Completed && want.state != Failed {
		order = want.order
	}
	result := ""
	if want.state == Completed {
		result = want.result
	}
	if got.Queue != want.Queue || got.State != want.state || got.Priority != want.Priority || got.Attempts != want.attempts ||
		order != want.order || got.ExpiresAt != want.expires || got.Lease.Deadline != want.deadline || got.Lease.Owner != want.owner ||
		got.Lease.Token != want.token || got.Pending != len(want.pending) || got.Parent != want.parent || got.Progress != want.progress ||
		!slices.Equal(got.Children, want.children) || got.Result != result && got.Result != want.result ||
		got.Payload != string(want.Data) || len(got.Logs) != want.logs || len(got.Partials) != want.partials {
		x.t.Errorf("job %+v\nthe model says %+v", got, want)
	}
	if want.state == Failed && got.Error == "" && want.err != "" {
		x.t.Errorf("job %d failed for no reason", got.ID)
	}
}

func (x *play) compareQueue(got Counts, q *mQueue) {
	x.t.Helper()
	n := func(s State) int64 { return int64(len(x.m.in(q.name, s))) }
	concurrency, rate := q.limits()
	want := Counts{
		Name: q.name, Declared: q.declared != nil, Closed: q.closed, Paused: q.paused, Waiting: n(Waiting), Delayed: n(Delayed), Active: n(Active),
		Blocked: n(Blocked), Completed: n(Completed), Failed: n(Failed), Pushed: q.pushed, TotalCompleted: q.completed, TotalFailed: q.failed,
		RateLimit: rate, Concurrency: concurrency,
	}
	if rate.Max == 0 {
		got.RateLimit, want.RateLimit = RateLimit{}, RateLimit{}
	}
	if got != want {
		x.t.Errorf("counts %+v\nthe model says %+v", got, want)
	}
	for _, s := range []State{Delayed, Completed, Failed} {
		var listed, expected []uint64
		for _, j := range ok(x.bench, &List{Queue: q.name, State: s, Limit: MaxListed}).Result {
			listed = append(listed, j.ID)
		}
		for _, j := range x.m.byTime(q.name, s) {
			expected = append(expected, j.id)
		}
		if s != Delayed {
			slices.Reverse(expected)
		}
		if !slices.Equal(listed, expected) {
			x.t.Errorf("%s of %s: %v, the model says %v", s, q.name, listed, expected)
		}
	}
}

// snap begins a snapshot, or takes the next piece of the running one.
func (x *play) snap() {
	if x.snapshot == nil {
		if !x.maybe(200) {
			return
		}
		x.hash = x.q.Hash()
		s, err := x.q.BeginSnapshot()
		if err != nil {
			x.t.Fatal(err)
		}
		x.snapshot, x.stream = s, nil
	}
	chunk, done := x.snapshot.Next(1 + x.r.IntN(400))
	if x.stream = append(x.stream, chunk...); !done {
		return
	}
	x.snapshot = nil
	x.snapshots++
	back, err := Restore(bytes.NewReader(x.stream))
	if err != nil {
		x.t.Fatal(err)
	}
	if back.Hash() != x.hash {
		x.t.Error("the snapshot is of another state than it began with")
	}
}

// restart goes on with what a snapshot restores, which is also what the log
// since the last restart leads to.
func (x *play) restart() {
	if x.snapshot != nil {
		return
	}
	for i, data := range x.log {
		op, err := ParseOp(data)
		if err != nil {
			x.t.Fatal(err)
		}
		op.Apply(x.replay, x.times[i], x.seeds[i])
	}
	if x.replay.Hash() != x.q.Hash() {
		x.t.Error("the log leads to another state")
	}
	due := x.q.NextDue()
	x.q, x.replay = restored(x.t, x.q), restored(x.t, x.q)
	if x.q.NextDue() != due {
		x.t.Errorf("restored, the next thing is due at %d, not at %d", x.q.NextDue(), due)
	}
	x.log, x.seeds, x.times = nil, nil, nil
}

// drain ends all jobs: no slot, group or unique key is left behind.
func (x *play) drain() {
	for _, name := range queueNames {
		if x.m.queues[name] != nil {
			ok(x.bench, &Pause{Queue: name})
			ok(x.bench, &SetRateLimit{Queue: name})
			ok(x.bench, &SetConcurrency{Queue: name})
		}
	}
	for _, c := range ok(x.bench, &ListSchedules{}).Result {
		if !c.Declared {
			ok(x.bench, &DeleteSchedule{Name: c.Name})
		}
	}
	ok(x.bench, &Configure{Settings: []byte(`{"version":1}`)})
	for range 200 {
		busy := false
		for _, name := range queueNames {
			for _, j := range x.pull(name, 10) {
				x.ack(j)
			}
			c := x.counts(name)
			busy = busy || c.Unfinished() > 0
		}
		if !busy {
			break
		}
		x.sleep(1000)
	}
	for _, name := range queueNames { // those that wait for dead letters
		do(x.bench, &Drain{Queue: name})
	}
	if n := x.q.held.Len() + x.q.edges.Len(); n > 0 {
		x.t.Errorf("%d holds and edges are left", n)
	}
	x.q.queues.Scan(func(name string, qu *queue) bool {
		if len(qu.groups)+len(qu.unique)+qu.active.Len()+qu.held.Len() > 0 {
			x.t.Errorf("%s: groups %v, unique keys %v, %d active, %d held", name, qu.groups, qu.unique, qu.active.Len(), qu.held.Len())
		}
		return true
	})
}
