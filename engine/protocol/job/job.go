// Package job is the codec of the queue protocol, flashQ's TCP dialect.
//
// The first byte that a client sends decides how its connection is framed: '{',
// line feed or carriage return begin JSON lines, one object a line; anything
// else begins frames:
//
//	+---------------------------+----------------------+
//	| length of the map 4B (BE) | MessagePack map      |
//	+---------------------------+----------------------+
//
// A frame is transcoded to JSON, and an answer back, so that there is one
// parser of requests, one set of tolerances and one form in which data is kept.
// Integers stay exact; MessagePack's binary, extension and timestamp types are
// refused, since JSON has nothing for them. A number of JSON that is no 64-bit
// integer becomes a float64.
//
// A request is {"cmd":"PUSH", fields, "reqId":"r1"}, its answer
// {"ok":true, fields, "reqId":"r1"} or {"ok":false,"error":"...","reqId":"r1"}.
// Fields that are null count as absent, but for data; unknown ones are ignored.
package job

import (
	"errors"
	"fmt"
)

// Bounds of what a client sends.
const (
	// EarlyFrame is how many bytes a frame or line may have before the client
	// has authenticated, MaxFrame after.
	EarlyFrame = 64 << 10
	MaxFrame   = 16 << 20
	// MaxDepth is how deep objects and arrays may nest, the request included.
	MaxDepth = 32
	// MaxReqID is how many bytes a request's reqId may have.
	MaxReqID = 256
	// MaxList is how many elements the lists of a request may have: jobs, ids,
	// children, and a job's tags and dependencies.
	MaxList = 1000
)

// Framing is how messages are told apart.
type Framing uint8

// The framings.
const (
	Undecided Framing = iota
	Lines
	Frames
)

// Error is a request that is refused. The connection can go on behind it.
type Error struct {
	Field string // empty if it is about the request as a whole
	Text  string // what is wrong, and what to write instead
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Text
	}
	return e.Field + ": " + e.Text
}

func wrong(field, format string, args ...any) *Error {
	return &Error{field, fmt.Sprintf(format, args...)}
}

// ErrTooLarge is a frame behind which the connection cannot go on: it is not
// read.
var ErrTooLarge = errors.New("too large")
