package queue

import (
	"slices"
	"testing"
)

func TestOrder(t *testing.T) {
	b := newBench(t)
	first := b.push(NewJob{})
	second := b.push(NewJob{})
	high := b.push(NewJob{Priority: 5})
	last := b.push(NewJob{LIFO: true})
	low := b.push(NewJob{Priority: -1})
	b.q = restored(t, b.q)
	if got := ids(b.pull("q", 10)); !slices.Equal(got, []uint64{high, last, first, second, low}) {
		t.Errorf("%v", got)
	}
}

func TestAckNeedsTheLease(t *testing.T) {
	b := newBench(t)
	id := b.push(NewJob{})
	refused(b, &Ack{Jobs: []Finished{{Holder: Holder{ID: id, Owner: 1}}}}, CodeLease)
	j := b.one("q")
	refused(b, &Ack{Jobs: []Finished{{Holder: Holder{ID: id}}}}, CodeLease)
	refused(b, &Ack{Jobs: []Finished{{Holder: Holder{ID: id, Owner: 1}}}}, CodeLease)
	refused(b, &Ack{Jobs: []Finished{{Holder: Holder{ID: id, Token: Token{1}}}}}, CodeLease)
	b.ack(j)
	if b.state(id) != Completed {
		t.Error(b.state(id))
	}
	refused(b, &Ack{Jobs: []Finished{{Holder: holder(j)}}}, CodeLease)
	refused(b, &Ack{Jobs: []Finished{{Holder: Holder{ID: 77}}}}, CodeNotFound)
}

func TestReadTellsTheRetriesInForce(t *testing.T) {
	b := newBench(t)
	own, queues := b.push(NewJob{MaxAttempts: None, Backoff: None}), b.push(NewJob{})
	read := func(id uint64) Job { return *do(b, &Get{IDs: []uint64{id}}).Result[0] }
	if j := read(queues); j.MaxAttempts != DefaultAttempts || j.Backoff != DefaultBackoff {
		t.Errorf("%d attempts, %d ms", j.MaxAttempts, j.Backoff)
	}
	ok(b, &Configure{Settings: []byte(`{"version":1,"queues":[{"name":"q","retries":{"maxAttempts":7,"delayMilliseconds":50}}]}`)})
	if j := read(queues); j.MaxAttempts != 7 || j.Backoff != 50 {
		t.Errorf("%d attempts, %d ms", j.MaxAttempts, j.Backoff)
	}
	if j := read(own); j.MaxAttempts != None || j.Backoff != None {
		t.Errorf("%d attempts, %d ms", j.MaxAttempts, j.Backoff)
	}
}
