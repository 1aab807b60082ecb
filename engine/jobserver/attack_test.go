package jobserver_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
)

// TestAFlowWaitsForNoJobOfOthers: who waits for a job learns when it ends.
func TestAFlowWaitsForNoJobOfOthers(t *testing.T) {
	m := start(t)
	m.users(t, admin, user("narrow", []string{"mine"}, acl.JobProducer))
	id := m.login(t, "admin").push("theirs", 1)
	c := m.login(t, "narrow")
	child := []object{{"queue": "mine", "data": 1}}
	c.refused(object{"cmd": "FLOW", "queue": "mine", "data": 1, "children": child, "depends_on": []int64{id}}, "INVALID")
	child[0]["depends_on"] = []int64{id}
	c.refused(object{"cmd": "FLOW", "queue": "mine", "data": 1, "children": child}, "INVALID")
	delete(child[0], "depends_on")
	c.ok(object{"cmd": "FLOW", "queue": "mine", "data": 1, "children": child})
}

// TestNoLeaseIsNone: a worker that names a lease of zeros has none of a job that
// waits.
func TestNoLeaseIsNone(t *testing.T) {
	m := start(t)
	m.users(t, admin, user("worker", []string{"q"}, acl.JobWorker))
	id := m.login(t, "admin").push("q", 1)
	c := m.login(t, "worker")
	c.refused(object{"cmd": "MOVETODELAYED", "id": id, "delay": 1000, "lease": strings.Repeat("0", 32)}, "LEASE")
	c.refused(object{"cmd": "MOVETODELAYED", "id": id, "delay": 1000, "lease": strings.Repeat("1", 32)}, "LEASE")
}

// TestLongNamesOfQueues are not told, nor matched with patterns.
func TestLongNamesOfQueues(t *testing.T) {
	m := start(t)
	m.users(t, user("narrow", []string{"mine"}, acl.JobProducer))
	c := m.login(t, "narrow")
	name := strings.Repeat("x", 1<<20)
	for _, request := range []object{
		{"cmd": "GETJOBS", "queue": name},
		{"cmd": "FLOW", "queue": "mine", "data": 1, "children": []object{{"queue": name, "data": 1}}},
	} {
		if text := c.refused(request, "INVALID"); len(text) > 500 {
			t.Errorf("%d bytes of error", len(text))
		}
	}
}

// TestAConnectionHoldsSoManyJobs: they have to be renewed.
func TestAConnectionHoldsSoManyJobs(t *testing.T) {
	m := start(t)
	c := m.login(t, "admin")
	jobs := make([]object, 1000)
	for i := range jobs {
		jobs[i] = object{"data": i}
	}
	for range 12 {
		c.ok(object{"cmd": "PUSHB", "queue": "q", "jobs": jobs})
	}
	var first []any
	for i := range 10 {
		got := c.ok(object{"cmd": "PULLB", "queue": "q", "count": 1000})["jobs"].([]any)
		if len(got) != 1000 {
			t.Fatal(len(got))
		}
		if i == 0 {
			first = got
		}
	}
	c.refused(object{"cmd": "PULL", "queue": "q"}, "BUSY")
	if job := c.pull("q", object{"lease": true}); job == nil {
		t.Error("with a lease of its own a job is nobody's burden")
	}
	// One that is gone is not counted by anybody, until it matters.
	other := m.login(t, "admin")
	for _, j := range first[:2] {
		other.ok(object{"cmd": "CANCEL", "id": j.(object)["id"]})
	}
	if job := c.pull("q"); job == nil {
		t.Error("there is a job, and room for it")
	}
	// Those who wait are held to it, too.
	waiting := m.login(t, "admin")
	waiting.send(object{"cmd": "PULLB", "queue": "later", "count": 1000, "timeout": 20_000, "reqId": 1})
	time.Sleep(50 * time.Millisecond)
	c.ok(object{"cmd": "PUSHB", "queue": "later", "jobs": jobs[:3]})
	if got := waiting.receive()["jobs"].([]any); len(got) != 3 {
		t.Errorf("%d jobs", len(got))
	}
}

// TestManyWaitForOneJob: all are told, and each is forgotten.
func TestManyWaitForOneJob(t *testing.T) {
	m := start(t)
	c := m.login(t, "admin")
	id := c.push("q", 1)
	job := c.pull("q")
	waiting := m.login(t, "admin")
	requests := make([]object, 1000)
	for i := range requests {
		requests[i] = object{"cmd": "WAITJOB", "id": id, "reqId": i}
	}
	waiting.send(requests...)
	waiting.send(object{"cmd": "WAITJOB", "id": id, "reqId": "one more"})
	if answer := waiting.receive(); answer["code"] != "BUSY" {
		t.Fatal(answer)
	}
	c.ok(object{"cmd": "ACK", "id": job["id"], "result": "done"})
	for range requests {
		if answer := waiting.receive(); answer["result"] != "done" {
			t.Fatal(answer)
		}
	}
	waiting.ok(object{"cmd": "WAITJOB", "id": id})
}
