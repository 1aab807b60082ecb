package queue

import (
	"slices"
	"testing"
)

// TestStalledJobIsHandedOutAgain: its attempt is counted, it is where it was in
// the line, and who had it cannot acknowledge it any more. (flashQ: a stalled
// job is not handed out again; asynq #1051, bullmq #1497: active without a lease)
func TestStalledJobIsHandedOutAgain(t *testing.T) {
	b := newBench(t)
	id := b.push(NewJob{StallTimeout: 1000})
	b.push(NewJob{})
	before := b.one("q")
	b.sleep(999)
	if b.state(id) != Active {
		t.Fatalf("%s before its lease has ended", b.state(id))
	}
	b.sleep(1)
	if j := b.job(id); j.State != Waiting || j.Attempts != 1 || j.Lease != (Lease{}) {
		t.Fatalf("%+v", j)
	}
	refused(b, &Ack{Jobs: []Finished{{Holder: holder(before)}}}, CodeLease)
	after := b.one("q")
	if after.ID != id || after.Lease.Token == before.Lease.Token {
		t.Fatalf("%+v", after)
	}
	refused(b, &Ack{Jobs: []Finished{{Holder: holder(before)}}}, CodeLease)
	b.ack(after)
}

// TestStalledJobFreesWhatItHeld: slot, group and unique key are given back once.
// (flashQ: they leak; bullmq #3183)
func TestStalledJobFreesWhatItHeld(t *testing.T) {
	b := newBench(t)
	ok(b, &SetConcurrency{Queue: "q", Limit: 1})
	first := b.push(NewJob{GroupID: "g", UniqueKey: "u", MaxAttempts: 1, StallTimeout: 100})
	second := b.push(NewJob{GroupID: "g", StallTimeout: 100, Backoff: None})
	b.one("q")
	if n := len(b.pull("q", 2)); n != 0 {
		t.Fatalf("%d beside the one that has the slot", n)
	}
	b.sleep(100)
	if b.state(first) != Failed {
		t.Fatalf("%s after its only attempt", b.state(first))
	}
	if j := b.one("q"); j.ID != second {
		t.Fatalf("%d", j.ID)
	}
	third := ok(b, &Push{Jobs: []NewJob{{Queue: "q", UniqueKey: "u"}}}).Result[0]
	if third.Duplicate {
		t.Error("the unique key was kept")
	}
	if n := len(b.pull("q", 2)); n != 0 {
		t.Errorf("%d: a slot was given back twice", n)
	}
}

// TestDisconnectGivesJobsBack: those that the connection had pulled, at once,
// an attempt counted. (bullmq #648, celery #8030: workers dead after a reconnect)
func TestDisconnectGivesJobsBack(t *testing.T) {
	b := newBench(t)
	for range 3 {
		b.push(NewJob{})
	}
	mine := ok(b, &Pull{Queue: "q", Count: 2, Owner: 7}).Result
	others := ok(b, &Pull{Queue: "q", Count: 1, Owner: 8}).Result
	ok(b, &Ack{Jobs: []Finished{{Holder: Holder{ID: mine[0].ID, Owner: 7}}}})
	if n := ok(b, &Release{Owners: []uint64{7, 9}}).Result; n != 1 {
		t.Fatalf("%d jobs", n)
	}
	if j := b.job(mine[1].ID); j.State != Waiting || j.Attempts != 1 {
		t.Errorf("%+v", j)
	}
	if b.state(others[0].ID) != Active {
		t.Error("another connection's job was taken away")
	}
	refused(b, &Ack{Jobs: []Finished{{Holder: Holder{ID: mine[1].ID, Owner: 7}}}}, CodeLease)
}

func TestHeartbeats(t *testing.T) {
	b := newBench(t)
	b.push(NewJob{StallTimeout: 100})
	b.push(NewJob{StallTimeout: 100})
	b.push(NewJob{StallTimeout: 100, Timeout: 250})
	bound := ok(b, &Pull{Queue: "q", Count: 1, Owner: 7}).Result[0]
	explicit, limited := b.one("q"), b.one("q")
	for range 4 {
		b.sleep(60)
		ok(b, &Renew{Owners: []uint64{7}, Jobs: []Holder{holder(explicit), holder(limited)}})
	}
	if b.state(bound.ID) != Active || b.state(explicit.ID) != Active || b.state(limited.ID) != Active {
		t.Error("a lease that was renewed is lost")
	}
	b.sleep(10)
	if j := b.job(limited.ID); j.State != Delayed || j.Attempts != 1 || j.Error == "" {
		t.Errorf("heartbeats hold up a timeout: %+v", j)
	}
	b.sleep(91)
	if b.state(bound.ID) != Waiting || b.state(explicit.ID) != Waiting {
		t.Error("leases without heartbeats last")
	}
	op := do(b, &Renew{Jobs: []Holder{holder(explicit)}})
	if op.ResultErrs[0] == nil || op.ResultErrs[0].Code != CodeLease {
		t.Errorf("%v", op.ResultErrs)
	}
}

// TestPoisonedJobEnds: one that takes its worker with it is a dead letter after
// its attempts.
func TestPoisonedJobEnds(t *testing.T) {
	b := newBench(t)
	id := b.push(NewJob{})
	for range DefaultAttempts {
		ok(b, &Pull{Queue: "q", Count: 1, Owner: 3})
		ok(b, &Release{Owners: []uint64{3}})
	}
	if j := b.job(id); j.State != Failed || j.Error == "" || j.Attempts != DefaultAttempts {
		t.Errorf("%+v", j)
	}
}

// TestReportsNeedTheLease: who lost it can no longer write into the job.
func TestReportsNeedTheLease(t *testing.T) {
	b := newBench(t)
	id := b.push(NewJob{StallTimeout: 100})
	lost := holder(b.one("q"))
	b.sleep(100)
	now := holder(b.one("q"))
	refused(b, &Progress{Holder: lost, Progress: 1}, CodeLease)
	refused(b, &Log{Holder: lost}, CodeLease)
	refused(b, &Partial{Holder: lost, Index: -1}, CodeLease)
	refused(b, &Fail{Holder: lost}, CodeLease)
	refused(b, &MoveToDelayed{Holder: lost, Delay: 1}, CodeLease)
	ok(b, &Progress{Holder: now, Progress: 40, Message: "well"})
	for range MaxLogs + 5 {
		ok(b, &Log{Holder: now, Message: "line"})
	}
	for _, index := range []int64{3, 1, -1, 1} {
		ok(b, &Partial{Holder: now, Index: index, Data: []byte(`"x"`)})
	}
	j := b.job(id)
	var indexes []int64
	for _, p := range j.Partials {
		indexes = append(indexes, p.Index)
	}
	if j.Progress != 40 || j.Message != "well" || len(j.Logs) != MaxLogs || !slices.Equal(indexes, []int64{1, 3, 4}) {
		t.Errorf("%d %q, %d lines, parts %v", j.Progress, j.Message, len(j.Logs), indexes)
	}
	restored(t, b.q)
}
