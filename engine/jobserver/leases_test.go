package jobserver_test

import (
	"fmt"
	"testing"
	"time"
)

// TestTheLeaseOfAConnection: while it lives its jobs are its own, for longer
// than the lease was given for; when it is gone they are others' at once, an
// attempt counted. Who has not pulled a job cannot acknowledge it.
func TestTheLeaseOfAConnection(t *testing.T) {
	m := start(t)
	worker, other := m.login(t, "admin"), m.login(t, "admin", true)
	id := worker.push("q", 1, object{"stall_timeout": 150})
	if job := worker.pull("q"); number(job["id"]) != id || job["lease"] != nil {
		t.Fatalf("%v", job)
	}
	time.Sleep(500 * time.Millisecond) // more than three leases
	if job := other.pull("q"); job != nil {
		t.Fatalf("the job was handed out twice: %v", job)
	}
	if text := other.refused(object{"cmd": "ACK", "id": id}, "LEASE"); text == "" {
		t.Error("no text")
	}
	other.refused(object{"cmd": "FAIL", "id": id, "error": "x"}, "LEASE")
	worker.ok(object{"cmd": "ACK", "id": id})

	id = worker.push("q", 2)
	worker.pull("q")
	other.send(object{"cmd": "PULL", "queue": "q", "timeout": 10_000})
	begin := time.Now()
	worker.Close()
	job, _ := other.receive()["job"].(object)
	if number(job["id"]) != id || number(job["attempts"]) != 1 || time.Since(begin) > 5*time.Second {
		t.Errorf("%v after %v", job, time.Since(begin))
	}
	other.ok(object{"cmd": "ACK", "id": id})
}

// TestALeaseWithAToken belongs to the token: another connection may acknowledge
// with it, its own may not without it, and it is lost when it is not renewed.
func TestALeaseWithAToken(t *testing.T) {
	m := start(t)
	worker, other := m.login(t, "admin"), m.login(t, "admin", true)
	id := worker.push("q", 1)
	job := worker.pull("q", object{"lease": true})
	token := fmt.Sprint(job["lease"])
	if len(token) != 32 || number(job["lease_until"]) < time.Now().Add(25*time.Second).UnixMilli() {
		t.Fatalf("%v", job)
	}
	worker.refused(object{"cmd": "ACK", "id": id}, "LEASE")
	other.refused(object{"cmd": "ACK", "id": id, "lease": "00000000000000000000000000000001"}, "LEASE")
	other.refused(object{"cmd": "ACK", "id": id, "lease": "short"}, "INVALID")
	worker.Close() // which it outlives
	other.ok(object{"cmd": "PROGRESS", "id": id, "progress": 10, "lease": token})
	other.ok(object{"cmd": "ACK", "id": id, "lease": token})

	id = other.push("q", 2)
	job = other.pull("q", object{"lease": 300})
	token = fmt.Sprint(job["lease"])
	for range 4 {
		time.Sleep(120 * time.Millisecond)
		if until := number(other.ok(object{"cmd": "HEARTBEAT", "job_id": id, "lease": token})["lease_until"]); until < time.Now().UnixMilli() {
			t.Fatalf("renewed until %d", until)
		}
	}
	if other.pull("q") != nil {
		t.Fatal("handed out although it was renewed")
	}
	again, _ := other.ok(object{"cmd": "PULL", "queue": "q", "timeout": 10_000})["job"].(object)
	if number(again["id"]) != id || number(again["attempts"]) != 1 {
		t.Fatalf("%v", again)
	}
	other.refused(object{"cmd": "ACK", "id": id, "lease": token}, "LEASE")
	other.ok(object{"cmd": "ACK", "id": id})
}

