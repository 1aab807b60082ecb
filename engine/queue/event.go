package queue

// EventKind is what happened to a job.
type EventKind uint8

// The events.
const (
	EventPushed  EventKind = 1 + iota
	EventDelayed           // pushed with a delay, moved, or waiting for its next attempt
	EventWaiting           // became ready: its delay passed, its children are completed, it was retried or promoted
	EventActive
	EventProgress
	EventPartial
	EventCompleted
	EventFailed  // an attempt failed; Final says whether it was the last
	EventStalled // its lease was lost
	EventRemoved // cancelled, expired, drained, erased, or as retention says
)

var eventNames = [...]string{"", "pushed", "delayed", "waiting", "active", "progress", "partial", "completed", "failed", "stalled", "removed"}

// String is the event's name on the wire.
func (k EventKind) String() string { return eventNames[k] }

// Event is told on the leader as it happens. Its texts may be kept.
type Event struct {
	Kind     EventKind
	Queue    string
	ID       uint64
	Time     int64 // ms since the epoch
	Attempts int32
	Progress int32
	Index    int64  // of a partial result
	Data     string // result or partial result (JSON); error, message or reason (text)
	Final    bool   // the job is completed, a dead letter, or gone
}
