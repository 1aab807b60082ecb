package queue

import (
	"slices"
	"strings"
	"testing"
)

func TestFlow(t *testing.T) {
	b := newBench(t)
	flow := ok(b, &Flow{
		Parent:   NewJob{Queue: "parents", Data: []byte("0")},
		Children: []NewJob{{Queue: "q", Data: []byte("1")}, {Queue: "q", Data: []byte("2"), Priority: 1, RemoveOnComplete: true}, {Queue: "q", Data: []byte("3"), Delay: 500}},
	})
	parent := flow.Result.ID
	if j := b.job(parent); j.State != Blocked || j.Pending != 3 || len(j.Children) != 3 || j.State.String() != "waitingchildren" {
		t.Fatalf("%+v", j)
	}
	if n := len(b.pull("parents", 1)); n != 0 {
		t.Fatal("the parent before its children")
	}
	b.q = restored(t, b.q)
	for range 2 {
		b.ack(b.one("q"))
	}
	if children := ok(b, &Children{ID: parent}).Result; len(children) != 2 || children[0].Parent != parent {
		t.Errorf("%v", children)
	}
	b.sleep(500)
	b.ack(b.one("q"))
	if j := b.one("parents"); j.ID != parent || j.Pending != 0 {
		t.Errorf("%+v", j)
	}
}

// TestFailedChildFailsItsParent, and those that wait for that; retried, both
// are completed after all.
func TestFailedChildFailsItsParent(t *testing.T) {
	b := newBench(t)
	flow := ok(b, &Flow{Parent: NewJob{Queue: "parents"}, Children: []NewJob{{Queue: "q", MaxAttempts: 1}, {Queue: "q"}}})
	parent, child := flow.Result.ID, flow.ResultChildren[0].ID
	next := b.push(NewJob{DependsOn: []uint64{parent}})
	b.fail(b.one("q"))
	if j := b.job(parent); j.State != Failed || !strings.Contains(j.Error, "child 1") && !strings.Contains(j.Error, "child 2") {
		t.Fatalf("%+v", j)
	}
	if b.state(next) != Failed || b.state(flow.ResultChildren[1].ID) != Waiting {
		t.Fatalf("who waits for the parent is %s, the other child %s", b.state(next), b.state(flow.ResultChildren[1].ID))
	}
	ok(b, &Retry{ID: parent})
	if j := b.job(parent); j.State != Blocked || j.Pending != 2 {
		t.Fatalf("%+v", j)
	}
	ok(b, &Retry{ID: child})
	for range 2 {
		b.ack(b.one("q"))
	}
	b.ack(b.one("parents"))
	if b.state(parent) != Completed {
		t.Errorf("%s", b.state(parent))
	}
}

func TestRemovedChildFailsItsParent(t *testing.T) {
	b := newBench(t)
	flow := ok(b, &Flow{Parent: NewJob{Queue: "parents"}, Children: []NewJob{{Queue: "q", TTL: 100}}})
	b.sleep(100)
	if j := b.job(flow.Result.ID); j.State != Failed {
		t.Errorf("%+v", j)
	}
}

func TestDependencies(t *testing.T) {
	b := newBench(t)
	first, second := b.push(NewJob{}), b.push(NewJob{})
	both := b.push(NewJob{DependsOn: []uint64{first, second, first}, Delay: 50})
	refused(b, &Push{Jobs: []NewJob{{Queue: "q", DependsOn: []uint64{99}}}}, CodeInvalid)
	b.ack(b.one("q"))
	b.ack(b.one("q"))
	if b.state(both) != Delayed { // its delay counts from the push
		t.Fatalf("%s", b.state(both))
	}
	b.sleep(50)
	if b.state(both) != Waiting {
		t.Fatalf("%s", b.state(both))
	}
	third := b.push(NewJob{DependsOn: []uint64{first}})
	if b.state(third) != Waiting { // it is completed already
		t.Errorf("%s", b.state(third))
	}
	failed := b.push(NewJob{Priority: 9})
	ok(b, &Discard{ID: failed})
	refused(b, &Push{Jobs: []NewJob{{Queue: "q", DependsOn: []uint64{failed}}}}, CodeConflict)
}

// TestManyWhoWait are told in portions, none is forgotten, and a snapshot in
// between knows how far it is.
func TestManyWhoWait(t *testing.T) {
	const many = 5 * outcomesTick
	for _, completed := range []bool{true, false} {
		b := newBench(t)
		first := b.push(NewJob{})
		for range many / 1000 {
			op := &Push{}
			for range 1000 {
				op.Jobs = append(op.Jobs, NewJob{Queue: "waiting", DependsOn: []uint64{first}})
			}
			ok(b, op)
		}
		if j := b.one("q"); completed {
			b.ack(j)
		} else {
			ok(b, &Fail{Holder: holder(j), Final: true})
			refused(b, &Retry{ID: first}, CodeConflict)
		}
		if c := b.counts("waiting"); c.Blocked == 0 || c.Blocked == many {
			t.Fatalf("%+v", c)
		}
		b.q = restored(t, b.q)
		b.sleep(1)
		if c := b.counts("waiting"); c.Blocked != 0 || completed && c.Waiting != many || !completed && c.Failed != many {
			t.Fatalf("%+v", c)
		}
	}
}

