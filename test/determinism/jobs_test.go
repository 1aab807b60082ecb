package determinism

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/job"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/queue"
)

// parse reads back what is in the log, as package node does.
func parse(argv [][]byte) (machine.Op, error) {
	if string(argv[0]) == job.Name {
		return job.Parse(argv)
	}
	return command.Parse(argv)
}

// employer makes operations on jobs.
type employer struct {
	r       *rand.Rand
	lastID  uint64
	holders []queue.Holder // leases that were given, lost ones too
	pulls   []*queue.Pull  // of the entry at hand
	pushes  []*queue.Push
}

// learn takes in what came of the entry.
func (e *employer) learn() (pulled int) {
	for _, op := range e.pushes {
		for _, p := range op.Result {
			e.lastID = max(e.lastID, p.ID)
		}
	}
	for _, op := range e.pulls {
		for _, j := range op.Result {
			e.holders = append(e.holders, queue.Holder{ID: j.ID, Token: j.Lease.Token})
			pulled++
		}
	}
	if n := len(e.holders); n > 200 {
		e.holders = e.holders[n-100:]
	}
	e.pulls, e.pushes = nil, nil
	return pulled
}

func (e *employer) name() string { return "q" + strconv.Itoa(e.r.IntN(6)) }

func (e *employer) id() uint64 { return 1 + e.lastID - min(e.lastID, e.r.Uint64N(200)) }

func (e *employer) holder() queue.Holder {
	if len(e.holders) == 0 || e.r.IntN(20) == 0 {
		return queue.Holder{ID: e.id(), Owner: e.r.Uint64N(3)}
	}
	return e.holders[e.r.IntN(len(e.holders))]
}

func (e *employer) newJob() queue.NewJob {
	r := e.r
	n := queue.NewJob{Queue: e.name(), Data: fmt.Appendf(nil, `{"user":%d}`, r.IntN(20)), Priority: r.Int32N(3), Backoff: r.Int64N(40), MaxAttempts: r.Int32N(4) - 1}
	switch r.IntN(12) {
	case 0:
		n.Delay = r.Int64N(300)
	case 1:
		n.TTL = 1 + r.Int64N(300)
	case 2:
		n.GroupID = strconv.Itoa(r.IntN(3))
	case 3:
		n.UniqueKey = strconv.Itoa(r.IntN(3))
	case 4:
		n.DebounceID = strconv.Itoa(r.IntN(3))
	case 5:
		n.CustomID = strconv.Itoa(r.IntN(30))
	case 6:
		n.DependsOn = []uint64{e.id()}
	case 7:
		n.LIFO, n.Tags = true, []string{"t"}
	case 8:
		n.RemoveOnComplete, n.RemoveOnFail = true, true
	case 9:
		n.KeepAge, n.Timeout, n.StallTimeout = 1+r.Int64N(300), 1+r.Int64N(200), 1+r.Int64N(200)
	}
	return n
}

// op is a random operation.
func (e *employer) op() queue.Op {
	r := e.r
	switch n := r.IntN(60); {
	case n < 15:
		op := &queue.Push{}
		for range 1 + r.IntN(4) {
			op.Jobs = append(op.Jobs, e.newJob())
		}
		e.pushes = append(e.pushes, op)
		return op
	case n < 17:
		return &queue.Flow{Parent: e.newJob(), Children: []queue.NewJob{e.newJob(), e.newJob()}}
	case n < 29:
		op := &queue.Pull{Queue: e.name(), Count: 1 + r.IntN(5), Owner: r.Uint64N(3), Lease: r.Int64N(300)}
		e.pulls = append(e.pulls, op)
		return op
	case n < 38:
		return &queue.Ack{Jobs: []queue.Finished{{Holder: e.holder(), Result: []byte("1")}, {Holder: e.holder()}}}
	case n < 43:
		return &queue.Fail{Holder: e.holder(), Error: "why"}
	}
	others := []queue.Op{
		&queue.Renew{Owners: []uint64{1}, Jobs: []queue.Holder{e.holder()}}, &queue.Release{Owners: []uint64{2}},
		&queue.Progress{Holder: e.holder(), Progress: r.Int32N(100)}, &queue.Log{Holder: e.holder(), Message: "line"},
		&queue.Partial{Holder: e.holder(), Index: -1, Data: []byte("2")}, &queue.Cancel{ID: e.id()},
		&queue.Update{ID: e.id(), Data: []byte(`{"user":99}`)}, &queue.SetPriority{ID: e.id(), Priority: r.Int32N(3)},
		&queue.MoveToDelayed{Holder: e.holder(), Delay: r.Int64N(100)}, &queue.Promote{ID: e.id()}, &queue.Discard{ID: e.id()},
		&queue.Pause{Queue: e.name(), Paused: r.IntN(4) == 0}, &queue.Drain{Queue: "q5"}, &queue.Obliterate{Queue: "q4"},
		&queue.Clean{Queues: []string{e.name()}, State: queue.Completed, Grace: r.Int64N(500), Limit: 3},
		&queue.SetRateLimit{Queue: e.name(), RateLimit: queue.RateLimit{Max: r.Int64N(9), Per: 1 + r.Int64N(100)}},
		&queue.SetConcurrency{Queue: e.name(), Limit: r.Int64N(9)}, &queue.Retry{Queue: e.name()}, &queue.Retry{ID: e.id()}, &queue.Purge{Queue: "q3"},
		&queue.SetSchedule{Schedule: queue.Schedule{Name: e.name(), Queue: e.name(), Every: 100 + r.Int64N(900), Limit: r.Int64N(9)}},
		&queue.DeleteSchedule{Name: e.name()}, &queue.Configure{Settings: fmt.Appendf(nil, settings, r.IntN(30), r.IntN(4))},
		&queue.SetKey{Key: queue.Key{ID: [8]byte{byte(r.IntN(4))}, Queue: "q0", Wrapped: []byte{1}}},
		&queue.Erase{Queue: "q[01]", Path: "user", Value: strconv.AppendInt(nil, r.Int64N(20), 10)},
	}
	return others[r.IntN(len(others))]
}

const settings = `{"version":1,"queues":[{"name":"q0","maxWaiting":%d,"retention":{"completed":{"maxCount":3,"maxAgeMilliseconds":400}}},{"name":"q1","concurrency":%d,"deadLetter":"q2"}]}`

// job is one as the leader logs it.
func (l *leader) job() (machine.Item, bool) {
	op := l.jobs.op()
	if op.Check(l.now) != nil {
		return machine.Item{}, false
	}
	l.count++
	return job.Item(op), true
}
