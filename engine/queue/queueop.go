package queue

// Pause stops pulls of a queue, or lets them go on. Pushes are taken meanwhile.
type Pause struct {
	write
	Queue  string
	Paused bool
}

// Append implements Op.
func (op *Pause) Append(dst []byte) []byte { return appendOp(dst, codePause, op) }

func (op *Pause) fields(c *codec) {
	c.string(&op.Queue, MaxQueueName)
	c.bool(&op.Paused)
}

// Step is the part of an Op that touches many jobs: at most MaxStep at once.
// While ResultMore is true the caller applies another one, with Before set to
// ResultBefore, so that jobs pushed meanwhile are left alone.
type Step struct {
	Before uint64 // ids below it; 0: all that there are now

	Result       int // jobs
	ResultMore   bool
	ResultBefore uint64
}

// Drain removes all jobs of a queue that are not active and not finished.
type Drain struct {
	write
	Step
	Queue string
}

// Append implements Op.
func (op *Drain) Append(dst []byte) []byte { return appendOp(dst, codeDrain, op) }

func (op *Drain) fields(c *codec) {
	c.string(&op.Queue, MaxQueueName)
	c.uint(&op.Before)
}

// Obliterate removes all jobs of a queue, the active ones included, and then
// what was set and counted of it; what is declared of it stays.
type Obliterate struct {
	write
	Step
	Queue string
}

// Append implements Op.
func (op *Obliterate) Append(dst []byte) []byte { return appendOp(dst, codeObliterate, op) }

func (op *Obliterate) fields(c *codec) {
	c.string(&op.Queue, MaxQueueName)
	c.uint(&op.Before)
}

// Clean removes jobs of a state that have been in it, or for unfinished ones
// been there, for longer than Grace, oldest first.
type Clean struct {
	write
	Queues []string // names, at most MaxBatch of them
	State  State    // not Active
	Grace  int64    // ms
	Limit  int      // jobs; 0: MaxStep, which it is never more than

	Result     int
	ResultMore bool // there are more, beyond Limit
}

// Append implements Op.
func (op *Clean) Append(dst []byte) []byte { return appendOp(dst, codeClean, op) }

func (op *Clean) fields(c *codec) {
	c.strings(&op.Queues, MaxBatch, MaxQueueName)
	state, limit := uint64(op.State), uint64(op.Limit)
	c.uint(&state)
	c.int(&op.Grace)
	if c.uint(&limit); c.reading && (state == 0 || state > uint64(Failed) || limit > MaxStep) {
		c.fail("state or limit out of range")
		state, limit = uint64(Waiting), 0
	}
	op.State, op.Limit = State(state), int(limit)
}

// SetRateLimit bounds how many jobs of a queue are pulled, one by one or in
// batches, within any window of that length. It is in force beside nothing: it
// replaces what is declared, until it is cleared with Max 0.
type SetRateLimit struct {
	write
	Queue string
	RateLimit
}

// Append implements Op.
func (op *SetRateLimit) Append(dst []byte) []byte { return appendOp(dst, codeRateLimit, op) }

func (op *SetRateLimit) fields(c *codec) {
	c.string(&op.Queue, MaxQueueName)
	c.int(&op.Max)
	c.int(&op.Per)
}

// SetConcurrency bounds how many jobs of a queue are active at once. It replaces
// what is declared, until it is cleared with 0.
type SetConcurrency struct {
	write
	Queue string
	Limit int64
}

// Append implements Op.
func (op *SetConcurrency) Append(dst []byte) []byte { return appendOp(dst, codeConcurrency, op) }

func (op *SetConcurrency) fields(c *codec) {
	c.string(&op.Queue, MaxQueueName)
	c.int(&op.Limit)
}

// Retry makes a dead letter ready again, its attempts forgotten; with ID 0 all
// of the queue, the oldest first.
type Retry struct {
	write
	Step
	Queue string // of no meaning with ID
	ID    uint64
}

// Append implements Op.
func (op *Retry) Append(dst []byte) []byte { return appendOp(dst, codeRetry, op) }

func (op *Retry) fields(c *codec) {
	c.string(&op.Queue, MaxQueueName)
	c.uint(&op.ID)
	c.uint(&op.Before)
}

// Purge removes the dead letters of a queue.
type Purge struct {
	write
	Step
	Queue string
}

// Append implements Op.
func (op *Purge) Append(dst []byte) []byte { return appendOp(dst, codePurge, op) }

func (op *Purge) fields(c *codec) {
	c.string(&op.Queue, MaxQueueName)
	c.uint(&op.Before)
}

// Erase removes, or redacts, the jobs whose data or result has Value at Path,
// in every state: one portion of all jobs at once. The caller goes on from
// ResultNext until it is 0.
type Erase struct {
	write
	Queue  string   // a glob of names; * for all
	Path   string   // $.user.id or user.id; array elements by their number
	Value  []byte   // a JSON scalar
	Redact []string // paths whose values are replaced by "[REDACTED]"; logs, messages and partial results go; none: the job is removed
	From   uint64   // the id to begin at

	Result     int // jobs removed or redacted
	ResultNext uint64
}

// What bounds one Erase: the bytes of a path, the paths that are redacted, and
// the jobs that are looked at.
const (
	MaxPath      = 512
	MaxRedact    = 32
	MaxEraseStep = 5000
)

// Append implements Op.
func (op *Erase) Append(dst []byte) []byte { return appendOp(dst, codeErase, op) }

func (op *Erase) fields(c *codec) {
	c.string(&op.Queue, MaxQueueName)
	c.string(&op.Path, MaxPath)
	c.bytes(&op.Value, MaxText)
	c.strings(&op.Redact, MaxRedact, MaxPath)
	c.uint(&op.From)
}
