package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
)

// maxAckBytes bounds the results of one command; a single larger one goes alone.
const maxAckBytes = 1 << 20

// finished is a job whose handler has returned a result.
type finished struct {
	*held
	result json.RawMessage // nil for none
}

// batch is ACKB and HEARTBEAT on the wire, of several jobs.
type batch struct {
	IDs     []uint64          `json:"ids"`
	Leases  []string          `json:"leases"`
	Results []json.RawMessage `json:"results,omitempty"`
}

func (b *batch) add(job *Job) {
	b.IDs = append(b.IDs, job.ID)
	b.Leases = append(b.Leases, job.Lease)
}

// acknowledgeAll acknowledges what handlers have finished, until there are none:
// what has come together while one command was answered goes with the next.
func (r *run) acknowledgeAll() {
	for first := range r.acks {
		jobs, size := []finished{first}, len(first.result)
		for more := true; more && len(jobs) < MaxBatch && size < maxAckBytes; {
			select {
			case next, open := <-r.acks:
				if more = open; open {
					jobs, size = append(jobs, next), size+len(next.result)
				}
			default:
				more = false
			}
		}
		r.acknowledge(jobs)
	}
}

// acknowledge tells the server, again and again while nobody knows whether it
// has heard; each job's lease says for how long.
func (r *run) acknowledge(jobs []finished) {
	for backoff := minBackoff; ; backoff = min(2*backoff, r.maxBackoff()) {
		if jobs = r.withLease(jobs); len(jobs) == 0 {
			return
		}
		again := backoff > minBackoff
		refusals, err := r.tryAcknowledge(jobs)
		switch {
		case err == nil:
			for i, f := range jobs {
				r.acknowledged(f, refusals[i], again)
			}
			return
		case errors.Is(err, ErrDisconnected), errors.Is(err, ErrClosed), errors.Is(err, context.DeadlineExceeded):
			pause(r.client.ctx, rand.N(backoff))
		case len(jobs) > 1:
			// One that is wrong must not have the others wait for it.
			for _, f := range jobs {
				r.acknowledge([]finished{f})
			}
			return
		default:
			var refused *Error
			if !errors.As(err, &refused) { // it was not even sent
				refused = &Error{Code: CodeInvalid, Message: err.Error()}
			}
			r.acknowledged(jobs[0], refused, again)
			return
		}
	}
}

// tryAcknowledge returns what is wrong with each, nil for what is acknowledged.
func (r *run) tryAcknowledge(jobs []finished) (refusals []*Error, err error) {
	var b batch
	results := false
	for _, f := range jobs {
		b.add(f.job)
		result := f.result
		if results = results || result != nil; result == nil {
			result = json.RawMessage("null")
		}
		b.Results = append(b.Results, result)
	}
	if !results {
		b.Results = nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.Lease)
	defer cancel()
	a, err := r.client.do(ctx, "ACKB", b)
	if err != nil {
		return nil, err
	}
	return a.refusals(len(jobs)), nil
}

// acknowledged ends with a job. again: it may have been heard before.
func (r *run) acknowledged(f finished, refused *Error, again bool) {
	switch {
	case refused == nil, again && refused.lostLease():
		r.letGo(f.held)
	case refused.lostLease():
		r.OnError(fmt.Errorf("acknowledge job %d: %w", f.job.ID, refused))
		r.letGo(f.held)
	default:
		// The server does not take the result. The job would be tried again once
		// its lease has run out, and nobody would know why.
		r.OnError(fmt.Errorf("acknowledge job %d: %w", f.job.ID, refused))
		go r.settle(f.held, "fail", func(ctx context.Context) error { return r.client.Fail(ctx, f.job, "result: "+refused.Message) })
	}
}

// withLease are those that can still be acknowledged; the others are let go.
func (r *run) withLease(jobs []finished) []finished {
	left := jobs[:0]
	for _, f := range jobs {
		why := context.Cause(f.lease)
		if r.client.ctx.Err() != nil {
			why = ErrClosed
		}
		if why == nil {
			left = append(left, f)
			continue
		}
		r.OnError(fmt.Errorf("acknowledge job %d: %w", f.job.ID, why))
		r.letGo(f.held)
	}
	return left
}
