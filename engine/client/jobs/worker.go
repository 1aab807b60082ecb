package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// Why a handler's context ends while its job is being carried out.
var (
	// ErrLeaseLost is when the job is, or soon will be, somebody else's.
	ErrLeaseLost = errors.New("the job's lease was lost")
	// ErrDrained is when Worker.Drain is over. The job is given back.
	ErrDrained = errors.New("the worker's time to drain is over")
)

const (
	defaultLease = 30 * time.Second
	minLease     = time.Second
	// pullWait is how long a pull waits for jobs. Its end costs a request; it
	// bounds what a pull can be lost for.
	pullWait = 20 * time.Second
)

// Worker carries out the jobs of a queue. Each is held by a lease that the worker
// renews while the handler runs, on whatever connection there is: a connection
// that ends costs no job its lease.
type Worker struct {
	Queue string
	// Handle carries out a job. Its result, anything that encoding/json takes,
	// acknowledges the job; its error, or its panic, fails it. The context ends
	// with ErrLeaseLost or ErrDrained, and not with Run's: a job begun is finished.
	Handle func(ctx context.Context, job *Job) (result any, err error)
	// Concurrency is how many jobs are carried out at a time; 1 if it is 0.
	Concurrency int
	// Prefetch is how many more jobs the worker may hold leases of, so that the
	// next is there when one is finished. They are nobody else's meanwhile.
	Prefetch int
	// Lease is how long a job stays with a worker that is not heard of; 30
	// seconds if it is 0, a second at least.
	Lease time.Duration
	// Drain is how long Run waits for handlers after its context has ended,
	// before it ends theirs; without end if it is 0.
	Drain time.Duration
	// OnError hears what went wrong beside handlers' errors: pulls that failed,
	// leases lost, acknowledgements refused. It must not block. May be nil.
	OnError func(error)
}

// Run works until ctx has ended; then it pulls nothing more, gives back what was
// not begun, and returns nil once all that was begun is finished and the server
// knows. It returns ErrClosed when the client is closed before.
func (w Worker) Run(ctx context.Context, c *Client) error {
	if w.Queue == "" || w.Handle == nil {
		return errors.New("a worker needs a Queue and a Handle")
	}
	w.Concurrency = max(w.Concurrency, 1)
	if w.Lease == 0 {
		w.Lease = defaultLease
	}
	if w.Lease < minLease {
		return fmt.Errorf("a worker's Lease must be at least %s", minLease)
	}
	if w.OnError == nil {
		w.OnError = func(error) {}
	}
	r := &run{Worker: w, client: c, held: map[*held]struct{}{}}
	r.slots = make(chan struct{}, r.Concurrency+r.Prefetch)
	r.begin = make(chan *held, cap(r.slots))
	r.acks = make(chan finished, cap(r.slots))
	return r.run(ctx)
}

// run is a worker at work.
type run struct {
	Worker
	client  *Client
	slots   chan struct{} // one for each job held
	begin   chan *held
	acks    chan finished
	drained context.Context // ends when Drain is over

	mu   sync.Mutex
	held map[*held]struct{}
}

func (r *run) run(ctx context.Context) error {
	var drained context.CancelFunc
	r.drained, drained = context.WithCancel(context.Background())
	defer drained()
	var workers, background sync.WaitGroup
	for range r.Concurrency {
		workers.Go(func() {
			for h := range r.begin {
				r.carryOut(ctx, h)
			}
		})
	}
	beating, stop := context.WithCancel(context.Background())
	background.Go(func() { r.heartbeat(beating) })
	background.Go(r.acknowledgeAll)
	err := r.pull(ctx)
	close(r.begin)
	if r.Drain > 0 {
		late := time.AfterFunc(r.Drain, drained)
		defer late.Stop()
	}
	workers.Wait()
	close(r.acks)
	for range cap(r.slots) { // what is told to the server has a slot
		r.slots <- struct{}{}
	}
	stop()
	background.Wait()
	return err
}

// pull takes jobs while there are slots, until ctx ends or the client is closed.
func (r *run) pull(ctx context.Context) error {
	backoff := minBackoff
	for {
		count := r.acquire(ctx)
		if count == 0 {
			return nil
		}
		pulled, err := r.client.PullBatch(ctx, r.Queue, count, pullWait, r.Lease)
		now := time.Now()
		for _, job := range pulled {
			r.begin <- r.hold(job, now)
		}
		for range count - len(pulled) {
			<-r.slots
		}
		if err == nil {
			backoff = minBackoff
			continue
		}
		if errors.Is(err, ErrClosed) {
			return err
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end
		}
		r.OnError(fmt.Errorf("pull from %s: %w", r.Queue, err))
		pause(ctx, rand.N(backoff))
		backoff = min(2*backoff, maxBackoff)
	}
}

// acquire waits for a slot and takes those that are free beside it; none when
// ctx has ended.
func (r *run) acquire(ctx context.Context) int {
	select {
	case <-ctx.Done():
		return 0
	case r.slots <- struct{}{}:
	}
	if ctx.Err() != nil {
		<-r.slots
		return 0
	}
	for count := 1; count < MaxBatch; count++ {
		select {
		case r.slots <- struct{}{}:
		default:
			return count
		}
	}
	return MaxBatch
}

// carryOut runs the handler; what a worker that is draining has not begun it
// gives back. The goroutine goes on with the next job: this one keeps its slot
// and its lease until the server has answered.
func (r *run) carryOut(ctx context.Context, h *held) {
	giveBack := func(ctx context.Context) error { return r.client.Release(ctx, h.job) }
	if ctx.Err() != nil {
		go r.settle(h, "release", giveBack)
		return
	}
	result, err := r.call(h)
	switch {
	case err == nil:
		r.acks <- finished{h, result}
	case errors.Is(err, ErrDrained):
		go r.settle(h, "release", giveBack)
	default:
		go r.settle(h, "fail", func(ctx context.Context) error { return r.client.Fail(ctx, h.job, err.Error()) })
	}
}

func (r *run) call(h *held) (result json.RawMessage, err error) {
	ctx, cancel := context.WithCancelCause(h.lease)
	stop := context.AfterFunc(r.drained, func() { cancel(ErrDrained) })
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			r.OnError(fmt.Errorf("the handler of job %d: %w\n%s", h.job.ID, err, debug.Stack()))
		}
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		stop()
		cancel(nil)
	}()
	value, err := r.Handle(ctx, h.job)
	if err != nil || value == nil {
		return nil, err
	}
	return json.Marshal(value)
}

// settle tells the server what became of a job that is not done, again and again
// while nobody knows whether it has heard; the lease says for how long.
func (r *run) settle(h *held, what string, tell func(context.Context) error) {
	defer r.letGo(h)
	for backoff := minBackoff; ; backoff = min(2*backoff, r.maxBackoff()) {
		err := tell(h.lease)
		if err == nil {
			return
		}
		var refused *Error
		if backoff > minBackoff && errors.As(err, &refused) && refused.lostLease() {
			return // what was told before had been heard
		}
		if !errors.Is(err, ErrDisconnected) || h.lease.Err() != nil {
			r.OnError(fmt.Errorf("%s job %d: %w", what, h.job.ID, err))
			return
		}
		pause(h.lease, rand.N(backoff))
	}
}

// maxBackoff is the longest pause before the server is told once more of a job: its
// lease must outlast several, and what is told waits for a connection by itself.
func (r *run) maxBackoff() time.Duration { return min(maxBackoff, r.Lease/12) }

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
