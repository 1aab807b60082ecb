package queue

import "testing"

// TestRateLimitOfAnyWindow: no window of its length has more pulls than it
// says, one by one and in batches alike. (asynq #328, #542, bullmq #1510;
// flashQ: PULLB ignores it)
func TestRateLimitOfAnyWindow(t *testing.T) {
	for _, per := range []int64{1, 100, 5000, 60_000} {
		b := newBench(t)
		for range 400 {
			b.push(NewJob{RemoveOnComplete: true})
		}
		ok(b, &SetRateLimit{Queue: "q", RateLimit: RateLimit{Max: 7, Per: per}})
		var pulls []int64
		for i := 0; len(pulls) < 200; i++ {
			for range b.pull("q", 1+i%10) {
				pulls = append(pulls, b.now)
			}
			if i%50 == 0 {
				b.q = restored(t, b.q)
			}
			b.sleep(max(per/13, 1))
		}
		for i := 7; i < len(pulls); i++ {
			if d := pulls[i] - pulls[i-7]; d < per {
				t.Fatalf("8 pulls within %d ms, 7 are allowed in %d", d, per)
			}
		}
		if took, fair := pulls[199]-pulls[0], 200/7*per; per > 1 && took > fair*5/4 {
			t.Errorf("200 pulls took %d ms, at 7 in %d it should be about %d", took, per, fair)
		}
	}
}

// TestWindowsThatChange: a limit whose window was changed is none of that before,
// and what it counts can be restored, however often it is.
func TestWindowsThatChange(t *testing.T) {
	for _, first := range []int64{2000, MaxDuration} {
		b := newBench(t)
		ok(b, batchOf("q", 1000))
		for round := range 3 {
			ok(b, &SetRateLimit{Queue: "q", RateLimit: RateLimit{Max: MaxRate, Per: first}})
			if round > 0 {
				ok(b, batchOf("q", 1000))
			}
			for range 2100 {
				for _, j := range b.pull("q", 1) {
					ok(b, &MoveToDelayed{Holder: holder(j)})
				}
				b.sleep(1)
			}
			for _, per := range []int64{MaxDuration, 2000} {
				ok(b, &SetRateLimit{Queue: "q", RateLimit: RateLimit{Max: MaxRate, Per: per}})
				for range 2100 {
					for _, j := range b.pull("q", 1) {
						ok(b, &MoveToDelayed{Holder: holder(j)})
					}
					b.sleep(1)
				}
			}
			b.q = restored(t, b.q)
		}
		ok(b, &SetRateLimit{Queue: "q", RateLimit: RateLimit{Max: 1, Per: 1000}})
		b.sleep(1002)
		if len(b.pull("q", 2)) != 1 {
			t.Error("pulls within the window that was count still")
		}
	}
}

// TestRateLimitOpens: those who wait are told when there is room again.
func TestRateLimitOpens(t *testing.T) {
	b := newBench(t)
	told := 0
	b.q.OnReady = func(string) { told++ }
	ok(b, &SetRateLimit{Queue: "q", RateLimit: RateLimit{Max: 1, Per: 1000}})
	b.push(NewJob{})
	b.push(NewJob{})
	b.one("q")
	if told = 0; b.q.Ready("q", b.now, 5) != 0 || len(b.pull("q", 1)) != 0 {
		t.Error("a second one within the window")
	}
	b.sleep(998)
	if told != 0 {
		t.Error("told too early")
	}
	b.sleep(3)
	if told == 0 || b.q.Ready("q", b.now, 5) != 1 {
		t.Errorf("told %d times, %d ready", told, b.q.Ready("q", b.now, 5))
	}
}

// TestConcurrencyLimit holds for every way of pulling. (asynq #328; that it
// costs nothing, river #1145, is BenchmarkLimitedPullAck's)
func TestConcurrencyLimit(t *testing.T) {
	b := newBench(t)
	for range 10 {
		b.push(NewJob{})
	}
	ok(b, &SetConcurrency{Queue: "q", Limit: 3})
	jobs := append(b.pull("q", 2), b.pull("q", 10)...)
	if len(jobs) != 3 || len(b.pull("q", 1)) != 0 {
		t.Fatalf("%d active", len(jobs))
	}
	ready := 0
	b.q.OnReady = func(string) { ready++ }
	b.ack(jobs[0])
	b.fail(jobs[1])
	if n := len(b.pull("q", 10)); n != 2 || ready == 0 {
		t.Errorf("%d for two slots, told %d times", n, ready)
	}
	ok(b, &SetConcurrency{Queue: "q"})
	if n := len(b.pull("q", 10)); n != 5 {
		t.Errorf("%d once it is cleared", n)
	}
}

// TestBoundedQueue refuses what is too much, all or nothing. (asynq #869)
func TestBoundedQueue(t *testing.T) {
	b := newBench(t)
	b.configure(Settings{Queues: []QueueSettings{{Name: "q", MaxWaiting: 3}}})
	ok(b, batchOf("q", 2))
	refused(b, batchOf("q", 2), CodeFull)
	ok(b, batchOf("q", 1))
	refused(b, batchOf("q", 1), CodeFull)
	b.one("q")
	ok(b, batchOf("q", 1))
	if c := b.counts("q"); c.Waiting != 3 || c.Active != 1 {
		t.Errorf("%+v", c)
	}
}

// TestDelayedJobBlocksNoReadyOne. (flashQ: one with a high priority does)
func TestDelayedJobBlocksNoReadyOne(t *testing.T) {
	b := newBench(t)
	late := b.push(NewJob{Priority: 100, Delay: 1000})
	now := b.push(NewJob{})
	if j := b.one("q"); j.ID != now {
		t.Fatalf("%d", j.ID)
	}
	if n := len(b.pull("q", 1)); n != 0 {
		t.Fatal("a delayed job was pulled")
	}
	b.sleep(1000)
	if j := b.one("q"); j.ID != late {
		t.Fatalf("%d", j.ID)
	}
}

// TestLongDelayRunsOnce, however long it is. (celery #2599: duplicates)
func TestLongDelayRunsOnce(t *testing.T) {
	b := newBench(t)
	id := b.push(NewJob{Delay: 30 * 86_400_000})
	runs := 0
	for range 40 {
		b.sleep(86_400_000)
		b.q = restored(t, b.q)
		for _, j := range b.pull("q", 10) {
			b.ack(j)
			runs++
		}
	}
	if runs != 1 || b.state(id) != Completed {
		t.Errorf("%d runs, %s", runs, b.state(id))
	}
}

func batchOf(queue string, n int) *Push {
	op := &Push{}
	for range n {
		op.Jobs = append(op.Jobs, NewJob{Queue: queue, Data: []byte("1")})
	}
	return op
}

// TestWindowOfChangingLength: what it counts is bounded by the pulls, and a
// snapshot of it can be read.
func TestWindowOfChangingLength(t *testing.T) {
	b := newBench(t)
	for per := int64(1); per < 1<<20; per *= 2 {
		ok(b, &SetRateLimit{Queue: "q", RateLimit: RateLimit{Max: MaxRate, Per: per}})
		for range 300 {
			b.push(NewJob{RemoveOnComplete: true})
			b.ack(b.one("q"))
			b.sleep(max(per/1024, 1))
		}
	}
	if n := len(b.q.named["q"].window.parts); n != maxParts {
		t.Fatalf("%d parts", n)
	}
	restored(t, b.q)
}
