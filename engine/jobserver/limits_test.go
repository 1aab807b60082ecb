package jobserver_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/config"
)

// TestMessagesThatAreTooLarge are refused before they are read, in either
// framing, and before authentication sooner.
func TestMessagesThatAreTooLarge(t *testing.T) {
	m := start(t)
	frame := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	line := func(n int) []byte { return append([]byte("{"), bytes.Repeat([]byte("x"), n)...) }
	for name, tt := range map[string]struct {
		frames, authenticated bool
		sent                  []byte
		says                  string
	}{
		"frame":       {true, true, frame(16<<20 + 1), "a frame has more than 16777216 bytes"},
		"early frame": {true, false, frame(64<<10 + 1), "a frame has more than 65536 bytes before authentication"},
		"line":        {false, true, line(16<<20 + 8192), "a line has more than 16777216 bytes"},
		"early line":  {false, false, line(64<<10 + 8192), "a line has more than 65536 bytes before authentication"},
	} {
		c := m.connect(t, tt.frames)
		if tt.authenticated {
			c.ok(object{"cmd": "AUTH", "token": token("admin")})
		}
		go func() { _, _ = c.Write(tt.sent) }()
		if answer, err := c.read(); err == nil && (answer["ok"] != false || !strings.Contains(fmt.Sprint(answer["error"]), tt.says)) {
			t.Errorf("%s: %v", name, answer)
		} else if err != nil && len(tt.sent) < 100 { // a long line may be cut off by the reset behind the answer
			t.Errorf("%s: %v", name, err)
		}
		c.wantClosed(10 * time.Second)
	}
}

// TestBadRequestsAreAnswered: one line that names the field, with the request's
// reqId, and the connection goes on.
func TestBadRequestsAreAnswered(t *testing.T) {
	m := start(t)
	for _, frames := range []bool{false, true} {
		c := m.login(t, "admin", frames)
		for _, tt := range []struct {
			request    object
			code, says string
		}{
			{object{"cmd": "NONSENSE"}, "UNKNOWN", `unknown command "NONSENSE"`},
			{object{"cmd": "push"}, "UNKNOWN", "write PUSH"},
			{object{"cmd": "KVSET"}, "UNKNOWN", "use a KVDatabase"},
			{object{"cmd": "PUSH", "data": 1}, "INVALID", "queue: is missing"},
			{object{"cmd": "PUSH", "queue": "q"}, "INVALID", "data: is missing"},
			{object{"cmd": "PUSH", "queue": "a b", "data": 1}, "INVALID", "queue: \"a b\", must have 1 to 256 letters"},
			{object{"cmd": "PUSH", "queue": strings.Repeat("q", 257), "data": 1}, "INVALID", "queue: "},
			{object{"cmd": "PUSH", "queue": "q", "data": 1, "priority": "x"}, "INVALID", "priority: must be a number, is a string"},
			{object{"cmd": "PUSH", "queue": "q", "data": 1, "priority": 1 << 40}, "INVALID", "priority: 1099511627776, must be from"},
			{object{"cmd": "PUSH", "queue": "q", "data": 1, "delay": -1}, "INVALID", "delay"},
			{object{"cmd": "PUSH", "queue": "q", "data": 1, "backoff": -1}, "INVALID", "backoff"},
			{object{"cmd": "PUSH", "queue": "q", "data": 1, "max_attempts": -1}, "INVALID", "max_attempts"},
			{object{"cmd": "PUSH", "queue": "q", "data": 1, "tags": make([]string, 33)}, "INVALID", "tags"},
			{object{"cmd": "PUSH", "queue": "q", "data": 1, "depends_on": []int{1 << 40}}, "INVALID", "depends_on"},
			{object{"cmd": "PUSH", "queue": "q", "data": strings.Repeat("x", 10<<20)}, "INVALID", "data"},
			{object{"cmd": "PULL", "queue": "q", "timeout": 600_001}, "INVALID", "timeout: 600001, must be from 0 to 600000 ms"},
			{object{"cmd": "ACK"}, "INVALID", "id: is missing"},
			{object{"cmd": "ACK", "id": 1 << 40}, "NOTFOUND", "id: there is no job 1099511627776"},
			{object{"cmd": "PROGRESS", "id": 1, "progress": 101}, "INVALID", "progress: 101, must be from 0 to 100"},
			{object{"cmd": "CRON", "name": "c", "queue": "q", "schedule": "0 0 31 2 *"}, "INVALID", "schedule"},
			{object{"cmd": "CRON", "name": "c", "queue": "q", "schedule": "every day"}, "INVALID", "schedule"},
			{object{"cmd": "CRON", "name": "c", "queue": "q"}, "INVALID", "schedule: is missing"},
			{object{"cmd": "RATELIMIT", "queue": "q", "limit": 0}, "INVALID", "limit"},
			{object{"cmd": "CLEAN", "queue": "q", "grace": 0, "state": "lost"}, "INVALID", "state"},
			{object{"cmd": "GETJOBS", "queue": "q", "limit": 10_001}, "INVALID", "limit: 10001, must be from 1 to 10000"},
			{object{"cmd": "PULLB", "queue": "q", "count": 5000}, "INVALID", "count: 5000, must be from 1 to 1000"},
			{object{"cmd": "PULLB", "queue": "q", "count": -5}, "INVALID", "count: -5, must be from 1 to 1000"},
		} {
			tt.request["reqId"] = "r"
			answer := c.call(tt.request)
			text := fmt.Sprint(answer["error"])
			if answer["ok"] != false || answer["code"] != tt.code || !strings.Contains(text, tt.says) || answer["reqId"] != "r" || strings.Contains(text, "\n") || len(text) > 300 {
				t.Errorf("frames %v: %.100v: %v", frames, tt.request, answer)
			}
		}
		c.ok(object{"cmd": "PING"})
	}
	c := m.login(t, "admin")
	for _, sent := range []string{"{\"cmd\":\"PING\",\"reqId\":\"r\"\n", "not JSON\n", "[]\n", "{\"cmd\":\"PING\",\"a\":\"\xff\"}\n", "{\"cmd\":\"PUSH\",\"data\":" + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}\n"} {
		if _, err := io.WriteString(c, sent); err != nil {
			t.Fatal(err)
		}
		if answer := c.receive(); answer["ok"] != false || answer["code"] != "INVALID" {
			t.Errorf("%q: %v", sent, answer)
		}
	}
	c.ok(object{"cmd": "PING"})
}

