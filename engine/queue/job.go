package queue

// State is where a job is in its life.
type State uint8

// The states. A job that is removed has none.
const (
	Waiting   State = 1 + iota // can be pulled, unless its group is busy or its queue paused or at a limit
	Delayed                    // until its time has come
	Active                     // pulled; somebody has its lease
	Blocked                    // until its children, or the jobs that it depends on, are completed
	Completed                  // kept as its queue's retention says
	Failed                     // a dead letter: out of attempts, or discarded
)

var stateNames = [...]string{"unknown", "waiting", "delayed", "active", "waitingchildren", "completed", "failed"}

// String is the state's name on the wire.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return stateNames[0]
}

// ParseState finds a state by its name on the wire.
func ParseState(name string) (s State, ok bool) {
	for i := Waiting; i <= Failed; i++ {
		if stateNames[i] == name {
			return i, true
		}
	}
	return 0, false
}

// NewJob is a job as it is pushed. Durations are in ms. The zero value of a
// field means that it was not given.
type NewJob struct {
	Queue            string
	Data             []byte // JSON, kept as it is
	Priority         int32  // higher first
	Delay            int64
	TTL              int64  // a job that was not pulled after that long is removed
	Timeout          int64  // an attempt that takes longer has failed, whatever heartbeats say
	StallTimeout     int64  // how long its leases last without a heartbeat; Unset: the queue's
	MaxAttempts      int32  // Unset: the queue's; None: without limit
	Backoff          int64  // before the second attempt, doubled for each one after; Unset: the queue's; None: none
	UniqueKey        string // one unfinished job of a queue has it
	DebounceID       string // within DebounceTTL of a push, another one of the same queue is a duplicate
	DebounceTTL      int64
	CustomID         string // the job's own name; pushing it again while the job is there is a duplicate
	GroupID          string // one job of a group, within its queue, is active at a time
	DependsOn        []uint64
	Tags             []string
	LIFO             bool // before those that wait already with the same priority
	RemoveOnComplete bool
	RemoveOnFail     bool
	KeepAge          int64 // keep_completed_age: how long it is kept once it is completed
	KeepCount        int32 // keep_completed_count: how many completed jobs its queue keeps when this one is completed
}

// Pushed is what became of a NewJob.
type Pushed struct {
	ID        uint64
	Duplicate bool // ID is the job that was there already, by unique key, debounce or custom id
}

// Token proves a lease. It is random: 128 bits.
type Token [16]byte

// Lease is the right to finish a job.
type Lease struct {
	Token    Token
	Deadline int64  // ms since the epoch
	Owner    uint64 // the connection that it is bound to; 0: whoever has the token
}

// Holder is who claims a job's lease: by its token, or by being its owner when
// Token is zero.
type Holder struct {
	ID    uint64
	Token Token
	Owner uint64
}

// Job is a job as it is read. Its texts and slices are never changed, so they
// may be used without the lock. Times are ms since the epoch, 0 for never.
type Job struct {
	// NewJob is as it was pushed or changed since, but for MaxAttempts and
	// Backoff, which are what is in force; Data is nil, see Payload; Delay is 0.
	NewJob
	ID       uint64
	Payload  string // JSON
	State    State
	Attempts int32 // that failed or were lost

	CreatedAt  int64
	RunAt      int64 // when a delayed one becomes ready
	StartedAt  int64 // the latest attempt
	FinishedAt int64
	ExpiresAt  int64 // by its TTL

	Lease    Lease // of an active one
	Progress int32 // 0 to 100
	Message  string
	Result   string // JSON, "" for none
	Error    string // of the latest failed attempt
	Parent   uint64 // 0 for none
	Children []uint64
	Pending  int // children and dependencies that are not completed yet
	Logs     []LogLine
	Partials []PartialResult // in ascending order of Index
}

// LogLine is what a worker noted about a job.
type LogLine struct {
	Time           int64
	Level, Message string
}

// PartialResult is a part of a result that was there before the end.
type PartialResult struct {
	Index int64
	Data  string // JSON
}
