package queue

// Get reads jobs by their ids. Result has an element per id, nil for a job that
// is not there.
type Get struct {
	read
	IDs    []uint64 // at most MaxBatch
	Result []*Job
}

// Find reads a job by its custom id; Result is nil when there is none.
type Find struct {
	read
	CustomID string
	Result   *Job
}

// Children reads the children of a flow's parent that are still there. Err is
// NotFound when there is no such parent.
type Children struct {
	read
	ID     uint64
	Result []*Job
}

// List reads the jobs of a queue that are in a state: Waiting in the order of
// pulls, those whose group is busy at the end; Delayed by their time; Completed
// and Failed latest first; the others by id.
type List struct {
	read
	Queue  string
	State  State // 0: all states, in their order
	Offset int
	Limit  int // 1 to MaxListed

	Result []*Job
}

// Counts are a queue's, in constant time.
type Counts struct {
	Name                                                 string
	Declared, Closed, Paused                             bool
	Waiting, Delayed, Active, Blocked, Completed, Failed int64
	Pushed, TotalCompleted, TotalFailed                  int64     // since the queue was first used
	RateLimit                                            RateLimit // in force; Max 0: none
	Concurrency                                          int64     // in force; 0: none
}

// Unfinished is how many jobs are on their way.
func (c *Counts) Unfinished() int64 { return c.Waiting + c.Delayed + c.Active + c.Blocked }

// Count reads one queue's counts; of a queue that is unknown they are zero.
type Count struct {
	read
	Queue  string
	Result Counts
}

// ListQueues reads the counts of all queues whose name is behind After, in the
// order of names.
type ListQueues struct {
	read
	After string
	Limit int // 1 to MaxListed

	Result     []Counts
	ResultMore bool
}

// ScheduleStatus is a schedule as it is.
type ScheduleStatus struct {
	Schedule
	Declared bool
	Next     int64 // ms since the epoch; 0: never again
	Last     int64
	Runs     int64
}

// ListSchedules reads all schedules in the order of names.
type ListSchedules struct {
	read
	Result []ScheduleStatus
}