// TestPipelining: as many requests as one likes, answered in order but for those
// that wait.
func TestPipelining(t *testing.T) {
	m := start(t)
	for _, frames := range []bool{false, true} {
		c := m.login(t, "admin", frames)
		const n = 5000
		requests := make([]object, n)
		for i := range requests {
			requests[i] = object{"cmd": "PUSH", "queue": "q", "data": i, "reqId": fmt.Sprint(i)}
		}
		go c.send(requests...)
		for i := range n {
			if answer := c.receive(); answer["ok"] != true || answer["reqId"] != fmt.Sprint(i) {
				t.Fatalf("%d: %v", i, answer)
			}
		}
		if answer := c.ok(object{"cmd": "OBLITERATE", "queue": "q"}); number(answer["count"]) != n {
			t.Errorf("%v", answer)
		}
	}
}

// TestAnswersThatAreTooLong: more than one message has is left in the queue, or
// left out and said.
func TestAnswersThatAreTooLong(t *testing.T) {
	m := start(t)
	c := m.login(t, "admin", true)
	text := strings.Repeat("x", 6<<20)
	for range 4 {
		c.push("q", text)
	}
	answer := c.ok(object{"cmd": "GETJOBSBATCH", "ids": []int{1, 2, 3, 4}})
	if jobs, _ := answer["jobs"].([]any); len(jobs) == 0 || len(jobs)+int(number(answer["left_out"])) != 4 {
		t.Errorf("%d jobs, %v left out", len(jobs), answer["left_out"])
	}
	var seen []int64
	for len(seen) < 4 {
		jobs, _ := c.ok(object{"cmd": "PULLB", "queue": "q", "count": 10, "timeout": 10_000})["jobs"].([]any)
		if len(jobs) == 0 || len(jobs) > 2 {
			t.Fatalf("%d jobs at once, after %v", len(jobs), seen)
		}
		for _, j := range jobs {
			job := j.(object)
			if number(job["attempts"]) != 0 {
				t.Errorf("an attempt was counted of %v", job["id"])
			}
			seen = append(seen, number(job["id"]))
		}
	}
}

