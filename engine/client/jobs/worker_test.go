package jobs_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/client/jobs"
	"github.com/coffer-dev/coffer/test/fixture/devengine"
	"github.com/coffer-dev/coffer/test/fixture/pki"
	"github.com/coffer-dev/coffer/test/fixture/proxy"
)

const (
	patience = time.Minute
	// brief is the lease where answers to pulls are lost: the jobs in them come
	// again after it. It outlasts a second without connections, and what a busy
	// machine needs until what became of a job can be told again.
	brief = 8 * time.Second
)

// foreign is the authority of somebody else.
func foreign(t *testing.T) []byte {
	t.Helper()
	pair, err := pki.Sign(x509.Certificate{Subject: pkix.Name{CommonName: "foreign"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	ok(t, err)
	return pair.CertPEM
}

// plaintext is the address of a server that speaks no TLS.
func plaintext(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	ok(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(conn, `{"ok":true,"reqId":"0"}`)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// behind connects through a proxy.
func behind(t *testing.T, e *devengine.Engine) (*proxy.Proxy, *jobs.Client) {
	t.Helper()
	p := proxy.Start(t, e.Jobs)
	o := options(e)
	o.Address, o.ServerName = p.Address, "localhost"
	return p, connect(t, o)
}

// site is a worker on a queue, and what it has done.
type site struct {
	t      *testing.T
	done   sync.Map // data: how often
	count  atomic.Int64
	errs   bytes.Buffer
	mu     sync.Mutex
	ended  chan error
	finish context.CancelFunc
}

// work starts a worker that does what handle says, if it is not nil. The end of
// the test drains it.
func work(t *testing.T, c *jobs.Client, w jobs.Worker) *site {
	t.Helper()
	s := &site{t: t, ended: make(chan error, 1)}
	w.Queue = "q"
	w.OnError = func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		fmt.Fprintln(&s.errs, err)
	}
	handle := w.Handle
	w.Handle = func(ctx context.Context, job *jobs.Job) (result any, err error) {
		if handle != nil {
			result, err = handle(ctx, job)
		}
		if err == nil {
			n, _ := s.done.LoadOrStore(string(job.Data), new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
			s.count.Add(1)
		}
		return result, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.finish = cancel
	go func() { s.ended <- w.Run(ctx, c) }()
	t.Cleanup(func() { s.drain() })
	return s
}

func (s *site) drain() {
	s.t.Helper()
	s.finish()
	select {
	case err := <-s.ended:
		s.ended <- err
		if err != nil {
			s.t.Errorf("the worker ended with %v", err)
		}
	case <-time.After(patience):
		s.t.Fatal("the worker does not end")
	}
}

// await waits until so many jobs were done, each once.
func (s *site) await(count int64) {
	s.t.Helper()
	for end := time.Now().Add(patience); s.count.Load() < count; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("%d of %d jobs were done\n%s", s.count.Load(), count, s.errors())
		}
	}
	s.done.Range(func(data, n any) bool {
		if n := n.(*atomic.Int64).Load(); n != 1 {
			s.t.Errorf("job %s was done %d times", data, n)
		}
		return true
	})
}

func (s *site) errors() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errs.String()
}

// push pushes again when the answer is lost; the jobs' ids have there be one of
// each.
func push(t *testing.T, c *jobs.Client, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		for {
			_, err := c.Push(t.Context(), "q", n, jobs.PushOptions{JobID: strconv.Itoa(n)})
			if err == nil {
				break
			}
			if !errors.Is(err, jobs.ErrDisconnected) {
				t.Fatal(err)
			}
		}
	}
}

// settled waits until the server knows that all is done.
func settled(t *testing.T, c *jobs.Client) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		counts, err := c.Counts(t.Context(), "q")
		ok(t, err)
		if counts.Waiting+counts.Active+counts.Delayed == 0 {
			if counts.Failed > 0 {
				t.Errorf("%d jobs failed", counts.Failed)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", counts)
		}
	}
}

// TestWorkerGoesOnAfterARestart: https://github.com/taskforcesh/bullmq/issues/648,
// 2466 and 2964: a server that is gone for seconds, under a worker that waits and
// under one that is busy.
func TestWorkerGoesOnAfterARestart(t *testing.T) {
	binary, dir := devengine.Build(t), t.TempDir()
	e := devengine.Start(t, binary, dir)
	p, c := behind(t, e)
	s := work(t, c, jobs.Worker{Concurrency: 4, Handle: func(context.Context, *jobs.Job) (any, error) {
		time.Sleep(5 * time.Millisecond)
		return nil, nil
	}})
	push(t, c, 0, 10)
	s.await(10)
	restart := func() {
		e.Kill()
		time.Sleep(2 * time.Second)
		e = devengine.Start(t, binary, dir)
		p.To(e.Jobs)
	}
	restart() // while it waits
	push(t, c, 10, 300)
	restart() // while it is busy
	push(t, c, 300, 400)
	s.await(400)
	settled(t, c)
}

// TestWorkerGoesOnAfterResets: https://github.com/celery/celery/issues/8030 and
// 10205: connections that are reset again and again within seconds.
func TestWorkerGoesOnAfterResets(t *testing.T) {
	e, producer := start(t)
	p, c := behind(t, e)
	s := work(t, c, jobs.Worker{Concurrency: 8, Prefetch: 8, Lease: brief})
	for n := range 50 {
		push(t, producer, n*20, n*20+20)
		p.Cut()
		time.Sleep(20 * time.Millisecond)
	}
	p.Refuse(true)
	push(t, producer, 1000, 1100)
	time.Sleep(time.Second)
	p.Refuse(false)
	s.await(1100)
	settled(t, producer)
}

// TestPullOutlastsAnOutage: https://github.com/taskforcesh/bullmq/issues/4585: a
// server that is gone for longer than a pull waits.
func TestPullOutlastsAnOutage(t *testing.T) {
	e, producer := start(t)
	p, c := behind(t, e)
	pulled := make(chan *jobs.Job, 1)
	go func() {
		for t.Context().Err() == nil {
			if job, _ := c.Pull(t.Context(), "q", 100*time.Millisecond, brief); job != nil {
				pulled <- job
				return
			}
		}
	}()
	p.Refuse(true)
	p.Cut()
	time.Sleep(time.Second)
	push(t, producer, 0, 1)
	p.Refuse(false)
	select {
	case <-pulled:
	case <-time.After(time.Minute):
		t.Error("nothing was pulled after the outage")
	}
}

// TestWorkerGoesOnWhenItsPeerIsGone: https://github.com/taskforcesh/bullmq/issues/3185:
// a connection over which nothing comes any more, and that nobody has ended.
func TestWorkerGoesOnWhenItsPeerIsGone(t *testing.T) {
	e, producer := start(t)
	p, c := behind(t, e)
	s := work(t, c, jobs.Worker{Lease: brief})
	push(t, producer, 0, 1)
	s.await(1)
	p.Deafen()
	push(t, producer, 1, 50)
	s.await(50)
	settled(t, producer)
}

// TestLongJobKeepsItsLease: https://github.com/hibiken/asynq/issues/1051: a job that
// takes several times its lease stays with its worker, through resets too.
func TestLongJobKeepsItsLease(t *testing.T) {
	e, producer := start(t)
	p, c := behind(t, e)
	s := work(t, c, jobs.Worker{Lease: time.Second, Concurrency: 2, Handle: func(ctx context.Context, _ *jobs.Job) (any, error) {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(5 * time.Second):
			return "slept", nil
		}
	}})
	push(t, producer, 0, 1)
	time.Sleep(1500 * time.Millisecond)
	p.Cut()
	s.await(1)
	settled(t, producer)
	job, err := producer.GetJobByJobID(t.Context(), "0")
	if err != nil || job.Attempts > 1 {
		t.Errorf("%+v, %v", job, err)
	}
}