// TestBatches: a batch of acknowledgements says which of them failed.
func TestBatches(t *testing.T) {
	m := start(t)
	for _, frames := range []bool{false, true} {
		c := m.login(t, "admin", frames)
		jobs := make([]object, 100)
		for i := range jobs {
			jobs[i] = object{"data": i}
		}
		ids, _ := c.ok(object{"cmd": "PUSHB", "queue": "q", "jobs": jobs})["ids"].([]any)
		pulled, _ := c.ok(object{"cmd": "PULLB", "queue": "q", "count": 1000, "timeout": 0, "lease": true})["jobs"].([]any)
		if len(ids) != 100 || len(pulled) != 100 {
			t.Fatalf("%d pushed, %d pulled", len(ids), len(pulled))
		}
		request := object{"cmd": "ACKB", "ids": []any{}, "leases": []any{}, "results": []any{}}
		for i, p := range pulled {
			job, _ := p.(object)
			if number(job["data"]) != int64(i) || number(job["id"]) != number(ids[i]) {
				t.Fatalf("job %d is %v", i, job)
			}
			request["ids"] = append(request["ids"].([]any), job["id"])
			request["leases"] = append(request["leases"].([]any), job["lease"])
			request["results"] = append(request["results"].([]any), i*i)
		}
		request["leases"].([]any)[7] = "00000000000000000000000000000001"
		answer := c.ok(request)
		errs, _ := answer["errors"].([]any)
		if number(answer["count"]) != 99 || number(answer["ids"].([]any)[0]) != 99 || len(errs) != 1 || number(errs[0].(object)["index"]) != 7 {
			t.Errorf("%v", answer)
		}
		if result := c.ok(object{"cmd": "GETRESULT", "id": ids[9]})["result"]; number(result) != 81 {
			t.Errorf("%v", result)
		}
		c.ok(object{"cmd": "ACKB", "ids": []any{ids[7]}, "leases": []any{pulled[7].(object)["lease"]}})
		c.refused(object{"cmd": "PUSHB", "queue": "q", "jobs": make([]object, 1001)}, "INVALID")
		c.refused(object{"cmd": "PULLB", "queue": "q", "count": 1001}, "INVALID")
		c.refused(object{"cmd": "PULLB", "queue": "q"}, "INVALID")
	}
}

// TestThoseWhoWaitAreServedInOrder: first come, first served, one job each.
func TestThoseWhoWaitAreServedInOrder(t *testing.T) {
	m := start(t)
	producer := m.login(t, "admin")
	var workers []*client
	for i := range 5 {
		w := m.login(t, "admin", i%2 == 1)
		w.send(object{"cmd": "PULL", "queue": "q", "timeout": 30_000, "reqId": "p"}, object{"cmd": "PING"})
		if w.receive()["pong"] != true {
			t.Fatal("no pong")
		}
		workers = append(workers, w)
	}
	workers[2].Close() // gives up its place
	time.Sleep(50 * time.Millisecond)
	for i, w := range workers {
		if i == 2 {
			continue
		}
		id := producer.push("q", i)
		if job, _ := w.receive()["job"].(object); number(job["id"]) != id {
			t.Fatalf("worker %d got %v, want %d", i, job, id)
		}
	}
	if job := producer.pull("q"); job != nil {
		t.Errorf("left over: %v", job)
	}
}

// TestWhoStopsWaitingTakesNothing: a job that comes for a client that is gone,
// or about to be, is somebody else's at once.
func TestWhoStopsWaitingTakesNothing(t *testing.T) {
	m := start(t)
	c := m.login(t, "admin")
	for round := range 20 {
		gone := m.login(t, "admin")
		gone.send(object{"cmd": "PULL", "queue": "q"}, object{"cmd": "PING"})
		gone.receive()
		if round%2 == 0 {
			gone.Close()
		}
		id := c.push("q", round)
		gone.Close()
		job, _ := c.ok(object{"cmd": "PULL", "queue": "q", "timeout": 20_000})["job"].(object)
		if number(job["id"]) != id {
			t.Fatalf("round %d: %v, want %d", round, job, id)
		}
		c.ok(object{"cmd": "ACK", "id": id})
	}
	gone := m.login(t, "admin")
	gone.send(object{"cmd": "PULL", "queue": "q", "lease": true}, object{"cmd": "PING"})
	gone.receive()
	gone.Close()
	wait(t, "one connection is left", func() bool { return m.Status().Connections == 1 })
	if id := c.push("q", "last"); number(c.pull("q")["id"]) != id {
		t.Error("a token was given to nobody")
	}
}
