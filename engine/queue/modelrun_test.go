package queue

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
)

// The environment says how many operations a run of the model has, and of which
// seed.
const (
	envSteps = "COFFER_QUEUE_STEPS"
	envSeed  = "COFFER_QUEUE_SEED"
)

const defaultSteps = 30_000

// play drives Queues and model alike.
type play struct {
	*bench
	r         *rand.Rand
	m         *model
	holders   []Holder // leases that were given, lost ones too
	snapshot  *Snapshot
	stream    []byte
	hash      uint64 // when the snapshot began
	snapshots int
	pulled    int
	log       [][]byte // every write since the last restart
	seeds     []uint64
	times     []int64
	replay    *Queues // was restored at the last restart
}

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestModel applies random operations to Queues and to the model in virtual
// time, and compares answers and states; also after snapshots that were taken
// while operations went on, and after replaying the log from there.
func TestModel(t *testing.T) {
	steps, seed := setting(t, envSteps, defaultSteps), setting(t, envSeed, rand.Uint64())
	t.Logf("%s=%d %s=%d", envSteps, steps, envSeed, seed)
	x := &play{bench: newBench(t), r: rand.New(rand.NewPCG(seed, seed)), m: newModel(), replay: New()}
	x.m.now = x.now
	for i := range steps {
		x.pass()
		x.step()
		x.snap()
		if t.Failed() {
			t.Fatalf("at step %d", i)
		}
		if i%50 == 0 {
			x.compare()
		}
		if x.r.IntN(500) == 0 {
			x.restart()
		}
	}
	x.drain()
	if x.snapshots == 0 || x.pulled == 0 {
		t.Fatalf("%d snapshots, %d pulled", x.snapshots, x.pulled)
	}
	t.Logf("%d pushed, %d pulled, %d snapshots beside operations, %d jobs at the end", x.m.lastID, x.pulled, x.snapshots, len(x.m.jobs))
}

func (x *play) note(op Op, seed uint64) {
	x.log, x.seeds, x.times = append(x.log, op.Append(nil)), append(x.seeds, seed), append(x.times, x.now)
}

// both applies an Op to Queues and returns it; what the log carries is noted.
func both[T Op](x *play, op T) T {
	x.t.Helper()
	op = do(x.bench, op)
	if op.Writes() {
		x.note(op, x.seed)
	}
	return op
}

// same compares an error with the code that the model expects, "" for none.
func (x *play) same(op Op, want string) bool {
	x.t.Helper()
	code := ""
	if err := op.Failed(); err != nil {
		code = err.Code
	}
	if code != want {
		x.t.Errorf("%T: %v, the model says %q\n%+v", op, op.Failed(), want, op)
	}
	return code == "" && want == ""
}

// pass lets some time pass, and what is due happen.
func (x *play) pass() {
	switch x.r.IntN(10) {
	case 0:
		x.now += x.r.Int64N(400)
	case 1, 2, 3:
		x.now += x.r.Int64N(5)
	default:
		return
	}
	for due := x.q.NextDue(); due != 0 && due <= x.now; due = x.q.NextDue() {
		x.tick(max(due, x.m.now))
		if x.t.Failed() {
			return
		}
	}
	x.m.now = x.now
}

func (x *play) tick(at int64) {
	end := x.now
	defer func() { x.now = end }()
	x.now, x.m.now = at, at
	op := x.q.Tick(at)
	for _, r := range op.Runs {
		s := x.m.schedules[r.Name]
		if s == nil || s.next == 0 || s.next > at || r.Next <= at && r.Next != 0 {
			x.t.Fatalf("schedule %s is not due", r.Name)
		}
	}
	for name, s := range x.m.schedules {
		if s.next != 0 && s.next <= at && !slices.ContainsFunc(op.Runs, func(r Run) bool { return r.Name == name }) {
			x.t.Fatalf("schedule %s was forgotten", name)
		}
	}
	op = both(x, op)
	trouble := x.m.tick(op.Runs, func(id uint64) int64 {
		if j := x.q.jobs.find(id); j != nil {
			return j.order
		}
		return 0
	})
	if x.m.settle(); trouble != "" {
		x.t.Error(trouble)
	}
}

var queueNames = []string{"a", "b", "c", "declared", "bounded", "dead"}

