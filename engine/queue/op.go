package queue

import (
	"errors"
	"fmt"
)

// Op is one operation. Its fields that begin with Result, and Err, are its
// answer, filled by Apply.
type Op interface {
	// Check is for the leader, before anything is logged: it refuses what could
	// never be carried out, and fills in what only a clock or a time zone tells.
	// now is in ms since the epoch.
	Check(now int64) *Error
	// Apply carries it out. It is a function of the Op, the state, now and seed.
	Apply(q *Queues, now int64, seed uint64)
	// Failed is Err: why it was not carried out.
	Failed() *Error
	// Writes says that the log must carry it, Grows that it may add to the state.
	Writes() bool
	Grows() bool
	// Append appends what the log carries; it is of no meaning for a read.
	Append(dst []byte) []byte

	fields(c *codec)
}

// failure is the part of an Op that every one has.
type failure struct{ Err *Error }

// Failed implements Op.
func (f *failure) Failed() *Error { return f.Err }

// write, growth and read are the halves of Op that say what the log has to do.
type write struct{ failure }

// Writes implements Op.
func (*write) Writes() bool { return true }

// Grows implements Op.
func (*write) Grows() bool { return false }

type growth struct{ failure }

// Writes implements Op.
func (*growth) Writes() bool { return true }

// Grows implements Op.
func (*growth) Grows() bool { return true }

type read struct{ failure }

// Writes implements Op.
func (*read) Writes() bool { return false }

// Grows implements Op.
func (*read) Grows() bool { return false }

// Append implements Op.
func (*read) Append(dst []byte) []byte { return dst }

func (*read) fields(*codec) {}

// ErrOp is returned for a logged operation that makes no sense.
var ErrOp = errors.New("queue: malformed operation")

// Codes of the operations in the log. They are frozen.
const (
	codePush byte = 1 + iota
	codeFlow
	codePull
	codeAck
	codeFail
	codeRenew
	codeRelease
	codeProgress
	codeLog
	codePartial
	codeCancel
	codeUpdate
	codePriority
	codeDelay
	codePromote
	codeDiscard
	codePause
	codeDrain
	codeObliterate
	codeClean
	codeRateLimit
	codeConcurrency
	codeRetry
	codePurge
	codeSchedule
	codeDeleteSchedule
	codeConfigure
	codeTick
	codeErase
	codeKey
)

func newOp(code byte) Op {
	switch code {
	case codePush:
		return &Push{}
	case codeFlow:
		return &Flow{}
	case codePull:
		return &Pull{}
	case codeAck:
		return &Ack{}
	case codeFail:
		return &Fail{}
	case codeRenew:
		return &Renew{}
	case codeRelease:
		return &Release{}
	case codeProgress:
		return &Progress{}
	case codeLog:
		return &Log{}
	case codePartial:
		return &Partial{}
	case codeCancel:
		return &Cancel{}
	case codeUpdate:
		return &Update{}
	case codePriority:
		return &SetPriority{}
	case codeDelay:
		return &MoveToDelayed{}
	case codePromote:
		return &Promote{}
	case codeDiscard:
		return &Discard{}
	case codePause:
		return &Pause{}
	case codeDrain:
		return &Drain{}
	case codeObliterate:
		return &Obliterate{}
	case codeClean:
		return &Clean{}
	case codeRateLimit:
		return &SetRateLimit{}
	case codeConcurrency:
		return &SetConcurrency{}
	case codeRetry:
		return &Retry{}
	case codePurge:
		return &Purge{}
	case codeSchedule:
		return &SetSchedule{}
	case codeDeleteSchedule:
		return &DeleteSchedule{}
	case codeConfigure:
		return &Configure{}
	case codeTick:
		return &Tick{}
	case codeErase:
		return &Erase{}
	case codeKey:
		return &SetKey{}
	}
	return nil
}

// ParseOp reads back what Append wrote. What the Op holds may point into data.
func ParseOp(data []byte) (Op, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrOp)
	}
	op := newOp(data[0])
	if op == nil {
		return nil, fmt.Errorf("%w: unknown code %d", ErrOp, data[0])
	}
	c := &codec{rest: data[1:], reading: true}
	op.fields(c)
	if c.err == nil && len(c.rest) > 0 {
		c.err = errors.New("bytes left over")
	}
	if c.err != nil {
		return nil, fmt.Errorf("%w: code %d: %w", ErrOp, data[0], c.err)
	}
	return op, nil
}

func appendOp(dst []byte, code byte, op Op) []byte {
	c := &codec{dst: append(dst, code)}
	op.fields(c)
	return c.dst
}
