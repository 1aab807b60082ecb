package jobserver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestWaitJob: whoever waits for a job is told how it ended, at once if it has.
func TestWaitJob(t *testing.T) {
	m := start(t)
	for _, frames := range []bool{false, true} {
		c, worker := m.login(t, "admin", frames), m.login(t, "admin")
		done, failed, cancelled, dropped := c.push("q", 1), c.push("q", 2, object{"max_attempts": 1}), c.push("other", 3), c.push("q", 4, object{"remove_on_complete": true})
		for i, id := range []int64{done, failed, cancelled, dropped} {
			c.send(object{"cmd": "WAITJOB", "id": id, "timeout": 20_000, "reqId": fmt.Sprint(i)})
		}
		c.send(object{"cmd": "PING", "reqId": "ping"})
		if answer := c.receive(); answer["reqId"] != "ping" {
			t.Fatalf("%v", answer)
		}
		worker.ok(object{"cmd": "PULLB", "queue": "q", "count": 3})
		for _, step := range []struct {
			request object
			reqID   string
			says    string
		}{
			{object{"cmd": "ACK", "id": done, "result": object{"n": 1}}, "0", "result:map[n:1]"},
			{object{"cmd": "FAIL", "id": failed, "error": "boom"}, "1", "error:job failed: boom"},
			{object{"cmd": "CANCEL", "id": cancelled}, "2", "was removed"},
			{object{"cmd": "ACK", "id": dropped, "result": "kept nowhere"}, "3", "result:kept nowhere"},
		} {
			worker.ok(step.request)
			if answer := c.receive(); answer["reqId"] != step.reqID || !strings.Contains(fmt.Sprint(answer), step.says) {
				t.Errorf("frames %v: %v: %v", frames, step.request, answer)
			}
		}
		if answer := c.ok(object{"cmd": "WAITJOB", "id": done}); fmt.Sprint(answer["result"]) != "map[n:1]" {
			t.Errorf("%v", answer)
		}
		if answer := c.ok(object{"cmd": "WAITJOB", "id": failed}); answer["error"] != "job failed: boom" {
			t.Errorf("%v", answer)
		}
		c.refused(object{"cmd": "WAITJOB", "id": dropped}, "NOTFOUND")
		begin := time.Now()
		c.refused(object{"cmd": "WAITJOB", "id": c.push("q2", 1), "timeout": 50}, "TIMEOUT")
		if took := time.Since(begin); took < 50*time.Millisecond {
			t.Errorf("timed out after %v", took)
		}
		worker.ok(object{"cmd": "OBLITERATE", "queue": "q2"})
	}
}

// TestSubscriptions: of a pattern, of some kinds, and never of a queue that the
// user may not read.
func TestSubscriptions(t *testing.T) {
	m := start(t)
	m.users(t, admin, user("watcher", []string{"mail:*"}, []string{"Read"}))
	boss, w := m.login(t, "admin"), m.login(t, "watcher", true)
	w.ok(object{"cmd": "SUBSCRIBE", "queue": "*", "events": []string{"completed", "progress", "failed"}, "reqId": "s"})
	w.refused(object{"cmd": "SUBSCRIBE", "queue": "secret"}, "DENIED")
	w.refused(object{"cmd": "SUBSCRIBE", "queue": "mail:1", "events": []string{"sent"}}, "INVALID")
	for _, queue := range []string{"secret", "mail:1"} {
		id := boss.push(queue, 1)
		boss.pull(queue)
		boss.ok(object{"cmd": "PROGRESS", "id": id, "progress": 40, "message": "m"})
		boss.ok(object{"cmd": "FAIL", "id": id, "error": "again"})
		boss.ok(object{"cmd": "PROMOTE", "id": id})
		boss.pull(queue)
		boss.ok(object{"cmd": "ACK", "id": id, "result": []any{1}})
	}
	for _, want := range []string{"event_type:progress", "error:again event_type:failed final:false", "data:[1] event_type:completed"} {
		answer := w.receive()
		event, _ := answer["event"].(object)
		if text := fmt.Sprint(event); answer["reqId"] != "s" || event["queue"] != "mail:1" || !strings.Contains(text, want) {
			t.Errorf("%v, want %s", answer, want)
		}
	}
	w.ok(object{"cmd": "UNSUBSCRIBE", "queue": "*"})
	boss.ok(object{"cmd": "ACK", "id": boss.pullNew("mail:1")})
	w.ok(object{"cmd": "PING"})
}

