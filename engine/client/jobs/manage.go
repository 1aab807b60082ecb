package jobs

import (
	"context"
	"time"
)

// GetJobs lists jobs of a queue; an empty state is every state. It also returns
// how many there are without limit and offset.
func (c *Client) GetJobs(ctx context.Context, queue string, state State, limit, offset int) ([]*Job, int, error) {
	args := fields{"queue": queue, "limit": limit, "offset": offset}
	if state != "" {
		args["state"] = state
	}
	a, err := c.do(ctx, "GETJOBS", args)
	if err != nil {
		return nil, 0, err
	}
	return a.Jobs, a.Total, nil
}

// Counts returns how many jobs a queue has, by state.
func (c *Client) Counts(ctx context.Context, queue string) (Counts, error) {
	a, err := c.do(ctx, "GETJOBCOUNTS", fields{"queue": queue})
	if err != nil {
		return Counts{}, err
	}
	return a.Counts, nil
}

// ListQueues lists the queues that the token may read.
func (c *Client) ListQueues(ctx context.Context) ([]QueueInfo, error) {
	a, err := c.do(ctx, "LISTQUEUES", nil)
	if err != nil {
		return nil, err
	}
	return a.Queues, nil
}

// Update replaces the data of a job.
func (c *Client) Update(ctx context.Context, id uint64, data any) error {
	_, err := c.do(ctx, "UPDATEJOB", fields{"id": id, "data": data})
	return err
}

// ChangePriority changes a job's place in its queue.
func (c *Client) ChangePriority(ctx context.Context, id uint64, priority int64) error {
	_, err := c.do(ctx, "CHANGEPRIORITY", fields{"id": id, "priority": priority})
	return err
}

// MoveToDelayed puts a job off.
func (c *Client) MoveToDelayed(ctx context.Context, id uint64, delay time.Duration) error {
	_, err := c.do(ctx, "MOVETODELAYED", fields{"id": id, "delay": delay.Milliseconds()})
	return err
}

// Promote makes a delayed job ready.
func (c *Client) Promote(ctx context.Context, id uint64) error { return c.byID(ctx, "PROMOTE", id) }

// Discard makes a job a dead letter.
func (c *Client) Discard(ctx context.Context, id uint64) error { return c.byID(ctx, "DISCARD", id) }

// Pause has nobody pull from a queue until Resume.
func (c *Client) Pause(ctx context.Context, queue string) error {
	return c.onQueue(ctx, "PAUSE", fields{"queue": queue})
}

// Resume ends Pause.
func (c *Client) Resume(ctx context.Context, queue string) error {
	return c.onQueue(ctx, "RESUME", fields{"queue": queue})
}

// IsPaused says whether a queue is paused.
func (c *Client) IsPaused(ctx context.Context, queue string) (bool, error) {
	a, err := c.do(ctx, "ISPAUSED", fields{"queue": queue})
	return err == nil && a.Paused, err
}

// Drain removes the jobs that wait, and returns how many.
func (c *Client) Drain(ctx context.Context, queue string) (int, error) {
	return c.counted(ctx, "DRAIN", fields{"queue": queue})
}

// Obliterate removes a queue with all that it has.
func (c *Client) Obliterate(ctx context.Context, queue string) (int, error) {
	return c.counted(ctx, "OBLITERATE", fields{"queue": queue})
}

// Clean removes jobs of a state that are older than grace, from all queues that
// match a pattern, at most limit of them; 0 is the server's limit.
func (c *Client) Clean(ctx context.Context, queues string, grace time.Duration, state State, limit int) (int, error) {
	args := fields{"queue": queues, "grace": grace.Milliseconds(), "state": state}
	if limit > 0 {
		args["limit"] = limit
	}
	return c.counted(ctx, "CLEAN", args)
}

// Erase removes the jobs, of any state, whose data or result has a value at a
// path, from all queues that match a pattern, and returns how many. With redact,
// the paths of what is personal, the jobs stay and lose that.
func (c *Client) Erase(ctx context.Context, queues, path string, value any, redact ...string) (int, error) {
	args := fields{"queue": queues, "path": path, "value": value}
	if len(redact) > 0 {
		args["redact"] = redact
	}
	return c.counted(ctx, "ERASE", args)
}

// SetRateLimit has at most limit jobs of a queue pulled in any such time.
func (c *Client) SetRateLimit(ctx context.Context, queue string, limit int, per time.Duration) error {
	return c.onQueue(ctx, "RATELIMIT", fields{"queue": queue, "limit": fields{"max": limit, "duration": per.Milliseconds()}})
}

// ClearRateLimit takes the limit away.
func (c *Client) ClearRateLimit(ctx context.Context, queue string) error {
	return c.onQueue(ctx, "RATELIMITCLEAR", fields{"queue": queue})
}

// SetConcurrency has at most limit jobs of a queue active at a time.
func (c *Client) SetConcurrency(ctx context.Context, queue string, limit int) error {
	return c.onQueue(ctx, "SETCONCURRENCY", fields{"queue": queue, "limit": limit})
}

// ClearConcurrency takes the limit away.
func (c *Client) ClearConcurrency(ctx context.Context, queue string) error {
	return c.onQueue(ctx, "CLEARCONCURRENCY", fields{"queue": queue})
}

// DeadLetters lists a queue's dead letters, at most limit.
func (c *Client) DeadLetters(ctx context.Context, queue string, limit int) ([]*Job, error) {
	a, err := c.do(ctx, "DLQ", fields{"queue": queue, "count": limit})
	if err != nil {
		return nil, err
	}
	return a.Jobs, nil
}

// RetryDeadLetters has dead letters tried again, all or one, and returns how many.
func (c *Client) RetryDeadLetters(ctx context.Context, queue string, id uint64) (int, error) {
	args := fields{"queue": queue}
	if id != 0 {
		args["id"] = id
	}
	return c.counted(ctx, "RETRYDLQ", args)
}

// PurgeDeadLetters removes a queue's dead letters and returns how many.
func (c *Client) PurgeDeadLetters(ctx context.Context, queue string) (int, error) {
	return c.counted(ctx, "PURGEDLQ", fields{"queue": queue})
}

// AddCron adds or replaces what pushes a job again and again.
func (c *Client) AddCron(ctx context.Context, cron Cron) error {
	_, err := c.do(ctx, "CRON", cron)
	return err
}

// DeleteCron removes it.
func (c *Client) DeleteCron(ctx context.Context, name string) error {
	_, err := c.do(ctx, "CRONDELETE", fields{"name": name})
	return err
}

// ListCrons lists them.
func (c *Client) ListCrons(ctx context.Context) ([]Cron, error) {
	a, err := c.do(ctx, "CRONLIST", nil)
	if err != nil {
		return nil, err
	}
	return a.Crons, nil
}

// Ping asks whether the server is there.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.do(ctx, "PING", nil)
	return err
}

func (c *Client) onQueue(ctx context.Context, cmd string, args fields) error {
	_, err := c.do(ctx, cmd, args)
	return err
}

func (c *Client) counted(ctx context.Context, cmd string, args fields) (int, error) {
	a, err := c.do(ctx, cmd, args)
	if err != nil {
		return 0, err
	}
	return a.Count, nil
}
