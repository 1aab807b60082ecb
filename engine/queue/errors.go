package queue

import "fmt"

// Codes of errors: what a program decides by.
const (
	CodeInvalid    = "INVALID"    // the request can never be carried out; Field says which part
	CodeNotFound   = "NOTFOUND"   // no such job, queue or schedule
	CodeConflict   = "CONFLICT"   // not in the state that the job is in
	CodeLease      = "LEASE"      // the lease is lost, or was never the caller's
	CodeFull       = "FULL"       // a bounded queue is full
	CodeClosed     = "CLOSED"     // the queue is closed for pushes
	CodeUndeclared = "UNDECLARED" // the queue is not declared, and settings deny such
)

// Error is why an Op was not carried out: one line, which names the field and
// what would be right. Nothing has changed then.
type Error struct{ Code, Field, Text string }

// Error implements error.
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Text
	}
	return e.Field + ": " + e.Text
}

func fail(code, field, format string, args ...any) *Error {
	return &Error{code, field, fmt.Sprintf(format, args...)}
}

func invalid(field, format string, args ...any) *Error {
	return fail(CodeInvalid, field, format, args...)
}

func noJob(id uint64) *Error { return fail(CodeNotFound, "id", "there is no job %d", id) }
