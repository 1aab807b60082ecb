package jobserver_test

import (
	"testing"
	"time"
)

// TestOneJobInBothFramings from its push to its result.
func TestOneJobInBothFramings(t *testing.T) {
	m := start(t)
	for _, frames := range []bool{false, true} {
		c := m.login(t, "admin", frames)
		data := object{"to": "user@example.com", "n": 9007199254740993, "list": []any{true, nil, "é"}}
		id := c.push("emails", data, object{"priority": 3, "reqId": "r1", "tags": []string{"a"}, "delay": nil})
		job := c.pull("emails")
		got, _ := job["data"].(object)
		if number(job["id"]) != id || number(got["n"]) != 9007199254740993 || got["to"] != "user@example.com" || number(job["priority"]) != 3 {
			t.Fatalf("frames %v: pulled %v", frames, job)
		}
		c.ok(object{"cmd": "PROGRESS", "id": id, "progress": 50, "message": "half"})
		c.ok(object{"cmd": "ACK", "id": id, "result": object{"sent": true}})
		answer := c.ok(object{"cmd": "GETRESULT", "id": id})
		if result, _ := answer["result"].(object); result["sent"] != true {
			t.Errorf("frames %v: %v", frames, answer)
		}
		if answer := c.ok(object{"cmd": "GETSTATE", "id": id}); answer["state"] != "completed" {
			t.Errorf("frames %v: %v", frames, answer)
		}
	}
}

// TestABlockedPullHoldsUpNothing: requests behind it are answered before it,
// which is answered when there is a job.
func TestABlockedPullHoldsUpNothing(t *testing.T) {
	m := start(t)
	c, producer := m.login(t, "admin"), m.login(t, "admin", true)
	c.send(object{"cmd": "PULL", "queue": "q", "reqId": "pull"}, object{"cmd": "PING", "reqId": "ping"}, object{"cmd": "COUNT", "queue": "q", "reqId": "count"})
	if first, second := c.receive(), c.receive(); first["reqId"] != "ping" || second["reqId"] != "count" {
		t.Fatalf("%v, %v", first, second)
	}
	id := producer.push("q", 1)
	answer := c.receive()
	job, _ := answer["job"].(object)
	if answer["reqId"] != "pull" || number(job["id"]) != id {
		t.Errorf("%v", answer)
	}
	begin := time.Now()
	if answer := c.ok(object{"cmd": "PULL", "queue": "q", "timeout": 100}); answer["job"] != nil || time.Since(begin) < 100*time.Millisecond {
		t.Errorf("%v after %v", answer, time.Since(begin))
	}
}
