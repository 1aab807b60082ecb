package queue

import "encoding/json"

// SettingsVersion is the version of Settings that is written and read.
const SettingsVersion = 1

// Settings are what is declared of an instance's queues. They are a file of
// JSON, and travel to the members through the log.
type Settings struct {
	Version    int             `json:"version"`
	Revision   string          `json:"revision,omitempty"`
	Undeclared string          `json:"undeclared,omitempty"` // Allow (default) or Deny: pushes to queues that are not listed
	Queues     []QueueSettings `json:"queues,omitempty"`
	Schedules  []Schedule      `json:"schedules,omitempty"`
}

// Values of Settings.Undeclared.
const (
	UndeclaredAllow = "Allow"
	UndeclaredDeny  = "Deny"
)

// Values of RetrySettings.Backoff and QueueSettings.DeletionPolicy.
const (
	BackoffExponential = "Exponential"
	BackoffFixed       = "Fixed"
	DeletionRetain     = "Retain"
	DeletionDelete     = "Delete"
)

// QueueSettings are one queue's. Durations are in ms; what is 0 or absent has
// the engine's default.
type QueueSettings struct { //nolint:revive // Settings are all of them
	Name          string            `json:"name"`
	RateLimit     *RateLimit        `json:"rateLimit,omitempty"`
	Concurrency   int64             `json:"concurrency,omitempty"`   // active jobs at once; 0 without limit
	Schema        json.RawMessage   `json:"schema,omitempty"`        // JSON Schema 2020-12; of no meaning here
	EncryptFields []string          `json:"encryptFields,omitempty"` // of no meaning here
	Retries       RetrySettings     `json:"retries,omitzero"`
	Lease         int64             `json:"leaseMilliseconds,omitempty"`
	Retention     RetentionSettings `json:"retention,omitzero"`
	MaxWaiting    int64             `json:"maxWaiting,omitempty"` // jobs that wait, are delayed or blocked; 0 without limit
	// DeadLetter is the queue that gets a copy's place: a job that fails for
	// good is moved there and waits as a job like others. "": it stays, failed.
	DeadLetter     string `json:"deadLetter,omitempty"`
	DeletionPolicy string `json:"deletionPolicy,omitempty"` // Retain (default) or Delete: its jobs, once it is not declared any more
}

// RateLimit bounds how many jobs are pulled within any window of that length.
type RateLimit struct {
	Max int64 `json:"max"`
	Per int64 `json:"perMilliseconds"`
}

// RetrySettings are for jobs that do not bring their own.
type RetrySettings struct {
	MaxAttempts int32  `json:"maxAttempts,omitempty"` // None: without limit
	Backoff     string `json:"backoff,omitempty"`     // Exponential (default) or Fixed
	Delay       int64  `json:"delayMilliseconds,omitempty"`
}

// RetentionSettings say how long finished jobs are kept.
type RetentionSettings struct {
	Completed Keep `json:"completed,omitzero"`
	Failed    Keep `json:"failed,omitzero"`
}

// Keep bounds by age and by number, whichever comes first.
type Keep struct {
	MaxAge   int64 `json:"maxAgeMilliseconds,omitempty"`
	MaxCount int64 `json:"maxCount,omitempty"`
}

// Schedule pushes a job again and again. Either Cron or Every is given. A run
// that was missed is made up for once, as soon as possible; if several were
// missed it is one.
type Schedule struct {
	Name     string          `json:"name"`
	Queue    string          `json:"queue"`
	Cron     string          `json:"cron,omitempty"`              // 5 fields, or 6 with seconds first
	TimeZone string          `json:"timeZone,omitempty"`          // IANA name; UTC when absent
	Every    int64           `json:"everyMilliseconds,omitempty"` // at least 100
	Data     json.RawMessage `json:"data,omitempty"`              // null when absent
	Priority int32           `json:"priority,omitempty"`
	Limit    int64           `json:"limit,omitempty"` // runs; 0 without limit
}
