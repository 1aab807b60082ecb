package node_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/httpapi"
)

const noQueues = `{"version":1}`

// TestJobsOverHTTP goes through a job's life by the routes.
func TestJobsOverHTTP(t *testing.T) {
	m := jobsMember(t, noQueues)
	push := must[struct{ ID uint64 }](t, m, "producer", "POST", "/queues/emails/jobs", `{"data":{"to":"user@example.com"},"priority":5}`)
	if ids := must[[]uint64](t, m, "producer", "POST", "/queues/emails/jobs/batch", `{"jobs":[{"data":1},{"data":2}]}`); len(ids) != 2 {
		t.Errorf("%v", ids)
	}
	jobs := must[[]pulled](t, m, "worker", "GET", "/queues/emails/jobs", "")
	if len(jobs) != 1 || jobs[0].ID != push.ID || string(jobs[0].Data) != `{"to":"user@example.com"}` || jobs[0].Lease == "" {
		t.Fatalf("%+v", jobs)
	}
	path := fmt.Sprintf("/jobs/%d", push.ID)
	lease := fmt.Sprintf(`"lease":%q`, jobs[0].Lease)
	must[any](t, m, "worker", "POST", path+"/progress", `{"progress":50,"message":"half",`+lease+`}`)
	must[any](t, m, "worker", "POST", path+"/heartbeat", `{`+lease+`}`)
	must[any](t, m, "worker", "POST", path+"/log", `{"message":"hello",`+lease+`}`)
	must[any](t, m, "worker", "POST", path+"/partial", `{"data":1,`+lease+`}`)
	if p := must[struct{ Progress int }](t, m, "producer", "GET", path+"/progress", ""); p.Progress != 50 {
		t.Errorf("%+v", p)
	}
	waited := make(chan answer, 1)
	go func() { waited <- m.ask(t, "producer", "GET", path+"/wait?timeout=10000", "") }()
	time.Sleep(50 * time.Millisecond)
	must[any](t, m, "worker", "POST", path+"/ack", `{"result":{"sent":true},`+lease+`}`)
	if a := <-waited; string(a.Data) != `{"result":{"sent":true}}` {
		t.Errorf("waited for: %+v", a)
	}
	if state := must[string](t, m, "producer", "GET", path+"/state", ""); state != "completed" {
		t.Errorf("%s", state)
	}
	if result := m.ask(t, "producer", "GET", path+"/result", "").Data; string(result) != `{"sent":true}` {
		t.Errorf("%s", result)
	}
	if logs := must[[]any](t, m, "producer", "GET", path+"/logs", ""); len(logs) != 1 {
		t.Errorf("%v", logs)
	}
	two := must[[]pulled](t, m, "worker", "GET", "/queues/emails/jobs?count=2&lease=60000", "")
	if len(two) != 2 {
		t.Fatalf("%+v", two)
	}
	must[any](t, m, "worker", "POST", "/jobs/ack", fmt.Sprintf(`{"ids":[%d],"leases":[%q]}`, two[0].ID, two[0].Lease))
	must[any](t, m, "worker", "POST", fmt.Sprintf("/jobs/%d/fail", two[1].ID), fmt.Sprintf(`{"error":"no","lease":%q}`, two[1].Lease))
	must[any](t, m, "admin", "POST", fmt.Sprintf("/jobs/%d/discard", two[1].ID), "")
	if dead := must[[]any](t, m, "producer", "GET", "/queues/emails/dlq", ""); len(dead) != 1 {
		t.Errorf("%v", dead)
	}
	if n := must[int](t, m, "admin", "POST", "/queues/emails/dlq/retry", fmt.Sprintf(`{"job_id":%d}`, two[1].ID)); n != 1 {
		t.Errorf("%d retried", n)
	}
	must[any](t, m, "admin", "POST", "/crons/nightly", `{"queue":"emails","schedule":"0 0 3 * * *","data":{}}`)
	if crons := must[[]any](t, m, "admin", "GET", "/crons", ""); len(crons) != 1 {
		t.Errorf("%v", crons)
	}
	must[any](t, m, "admin", "DELETE", "/crons/nightly", "")
	must[any](t, m, "admin", "POST", "/queues/emails/pause", "")
	must[any](t, m, "admin", "POST", "/queues/emails/rate-limit", `{"limit":{"max":100,"duration":60000}}`)
	must[any](t, m, "admin", "POST", "/queues/emails/concurrency", `{"limit":3}`)
	queues := must[[]struct {
		Name             string
		Paused           bool
		ConcurrencyLimit int `json:"concurrency_limit"`
	}](t, m, "producer", "GET", "/queues", "")
	if len(queues) != 1 || queues[0].Name != "emails" || !queues[0].Paused || queues[0].ConcurrencyLimit != 3 {
		t.Errorf("%+v", queues)
	}
	if n := must[int](t, m, "admin", "DELETE", "/queues/emails/obliterate", ""); n != 3 {
		t.Errorf("%d obliterated", n)
	}
}