func (x *play) name() string { return queueNames[x.r.IntN(len(queueNames))] }

func (x *play) maybe(n int) bool { return x.r.IntN(n) == 0 }

// id is a job's that is or was there.
func (x *play) id() uint64 {
	if len(x.m.jobs) > 0 && !x.maybe(20) {
		return x.m.jobs[x.r.IntN(len(x.m.jobs))].id
	}
	return x.r.Uint64N(x.m.lastID + 2)
}

func (x *play) newJob() NewJob {
	n := NewJob{Queue: x.name(), Data: fmt.Appendf(nil, `{"n":%d,"user":{"id":"u%d"}}`, x.m.lastID, x.r.IntN(5))}
	if x.maybe(3) {
		n.Priority = x.r.Int32N(5) - 2
	}
	if x.maybe(5) {
		n.Delay = x.r.Int64N(300)
	}
	if x.maybe(8) {
		n.TTL = 1 + x.r.Int64N(500)
	}
	if x.maybe(10) {
		n.Timeout = 1 + x.r.Int64N(200)
	}
	if x.maybe(5) {
		n.StallTimeout = 1 + x.r.Int64N(300)
	}
	if x.maybe(3) {
		n.MaxAttempts = x.r.Int32N(5) - 1
	}
	if x.maybe(2) {
		n.Backoff = x.r.Int64N(100) - 1
	}
	if x.maybe(8) {
		n.UniqueKey = "u" + strconv.Itoa(x.r.IntN(4))
	}
	if x.maybe(8) {
		n.DebounceID, n.DebounceTTL = "d"+strconv.Itoa(x.r.IntN(4)), x.r.Int64N(200)
	}
	if x.maybe(12) {
		n.CustomID = "c" + strconv.Itoa(x.r.IntN(12))
	}
	if x.maybe(3) {
		n.GroupID = "g" + strconv.Itoa(x.r.IntN(4))
	}
	if x.maybe(6) && n.Queue != "declared" { // dead letters elsewhere: their order would be told
		for range 1 + x.r.IntN(3) {
			n.DependsOn = append(n.DependsOn, x.id())
		}
	}
	if x.maybe(10) {
		n.Tags = []string{"x", "y"}
	}
	n.LIFO, n.RemoveOnComplete, n.RemoveOnFail = x.maybe(8), x.maybe(4), x.maybe(8)
	if x.maybe(8) {
		n.KeepAge = 1 + x.r.Int64N(500)
	}
	if x.maybe(8) {
		n.KeepCount = 1 + x.r.Int32N(4)
	}
	return n
}

// holder is a lease, as it was given, or a wrong one.
func (x *play) holder() Holder {
	if len(x.holders) == 0 || x.maybe(30) {
		return Holder{ID: x.id(), Owner: x.r.Uint64N(4)}
	}
	i := len(x.holders) - 1 - x.r.IntN(min(len(x.holders), 20))
	h := x.holders[i]
	switch x.r.IntN(4) {
	case 0:
		h.Token = Token{} // by the connection
	case 1:
		h.Owner = 0
	}
	return h
}

func (x *play) step() {
	switch n := x.r.IntN(100); {
	case n < 25:
		x.pushSome()
	case n < 28:
		x.flow()
	case n < 48:
		x.pullSome()
	case n < 62:
		x.ackSome()
	case n < 70:
		x.failOne()
	case n < 73:
		x.renew()
	case n < 74:
		x.release()
	case n < 80:
		x.report()
	case n < 90:
		x.change()
	case n < 95:
		x.manage()
	case n < 98:
		x.letters()
	case n < 99:
		x.scheduling()
	default:
		if x.maybe(8) {
			x.configure()
		}
	}
	x.m.settle()
	for len(x.q.outcomes) > 0 { // more than one Op tells
		x.tick(x.now)
	}
}

func (x *play) pushSome() {
	op := &Push{}
	for range 1 + x.r.IntN(3) {
		op.Jobs = append(op.Jobs, x.newJob())
	}
	want := ""
	for i := range op.Jobs {
		want = cmp.Or(want, x.m.refuses(&op.Jobs[i], op.Jobs[:i+1]))
	}
	given := op.Jobs
	op = both(x, op)
	if !x.same(op, want) {
		return
	}
	for i := range given {
		if p := x.m.push(given[i]); p != op.Result[i] {
			x.t.Errorf("pushed %+v, the model says %+v", op.Result[i], p)
		}
	}
}

