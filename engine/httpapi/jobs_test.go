package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/credential"
	"github.com/coffer-dev/coffer/engine/job"
	"github.com/coffer-dev/coffer/engine/machine"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
)

const secret = "a-token-of-more-than-thirty-two-characters"

// executor is a machine without a log.
type executor struct {
	mu    sync.Mutex
	m     *machine.Machine
	index uint64
}

func (e *executor) Look(items []machine.Item) error { return e.Read(items) }

func (e *executor) Read(items []machine.Item) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.m.Read(items, time.Now().UnixMilli())
	return nil
}

func (e *executor) Write(items []machine.Item, done func(error)) {
	e.mu.Lock()
	e.index++
	now := time.Now().UnixMilli()
	e.m.Decide(items, now)
	e.m.Apply(e.index, items, now, e.index)
	e.mu.Unlock()
	done(nil)
}

// port is one whose handler is called without a network.
func port(t testing.TB) *Jobs {
	t.Helper()
	sum := sha256.Sum256([]byte(secret))
	users, err := acl.New(acl.File{Version: acl.JobsFileVersion, Revision: "1", Users: []acl.User{{
		Name: "admin", Verifiers: []acl.Verifier{{Generation: 1, SHA256: hex.EncodeToString(sum[:])}},
		Jobs: []acl.JobRule{{Queues: []string{"*"}, Operations: acl.JobAdmin}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	snapshot := &credential.Snapshot{Users: users}
	d := job.New()
	e := &executor{m: machine.New(job.Parse)}
	d.Open(job.Options{Executor: e})
	t.Cleanup(d.Close)
	return NewJobs(JobsOptions{
		Credentials: func() *credential.Snapshot { return snapshot }, Dispatcher: d, Log: slog.New(slog.DiscardHandler),
		Bounds: admission.Bounds{Gate: admission.NewGate(10, 10, 10), Throttle: admission.NewThrottle(), Usages: admission.NewUsages(), Counters: &admission.Counters{}},
	})
}

func (j *Jobs) try(method, target, token, body string) *httptest.ResponseRecorder {
	v := &visitor{}
	v.Host = rand.Text() // who fails often is slowed down
	j.opts.Bounds.Gate.Enter(&v.Guest)
	defer j.opts.Bounds.Gate.Leave(&v.Guest)
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), visitorKey{}, v), 20*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return nil
	}
	req.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	j.server.Handler.ServeHTTP(w, req)
	j.opts.Bounds.Usages.Move(v.user, "", 0)
	return w
}

// TestEveryRouteIsACommand, and none is reached without a token.
func TestEveryRouteIsACommand(t *testing.T) {
	j := port(t)
	known := map[string]bool{}
	for _, name := range job.Commands() {
		known[name] = true
	}
	for _, r := range routes {
		if !known[r.command] {
			t.Errorf("%s %s is %s, which is no command", r.method, r.path, r.command)
		}
		target := strings.NewReplacer("{queue}", "q", "{id}", "1", "{name}", "n", "{job_id}", "x").Replace(r.path)
		if w := j.try(r.method, target, "wrong", "{}"); w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "wrong") {
			t.Errorf("%s %s without a token: %d %s", r.method, r.path, w.Code, w.Body)
		}
		if w := j.try(r.method, target, secret, "{}"); w.Code == http.StatusUnauthorized || strings.Contains(w.Body.String(), "there is no "+r.method) {
			t.Errorf("%s %s with a token: %d %s", r.method, r.path, w.Code, w.Body)
		}
	}
	if failed := j.opts.Bounds.Counters.AuthFailures.Load(); failed != int64(len(routes)) {
		t.Errorf("%d failed logins are counted, of %d", failed, len(routes))
	}
	if len(Routes()) != len(routes) || Routes()[0] != "GET /queues LISTQUEUES" {
		t.Errorf("%v", Routes())
	}
}

// TestPathAndQueryCount, whatever the body says.
func TestPathAndQueryCount(t *testing.T) {
	r := &route{command: "PUSH"}
	message, wrong := r.message([]byte(` {"queue":"a","cmd":"DRAIN","data":1} `), map[string]string{"queue": "b", "limit": "7"})
	if wrong != nil {
		t.Fatal(wrong)
	}
	var req wire.Request
	if err := wire.Parse(wire.Lines, message, &req); err != nil || req.Cmd != "PUSH" || req.Queue != "b" || req.Limit != 7 || string(req.Data) != "1" {
		t.Errorf("%+v, %v", req, err)
	}
}

// FuzzJobs: whatever comes is answered in the form that answers have.
func FuzzJobs(f *testing.F) {
	for _, r := range routes {
		target := strings.NewReplacer("{queue}", "q", "{id}", "1", "{name}", "n", "{job_id}", "x").Replace(r.path)
		f.Add(r.method, target, `{"data":{"a":1},"jobs":[{"data":1}],"children":[],"limit":{"max":1,"duration":2},"lease":"00"}`)
	}
	f.Add("GET", "/queues/q/jobs?count=1000&timeout=600000", "")
	f.Add("POST", "/queues/%ff/jobs", `{"data":"`+"\xff"+`"}`)
	j := port(f)
	f.Fuzz(func(t *testing.T, method, target, body string) {
		if !strings.HasPrefix(target, "/") {
			return
		}
		w := j.try(method, target, secret, body)
		if w == nil || w.Header().Get("Content-Type") == "text/event-stream" || w.Header().Get("Location") != "" {
			return
		}
		if w.Body.Len() == 0 { // it waited until its client was gone
			return
		}
		var a struct {
			OK    *bool
			Data  json.RawMessage
			Error *string
		}
		text := w.Body.String()
		if err := json.Unmarshal([]byte(text), &a); err != nil || a.OK == nil || *a.OK != (w.Code == http.StatusOK) || *a.OK != (a.Error == nil) {
			t.Errorf("%s %q %q: %d %q", method, target, body, w.Code, text)
		}
		if a.Error != nil && strings.ContainsAny(*a.Error, "\n\r") {
			t.Errorf("%q", *a.Error)
		}
	})
}