// TestHTTPRefusals: each with its status, and a line that says what is wrong.
func TestHTTPRefusals(t *testing.T) {
	m := jobsMember(t, noQueues)
	job := must[struct{ ID uint64 }](t, m, "producer", "POST", "/queues/emails/jobs", `{"data":1}`)
	for _, tt := range []struct {
		user, method, path, body string
		status                   int
		says                     string
	}{
		{"nobody", "GET", "/queues", "", 401, "Invalid token"},
		{"worker", "POST", "/queues/emails/jobs", `{"data":1}`, 403, "Push"},
		{"producer", "GET", "/queues/emails/jobs", "", 403, "Pull"},
		{"worker", "POST", fmt.Sprintf("/jobs/%d/ack", job.ID), `{}`, 400, "lease: is missing"},
		{"worker", "POST", fmt.Sprintf("/jobs/%d/ack", job.ID), `{"lease":"` + strings.Repeat("0", 32) + `"}`, 409, ""},
		{"worker", "POST", "/jobs/999/ack", `{"lease":"` + strings.Repeat("0", 32) + `"}`, 404, "no job 999"},
		{"admin", "PUT", fmt.Sprintf("/jobs/%d/data", job.ID), `{}`, 400, "data: is missing"},
		{"admin", "GET", "/jobs/x", "", 400, "id: must be a number"},
		{"admin", "GET", "/jobs?limit=-1", "", 400, "limit: must be a number"},
		{"admin", "GET", "/jobs?nonsense=1", "", 400, "nonsense: is no parameter"},
		{"admin", "GET", "/jobs?state=asleep", "", 400, "state: "},
		{"admin", "POST", "/queues/emails/jobs", `[1]`, 400, "the body must be a JSON object"},
		{"admin", "POST", "/queues/emails/jobs", `{"data":}`, 400, ""},
		{"admin", "POST", "/queues/emails/jobs", `{"data":1},"queue":"x",{"y":2}`, 400, ""},
		{"admin", "POST", "/queues/e%20mails/jobs", `{"data":1}`, 400, "queue: "},
		{"admin", "POST", "/queues/emails/jobs", `{"data":1,"delay":-5}`, 400, "delay: "},
		{"admin", "GET", "/nothing", "", 404, "there is no GET /nothing"},
		{"admin", "DELETE", "/queues", "", 404, "there is no DELETE /queues"},
	} {
		a := m.ask(t, tt.user, tt.method, tt.path, tt.body)
		if a.Status != tt.status || a.OK || !strings.Contains(a.Error, tt.says) || a.Error == "" || strings.Contains(a.Error, "\n") || string(a.Data) != "null" {
			t.Errorf("%s %s as %s: %d %q, want %d %q", tt.method, tt.path, tt.user, a.Status, a.Error, tt.status, tt.says)
		}
	}
	url := "https://" + m.Addresses().JobsHTTP.String() + "/queues/emails/jobs"
	status := func(body io.Reader, length int64, header ...string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := m.http(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	bearer := "Bearer " + jobToken("producer")
	if got := status(strings.NewReader(`{"data":1}`), 10); got != http.StatusUnauthorized {
		t.Errorf("without a token: %d", got)
	}
	if got := status(io.MultiReader(strings.NewReader(`{"data":1}`)), -1, "Authorization", bearer); got != http.StatusLengthRequired {
		t.Errorf("without a length: %d", got)
	}
	if got := status(http.NoBody, 0, "Authorization", bearer, "X-Long", strings.Repeat("x", 40<<10)); got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long header: %d", got)
	}
	// One that announces too much is refused before it has sent it.
	conn, err := tls.Dial("tcp", m.Addresses().JobsHTTP.String(), m.tls())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /queues/emails/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n", bearer, httpapi.MaxBody+1)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "413") {
		t.Errorf("%q, %v", line, err)
	}
	old := m.tls()
	old.MaxVersion = tls.VersionTLS12
	old.MinVersion = tls.VersionTLS12
	if _, err := tls.Dial("tcp", m.Addresses().JobsHTTP.String(), old); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
}