func (x *play) flow() {
	op := &Flow{Parent: x.newJob()}
	if op.Parent.Queue == "declared" {
		op.Parent.Queue = "a"
	}
	for range 1 + x.r.IntN(3) {
		op.Children = append(op.Children, x.newJob())
	}
	if op.Check(x.now) != nil {
		return
	}
	want := x.m.refuses(&op.Parent, []NewJob{op.Parent})
	for i := range op.Children {
		want = cmp.Or(want, x.m.refuses(&op.Children[i], append(slices.Clone(op.Children[:i+1]), op.Parent)))
	}
	for _, c := range op.Children {
		for _, j := range x.m.jobs {
			if c.CustomID != "" && j.CustomID == c.CustomID && j.state == Failed {
				want = cmp.Or(want, CodeConflict)
			}
		}
	}
	given := *op
	op = both(x, op)
	if !x.same(op, want) {
		return
	}
	if id := x.m.duplicate(&given.Parent); id != 0 {
		if op.Result != (Pushed{id, true}) {
			x.t.Errorf("%+v", op.Result)
		}
		x.m.queue(given.Parent.Queue)
		return
	}
	parent := x.m.create(given.Parent)
	for i, c := range given.Children {
		p := x.m.push(c)
		if p != op.ResultChildren[i] {
			x.t.Errorf("pushed %+v, the model says %+v", op.ResultChildren[i], p)
		}
		if !slices.Contains(parent.children, p.ID) {
			parent.children = append(parent.children, p.ID)
		}
		if child := x.m.find(p.ID); child != nil && child.parent == 0 {
			child.parent = parent.id
		}
	}
	x.m.wait(parent)
	x.m.place(parent, given.Parent.Delay)
}

func (x *play) pullSome() {
	op := &Pull{Queue: x.name(), Count: 1 + x.r.IntN(4), Owner: x.r.Uint64N(4)}
	if x.maybe(2) {
		op.Lease = 1 + x.r.Int64N(400)
	}
	ready := x.q.Ready(op.Queue, x.now, op.Count)
	op = both(x, op)
	want := x.m.pull(op)
	if !x.same(op, "") {
		return
	}
	if len(op.Result) != len(want) || len(want) > ready {
		x.t.Errorf("pulled %v of %d ready, the model says %d", ids(op.Result), ready, len(want))
		return
	}
	for i, j := range want {
		got := op.Result[i]
		if got.ID != j.id || got.Lease.Deadline != j.deadline || got.Attempts != j.attempts || got.Payload != string(j.Data) {
			x.t.Errorf("pulled %+v, the model says %+v", got, j)
		}
		j.token = got.Lease.Token
		x.holders = append(x.holders, Holder{got.ID, got.Lease.Token, op.Owner})
		x.pulled++
	}
}

func (x *play) ackSome() {
	op := &Ack{}
	for range 1 + x.r.IntN(2) {
		op.Jobs = append(op.Jobs, Finished{Holder: x.holder(), Result: fmt.Appendf(nil, "%d", x.r.IntN(100))})
	}
	given := op.Jobs
	op = both(x, op)
	for i, f := range given {
		j, want := x.m.leased(f.Holder)
		code := ""
		if op.ResultErrs != nil && op.ResultErrs[i] != nil {
			code = op.ResultErrs[i].Code
		}
		if code != want {
			x.t.Errorf("ack of %+v: %q, the model says %q", f.Holder, code, want)
		}
		if j != nil {
			x.m.complete(j, string(f.Result))
		}
	}
}

func (x *play) failOne() {
	op := both(x, &Fail{Holder: x.holder(), Error: "no luck", Final: x.maybe(10)})
	j, want := x.m.leased(op.Holder)
	if x.same(op, want) {
		if trouble := x.m.failed(j, op.Error, op.Final, op.ResultRunAt); trouble != "" {
			x.t.Error(trouble)
		}
	}
}

