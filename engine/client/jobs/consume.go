package jobs

import (
	"context"
	"time"
)

// pull is PULL and PULLB on the wire.
type pull struct {
	Queue   string `json:"queue"`
	Count   int    `json:"count,omitempty"`
	Timeout int64  `json:"timeout"`
	Lease   int64  `json:"lease"`
}

// finish is ACK, FAIL and HEARTBEAT on the wire.
type finish struct {
	ID     uint64 `json:"id"`
	Lease  string `json:"lease"`
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

// release is MOVETODELAYED on the wire, of an active job.
type release struct {
	ID    uint64 `json:"id"`
	Lease string `json:"lease"`
	Delay int64  `json:"delay"`
}

// Pull takes a job out of a queue for the time of a lease, and waits for one
// until wait is over: then it returns nil. The job is the caller's until the
// lease ends; Heartbeat prolongs it. Use a Worker where you can.
func (c *Client) Pull(ctx context.Context, queue string, wait, lease time.Duration) (*Job, error) {
	a, err := c.do(ctx, "PULL", pull{queue, 0, wait.Milliseconds(), lease.Milliseconds()})
	if err != nil {
		return nil, err
	}
	return a.Job, nil
}

// PullBatch is Pull for as many jobs as there are, up to count. It waits for the
// first only.
func (c *Client) PullBatch(ctx context.Context, queue string, count int, wait, lease time.Duration) ([]*Job, error) {
	a, err := c.do(ctx, "PULLB", pull{queue, count, wait.Milliseconds(), lease.Milliseconds()})
	if err != nil {
		return nil, err
	}
	return a.Jobs, nil
}

// Ack says that a pulled job is done, with a result that encoding/json takes, or
// nil. Once the lease is another's, it is refused.
func (c *Client) Ack(ctx context.Context, job *Job, result any) error {
	_, err := c.do(ctx, "ACK", finish{ID: job.ID, Lease: job.Lease, Result: result})
	return err
}

// Fail says that an attempt has failed: the job is tried again later, or becomes
// a dead letter.
func (c *Client) Fail(ctx context.Context, job *Job, reason string) error {
	_, err := c.do(ctx, "FAIL", finish{ID: job.ID, Lease: job.Lease, Error: reason})
	return err
}

// Release gives a pulled job back, behind those that wait; the attempt is not counted.
func (c *Client) Release(ctx context.Context, job *Job) error {
	_, err := c.do(ctx, "MOVETODELAYED", release{ID: job.ID, Lease: job.Lease})
	return err
}

// Heartbeat has a pulled job's lease begin anew.
func (c *Client) Heartbeat(ctx context.Context, job *Job) error {
	_, err := c.do(ctx, "HEARTBEAT", finish{ID: job.ID, Lease: job.Lease})
	return err
}

// SetProgress tells how far a pulled job is, in percent.
func (c *Client) SetProgress(ctx context.Context, job *Job, percent int, message string) error {
	_, err := c.do(ctx, "PROGRESS", fields{"id": job.ID, "lease": job.Lease, "progress": percent, "message": message})
	return err
}

// Log adds a line to a pulled job's log; level is debug, info, warn or error.
func (c *Client) Log(ctx context.Context, job *Job, level, message string) error {
	_, err := c.do(ctx, "LOG", fields{"id": job.ID, "lease": job.Lease, "level": level, "message": message})
	return err
}

// giveBack releases what was pulled for somebody who has given up waiting.
func (c *conn) giveBack(a *answer) {
	pulled := a.Jobs
	if a.Job != nil {
		pulled = append(pulled, a.Job)
	}
	for _, job := range pulled {
		if job.Lease == "" {
			continue
		}
		line, err := encode(0, "MOVETODELAYED", release{ID: job.ID, Lease: job.Lease})
		if err != nil {
			continue
		}
		select {
		case c.out <- line: // its answer is nobody's
		case <-c.gone:
		}
	}
}