// TestLostLeaseEndsTheHandler: a worker that cannot be heard loses its job to
// another, knows so in time, and cannot acknowledge it.
func TestLostLeaseEndsTheHandler(t *testing.T) {
	e, other := start(t)
	p, c := behind(t, e)
	begun, cause := make(chan bool, 10), make(chan error, 10)
	s := work(t, c, jobs.Worker{Lease: time.Second, Handle: func(ctx context.Context, _ *jobs.Job) (any, error) {
		begun <- true
		select {
		case <-ctx.Done():
		case <-time.After(patience):
		}
		cause <- context.Cause(ctx)
		return nil, nil // as if nothing had been
	}})
	push(t, other, 0, 1)
	<-begun
	p.Refuse(true)
	at := time.Now()
	if err := <-cause; !errors.Is(err, jobs.ErrLeaseLost) || time.Since(at) > 3*time.Second {
		t.Errorf("after %s: %v", time.Since(at), err)
	}
	job, err := other.Pull(t.Context(), "q", 10*time.Second, time.Minute)
	if err != nil || job == nil || job.Attempts != 1 {
		t.Fatalf("%+v, %v", job, err)
	}
	p.Refuse(false)
	ok(t, c.Ping(t.Context()))
	s.drain()
	if state, err := other.State(t.Context(), job.ID); err != nil || state != jobs.Active {
		t.Errorf("the second holder's job is %s, %v", state, err)
	}
	ok(t, other.Ack(t.Context(), job, "mine"))
}

// TestLostAcknowledgementIsSentAgain: the job is done once, whether the server
// had heard it or not.
func TestLostAcknowledgementIsSentAgain(t *testing.T) {
	e, producer := start(t)
	p, c := behind(t, e)
	s := work(t, c, jobs.Worker{Concurrency: 50, Lease: brief, Handle: func(_ context.Context, job *jobs.Job) (any, error) {
		if string(job.Data) == "0" {
			p.Deafen() // what comes now is lost, with the answers to what was said
			time.AfterFunc(50*time.Millisecond, p.Cut)
		}
		return "done", nil
	}})
	push(t, producer, 0, 50)
	s.await(50)
	settled(t, producer)
	if errs := s.errors(); strings.Contains(errs, "acknowledge") {
		t.Errorf("the worker complains:\n%s", errs)
	}
}