func (x *play) renew() {
	op := &Renew{Owners: []uint64{1 + x.r.Uint64N(3)}, Jobs: []Holder{x.holder()}, Lease: x.r.Int64N(300)}
	op = both(x, op)
	for _, j := range x.m.jobs {
		if j.state == Active && j.owner == op.Owners[0] {
			j.deadline = max(j.deadline, x.now+j.lease)
		}
	}
	j, want := x.m.leased(op.Jobs[0])
	if x.same(op, want) {
		j.deadline = max(j.deadline, x.now+cmp.Or(op.Lease, j.lease))
		if op.ResultDeadlines[0] != j.deadline {
			x.t.Errorf("%+v, the model says %d", op, j.deadline)
		}
	}
}

func (x *play) release() {
	op := both(x, &Release{Owners: []uint64{1 + x.r.Uint64N(3)}})
	n := 0
	for _, j := range slices.Clone(x.m.jobs) {
		if j.state == Active && j.owner == op.Owners[0] {
			x.m.lost(j, "lost")
			n++
		}
	}
	if n != op.Result {
		x.t.Errorf("%d released, the model says %d", op.Result, n)
	}
}

func (x *play) report() {
	h := x.holder()
	j, want := x.m.leased(h)
	switch x.r.IntN(3) {
	case 0:
		if op := both(x, &Progress{Holder: h, Progress: x.r.Int32N(101), Message: "m"}); x.same(op, want) {
			j.progress = op.Progress
		}
	case 1:
		if x.same(both(x, &Log{Holder: h, Message: "line"}), want) {
			j.logs = min(j.logs+1, MaxLogs)
		}
	case 2:
		if x.same(both(x, &Partial{Holder: h, Index: -1, Data: []byte("[1]")}), want) {
			j.partials++
		}
	}
}

func (x *play) change() {
	id := x.id()
	j := x.m.find(id)
	want := ""
	switch {
	case j == nil:
		want = CodeNotFound
	case j.state == Completed || j.state == Failed:
		want = CodeConflict
	}
	switch x.r.IntN(7) {
	case 0:
		if x.same(both(x, &Cancel{ID: id}), want) {
			x.m.remove(j)
		}
	case 1:
		if want == CodeConflict {
			want = ""
		}
		if x.same(both(x, &Update{ID: id, Data: []byte(`{"user":{"id":"u0"}}`)}), want) {
			j.Data = []byte(`{"user":{"id":"u0"}}`)
		}
	case 2:
		if op := both(x, &SetPriority{ID: id, Priority: x.r.Int32N(5) - 2}); x.same(op, want) {
			j.Priority = op.Priority
		}
	case 3:
		op := &MoveToDelayed{Holder: Holder{ID: id}, Delay: x.r.Int64N(200)}
		if j != nil && j.state == Active && x.maybe(2) {
			op.Token = j.token
		} else if j != nil && j.state == Active {
			want = CodeLease
		}
		if j != nil && j.state == Blocked {
			want = CodeConflict
		}
		if j != nil && j.state != Active && x.maybe(4) {
			op.Token = Token{1} // of a lease that was lost
			if want == "" || j.state == Blocked {
				want = CodeLease
			}
		}
		if op = both(x, op); x.same(op, want) {
			j.unlease()
			x.m.place(j, op.Delay)
		}
	case 4:
		if j != nil && j.state != Delayed {
			want = CodeConflict
		}
		if x.same(both(x, &Promote{ID: id}), want) {
			x.m.ready(j)
		}
	case 5:
		if x.same(both(x, &Discard{ID: id}), want) {
			j.err = "discarded"
			j.unlease()
			x.m.bury(j)
		}
	case 6:
		x.eraseSome()
	}
}

// eraseSome erases a user, or redacts it.
func (x *play) eraseSome() {
	if !x.maybe(10) {
		return
	}
	op := &Erase{Queue: x.name(), Path: "$.user.id", Value: []byte(`"u4"`)}
	if x.maybe(2) {
		op.Redact = []string{"user.id"}
	}
	op = both(x, op)
	n := 0
	for _, j := range slices.Clone(x.m.jobs) {
		if j.Queue != op.Queue || !bytes.Contains(j.Data, []byte(`"u4"`)) {
			continue
		}
		if n++; len(op.Redact) == 0 {
			x.m.remove(j)
		} else {
			j.Data = bytes.ReplaceAll(j.Data, []byte(`"u4"`), []byte(`"[REDACTED]"`))
			j.err, j.logs, j.partials = "", 0, 0
		}
	}
	if n != op.Result || op.ResultNext != 0 {
		x.t.Errorf("%+v, the model says %d", op, n)
	}
}

