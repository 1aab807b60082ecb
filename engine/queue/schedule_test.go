package queue

import (
	"fmt"
	"strings"
	"testing"
)

func at(b *bench, s Schedule) *SetSchedule { b.t.Helper(); return ok(b, &SetSchedule{Schedule: s}) }

func TestInterval(t *testing.T) {
	b := newBench(t)
	at(b, Schedule{Name: "s", Queue: "q", Every: 1000, Data: []byte(`{"a":1}`), Priority: 3, Limit: 4})
	b.sleep(2500)
	b.q = restored(t, b.q)
	b.sleep(10_000)
	jobs := b.pull("q", 10)
	if len(jobs) != 4 || jobs[0].Payload != `{"a":1}` || jobs[0].Priority != 3 {
		t.Fatalf("%+v", jobs)
	}
	if s := ok(b, &ListSchedules{}).Result[0]; s.Runs != 4 || s.Next != 0 || s.Last == 0 {
		t.Errorf("%+v", s)
	}
	ok(b, &DeleteSchedule{Name: "s"})
	refused(b, &DeleteSchedule{Name: "s"}, CodeNotFound)
}

// TestMissedRunsAreMadeUpForOnce: who was away for long runs once, at once, and
// then in step. (bunqueue #73: schedule misfires)
func TestMissedRunsAreMadeUpForOnce(t *testing.T) {
	for _, s := range []Schedule{{Name: "s", Queue: "q", Every: 60_000}, {Name: "s", Queue: "q", Cron: "* * * * *"}} {
		b := newBench(t)
		b.now = b.now / 60_000 * 60_000
		at(b, s)
		b.now += 10*60_000 + 7_000 // nobody ticks meanwhile
		for due := b.q.NextDue(); due != 0 && due <= b.now; due = b.q.NextDue() {
			do(b, b.q.Tick(b.now))
		}
		if c := b.counts("q"); c.Waiting != 1 {
			t.Fatalf("%d runs were made up for", c.Waiting)
		}
		if next := ok(b, &ListSchedules{}).Result[0].Next; next%60_000 != 0 || next <= b.now || next > b.now+60_000 {
			t.Errorf("the next run is in %d ms", next-b.now)
		}
	}
}

func TestSchedulesThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		s    Schedule
		want string
	}{
		{Schedule{Queue: "q", Every: 1000}, "name"},
		{Schedule{Name: "s", Queue: "q"}, "cron"},
		{Schedule{Name: "s", Queue: "q", Every: 1000, Cron: "* * * * *"}, "cron"},
		{Schedule{Name: "s", Queue: "q", Every: 99}, "from 100"},
		{Schedule{Name: "s", Queue: "q q", Every: 1000}, "queue"},
		{Schedule{Name: "s", Queue: "q", Cron: "0 0 30 2 *"}, "never comes"},
		{Schedule{Name: "s", Queue: "q", Cron: "61 * * * *"}, "5 fields, or 6"},
		{Schedule{Name: "s", Queue: "q", Cron: "@every 1s"}, "5 fields"},
		{Schedule{Name: "s", Queue: "q", Cron: "TZ=UTC * * * * *"}, "fields of their own"},
		{Schedule{Name: "s", Queue: "q", Cron: "* * * * *", TimeZone: "Mars/Olympus"}, `timeZone: "Mars/Olympus" is unknown: use a name of the IANA database, such as Europe/Berlin`},
		{Schedule{Name: "s", Queue: "q", Every: 1000, Data: []byte("{")}, "JSON"},
	} {
		err := (&SetSchedule{Schedule: tt.s}).Check(0)
		if err == nil || err.Code != CodeInvalid || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want %q", tt.s, err, tt.want)
		}
	}
}

