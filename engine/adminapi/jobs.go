package adminapi

// MaxQueues is how many queues a status lists.
const MaxQueues = 256

// Jobs says which settings of the queues are in force, and how many jobs there
// are.
type Jobs struct {
	// SettingsRevision is that of the queues.json in force
	// (queue.Settings.Revision); empty before the first.
	SettingsRevision string `json:"settingsRevision"`
	// Error is why the newest file was not taken up; empty when it was.
	Error string `json:"error,omitempty"`
	// ErrorRevision is that of the file that Error is about; empty when the file
	// has none.
	ErrorRevision string `json:"errorRevision,omitempty"`
	// Queues are the first MaxQueues: declared ones first, each part sorted by
	// name. More is how many others there are.
	Queues []QueueStatus `json:"queues,omitempty"`
	More   int           `json:"more,omitempty"`
	// Total is of all queues, those that are not listed too.
	Total JobCounts `json:"total"`
}

// QueueStatus is one queue's.
type QueueStatus struct {
	Name     string `json:"name"`
	Declared bool   `json:"declared,omitempty"`
	// Closed queues accept no jobs: they were declared, are no longer, and hold
	// jobs yet.
	Closed bool `json:"closed,omitempty"`
	Paused bool `json:"paused,omitempty"`
	JobCounts
}

// JobCounts are numbers of jobs by state. Those that wait for other jobs count
// as waiting.
type JobCounts struct {
	Waiting   int64 `json:"waiting"`
	Delayed   int64 `json:"delayed"`
	Active    int64 `json:"active"`
	Completed int64 `json:"completed"`
	Dead      int64 `json:"dead"`
}