func (x *play) manage() {
	name := x.name()
	want := ""
	if x.m.queues[name] == nil && x.m.settings != nil && x.m.settings.Undeclared == UndeclaredDeny {
		want = CodeUndeclared
	}
	missing := ""
	if x.m.queues[name] == nil {
		missing = CodeNotFound
	}
	switch x.r.IntN(8) {
	case 0, 1, 2: // more often on than off
		if op := both(x, &Pause{Queue: name, Paused: x.maybe(4)}); x.same(op, want) {
			x.m.queue(name).paused = op.Paused
		}
	case 3:
		op := &SetRateLimit{Queue: name, RateLimit: RateLimit{Max: x.r.Int64N(4), Per: 1 + x.r.Int64N(300)}}
		if op = both(x, op); x.same(op, want) {
			x.m.queue(name).rate = op.RateLimit
		}
	case 4:
		if op := both(x, &SetConcurrency{Queue: name, Limit: x.r.Int64N(6)}); x.same(op, want) {
			x.m.queue(name).concurrency = op.Limit
		}
	case 5:
		if x.maybe(3) && x.same(both(x, &Drain{Queue: name}), missing) {
			for _, j := range x.m.in(name, Waiting, Delayed, Blocked) {
				if j.state == Waiting || j.state == Delayed || j.state == Blocked {
					x.m.remove(j)
				}
			}
		}
	case 6:
		if x.maybe(3) && x.same(both(x, &Obliterate{Queue: name}), missing) {
			x.obliterate(name)
		}
	case 7:
		x.clean(name)
	}
}

func (x *play) obliterate(name string) {
	for len(x.m.in(name, Waiting, Delayed, Active, Blocked, Completed, Failed)) > 0 {
		x.m.remove(x.m.in(name, Waiting, Delayed, Active, Blocked, Completed, Failed)[0])
	}
	q := x.m.queues[name]
	*q = mQueue{name: name, declared: q.declared, closed: q.closed, purging: q.purging}
	if q.declared == nil {
		delete(x.m.queues, name)
	}
}

func (x *play) clean(name string) {
	op := &Clean{Queues: []string{name}, Grace: x.r.Int64N(500), State: Completed, Limit: x.r.IntN(4)}
	if x.maybe(2) {
		op.State = Failed
	}
	op = both(x, op)
	limit, n := cmp.Or(op.Limit, MaxStep), 0
	for _, j := range x.m.byTime(name, op.State) {
		if j.order <= x.now-op.Grace && n < limit {
			x.m.remove(j)
			n++
		}
	}
	if n != op.Result {
		x.t.Errorf("%+v, the model says %d", op, n)
	}
}

// letters retries or purges dead ones.
func (x *play) letters() {
	name := x.name()
	missing := ""
	if x.m.queues[name] == nil {
		missing = CodeNotFound
	}
	switch x.r.IntN(3) {
	case 0:
		id := x.id()
		j, want := x.m.find(id), ""
		switch {
		case id == 0:
			return
		case j == nil:
			want = CodeNotFound
		case j.state != Failed, x.taken(j):
			want = CodeConflict
		}
		if x.same(both(x, &Retry{ID: id}), want) {
			x.retry(j)
		}
	case 1:
		if x.same(both(x, &Retry{Queue: name}), missing) {
			for _, j := range x.m.byTime(name, Failed) {
				if x.taken(j) {
					j.order = x.now
				} else {
					x.retry(j)
				}
			}
		}
	case 2:
		if x.maybe(4) && x.same(both(x, &Purge{Queue: name}), missing) {
			for _, j := range x.m.byTime(name, Failed) {
				x.m.remove(j)
			}
		}
	}
}

// taken says whether another job has a dead letter's unique key.
func (x *play) taken(j *mJob) bool {
	return j.UniqueKey != "" && slices.ContainsFunc(x.m.in(j.Queue, Waiting, Delayed, Active, Blocked), func(o *mJob) bool { return o.UniqueKey == j.UniqueKey })
}

func (x *play) retry(j *mJob) {
	j.attempts = 0
	if j.TTL > 0 {
		j.expires = x.now + j.TTL
	}
	x.m.wait(j)
	x.m.admit(j, 0)
}

