package queue

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

func TestDeadLetters(t *testing.T) {
	b := newBench(t)
	for range 5 {
		b.push(NewJob{MaxAttempts: 1})
	}
	for _, j := range b.pull("q", 5) {
		b.fail(j)
	}
	dead := ok(b, &List{Queue: "q", State: Failed, Limit: 10}).Result
	if len(dead) != 5 || dead[0].Error != "no luck" || dead[0].Attempts != 1 {
		t.Fatalf("%+v", dead)
	}
	ok(b, &Retry{ID: dead[0].ID})
	if j := b.one("q"); j.ID != dead[0].ID || j.Attempts != 0 {
		t.Errorf("%+v", j)
	}
	if op := ok(b, &Retry{Queue: "q"}); op.Result != 4 {
		t.Errorf("%+v", op)
	}
	for _, j := range b.pull("q", 5) {
		b.fail(j)
	}
	if op := ok(b, &Purge{Queue: "q"}); op.Result != 4 || b.counts("q").Failed != 0 {
		t.Errorf("%+v", op)
	}
}

func TestDeadLetterQueue(t *testing.T) {
	b := newBench(t)
	b.configure(Settings{Queues: []QueueSettings{{Name: "q", DeadLetter: "morgue", Retries: RetrySettings{MaxAttempts: 1}}}})
	id := b.push(NewJob{UniqueKey: "u", GroupID: "g"})
	b.fail(b.one("q"))
	j := b.one("morgue")
	if j.ID != id || j.Error != "no luck" || b.q.QueueOf(id) != "morgue" {
		t.Errorf("%+v", j)
	}
	b.q = restored(t, b.q)
	b.ack(j)
}

func TestRetention(t *testing.T) {
	b := newBench(t)
	b.configure(Settings{Queues: []QueueSettings{{Name: "q", Retention: RetentionSettings{
		Completed: Keep{MaxCount: 3, MaxAge: 1000}, Failed: Keep{MaxAge: 2000},
	}}}})
	for range 5 {
		b.ack(b.one2(NewJob{}))
	}
	if c := b.counts("q"); c.Completed != 3 || c.TotalCompleted != 5 {
		t.Errorf("%+v", c)
	}
	ok(b, &Fail{Holder: holder(b.one2(NewJob{})), Final: true})
	aged := b.one2(NewJob{KeepAge: 400})
	b.ack(aged)
	gone := b.one2(NewJob{RemoveOnComplete: true})
	b.ack(gone)
	if b.state(gone.ID) != 0 {
		t.Error("remove_on_complete keeps it")
	}
	b.sleep(400)
	if b.state(aged.ID) != 0 {
		t.Error("keep_completed_age keeps it longer")
	}
	b.q = restored(t, b.q)
	b.sleep(600)
	if c := b.counts("q"); c.Completed != 0 || c.Failed != 1 {
		t.Errorf("after the age of completed jobs: %+v", c)
	}
	b.sleep(1000)
	if c := b.counts("q"); c.Failed != 0 || b.q.Len() != 0 {
		t.Errorf("after the age of failed jobs: %+v", c)
	}
	for range 4 {
		b.ack(b.one2(NewJob{Queue: "free"}))
	}
	b.ack(b.one2(NewJob{Queue: "free", KeepCount: 2}))
	if c := b.counts("free"); c.Completed != 2 {
		t.Errorf("keep_completed_count: %+v", c)
	}
}

// one2 pushes a job and pulls it.
func (b *bench) one2(n NewJob) Job {
	b.t.Helper()
	b.push(n)
	if n.Queue == "" {
		n.Queue = "q"
	}
	return b.one(n.Queue)
}

func TestPauseDrainObliterate(t *testing.T) {
	b := newBench(t)
	ok(b, &Pause{Queue: "q", Paused: true})
	ids := []uint64{b.push(NewJob{}), b.push(NewJob{Delay: 100}), b.push(NewJob{GroupID: "g"}), b.push(NewJob{GroupID: "g"})}
	if n := len(b.pull("q", 5)); n != 0 {
		t.Fatal("a paused queue gives jobs out")
	}
	ok(b, &Pause{Queue: "q"})
	active := b.one("q")
	if op := ok(b, &Drain{Queue: "q"}); op.Result != 3 || op.ResultMore {
		t.Errorf("%+v", op)
	}
	if b.state(active.ID) != Active || b.state(ids[1]) != 0 {
		t.Error("drain takes what waits, and nothing else")
	}
	ok(b, &Pause{Queue: "q", Paused: true})
	ok(b, &Obliterate{Queue: "q"})
	refused(b, &Ack{Jobs: []Finished{{Holder: holder(active)}}}, CodeNotFound)
	refused(b, &Drain{Queue: "q"}, CodeNotFound)
	if c := b.counts("q"); c != (Counts{Name: "q"}) {
		t.Errorf("%+v", c)
	}
}