func TestSettings(t *testing.T) {
	b := newBench(t)
	b.configure(Settings{
		Revision: "1", Undeclared: UndeclaredDeny,
		Queues:    []QueueSettings{{Name: "q"}, {Name: "gone"}, {Name: "purged", DeletionPolicy: DeletionDelete}, {Name: "idle"}},
		Schedules: []Schedule{{Name: "kept", Queue: "q", Every: 1000}, {Name: "dropped", Queue: "q", Every: 1000}},
	})
	refused(b, batchOf("other", 1), CodeUndeclared)
	refused(b, &Pause{Queue: "other"}, CodeUndeclared)
	refused(b, &DeleteSchedule{Name: "kept"}, CodeConflict)
	refused(b, &SetSchedule{Schedule: Schedule{Name: "kept", Queue: "q", Every: 1000}}, CodeConflict)
	ok(b, batchOf("gone", 2))
	ok(b, batchOf("purged", 2))
	b.sleep(500)
	b.configure(Settings{Revision: "2", Queues: []QueueSettings{{Name: "q"}}, Schedules: []Schedule{{Name: "kept", Queue: "q", Every: 1000}}})
	b.q = restored(t, b.q)
	if s := ok(b, &ListSchedules{}).Result; len(s) != 1 || s[0].Next != b.now+500 {
		t.Errorf("a schedule that did not change keeps its next run: %+v", s)
	}
	refused(b, batchOf("gone", 1), CodeClosed)
	refused(b, batchOf("purged", 1), CodeClosed)
	b.sleep(1)
	if c := b.counts("gone"); !c.Closed || c.Declared || c.Waiting != 2 {
		t.Errorf("%+v", c)
	}
	if c := b.counts("purged"); c != (Counts{Name: "purged"}) {
		t.Errorf("%+v", c)
	}
	for _, j := range b.pull("gone", 5) {
		b.ack(j)
	}
	b.sleep(1)
	ok(b, batchOf("gone", 1)) // it was drained: the name is anybody's again
	if b.q.Settings().Revision != "2" || b.q.Declared("q") == nil || b.q.Declared("gone") != nil {
		t.Errorf("%+v", b.q.Settings())
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	for _, tt := range []struct{ settings, want string }{
		{`{`, "must be JSON"},
		{`{"version":2}`, "version: 2, must be 1"},
		{`{"version":1,"surprise":1}`, "surprise"},
		{`{"version":1,"undeclared":"Maybe"}`, "Allow or Deny"},
		{`{"version":1,"queues":[{"name":"a b"}]}`, "queues[0].name"},
		{`{"version":1,"queues":[{"name":"a"},{"name":"a"}]}`, "queues[1].name: a is there twice"},
		{`{"version":1,"queues":[{"name":"a","deadLetter":"a"}]}`, "queues[0].deadLetter"},
		{`{"version":1,"queues":[{"name":"a","deadLetter":"b"},{"name":"b","deadLetter":"a"}]}`, "round for ever"},
		{`{"version":1,"queues":[{"name":"a","rateLimit":{"max":0,"perMilliseconds":1}}]}`, "queues[0].rateLimit.max: 0, must be from 1"},
		{`{"version":1,"queues":[{"name":"a","retries":{"backoff":"Linear"}}]}`, "Exponential or Fixed"},
		{`{"version":1,"queues":[{"name":"a","deletionPolicy":"Keep"}]}`, "Retain or Delete"},
		{`{"version":1,"queues":[{"name":"a","concurrency":-1}]}`, "concurrency: -1"},
		{`{"version":1,"schedules":[{"name":"s","queue":"a","cron":"x"}]}`, "schedules[0].cron"},
		{`{"version":1,"undeclared":"Deny","schedules":[{"name":"s","queue":"a","everyMilliseconds":1000}]}`, "schedules[0].queue: a is not declared"},
	} {
		_, err := ParseSettings([]byte(tt.settings))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.settings, err, tt.want)
		}
	}
}

func TestErase(t *testing.T) {
	b := newBench(t)
	var mine []uint64
	for i := range 6 {
		id := b.push(NewJob{Queue: fmt.Sprintf("orders:%d", i), Data: []byte(`{"user": {"id":"u1","mail":"a@b.c"},"n":[1,{"x":"y"}]}`), Delay: int64(i % 2)})
		mine = append(mine, id)
	}
	other := b.push(NewJob{Queue: "orders:0", Data: []byte(`{"user":{"id":"u2"}}`)})
	elsewhere := b.push(NewJob{Queue: "logs", Data: []byte(`{"user":{"id":"u1"}}`)})
	b.sleep(1)
	active, done := b.one("orders:2"), b.one("orders:4")
	ok(b, &Ack{Jobs: []Finished{{Holder: holder(done), Result: []byte(`{"user":{"mail":"a@b.c"}}`)}}})
	ok(b, &Log{Holder: holder(active), Message: "a@b.c"})
	op := ok(b, &Erase{Queue: "orders:*", Path: "$.user.id", Value: []byte(`"\u00751"`), Redact: []string{"user.mail", "$.n[1].x"}})
	if op.Result != 6 || op.ResultNext != 0 {
		t.Fatalf("%+v", op)
	}
	for _, id := range mine {
		j := b.job(id)
		if j.Payload != `{"user": {"id":"u1","mail":"[REDACTED]"},"n":[1,{"x":"[REDACTED]"}]}` || len(j.Logs) > 0 || strings.Contains(j.Result, "a@b.c") {
			t.Errorf("%+v", j)
		}
	}
	restored(t, b.q)
	if op := ok(b, &Erase{Queue: "orders:*", Path: "user.id", Value: []byte(`"u1"`)}); op.Result != 6 {
		t.Fatalf("%+v", op)
	}
	for _, id := range mine {
		if b.state(id) != 0 {
			t.Errorf("job %d is %s", id, b.state(id))
		}
	}
	if b.state(other) == 0 || b.state(elsewhere) == 0 {
		t.Error("others were erased as well")
	}
	refused(b, &Ack{Jobs: []Finished{{Holder: holder(active)}}}, CodeNotFound)
}

