package jobs

import (
	"encoding/json"
	"time"
)

// State is where a job is in its life.
type State string

// The states.
const (
	Waiting         State = "waiting"
	Delayed         State = "delayed"
	Active          State = "active"
	Completed       State = "completed"
	Failed          State = "failed"          // a dead letter
	WaitingChildren State = "waitingchildren" // and for what it depends on
	Unknown         State = "unknown"         // there is no such job
)

// Job is a job as the server shows it. Times are milliseconds since 1970,
// durations milliseconds; zero is never, or none.
type Job struct {
	ID          uint64          `json:"id"`
	Queue       string          `json:"queue"`
	Data        json.RawMessage `json:"data"`
	State       State           `json:"state"` // where one was asked for
	Lease       string          `json:"lease"` // of a job that was pulled
	Priority    int64           `json:"priority"`
	CreatedAt   int64           `json:"created_at"`
	RunAt       int64           `json:"run_at"`
	StartedAt   int64           `json:"started_at"`
	CompletedAt int64           `json:"completed_at"`
	Attempts    int             `json:"attempts"`
	MaxAttempts int             `json:"max_attempts"` // 0 is without end
	Progress    int             `json:"progress"`     // percent
	ProgressMsg string          `json:"progress_msg"`
	Tags        []string        `json:"tags"`
	UniqueKey   string          `json:"unique_key"`
	CustomID    string          `json:"custom_id"` // PushOptions.JobID
	GroupID     string          `json:"group_id"`
	DependsOn   []uint64        `json:"depends_on"`
	ParentID    uint64          `json:"parent_id"`
	ChildrenIDs []uint64        `json:"children_ids"`
	Error       string          `json:"error"` // of the last attempt that failed
}

// Decode reads the job's data.
func (j *Job) Decode(into any) error { return json.Unmarshal(j.Data, into) }

// Unlimited is a PushOptions.MaxAttempts.
const Unlimited = -1

// PushOptions are how a job is to be carried out. What is zero is the queue's,
// or not so.
type PushOptions struct {
	Priority    int64         // higher first
	Delay       time.Duration // until it may be pulled
	TTL         time.Duration // after it, a job that waits is dropped
	Timeout     time.Duration // after it, an attempt has failed
	MaxAttempts int           // before it is a dead letter; Unlimited is without end
	Backoff     time.Duration // before the second attempt; doubles
	// UniqueKey refuses the push while another job of the queue has it.
	UniqueKey string
	// JobID names the job: pushing the same again answers with the first one's
	// id, so a push whose answer was lost can be sent again.
	JobID string
	// DebounceID drops a push within DebounceTTL of another that has it.
	DebounceID       string
	DebounceTTL      time.Duration
	GroupID          string   // one job of a group is active at a time
	DependsOn        []uint64 // jobs that must be completed before
	Tags             []string
	LIFO             bool // before those of its priority that wait
	RemoveOnComplete bool
	RemoveOnFail     bool
	KeepCompletedAge time.Duration
	KeepCompleted    int
	StallTimeout     time.Duration // its lease, for clients that ask for none
}

// pushed is a job on the wire.
type pushed struct {
	Queue            string   `json:"queue,omitempty"`
	Data             any      `json:"data"`
	Priority         int64    `json:"priority,omitempty"`
	Delay            int64    `json:"delay,omitempty"`
	TTL              int64    `json:"ttl,omitempty"`
	Timeout          int64    `json:"timeout,omitempty"`
	MaxAttempts      *int     `json:"max_attempts,omitempty"`
	Backoff          int64    `json:"backoff,omitempty"`
	UniqueKey        string   `json:"unique_key,omitempty"`
	JobID            string   `json:"job_id,omitempty"`
	DebounceID       string   `json:"debounce_id,omitempty"`
	DebounceTTL      int64    `json:"debounce_ttl,omitempty"`
	GroupID          string   `json:"group_id,omitempty"`
	DependsOn        []uint64 `json:"depends_on,omitempty"`
	Tags             []string `json:"tags,omitempty"`
	LIFO             bool     `json:"lifo,omitempty"`
	RemoveOnComplete bool     `json:"remove_on_complete,omitempty"`
	RemoveOnFail     bool     `json:"remove_on_fail,omitempty"`
	KeepCompletedAge int64    `json:"keep_completed_age,omitempty"`
	KeepCompleted    int      `json:"keep_completed_count,omitempty"`
	StallTimeout     int64    `json:"stall_timeout,omitempty"`
}

func (o *PushOptions) pushed(queue string, data any) pushed {
	p := pushed{
		Queue: queue, Data: data, Priority: o.Priority, Delay: o.Delay.Milliseconds(), TTL: o.TTL.Milliseconds(), Timeout: o.Timeout.Milliseconds(),
		Backoff: o.Backoff.Milliseconds(), UniqueKey: o.UniqueKey, JobID: o.JobID,
		DebounceID: o.DebounceID, DebounceTTL: o.DebounceTTL.Milliseconds(), GroupID: o.GroupID, DependsOn: o.DependsOn, Tags: o.Tags, LIFO: o.LIFO,
		RemoveOnComplete: o.RemoveOnComplete, RemoveOnFail: o.RemoveOnFail,
		KeepCompletedAge: o.KeepCompletedAge.Milliseconds(), KeepCompleted: o.KeepCompleted, StallTimeout: o.StallTimeout.Milliseconds(),
	}
	if o.MaxAttempts != 0 {
		attempts := max(o.MaxAttempts, 0) // 0 is without end on the wire
		p.MaxAttempts = &attempts
	}
	return p
}

// Progress of a job.
type Progress struct {
	Percent int    `json:"progress"`
	Message string `json:"message"`
}

// LogEntry is a line of a job's log.
type LogEntry struct {
	Timestamp int64  `json:"timestamp"` // milliseconds since 1970
	Level     string `json:"level"`     // debug, info, warn or error
	Message   string `json:"message"`
}

// Counts are a queue's jobs by state.
type Counts struct {
	Waiting   int64 `json:"waiting"`
	Delayed   int64 `json:"delayed"`
	Active    int64 `json:"active"`
	Completed int64 `json:"completed"`
	Failed    int64 `json:"failed"`
}

// QueueInfo is a queue in a listing.
type QueueInfo struct {
	Name        string `json:"name"`
	Pending     int64  `json:"pending"`
	Processing  int64  `json:"processing"`
	Delayed     int64  `json:"delayed"`
	Completed   int64  `json:"completed"`
	DeadLetters int64  `json:"dlq"`
	Paused      bool   `json:"paused"`
}

// Cron is what pushes a job again and again: either by Schedule or by
// RepeatEvery.
type Cron struct {
	Name        string `json:"name"`
	Queue       string `json:"queue"`
	Data        any    `json:"data"`
	Schedule    string `json:"schedule,omitempty"`     // 5 or 6 fields
	TimeZone    string `json:"timezone,omitempty"`     // of Schedule, as Europe/Berlin; UTC if it is empty
	RepeatEvery int64  `json:"repeat_every,omitempty"` // milliseconds
	Priority    int64  `json:"priority,omitempty"`
	Limit       int64  `json:"limit,omitempty"`    // of executions; 0 is without end
	NextRun     int64  `json:"next_run,omitempty"` // milliseconds since 1970; in listings
	Executions  int64  `json:"executions,omitempty"`
}