func TestGroups(t *testing.T) {
	b := newBench(t)
	var mine []uint64
	for i := range 3 {
		mine = append(mine, b.push(NewJob{GroupID: "customer-1"}))
		b.push(NewJob{GroupID: "customer-2"})
		if i == 0 {
			b.push(NewJob{Queue: "other", GroupID: "customer-1"})
		}
	}
	got := b.pull("q", 10)
	if len(got) != 2 || got[0].ID != mine[0] {
		t.Fatalf("%v", ids(got))
	}
	if n := len(b.pull("other", 1)); n != 1 {
		t.Error("a group is its queue's")
	}
	high := b.push(NewJob{GroupID: "customer-1", Priority: 1})
	if n := len(b.pull("q", 10)); n != 0 {
		t.Fatalf("%d beside the active ones", n)
	}
	b.ack(got[0])
	for _, want := range []uint64{high, mine[1], mine[2]} {
		b.q = restored(t, b.q)
		j := b.one("q")
		if j.ID != want {
			t.Fatalf("%d, want %d", j.ID, want)
		}
		ok(b, &Cancel{ID: j.ID}) // gives the group free as well
	}
	if n := len(b.pull("q", 10)); n != 0 {
		t.Errorf("%d", n)
	}
}

func TestDuplicates(t *testing.T) {
	b := newBench(t)
	push := func(n NewJob) Pushed { n.Queue = "q"; return ok(b, &Push{Jobs: []NewJob{n}}).Result[0] }
	unique := push(NewJob{UniqueKey: "u"})
	if p := push(NewJob{UniqueKey: "u"}); p != (Pushed{unique.ID, true}) {
		t.Errorf("%+v", p)
	}
	b.ack(b.one("q"))
	if p := push(NewJob{UniqueKey: "u"}); p.Duplicate {
		t.Error("the key is kept by a job that is completed")
	}
	custom := push(NewJob{CustomID: "order-1"})
	if p := push(NewJob{CustomID: "order-1"}); p != (Pushed{custom.ID, true}) {
		t.Errorf("%+v", p)
	}
	refused(b, &Push{Jobs: []NewJob{{Queue: "other", CustomID: "order-1"}}}, CodeConflict)
	if j := ok(b, &Find{CustomID: "order-1"}).Result; j == nil || j.ID != custom.ID {
		t.Errorf("%+v", j)
	}
	debounced := push(NewJob{DebounceID: "d", DebounceTTL: 100})
	b.sleep(99)
	if p := push(NewJob{DebounceID: "d", DebounceTTL: 100}); p != (Pushed{debounced.ID, true}) {
		t.Errorf("%+v", p)
	}
	b.q = restored(t, b.q)
	b.sleep(1)
	if p := push(NewJob{DebounceID: "d", DebounceTTL: 100}); p.Duplicate {
		t.Error("debounced for too long")
	}
	b.sleep(200)
	if b.q.debounces.Len() != 0 {
		t.Error("a debounce is kept for ever")
	}
}

func TestRetryKeepsUniqueKeysUnique(t *testing.T) {
	b := newBench(t)
	dead := b.push(NewJob{UniqueKey: "u", MaxAttempts: 1})
	b.fail(b.one("q"))
	live := b.push(NewJob{UniqueKey: "u"})
	refused(b, &Retry{ID: dead}, CodeConflict)
	if op := ok(b, &Retry{Queue: "q"}); op.Result != 0 || op.ResultMore {
		t.Errorf("%+v", op)
	}
	ok(b, &Cancel{ID: live})
	if op := ok(b, &Retry{Queue: "q"}); op.Result != 1 {
		t.Errorf("%+v", op)
	}
	if p := ok(b, &Push{Jobs: []NewJob{{Queue: "q", UniqueKey: "u"}}}).Result[0]; p != (Pushed{dead, true}) {
		t.Errorf("%+v", p)
	}
}

func TestBackoff(t *testing.T) {
	b := newBench(t)
	id := b.push(NewJob{Backoff: 100, MaxAttempts: None})
	var waits []int64
	for range 14 {
		op := b.fail(b.one("q"))
		waits = append(waits, op.ResultRunAt-b.now)
		b.sleep(op.ResultRunAt - b.now)
	}
	for i, wait := range waits {
		least := int64(100) << min(i, MaxBackoffExponent)
		if wait < least || wait > least*5/4 {
			t.Errorf("attempt %d waits %d ms, want %d and a quarter at most", i+2, wait, least)
		}
	}
	if b.job(id).Attempts != 14 {
		t.Errorf("%d attempts", b.job(id).Attempts)
	}
	// Those that fail together are not tried together.
	for range 50 {
		b.push(NewJob{Queue: "many", Backoff: 10_000})
	}
	var at []int64
	for _, j := range b.pull("many", 50) {
		at = append(at, b.fail(j).ResultRunAt)
	}
	slices.Sort(at)
	if n := len(slices.Compact(at)); n < 40 {
		t.Errorf("50 jobs are tried again at %d times", n)
	}
}
