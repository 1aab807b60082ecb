package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// held is a job that a worker has the lease of.
type held struct {
	job   *Job
	lease context.Context // ends when the lease does
	lose  context.CancelCauseFunc
	end   *time.Timer
	last  time.Time // when it was handed out, or the latest heartbeat was begun
}

// hold begins with a job that was just handed out. Its lease began a little
// before the answer came: renewing it at a third of its time is well within.
func (r *run) hold(job *Job, now time.Time) *held {
	h := &held{job: job, last: now}
	h.lease, h.lose = context.WithCancelCause(context.Background())
	h.end = time.AfterFunc(r.Lease, func() { h.lose(ErrLeaseLost) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[h] = struct{}{}
	return h
}

func (r *run) letGo(h *held) {
	h.end.Stop()
	h.lose(nil)
	r.mu.Lock()
	delete(r.held, h)
	r.mu.Unlock()
	<-r.slots
}

// heartbeat renews the leases of all jobs held, until ctx ends.
func (r *run) heartbeat(ctx context.Context) {
	every := time.NewTicker(r.Lease / 6)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			for due := r.due(now); len(due) > 0; due = due[min(len(due), MaxBatch):] {
				go r.beat(due[:min(len(due), MaxBatch)], now)
			}
		}
	}
}

// due are the jobs whose leases are to be renewed: the next time is a third of a
// lease later, whatever becomes of this one.
func (r *run) due(now time.Time) (due []*held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for h := range r.held {
		if now.Sub(h.last) >= r.Lease/3 && h.lease.Err() == nil {
			h.last = now
			due = append(due, h)
		}
	}
	return due
}

// beat renews leases. While there is no connection it waits for one.
func (r *run) beat(jobs []*held, sent time.Time) {
	var b batch
	for _, h := range jobs {
		b.add(h.job)
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.Lease)
	defer cancel()
	a, err := r.client.do(ctx, "HEARTBEAT", b)
	var refused *Error
	if errors.As(err, &refused) {
		if len(jobs) > 1 {
			for i := range jobs {
				r.beat(jobs[i:i+1], sent)
			}
			return
		}
		r.beaten(jobs[0], refused, sent)
	}
	if err != nil {
		return
	}
	for i, refused := range a.refusals(len(jobs)) {
		r.beaten(jobs[i], refused, sent)
	}
}

func (r *run) beaten(h *held, refused *Error, sent time.Time) {
	switch {
	case h.lease.Err() != nil: // it is finished, or lost, meanwhile
	case refused == nil:
		h.end.Reset(r.Lease - time.Since(sent))
	case refused.lostLease():
		r.OnError(fmt.Errorf("heartbeat of job %d: %w", h.job.ID, refused))
		h.lose(ErrLeaseLost)
	default:
		r.OnError(fmt.Errorf("heartbeat of job %d: %w", h.job.ID, refused))
	}
}