// TestEraseGoesInSteps: no entry looks at more than so many jobs.
func TestEraseGoesInSteps(t *testing.T) {
	b := newBench(t)
	for range 12 {
		ok(b, batchOf("q", 1000))
	}
	b.push(NewJob{Data: []byte(`{"a":1}`)})
	steps, erased := 0, 0
	for from := uint64(0); steps == 0 || from != 0; steps++ {
		op := ok(b, &Erase{Queue: "*", Path: "a", Value: []byte("1"), From: from})
		from, erased = op.ResultNext, erased+op.Result
	}
	if steps != 3 || erased != 1 {
		t.Errorf("%d steps, %d erased", steps, erased)
	}
}

func TestFind(t *testing.T) {
	for _, tt := range []struct{ text, path, want string }{
		{`{"a":1}`, "$.a", "1"},
		{`{"a":1,"a":{"b":2}}`, "a", `1;{"b":2}`},
		{` { "a" : [ 1 , { "b" : "]}" } ] } `, "a[1].b", `"]}"`},
		{`{"a":[[5,6]]}`, "a.0.1", "6"},
		{`{"a.b":3}`, `a\.b`, "3"},
		{`{"\u0061":3}`, `a`, "3"},
		{`{"x":"\"a\":1","a":true}`, `a`, "true"},
		{`{"a":{}}`, "a.b", ""},
		{`[]`, "0", ""},
		{`7`, "a", ""},
		{`{"a":`, "a", ""},
		{`{"a":"x`, "a", ""},
		{``, "a", ""},
	} {
		path, err := parsePath(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range find(tt.text, path) {
			got = append(got, tt.text[s.from:s.to])
		}
		if strings.Join(got, ";") != tt.want {
			t.Errorf("%s in %s: %q, want %q", tt.path, tt.text, got, tt.want)
		}
	}
	for _, path := range []string{"", "$", "$.", strings.Repeat("a.", 40)} {
		if _, err := parsePath(path); err == nil {
			t.Errorf("%q is a path", path)
		}
	}
}

func TestTooMuchIsRefused(t *testing.T) {
	long := strings.Repeat("x", MaxKey+1)
	for _, tt := range []struct {
		job  NewJob
		want string
	}{
		{NewJob{}, "queue: must be 1 to 256"},
		{NewJob{Queue: strings.Repeat("q", 257)}, "queue"},
		{NewJob{Queue: "q", Data: make([]byte, MaxData+1)}, "data: 10485761 bytes, must be at most 10485760"},
		{NewJob{Queue: "q", Delay: -1}, "delay: -1, must be from 0"},
		{NewJob{Queue: "q", MaxAttempts: -2}, "max_attempts"},
		{NewJob{Queue: "q", UniqueKey: long}, "unique_key: 513 bytes, must be at most 512"},
		{NewJob{Queue: "q", GroupID: "\xff"}, "group_id: must be UTF-8"},
		{NewJob{Queue: "q", Tags: make([]string, MaxTags+1)}, "tags: 33"},
		{NewJob{Queue: "q", DependsOn: make([]uint64, MaxDepends+1)}, "depends_on"},
	} {
		if err := (&Push{Jobs: []NewJob{tt.job}}).Check(0); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
	if err := (&Push{Jobs: []NewJob{{Queue: "q"}, {}}}).Check(0); err == nil || err.Field != "jobs[1].queue" {
		t.Errorf("%v", err)
	}
	if err := (&Push{Jobs: make([]NewJob, MaxBatch+1)}).Check(0); err == nil || err.Error() != "jobs: 1001, must be from 1 to 1000" {
		t.Errorf("%v", err)
	}
}

// TestSchedulesStopWhenMemoryIsFull, and go on with the run after that.
func TestSchedulesStopWhenMemoryIsFull(t *testing.T) {
	b := newBench(t)
	at(b, Schedule{Name: "s", Queue: "q", Every: 1000})
	b.now += 1000
	op := b.q.Tick(b.now)
	op.Full = true
	do(b, op)
	if c := b.counts("q"); c.Waiting != 0 || b.q.NextDue() != b.now+1000 {
		t.Errorf("%d jobs, the next is due in %d ms", c.Waiting, b.q.NextDue()-b.now)
	}
	b.sleep(1000)
	if c := b.counts("q"); c.Waiting != 1 {
		t.Errorf("%d jobs", c.Waiting)
	}
}
