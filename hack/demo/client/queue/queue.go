// Package queue is an application of a job queue: a producer that pushes
// numbered jobs, or a worker that ticks the numbers off. What one says that it
// pushed and the other that it carried out tells whether a job was lost or done
// twice.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/client/jobs"
)

// Roles.
const (
	Producer = "producer"
	Worker   = "worker"
)

// numbered is a job's data.
type numbered struct {
	N int64 `json:"n"`
}

// Load is one application at work.
type Load struct {
	Client *jobs.Client
	Role   string
	Queue  string
	Clerks int           // that push, or carry out, at a time
	Pause  time.Duration // of each between two jobs

	last, done, doubled, failed atomic.Int64

	mu   sync.Mutex
	seen map[int64]bool
	err  error // the first
}

// Until works until ctx ends; what was begun is finished.
func (l *Load) Until(ctx context.Context) error {
	switch l.Role {
	case Producer:
		var clerks sync.WaitGroup
		for range l.Clerks {
			clerks.Go(func() { l.push(ctx) })
		}
		clerks.Wait()
		return nil
	case Worker:
		w := jobs.Worker{Queue: l.Queue, Concurrency: l.Clerks, Handle: l.handle, OnError: l.problem}
		return w.Run(ctx, l.Client)
	}
	return fmt.Errorf("role %q: must be %s or %s", l.Role, Producer, Worker)
}

func (l *Load) push(ctx context.Context) {
	for ctx.Err() == nil {
		_, err := l.Client.Push(context.WithoutCancel(ctx), l.Queue, numbered{l.last.Add(1)}, jobs.PushOptions{})
		if err != nil {
			l.problem(err)
		} else {
			l.done.Add(1)
		}
		time.Sleep(l.Pause)
	}
}

func (l *Load) handle(_ context.Context, job *jobs.Job) (any, error) {
	var data numbered
	if err := json.Unmarshal(job.Data, &data); err != nil {
		l.problem(err)
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[int64]bool{}
	}
	if l.seen[data.N] {
		l.doubled.Add(1)
		return nil, nil
	}
	l.seen[data.N] = true
	l.done.Add(1)
	return nil, nil
}

func (l *Load) problem(err error) {
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

// Counts are the jobs that were pushed, or carried out; those that were given
// out again; what failed, and the first of that.
func (l *Load) Counts() (done, doubled, failed int64, first error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done.Load(), l.doubled.Load(), l.failed.Load(), l.err
}

// Refusals tries what the role may not do, and says what was let through.
func (l *Load) Refusals(ctx context.Context) error {
	tries := map[string]func() error{
		"pull": func() error { _, err := l.Client.PullBatch(ctx, l.Queue, 1, 0, time.Second); return err },
		"push to another queue": func() error {
			_, err := l.Client.Push(ctx, l.Queue+"-of-others", nil, jobs.PushOptions{})
			return err
		},
	}
	if l.Role == Worker {
		tries["push"] = func() error { _, err := l.Client.Push(ctx, l.Queue, nil, jobs.PushOptions{}); return err }
		delete(tries, "pull")
	}
	for what, try := range tries {
		var refused *jobs.Error
		if err := try(); !errors.As(err, &refused) || refused.Code != jobs.CodeDenied {
			return fmt.Errorf("a %s that tries to %s is not refused: %w", l.Role, what, err)
		}
	}
	return nil
}
