package jobs

import "errors"

var (
	// ErrClosed is a command on a client that was closed.
	ErrClosed = errors.New("the client is closed")
	// ErrDisconnected is a command whose answer was lost with its connection: it
	// was carried out, or it was not. A push with a JobID can be sent again.
	ErrDisconnected = errors.New("the connection ended before the answer came")

	// ErrJobFailed is a job that somebody waited for and that became a dead letter.
	ErrJobFailed = errors.New("job failed")

	errNotSent = errors.New("the connection ended before the command was sent")
)

// Codes of refusals.
const (
	CodeInvalid  = "INVALID"  // it can never be carried out
	CodeDenied   = "DENIED"   // the token may not do this
	CodeNotFound = "NOTFOUND" // no such job, queue or cron
	CodeConflict = "CONFLICT" // not in the state that the job is in
	CodeLease    = "LEASE"    // the lease is lost, or was never the caller's
	CodeFull     = "FULL"     // a bounded queue is full
	CodeClosed   = "CLOSED"   // the queue is closed for pushes
)

// Error is what the server answers instead of doing what it was asked; nothing
// has changed then.
type Error struct {
	Code    string // one of the codes; others may be added
	Message string // one line; names the field and the limit
}

func (e *Error) Error() string { return e.Message }

// lostLease says that the caller has no right to the job, and will not have it.
func (e *Error) lostLease() bool {
	return e.Code == CodeLease || e.Code == CodeNotFound || e.Code == CodeConflict
}