// TestEventsOverHTTP: they come as they happen, those of queues that the user
// may read, until its credential is not accepted any more.
func TestEventsOverHTTP(t *testing.T) {
	m := jobsMember(t, noQueues)
	listen := func(ctx context.Context, path string) *bufio.Scanner {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+m.Addresses().JobsHTTP.String()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+jobToken("producer"))
		c := m.http(t)
		c.Timeout = 0
		resp, err := c.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%v %v", resp, err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return bufio.NewScanner(resp.Body)
	}
	next := func(s *bufio.Scanner) (name string, e struct {
		Queue string
		JobID uint64 `json:"job_id"`
	}) {
		t.Helper()
		for s.Scan() {
			if after, ok := strings.CutPrefix(s.Text(), "event: "); ok {
				name = after
			}
			if after, ok := strings.CutPrefix(s.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(after), &e); err != nil {
					t.Fatalf("%q: %v", after, err)
				}
				return name, e
			}
		}
		return "", e
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	all, pushed := listen(ctx, "/events"), listen(ctx, "/events/emails?events=pushed,removed")
	must[any](t, m, "producer", "POST", "/queues/other/jobs", `{"data":1}`)
	job := must[struct{ ID uint64 }](t, m, "producer", "POST", "/queues/emails/jobs", `{"data":1}`)
	must[any](t, m, "producer", "POST", fmt.Sprintf("/jobs/%d/cancel", job.ID), "")
	if name, e := next(all); name != "pushed" || e.Queue != "other" {
		t.Errorf("%s %+v", name, e)
	}
	for _, want := range []string{"pushed", "removed"} {
		if name, e := next(pushed); name != want || e.Queue != "emails" || e.JobID != job.ID {
			t.Errorf("%s %+v", name, e)
		}
	}
	if a := m.ask(t, "producer", "GET", "/events/emails?events=nonsense", ""); a.Status != http.StatusBadRequest {
		t.Errorf("%+v", a)
	}
	writeJobUsers(t, m.config.Files.Users, "without", "producer")
	m.waitStatus(t, "users", func(s adminapi.Status) bool { return s.Credentials.Revision == "without" })
	if name, _ := next(pushed); name != "" {
		t.Errorf("revoked, and told of %s", name)
	}
	if ctx.Err() != nil {
		t.Error("the stream goes on for a user that is none any more")
	}
}

// TestARevokedPullTakesNothing: one that waits ends with its credential.
func TestARevokedPullTakesNothing(t *testing.T) {
	m := jobsMember(t, noQueues)
	answered := make(chan answer, 1)
	go func() { answered <- m.ask(t, "worker", "GET", "/queues/emails/jobs?timeout=15000", "") }()
	m.waitStatus(t, "a session", func(s adminapi.Status) bool { return s.Jobs != nil })
	time.Sleep(300 * time.Millisecond) // until it waits
	writeJobUsers(t, m.config.Files.Users, "without", "worker")
	m.waitStatus(t, "users", func(s adminapi.Status) bool { return s.Credentials.Revision == "without" })
	job := must[struct{ ID uint64 }](t, m, "producer", "POST", "/queues/emails/jobs", `{"data":1}`)
	select {
	case a := <-answered:
		if a.Status != http.StatusUnauthorized {
			t.Errorf("%+v", a)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits still")
	}
	waiting := func() bool {
		return must[string](t, m, "producer", "GET", fmt.Sprintf("/jobs/%d/state", job.ID), "") == "waiting"
	}
	for end := time.Now().Add(5 * time.Second); !waiting(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the job is not given back")
		}
	}
}

// TestSlowBodiesAreTheirUsersOwn: one user does not take the memory of all.
func TestSlowBodiesAreTheirUsersOwn(t *testing.T) {
	m := jobsMember(t, noQueues)
	statuses := make(chan string, 8)
	for range 8 {
		conn, err := tls.Dial("tcp", m.Addresses().JobsHTTP.String(), m.tls())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /queues/emails/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n{", jobToken("producer"), httpapi.MaxBody)
		go func() {
			line, _ := bufio.NewReader(conn).ReadString('\n')
			statuses <- line
		}()
	}
	for range 6 {
		select {
		case line := <-statuses:
			if !strings.Contains(line, "429") {
				t.Error(line)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("more than two of them are waited for")
		}
	}
	must[any](t, m, "admin", "POST", "/queues/emails/jobs", `{"data":"`+strings.Repeat("x", 1<<20)+`"}`)
}

// TestHTTPQuota counts with the other port's.
func TestHTTPQuota(t *testing.T) {
	m := jobsMember(t, noQueues)
	quotas := map[string]*acl.Quota{"producer": {RequestsPerSecond: 1}}
	writeJobUsersWith(t, m.config.Files.Users, "quota", quotas)
	m.waitStatus(t, "users", func(s adminapi.Status) bool { return s.Credentials.Revision == "quota" })
	refused := make(chan answer, 10)
	for range 10 {
		go func() { refused <- m.ask(t, "producer", "GET", "/queues", "") }()
	}
	n := 0
	for range 10 {
		if a := <-refused; a.Status == http.StatusTooManyRequests && strings.Contains(a.Error, "quota.requestsPerSecond: 1") {
			n++
		}
	}
	if n < 5 || n == 10 {
		t.Errorf("%d of 10 at once were refused", n)
	}
}