func (x *play) scheduling() {
	name := "s" + strconv.Itoa(x.r.IntN(4))
	before := x.m.schedules[name]
	if x.maybe(3) {
		want := ""
		switch {
		case before == nil:
			want = CodeNotFound
		case before.declared:
			want = CodeConflict
		}
		if x.same(both(x, &DeleteSchedule{Name: name}), want) {
			delete(x.m.schedules, name)
		}
		return
	}
	op := &SetSchedule{Schedule: Schedule{Name: name, Queue: x.name(), Every: minEvery + x.r.Int64N(1000), Limit: x.r.Int64N(4)}}
	if x.maybe(2) {
		op.Every, op.Cron, op.TimeZone = 0, "*/2 * * * * *", "Europe/Berlin"
	}
	want := ""
	switch {
	case before != nil && before.declared:
		want = CodeConflict
	case x.m.queues[op.Queue] == nil && x.m.settings != nil && x.m.settings.Undeclared == UndeclaredDeny:
		want = CodeUndeclared
	}
	if op = both(x, op); x.same(op, want) {
		x.m.queue(op.Queue)
		x.m.schedule(op.Schedule, false, op.Next)
	}
}

func (m *model) schedule(given Schedule, declared bool, next int64) {
	s := &mSchedule{Schedule: given, declared: declared, next: next}
	if before := m.schedules[given.Name]; before != nil {
		s.runs, s.last = before.runs, before.last
	}
	if s.Limit > 0 && s.runs >= s.Limit {
		s.next = 0
	}
	m.schedules[given.Name] = s
}

// configure declares some of the queues.
func (x *play) configure() {
	s := Settings{Version: SettingsVersion, Revision: strconv.Itoa(x.r.IntN(100))}
	if x.maybe(4) {
		s.Undeclared = UndeclaredDeny
	}
	if !x.maybe(4) {
		s.Queues = append(s.Queues, QueueSettings{
			Name: "declared", Concurrency: x.r.Int64N(5), RateLimit: &RateLimit{1 + x.r.Int64N(5), 1 + x.r.Int64N(200)},
			Retries: RetrySettings{MaxAttempts: x.r.Int32N(4), Backoff: BackoffFixed, Delay: x.r.Int64N(50)}, DeadLetter: "dead",
			Lease: x.r.Int64N(300), Retention: RetentionSettings{Completed: Keep{MaxCount: x.r.Int64N(5)}}, DeletionPolicy: DeletionRetain,
		})
	}
	if !x.maybe(4) {
		s.Queues = append(s.Queues, QueueSettings{
			Name: "bounded", MaxWaiting: 5 + x.r.Int64N(10), DeletionPolicy: DeletionDelete,
			Retention: RetentionSettings{Completed: Keep{MaxAge: x.r.Int64N(500)}, Failed: Keep{MaxAge: x.r.Int64N(500), MaxCount: x.r.Int64N(3)}},
		})
	}
	for i := range x.r.IntN(3) {
		if s.Undeclared == "" {
			s.Schedules = append(s.Schedules, Schedule{Name: "s" + strconv.Itoa(i), Queue: "a", Every: 100 * (1 + x.r.Int64N(3))})
		}
	}
	data, err := json.Marshal(s)
	if err != nil {
		x.t.Fatal(err)
	}
	op := both(x, &Configure{Settings: data})
	if x.same(op, "") {
		x.m.configure(&s, op.Nexts)
	}
}

func (m *model) configure(s *Settings, nexts []Run) {
	m.settings = s
	declared := map[string]bool{}
	for i := range s.Queues {
		q := m.queue(s.Queues[i].Name)
		q.declared, q.closed, q.purging = &s.Queues[i], false, false
		declared[q.name] = true
	}
	for _, q := range m.queues {
		if q.declared != nil && !declared[q.name] {
			q.closed, q.purging = true, q.declared.DeletionPolicy == DeletionDelete
			q.declared = nil
		}
	}
	named := map[string]bool{}
	for i, given := range s.Schedules {
		named[given.Name] = true
		before := m.schedules[given.Name]
		if before == nil || !before.declared || before.Every != given.Every {
			m.schedule(given, true, nexts[i].Next)
		}
	}
	for name, c := range m.schedules {
		if c.declared && !named[name] {
			delete(m.schedules, name)
		}
	}
}