// TestStepsLeaveAloneWhatComesLater: draining goes in steps, and what is pushed
// between them stays.
func TestStepsLeaveAloneWhatComesLater(t *testing.T) {
	b := newBench(t)
	for range 25 {
		ok(b, batchOf("q", 1000))
	}
	op, total := ok(b, &Drain{Queue: "q"}), 0
	var late []uint64
	for total = op.Result; op.ResultMore; total += op.Result {
		late = append(late, b.push(NewJob{Priority: 5}))
		op = ok(b, &Drain{Queue: "q", Step: Step{Before: op.ResultBefore}})
	}
	if c := b.counts("q"); total != 25_000 || c.Waiting != int64(len(late)) || len(late) != 2 {
		t.Errorf("%d removed, %+v", total, c)
	}
}

func TestClean(t *testing.T) {
	b := newBench(t)
	for range 4 {
		b.ack(b.one2(NewJob{}))
		b.sleep(100)
	}
	if op := ok(b, &Clean{Queues: []string{"q", "none"}, State: Completed, Grace: 250}); op.Result != 2 {
		t.Errorf("%+v", op)
	}
	if op := ok(b, &Clean{Queues: []string{"q"}, State: Completed, Limit: 1}); op.Result != 1 || !op.ResultMore {
		t.Errorf("%+v", op)
	}
	if err := (&Clean{Queues: []string{"q"}, State: Active}).Check(0); err == nil {
		t.Error("active jobs are cleaned away")
	}
}

func TestListing(t *testing.T) {
	b := newBench(t)
	for i := range 10 {
		b.push(NewJob{Priority: int32(i % 3), Data: fmt.Appendf(nil, "%d", i)})
	}
	b.push(NewJob{Delay: 5})
	list := func(s State, offset, limit int) (ids []uint64) {
		for _, j := range ok(b, &List{Queue: "q", State: s, Offset: offset, Limit: limit}).Result {
			ids = append(ids, j.ID)
		}
		return ids
	}
	if got := list(Waiting, 2, 3); !slices.Equal(got, []uint64{9, 2, 5}) {
		t.Errorf("%v", got)
	}
	if got := list(0, 9, 5); !slices.Equal(got, []uint64{10, 11}) {
		t.Errorf("%v", got)
	}
	queues := ok(b, &ListQueues{Limit: 1})
	if len(queues.Result) != 1 || queues.ResultMore || queues.Result[0].Waiting != 10 || queues.Result[0].Delayed != 1 {
		t.Errorf("%+v", queues)
	}
}

func TestChanges(t *testing.T) {
	b := newBench(t)
	low, high := b.push(NewJob{}), b.push(NewJob{Priority: 1})
	ok(b, &SetPriority{ID: low, Priority: 2})
	ok(b, &Update{ID: low, Data: []byte(`"new"`)})
	j := b.one("q")
	if j.ID != low || j.Payload != `"new"` {
		t.Errorf("%+v", j)
	}
	ok(b, &MoveToDelayed{Holder: Holder{ID: high}, Delay: 100})
	if b.state(high) != Delayed {
		t.Error(b.state(high))
	}
	ok(b, &Promote{ID: high})
	refused(b, &Promote{ID: high}, CodeConflict)
	if b.one("q").ID != high {
		t.Error("a promoted job is not ready")
	}
	ok(b, &MoveToDelayed{Holder: holder(j), Delay: 50})
	if got := b.job(low); got.State != Delayed || got.Attempts != 0 {
		t.Errorf("%+v", got)
	}
	ok(b, &Discard{ID: low})
	refused(b, &Discard{ID: low}, CodeConflict)
	refused(b, &Cancel{ID: low}, CodeConflict)
	refused(b, &Cancel{ID: 99}, CodeNotFound)
}

// TestExpiredJobIsNotPulled, whether or not a tick has come by.
func TestExpiredJobIsNotPulled(t *testing.T) {
	b := newBench(t)
	id := b.push(NewJob{TTL: 100})
	b.now += 100
	if n := len(b.pull("q", 1)); n != 0 || b.state(id) != 0 {
		t.Errorf("%d pulled, it is %s", n, b.state(id))
	}
	id = b.push(NewJob{TTL: 100, Delay: 500})
	b.sleep(100)
	if b.state(id) != 0 {
		t.Error("a delayed job outlives its ttl")
	}
}

// TestLargeResultsAreNotKeptForEver: nobody said how many are.
func TestLargeResultsAreNotKeptForEver(t *testing.T) {
	b := newBench(t)
	large := append(append([]byte{'"'}, bytes.Repeat([]byte("x"), 9<<20)...), '"')
	for range 10 {
		ok(b, &Ack{Jobs: []Finished{{Holder: holder(b.one2(NewJob{})), Result: large}}})
	}
	if c := b.counts("q"); c.Completed != 7 || b.q.Bytes() > DefaultKeepBytes+1<<20 {
		t.Errorf("%d are kept, %d bytes", c.Completed, b.q.Bytes())
	}
}
