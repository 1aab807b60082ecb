package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/client/jobs"
	"github.com/coffer-dev/coffer/test/fixture/devengine"
)

func TestMain(m *testing.M) { devengine.Main(m) }

// options are a laptop's, from the directory that the engine writes.
func options(e *devengine.Engine) jobs.Options {
	return jobs.Options{SecretDir: e.Dir, Address: e.Jobs}
}

func connect(t *testing.T, o jobs.Options) *jobs.Client {
	t.Helper()
	c, err := jobs.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func start(t *testing.T) (*devengine.Engine, *jobs.Client) {
	t.Helper()
	e := devengine.Start(t, devengine.Build(t), t.TempDir())
	return e, connect(t, options(e))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, code string) {
	t.Helper()
	var refused *jobs.Error
	if !errors.As(err, &refused) || refused.Code != code {
		t.Errorf("%v, want a refusal with code %s", err, code)
	}
}

// TestOneJobThroughItsLife goes through most commands that there are.
func TestOneJobThroughItsLife(t *testing.T) {
	_, c := start(t)
	ctx := t.Context()
	type mail struct{ To, Text string }
	want := mail{"a@example.com", "größer <&> 🔑 \n"}
	id, err := c.Push(ctx, "mail", want, jobs.PushOptions{Priority: 7, Tags: []string{"x"}, JobID: "m1", MaxAttempts: 2, Backoff: time.Millisecond, Delay: time.Hour})
	ok(t, err)
	again, err := c.Push(ctx, "mail", want, jobs.PushOptions{JobID: "m1"})
	if err != nil || again != id {
		t.Errorf("pushed again: %d, %v, want %d", again, err, id)
	}
	job, err := c.GetJobByJobID(ctx, "m1")
	ok(t, err)
	if job.ID != id || job.State != jobs.Delayed || job.Priority != 7 || !slices.Equal(job.Tags, []string{"x"}) || job.CustomID != "m1" {
		t.Errorf("%+v", job)
	}
	ok(t, c.Promote(ctx, id))
	ok(t, c.ChangePriority(ctx, id, 9))
	job, err = c.Pull(ctx, "mail", time.Second, time.Minute)
	ok(t, err)
	var got mail
	if err := job.Decode(&got); err != nil || got != want || job.Lease == "" {
		t.Errorf("%+v, %v", job, err)
	}
	ok(t, c.Heartbeat(ctx, job))
	ok(t, c.SetProgress(ctx, job, 40, "almost half"))
	ok(t, c.Log(ctx, job, "warn", "slow"))
	progress, err := c.Progress(ctx, id)
	if err != nil || progress != (jobs.Progress{Percent: 40, Message: "almost half"}) {
		t.Errorf("progress %+v, %v", progress, err)
	}
	logs, err := c.Logs(ctx, id)
	if err != nil || len(logs) != 1 || logs[0].Level != "warn" || logs[0].Message != "slow" || logs[0].Timestamp == 0 {
		t.Errorf("logs %+v, %v", logs, err)
	}
	ok(t, c.Fail(ctx, job, "no route"))
	refused(t, c.Ack(ctx, job, nil), jobs.CodeLease)
	job, err = c.Pull(ctx, "mail", 10*time.Second, time.Minute)
	ok(t, err)
	if job == nil || job.Attempts != 1 {
		t.Fatalf("after a failure: %+v", job)
	}
	ok(t, c.Ack(ctx, job, map[string]int{"code": 250}))
	result, err := c.Wait(ctx, id, time.Second)
	if err != nil || string(result) != `{"code":250}` {
		t.Errorf("result %s, %v", result, err)
	}
	state, err := c.State(ctx, id)
	if err != nil || state != jobs.Completed {
		t.Errorf("state %s, %v", state, err)
	}
	ok(t, c.Update(ctx, id, "[REDACTED]"))
	listed, total, err := c.GetJobs(ctx, "mail", jobs.Completed, 10, 0)
	if err != nil || total != 1 || len(listed) != 1 || string(listed[0].Data) != `"[REDACTED]"` || listed[0].State != jobs.Completed {
		t.Errorf("listed %+v of %d, %v", listed, total, err)
	}
	cleaned, err := c.Clean(ctx, "*", 0, jobs.Completed, 0)
	if err != nil || cleaned != 1 {
		t.Errorf("cleaned %d, %v", cleaned, err)
	}
	if job, err = c.GetJob(ctx, id); err != nil || job != nil {
		t.Errorf("a job that is gone: %+v, %v", job, err)
	}
}

// TestErase: who is to be forgotten is, in every queue, and nobody else.
func TestErase(t *testing.T) {
	_, c := start(t)
	ctx := t.Context()
	person := func(id string) map[string]any { return map[string]any{"user": id, "name": "Ada"} }
	var kept uint64
	for _, queue := range []string{"mail", "bills"} {
		for _, user := range []string{"u1", "u2"} {
			id, err := c.Push(ctx, queue, person(user), jobs.PushOptions{})
			ok(t, err)
			kept = id
		}
	}
	if n, err := c.Erase(ctx, "*", "user", "u1"); err != nil || n != 2 {
		t.Errorf("erased %d, %v", n, err)
	}
	if n, err := c.Erase(ctx, "bills", "user", "u2", "name"); err != nil || n != 1 {
		t.Errorf("redacted %d, %v", n, err)
	}
	job, err := c.GetJob(ctx, kept)
	if err != nil || job == nil || strings.Contains(string(job.Data), "Ada") || !strings.Contains(string(job.Data), "u2") {
		t.Errorf("what is kept: %+v, %v", job, err)
	}
	_, err = c.Erase(ctx, "*", "user", []string{"u2"})
	refused(t, err, jobs.CodeInvalid)
}

// TestQueuesAreManaged goes through the commands on queues.
func TestQueuesAreManaged(t *testing.T) {
	_, c := start(t)
	ctx := t.Context()
	batch := make([]jobs.NewJob, 20)
	for i := range batch {
		batch[i] = jobs.NewJob{Data: i, PushOptions: jobs.PushOptions{MaxAttempts: 1}}
	}
	ids, err := c.PushBatch(ctx, "q", batch)
	if err != nil || len(ids) != 20 {
		t.Fatalf("%d ids, %v", len(ids), err)
	}
	ok(t, c.Pause(ctx, "q"))
	if paused, err := c.IsPaused(ctx, "q"); err != nil || !paused {
		t.Errorf("paused: %t, %v", paused, err)
	}
	if job, err := c.Pull(ctx, "q", 0, time.Minute); err != nil || job != nil {
		t.Errorf("pulled of a paused queue: %+v, %v", job, err)
	}
	ok(t, c.Resume(ctx, "q"))
	ok(t, c.SetConcurrency(ctx, "q", 3))
	pulled, err := c.PullBatch(ctx, "q", 10, 0, time.Minute)
	if err != nil || len(pulled) != 3 {
		t.Fatalf("%d pulled under a limit of 3, %v", len(pulled), err)
	}
	ok(t, c.ClearConcurrency(ctx, "q"))
	ok(t, c.SetRateLimit(ctx, "q", 5, time.Hour))
	if more, err := c.PullBatch(ctx, "q", 10, 0, time.Minute); err != nil || len(more) > 5 {
		t.Errorf("%d pulled under a limit of 5 an hour, %v", len(more), err)
	}
	ok(t, c.ClearRateLimit(ctx, "q"))
	for _, job := range pulled {
		ok(t, c.Fail(ctx, job, "no"))
	}
	dead, err := c.DeadLetters(ctx, "q", 10)
	if err != nil || len(dead) != 3 {
		t.Errorf("%d dead letters, %v", len(dead), err)
	}
	if n, err := c.RetryDeadLetters(ctx, "q", pulled[0].ID); err != nil || n != 1 {
		t.Errorf("retried %d, %v", n, err)
	}
	if n, err := c.PurgeDeadLetters(ctx, "q"); err != nil || n != 2 {
		t.Errorf("purged %d, %v", n, err)
	}
	counts, err := c.Counts(ctx, "q")
	if err != nil || counts.Waiting+counts.Active != 18 || counts.Failed != 0 {
		t.Errorf("%+v, %v", counts, err)
	}
	queues, err := c.ListQueues(ctx)
	if err != nil || len(queues) != 1 || queues[0].Name != "q" || queues[0].Processing != counts.Active {
		t.Errorf("%+v, %v", queues, err)
	}
	if n, err := c.Drain(ctx, "q"); err != nil || n != int(counts.Waiting) {
		t.Errorf("drained %d, %v", n, err)
	}
	if n, err := c.Obliterate(ctx, "q"); err != nil || n != int(counts.Active) {
		t.Errorf("obliterated %d, %v", n, err)
	}
	ok(t, c.AddCron(ctx, jobs.Cron{Name: "nightly", Queue: "q", Data: 1, Schedule: "0 3 * * *"}))
	crons, err := c.ListCrons(ctx)
	if err != nil || len(crons) != 1 || crons[0].Name != "nightly" || crons[0].NextRun == 0 {
		t.Errorf("%+v, %v", crons, err)
	}
	ok(t, c.DeleteCron(ctx, "nightly"))
	parent, children, err := c.PushFlow(ctx, "q", "parent", 0, []jobs.Child{{Queue: "c", Data: 1}, {Queue: "c", Data: 2}})
	if err != nil || len(children) != 2 {
		t.Fatal(children, err)
	}
	listed, err := c.Children(ctx, parent)
	if err != nil || !slices.Equal(listed, children) {
		t.Errorf("children %d, want %d: %v", listed, children, err)
	}
	ok(t, c.Cancel(ctx, children[0]))
}

// TestCallersShareAConnection: a pull that waits holds up nobody, and each gets
// the answer to what it asked.
func TestCallersShareAConnection(t *testing.T) {
	_, c := start(t)
	waits := make(chan error, 1)
	go func() {
		job, err := c.Pull(t.Context(), "late", 30*time.Second, time.Minute)
		if err == nil && string(job.Data) != `"came"` {
			err = fmt.Errorf("pulled %s", job.Data)
		}
		waits <- err
	}()
	var callers sync.WaitGroup
	for n := range 100 {
		callers.Go(func() {
			id, err := c.Push(t.Context(), "many", n, jobs.PushOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			job, err := c.GetJob(t.Context(), id)
			if err != nil || string(job.Data) != fmt.Sprint(n) {
				t.Errorf("job %d: %+v, %v", n, job, err)
			}
		})
	}
	callers.Wait()
	select {
	case err := <-waits:
		t.Fatal("the pull did not wait:", err)
	default:
	}
	_, err := c.Push(t.Context(), "late", "came", jobs.PushOptions{})
	ok(t, err)
	ok(t, <-waits)
}

// TestAbandonedPullGivesBack: what is handed out to a caller that has given up is
// there for the next one, and its attempt is not counted.
func TestAbandonedPullGivesBack(t *testing.T) {
	_, c := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Pull(ctx, "q", 20*time.Second, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	id, err := c.Push(t.Context(), "q", 1, jobs.PushOptions{})
	ok(t, err)
	job, err := c.Pull(t.Context(), "q", 5*time.Second, time.Minute)
	if err != nil || job == nil || job.ID != id || job.Attempts != 0 {
		t.Errorf("%+v, %v", job, err)
	}
}

// TestRefusals: what is wrong is said before the connection is made, or by the
// server, and the connection goes on.
func TestRefusals(t *testing.T) {
	e, c := start(t)
	ca, err := os.ReadFile(filepath.Join(e.Dir, "ca.crt"))
	ok(t, err)
	for want, o := range map[string]jobs.Options{
		"token: must not be empty":                {Address: e.Jobs, CA: ca},
		"CA: must hold":                           {Address: e.Jobs, Token: "x"},
		"must be host:port":                       {Token: "x", CA: ca},
		"no certificate in PEM":                   {Address: e.Jobs, Token: "x", CA: []byte("x")},
		"Invalid token":                           {Address: e.Jobs, Token: strings.Repeat("x", 43), CA: ca},
		"connection secret":                       {SecretDir: t.TempDir(), Address: e.Jobs},
		"certificate is valid for":                {SecretDir: e.Dir, Address: e.Jobs, ServerName: "other.example.com"},
		"first record does not look like a TLS":   {SecretDir: e.Dir, Address: plaintext(t)},
		"certificate signed by unknown authority": {Address: e.Jobs, Token: "x", CA: foreign(t)},
	} {
		_, err := jobs.Connect(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	_, err = c.Push(t.Context(), "not a queue", 1, jobs.PushOptions{})
	refused(t, err, jobs.CodeInvalid)
	if _, err := c.Push(t.Context(), "q", func() {}, jobs.PushOptions{}); err == nil {
		t.Error("a function was pushed")
	}
	if _, err := c.Push(t.Context(), "q", strings.Repeat("x", jobs.MaxRequest), jobs.PushOptions{}); err == nil || !strings.Contains(err.Error(), "must be at most") {
		t.Errorf("more than a request holds: %v", err)
	}
	_, err = c.Push(t.Context(), "q", strings.Repeat("x", 11<<20), jobs.PushOptions{})
	refused(t, err, jobs.CodeInvalid)
	refused(t, c.Ack(t.Context(), &jobs.Job{ID: 1}, nil), jobs.CodeNotFound)
	_, err = c.Push(t.Context(), "q", json.RawMessage("{\n\"a\": 1\n}"), jobs.PushOptions{})
	ok(t, err)
	c.Close()
	if err := c.Ping(t.Context()); !errors.Is(err, jobs.ErrClosed) {
		t.Error(err)
	}
}
