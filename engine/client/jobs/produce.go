package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// MaxBatch is how many jobs one command may have.
const MaxBatch = 1000

// Push pushes a job and returns its id. Data is anything that encoding/json
// takes; a json.RawMessage is sent as it is.
func (c *Client) Push(ctx context.Context, queue string, data any, o PushOptions) (uint64, error) {
	a, err := c.do(ctx, "PUSH", o.pushed(queue, data))
	if err != nil {
		return 0, err
	}
	return a.ID, nil
}

// NewJob is a job of a batch.
type NewJob struct {
	Data any
	PushOptions
}

// PushBatch pushes up to MaxBatch jobs: all of them, or none.
func (c *Client) PushBatch(ctx context.Context, queue string, jobs []NewJob) ([]uint64, error) {
	batch := make([]pushed, len(jobs))
	for i := range jobs {
		batch[i] = jobs[i].pushed("", jobs[i].Data)
	}
	a, err := c.do(ctx, "PUSHB", struct {
		Queue string   `json:"queue"`
		Jobs  []pushed `json:"jobs"`
	}{queue, batch})
	if err != nil {
		return nil, err
	}
	return a.IDs, nil
}

// Child is a job of a flow.
type Child struct {
	Queue    string
	Data     any
	Priority int64
	Delay    time.Duration
}

// PushFlow pushes a job that waits for its children, and them: all, or none.
func (c *Client) PushFlow(ctx context.Context, queue string, data any, priority int64, children []Child) (parent uint64, ids []uint64, err error) {
	family := make([]pushed, len(children))
	for i, child := range children {
		o := PushOptions{Priority: child.Priority, Delay: child.Delay}
		family[i] = o.pushed(child.Queue, child.Data)
	}
	a, err := c.do(ctx, "FLOW", struct {
		pushed
		Children []pushed `json:"children"`
	}{pushed{Queue: queue, Data: data, Priority: priority}, family})
	if err != nil {
		return 0, nil, err
	}
	return a.ParentID, a.Children, nil
}

// GetJob returns a job with its state, nil if there is none.
func (c *Client) GetJob(ctx context.Context, id uint64) (*Job, error) {
	return c.job(ctx, "GETJOB", fields{"id": id})
}

// GetJobByJobID returns the job that was pushed with PushOptions.JobID, nil if
// there is none.
func (c *Client) GetJobByJobID(ctx context.Context, jobID string) (*Job, error) {
	return c.job(ctx, "GETJOBBYCUSTOMID", fields{"job_id": jobID})
}

func (c *Client) job(ctx context.Context, cmd string, args fields) (*Job, error) {
	a, err := c.do(ctx, cmd, args)
	if err != nil || a.Job == nil {
		return nil, err
	}
	a.Job.State = a.State
	return a.Job, nil
}

// State returns where a job is in its life.
func (c *Client) State(ctx context.Context, id uint64) (State, error) {
	a, err := c.do(ctx, "GETSTATE", fields{"id": id})
	if err != nil {
		return "", err
	}
	return a.State, nil
}

// Result returns what a completed job was acknowledged with.
func (c *Client) Result(ctx context.Context, id uint64) (json.RawMessage, error) {
	a, err := c.do(ctx, "GETRESULT", fields{"id": id})
	if err != nil {
		return nil, err
	}
	return a.Result, nil
}

// Wait waits until a job is completed and returns its result. A job that failed
// is an ErrJobFailed; one that is not done within the time is an *Error.
func (c *Client) Wait(ctx context.Context, id uint64, timeout time.Duration) (json.RawMessage, error) {
	a, err := c.do(ctx, "WAITJOB", fields{"id": id, "timeout": timeout.Milliseconds()})
	if err != nil {
		return nil, err
	}
	if a.Error != "" {
		return nil, fmt.Errorf("%w: %s", ErrJobFailed, strings.TrimPrefix(a.Error, "job failed: "))
	}
	return a.Result, nil
}

// Progress returns how far a job is.
func (c *Client) Progress(ctx context.Context, id uint64) (Progress, error) {
	a, err := c.do(ctx, "GETPROGRESS", fields{"id": id})
	if err != nil || a.Progress == nil {
		return Progress{}, err
	}
	return *a.Progress, nil
}

// Logs returns a job's log.
func (c *Client) Logs(ctx context.Context, id uint64) ([]LogEntry, error) {
	a, err := c.do(ctx, "GETLOGS", fields{"id": id})
	if err != nil {
		return nil, err
	}
	return a.Logs, nil
}

// Children returns the ids of a flow's children.
func (c *Client) Children(ctx context.Context, parent uint64) ([]uint64, error) {
	a, err := c.do(ctx, "GETCHILDREN", fields{"parent_id": parent})
	if err != nil {
		return nil, err
	}
	return a.Children, nil
}

// Cancel removes a job that is not active.
func (c *Client) Cancel(ctx context.Context, id uint64) error { return c.byID(ctx, "CANCEL", id) }

// byID is a command on one job whose answer says nothing else.
func (c *Client) byID(ctx context.Context, cmd string, id uint64) error {
	_, err := c.do(ctx, cmd, fields{"id": id})
	return err
}