// TestTooManyThatWait of one connection.
func TestTooManyThatWait(t *testing.T) {
	m := start(t)
	c := m.login(t, "admin")
	requests := make([]object, 1001)
	for i := range requests {
		requests[i] = object{"cmd": "PULL", "queue": fmt.Sprint("q", i%7), "reqId": "p"}
	}
	c.send(requests...)
	if answer := c.receive(); answer["code"] != "BUSY" || !strings.Contains(fmt.Sprint(answer["error"]), "it may have 1000") {
		t.Errorf("%v", answer)
	}
	for i := range 101 {
		answer := c.call(object{"cmd": "SUBSCRIBE", "queue": fmt.Sprint("s", i)})
		if (answer["ok"] == true) != (i < 100) {
			t.Errorf("subscription %d: %v", i, answer)
		}
	}
}

// TestQuotas of connections and of requests.
func TestQuotas(t *testing.T) {
	m := start(t)
	small := user("small", []string{"*"}, acl.JobAdmin)
	small.Quota = &acl.Quota{Connections: 1, RequestsPerSecond: 50}
	m.users(t, admin, small)
	c := m.login(t, "small")
	if text := m.connect(t, false).refused(object{"cmd": "AUTH", "token": token("small")}, "BUSY"); !strings.Contains(text, "quota.connections: 1): see AccessToken shop/small") {
		t.Error(text)
	}
	begin := time.Now()
	for range 60 {
		c.ok(object{"cmd": "PING"})
	}
	if took := time.Since(begin); took < time.Second {
		t.Errorf("60 requests took %v", took)
	}
}

// TestSlowRequests: one that has begun must go on, and who does not authenticate
// in time is closed; an idle connection stays.
func TestSlowRequests(t *testing.T) {
	m := start(t, func(c *config.Config) { c.Limits.RequestSeconds, c.Limits.AuthenticateSeconds = 1, 1 })
	idle, slow, stranger := m.login(t, "admin"), m.login(t, "admin"), m.connect(t, false)
	if _, err := io.WriteString(slow, `{"cmd":`); err != nil {
		t.Fatal(err)
	}
	slow.wantClosed(10 * time.Second)
	stranger.wantClosed(10 * time.Second)
	time.Sleep(time.Second)
	idle.ok(object{"cmd": "PING"})
}

// TestDrain: at the stop of the engine what was asked is answered, connections
// are closed, and what was acknowledged is there after the start.
func TestDrain(t *testing.T) {
	m := start(t)
	c, waits := m.login(t, "admin"), m.login(t, "admin")
	waits.send(object{"cmd": "PULL", "queue": "never"})
	id := c.push("q", "kept")
	stopped := make(chan error, 1)
	go func() { stopped <- m.Stop() }()
	c.wantClosed(10 * time.Second)
	waits.wantClosed(10 * time.Second)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	m.run(t)
	c = m.login(t, "admin")
	if job := c.pull("q"); number(job["id"]) != id || job["data"] != "kept" {
		t.Errorf("%v", job)
	}
}

// TestWhoTakesNothing: answers that a client does not take do not pile up
// without end, and others go on.
func TestWhoTakesNothing(t *testing.T) {
	m := start(t, func(c *config.Config) { c.Limits.MaxClientBufferBytes = 64 << 20 })
	c, glutton := m.login(t, "admin"), m.login(t, "admin")
	id := c.push("q", strings.Repeat("x", 1<<20))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		request := fmt.Appendf(nil, "{\"cmd\":\"GETJOB\",\"id\":%d}\n", id)
		for ctx.Err() == nil {
			if _, err := glutton.Write(request); err != nil {
				return
			}
		}
	}()
	for range 20 {
		c.ok(object{"cmd": "PING"})
		time.Sleep(20 * time.Millisecond)
	}
}

// TestGuessingIsSlowedDown: after some wrong tokens of one address each answer
// is held back.
func TestGuessingIsSlowedDown(t *testing.T) {
	m := start(t)
	c := m.connect(t, false)
	for range admission.FreeFailures {
		c.refused(object{"cmd": "AUTH", "token": "wrong"}, "DENIED")
	}
	begin := time.Now()
	c.refused(object{"cmd": "AUTH", "token": "wrong"}, "DENIED")
	if took := time.Since(begin); took < admission.FailureDelay {
		t.Errorf("answered after %v", took)
	}
}