// TestFailuresAreTriedAgain: an error, and a panic, fail an attempt; the worker
// goes on.
func TestFailuresAreTriedAgain(t *testing.T) {
	_, c := start(t)
	var attempts atomic.Int64
	s := work(t, c, jobs.Worker{Handle: func(_ context.Context, job *jobs.Job) (any, error) {
		switch attempts.Add(1) {
		case 1:
			return nil, errors.New("not yet")
		case 2:
			panic("at the handler")
		case 3:
			return func() {}, nil // has no JSON
		}
		return job.Attempts, nil
	}})
	id, err := c.Push(t.Context(), "q", "x", jobs.PushOptions{MaxAttempts: 5, Backoff: time.Millisecond})
	ok(t, err)
	result, err := c.Wait(t.Context(), id, patience)
	if err != nil || string(result) != "3" {
		t.Errorf("%s, %v", result, err)
	}
	if !strings.Contains(s.errors(), "panic: at the handler") {
		t.Errorf("the panic is not reported: %s", s.errors())
	}
}

// TestDrain: what was begun is finished, what was not is given back at once and
// as it was; handlers that take too long are ended.
func TestDrain(t *testing.T) {
	_, c := start(t)
	begun := make(chan string, 100)
	hold := make(chan struct{})
	first := work(t, c, jobs.Worker{Concurrency: 2, Prefetch: 8, Handle: func(context.Context, *jobs.Job) (any, error) {
		begun <- ""
		<-hold
		return nil, nil
	}})
	push(t, c, 0, 10)
	<-begun
	<-begun
	first.finish()
	time.Sleep(50 * time.Millisecond)
	close(hold)
	first.drain()
	if n := first.count.Load(); n != 2 {
		t.Errorf("%d jobs were done, want the 2 that were begun", n)
	}
	left, err := c.PullBatch(t.Context(), "q", 10, 0, time.Minute)
	if err != nil || len(left) != 8 {
		t.Fatalf("%d jobs are left, want 8: %v", len(left), err)
	}
	for _, job := range left {
		if job.Attempts != 0 {
			t.Errorf("job %d has %d attempts", job.ID, job.Attempts)
		}
		ok(t, c.Release(t.Context(), job))
	}
	slow := work(t, c, jobs.Worker{Drain: 100 * time.Millisecond, Handle: func(ctx context.Context, _ *jobs.Job) (any, error) {
		begun <- ""
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	<-begun
	slow.drain()
	counts, err := c.Counts(t.Context(), "q")
	if err != nil || counts.Waiting+counts.Delayed != 8 || counts.Active != 0 {
		t.Errorf("%+v, %v", counts, err)
	}
}

// TestWorkersShareAQueue: every job is done once, by whomever.
func TestWorkersShareAQueue(t *testing.T) {
	e, producer := start(t)
	var sites []*site
	for range 4 {
		sites = append(sites, work(t, connect(t, options(e)), jobs.Worker{Concurrency: 4, Prefetch: 4}))
	}
	push(t, producer, 0, 2000)
	settled(t, producer)
	total := int64(0)
	for _, s := range sites {
		s.await(0)
		total += s.count.Load()
	}
	if total != 2000 {
		t.Errorf("%d of 2000 jobs were done", total)
	}
}

// TestWorkerSaysWhatItNeeds before it starts.
func TestWorkerSaysWhatItNeeds(t *testing.T) {
	handle := func(context.Context, *jobs.Job) (any, error) { return nil, nil }
	for want, w := range map[string]jobs.Worker{
		"needs a Queue":             {Handle: handle},
		"and a Handle":              {Queue: "q"},
		"Lease must be at least 1s": {Queue: "q", Handle: handle, Lease: time.Millisecond},
	} {
		if err := w.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestNothingShowsTheToken: neither errors nor what is printed of a client.
func TestNothingShowsTheToken(t *testing.T) {
	e, _ := start(t)
	token, err := os.ReadFile(e.Dir + "/token")
	ok(t, err)
	secret := strings.TrimSpace(string(token))
	_, err = jobs.Connect(t.Context(), jobs.Options{Address: plaintext(t), Token: secret, CA: foreign(t)})
	if len(secret) < 32 || strings.Contains(fmt.Sprint(err), secret) {
		t.Error("an error shows the token")
	}
	ca, err := os.ReadFile(e.Dir + "/ca.crt")
	ok(t, err)
	c := connect(t, jobs.Options{Address: e.Jobs, Token: secret, CA: ca})
	if strings.Contains(fmt.Sprintf("%v %+v", c, c), secret) {
		t.Error("a printed client shows the token")
	}
}