// pullNew pushes a job and pulls it.
func (c *client) pullNew(queue string) int64 {
	c.t.Helper()
	c.push(queue, 1)
	return number(c.pull(queue)["id"])
}

// TestASlowSubscriberMissesEvents and is told how many; pushes do not wait for
// it, and nothing of it stays in memory.
func TestASlowSubscriberMissesEvents(t *testing.T) {
	m := start(t)
	slow, c := m.login(t, "admin"), m.login(t, "admin")
	slow.ok(object{"cmd": "SUBSCRIBE", "queue": "*", "events": []string{"completed"}})
	const jobs = 400
	text := strings.Repeat("x", 100_000)
	for range jobs {
		c.ok(object{"cmd": "ACK", "id": c.pullNew("q"), "result": text})
	}
	seen, missed := int64(0), int64(0)
	for missed == 0 {
		event, _ := slow.receive()["event"].(object)
		if event["event_type"] == "missed" {
			missed = number(event["count"])
		} else if seen++; seen%10 == 0 { // with the next event it is told of those before
			c.ok(object{"cmd": "ACK", "id": c.pullNew("q")})
		}
	}
	if seen == 0 || missed < jobs/2 || seen+missed > jobs+seen {
		t.Errorf("%d seen, %d missed", seen, missed)
	}
}

// TestSettingsAreFollowed: what is declared is in force without a restart, a bad
// file is reported and changes nothing.
func TestSettingsAreFollowed(t *testing.T) {
	m := start(t)
	c := m.login(t, "admin")
	c.push("old", 1)
	m.write(t, "queues/queues.json", object{
		"version": 1, "revision": "one", "undeclared": "Deny",
		"queues":    []object{{"name": "mail", "concurrency": 1, "maxWaiting": 2}, {"name": "old"}},
		"schedules": []object{{"name": "tick", "queue": "mail", "everyMilliseconds": 3_600_000}},
	})
	inForce := func(revision string) func() bool {
		return func() bool { s := m.Status().Jobs; return s.SettingsRevision == revision && s.Error == "" }
	}
	wait(t, "the first settings", inForce("one"))
	c.refused(object{"cmd": "PUSH", "queue": "undeclared", "data": 1}, "UNDECLARED")
	c.push("mail", 1)
	c.push("mail", 2)
	c.refused(object{"cmd": "PUSH", "queue": "mail", "data": 1}, "FULL")
	if c.pull("mail") == nil || c.pull("mail") != nil {
		t.Error("one is active at a time")
	}
	m.write(t, "queues/queues.json", object{"version": 1, "revision": "bad", "queues": []object{{"name": "a b"}}})
	wait(t, "the bad file is reported", func() bool { return strings.Contains(m.Status().Jobs.Error, "queues[0].name") })
	if s := m.Status().Jobs; s.SettingsRevision != "one" {
		t.Errorf("%+v", s)
	}
	m.write(t, "queues/queues.json", object{"version": 1, "revision": "two", "queues": []object{{"name": "mail"}}})
	wait(t, "the second settings", inForce("two"))
	c.refused(object{"cmd": "PUSH", "queue": "old", "data": 1}, "CLOSED")
	s := m.Status().Jobs
	if len(s.Queues) != 2 || s.Queues[0].Name != "mail" || !s.Queues[0].Declared || !s.Queues[1].Closed || s.Total.Waiting != 2 || s.Total.Active != 1 {
		t.Errorf("%+v", s)
	}
	if err := m.Stop(); err != nil { // and after a restart
		t.Fatal(err)
	}
	m.run(t)
	wait(t, "the settings after a restart", inForce("two"))
	m.login(t, "admin").refused(object{"cmd": "PUSH", "queue": "old", "data": 1}, "CLOSED")
}
