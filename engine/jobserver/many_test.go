package jobserver_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// TestManyAtOnce: producers, workers of every kind, those who wait for an end
// and those who listen, all at once: every job is carried out once, whoever
// waits for one is told, and a connection that drops in the middle costs others
// nothing.
func TestManyAtOnce(t *testing.T) {
	m := start(t)
	const producers, each, workers = 4, 250, 8
	var ran sync.Map
	var left atomic.Int64
	left.Store(producers * each)
	var all sync.WaitGroup
	for i := range producers {
		c, waits := m.login(t, "admin", i%2 == 0), m.login(t, "admin", i%2 == 1)
		all.Go(func() {
			for n := range each {
				id := c.push(fmt.Sprint("q", n%3), n, object{"priority": n % 5})
				if n%10 == 0 {
					waits.send(object{"cmd": "WAITJOB", "id": id, "timeout": 50_000, "reqId": fmt.Sprint(id)})
				}
			}
			for range each / 10 {
				if answer := waits.receive(); fmt.Sprint(answer["result"]) != fmt.Sprint(answer["reqId"]) {
					t.Errorf("%v", answer)
				}
			}
		})
	}
	listener := m.login(t, "admin")
	listener.ok(object{"cmd": "SUBSCRIBE", "queue": "q*", "events": []string{"completed"}})
	all.Go(func() {
		for range producers * each {
			if event, _ := listener.receive()["event"].(object); event["event_type"] != "completed" {
				t.Errorf("%v", event)
			}
		}
	})
	for i := range workers {
		all.Go(func() {
			c := m.login(t, "admin", i%3 == 0)
			for round := 0; left.Load() > 0; round++ {
				queue := fmt.Sprint("q", round%3)
				pull := object{"cmd": "PULLB", "queue": queue, "count": 1 + i, "timeout": 20}
				if i%2 == 0 {
					pull["lease"] = true
				}
				jobs, _ := c.ok(pull)["jobs"].([]any)
				for _, j := range jobs {
					job := j.(object)
					if _, twice := ran.LoadOrStore(number(job["id"]), true); twice {
						t.Errorf("%v was handed out twice", job["id"])
					}
					ack := object{"cmd": "ACK", "id": job["id"], "result": fmt.Sprint(number(job["id"]))}
					if job["lease"] != nil {
						ack["lease"] = job["lease"]
					}
					c.ok(ack)
					left.Add(-1)
				}
				if round%20 == 19 { // which holds nothing, and waits for something
					c.send(object{"cmd": "PULL", "queue": "never"})
					c.Close()
					c = m.login(t, "admin", i%3 == 0)
				}
			}
		})
	}
	all.Wait()
}
