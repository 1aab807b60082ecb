package queue

import "slices"

// Pull takes up to Count jobs that are ready, best first, and leases them.
// Fewer, or none, is no error: the queue is empty, paused, or at a limit.
type Pull struct {
	write
	Queue string
	Count int    // 1 to MaxBatch
	Owner uint64 // the connection that the leases are bound to; 0: they belong to whoever has the token
	Lease int64  // ms; Unset: the job's stall timeout, the queue's, or DefaultLease

	Result []Job
}

// Append implements Op.
func (op *Pull) Append(dst []byte) []byte { return appendOp(dst, codePull, op) }

func (op *Pull) fields(c *codec) {
	c.string(&op.Queue, MaxQueueName)
	n := uint64(op.Count)
	if c.uint(&n); n > MaxBatch {
		c.fail("too many at once")
		n = 0
	}
	op.Count = int(n)
	c.uint(&op.Owner)
	c.int(&op.Lease)
}

// Finished is an active job that is done.
type Finished struct {
	Holder
	Result []byte // JSON; nil for none
}

// Ack completes active jobs, each by itself: ResultErrs is nil when all are,
// otherwise it has an element per job, nil for those that are.
type Ack struct {
	write
	Jobs       []Finished
	ResultErrs []*Error
}

// smallText is how many bytes of a result, an error or a message are taken even
// where there is no memory for more: work that is done makes room.
const smallText = 256

// Grows implements Op.
func (op *Ack) Grows() bool {
	return slices.ContainsFunc(op.Jobs, func(f Finished) bool { return len(f.Result) > smallText })
}

// Append implements Op.
func (op *Ack) Append(dst []byte) []byte { return appendOp(dst, codeAck, op) }

func (op *Ack) fields(c *codec) {
	list(c, &op.Jobs, MaxBatch, 19, func(f *Finished) {
		c.holder(&f.Holder)
		c.bytes(&f.Result, MaxData)
	})
}

// Fail ends an attempt. The job is tried again after its backoff, or is a dead
// letter when that was its last attempt, or with Final.
type Fail struct {
	write
	Holder
	Error string // cut to MaxText
	Final bool   // no further attempt

	ResultState State // Delayed, Waiting or Failed; 0: it was removed
	ResultRunAt int64 // of the next attempt
}

// Grows implements Op.
func (op *Fail) Grows() bool { return len(op.Error) > smallText }

// Append implements Op.
func (op *Fail) Append(dst []byte) []byte { return appendOp(dst, codeFail, op) }

func (op *Fail) fields(c *codec) {
	c.holder(&op.Holder)
	c.string(&op.Error, MaxText)
	c.bool(&op.Final)
}

// Renew prolongs leases: all that Owners hold, as long as each was given for,
// and those of Jobs. ResultErrs has an element per element of Jobs, or is nil
// when all are prolonged; ResultDeadlines are the new ends, 0 for an error.
type Renew struct {
	write
	Owners []uint64
	Jobs   []Holder
	Lease  int64 // ms from now on, for Jobs; Unset: as long as each was given for

	ResultErrs      []*Error
	ResultDeadlines []int64
}

// MaxOwners bounds the owners of one Renew or Release.
const MaxOwners = 10_000

// Append implements Op.
func (op *Renew) Append(dst []byte) []byte { return appendOp(dst, codeRenew, op) }

func (op *Renew) fields(c *codec) {
	c.uints(&op.Owners, MaxOwners)
	list(c, &op.Jobs, MaxBatch, 18, c.holder)
	c.int(&op.Lease)
}

// Release gives back all that connections hold which are gone: the jobs are
// ready again at once, an attempt counted.
type Release struct {
	write
	Owners []uint64

	Result     int  // jobs, at most MaxStep
	ResultMore bool // there are more: apply it again
}

// Append implements Op.
func (op *Release) Append(dst []byte) []byte { return appendOp(dst, codeRelease, op) }

func (op *Release) fields(c *codec) { c.uints(&op.Owners, MaxOwners) }

// Progress tells how far an active job is.
type Progress struct {
	write
	Holder
	Progress int32 // 0 to 100
	Message  string
}

// Grows implements Op.
func (op *Progress) Grows() bool { return len(op.Message) > smallText }

// Append implements Op.
func (op *Progress) Append(dst []byte) []byte { return appendOp(dst, codeProgress, op) }

func (op *Progress) fields(c *codec) {
	c.holder(&op.Holder)
	c.int32(&op.Progress)
	c.string(&op.Message, MaxText)
}

// Log notes a line about an active job; the latest MaxLogs are kept.
type Log struct {
	growth
	Holder
	Level   string // at most 16 bytes; info when empty
	Message string // cut to MaxText
}

const maxLevel = 16

// Append implements Op.
func (op *Log) Append(dst []byte) []byte { return appendOp(dst, codeLog, op) }

func (op *Log) fields(c *codec) {
	c.holder(&op.Holder)
	c.string(&op.Level, maxLevel)
	c.string(&op.Message, MaxText)
}

// Partial keeps a part of an active job's result, in place of the one with the
// same index.
type Partial struct {
	growth
	Holder
	Index int64 // -1: the next one
	Data  []byte

	Result int64 // the index
}

// Append implements Op.
func (op *Partial) Append(dst []byte) []byte { return appendOp(dst, codePartial, op) }

func (op *Partial) fields(c *codec) {
	c.holder(&op.Holder)
	c.int(&op.Index)
	c.bytes(&op.Data, MaxData)
}
