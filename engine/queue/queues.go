package queue

// Queues is the state. It is not safe for concurrent use; the group's lock
// guards it.
type Queues struct {
	// OnReady is told, on the member that leads, that a job of a queue can be
	// pulled now, OnEvent what happens to jobs. They are called while an Op is
	// applied, must not block and must not call back. Nil for nobody; they are no
	// part of the state.
	OnReady func(queue string)
	OnEvent func(Event)
}

// New makes an empty state.
func New() *Queues { return &Queues{} }

// NextDue is when a Tick has something to do, ms since the epoch; 0 for never.
func (q *Queues) NextDue() int64 { return 0 }

// Tick makes the Op that does what is due at that time.
func (q *Queues) Tick(now int64) *Tick { return &Tick{} }

// Ready is how many jobs of a queue could be pulled at that time, at most
// limit: what its limits leave.
func (q *Queues) Ready(queue string, now int64, limit int) int { return 0 }

// QueueOf is the queue that a job is in, "" when there is no such job.
func (q *Queues) QueueOf(id uint64) string { return "" }

// Settings are those in force, nil when there are none. They are not to be
// changed.
func (q *Queues) Settings() *Settings { return nil }

// Declared are the settings of one queue, nil when it is not declared.
func (q *Queues) Declared(queue string) *QueueSettings { return nil }

// Bytes approximates the memory that jobs take.
func (q *Queues) Bytes() int64 { return 0 }

// ParseSettings reads Settings and validates them. The error names the field.
func ParseSettings(data []byte) (*Settings, *Error) { return nil, nil }

// Validate says what is wrong with settings, naming the field.
func (s *Settings) Validate() *Error { return nil }
