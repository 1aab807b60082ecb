package script

import "fmt"

// Limits bound a run.
type Limits struct {
	Steps  int64
	Memory int64 // bytes
}

// The default limits.
const (
	DefaultSteps  = 50_000_000
	DefaultMemory = 64 << 20
	// MaxText bounds a script's text, in bytes.
	MaxText = 1 << 20
	// maxDepth bounds nested calls. One of a function counts once more for every
	// nestingPerCall that its own text is nested.
	maxDepth       = 20_000
	nestingPerCall = 10
)

// run is one execution of a script.
type run struct {
	host   Host
	shared *shared
	// outside says that the host works: what panics then is not the script's.
	outside bool
	steps   int64
	memory  int64

	keys, argv, environment *table
	frame                   *frame    // of the Lua function that runs, or that called the builtin that does
	native                  bool      // a builtin runs
	running                 *function // which one
	nested                  bool      // it was called by another one
	depth                   int
	thread                  *coroutine   // that runs; nil for the script itself
	threads                 []*coroutine // that may be suspended
	numbered                map[value]int
	*scratch
	answer [2]value // see one and two
	random lrand48
	proto  int // of replies: 2 or 3
	json   jsonOptions
}

// thrown is the panic of a Lua error.
type thrown struct {
	value  value
	source string // where, for the error of the whole script; "" if unknown
	line   int
}

// exhausted is the panic that ends a run, which no script catches.
type exhausted struct{ text string }

// spend takes steps from the budget.
func (r *run) spend(steps int) {
	if r.steps -= int64(steps); r.steps < 0 {
		panic(&exhausted{"ERR the script has used up its steps and was ended: what it wrote before stays; do less in one call"})
	}
}

// alloc takes bytes from the budget.
func (r *run) alloc(bytes int) {
	if r.memory -= int64(bytes); r.memory < 0 {
		panic(&exhausted{"ERR the script has used up its memory and was ended: what it wrote before stays; do less in one call"})
	}
}

// fits takes a text's bytes from the budget, before it is made.
func (r *run) fits(n int) { r.alloc(stringBytes + n) }

// newString counts a text that was made, and not counted before.
func (r *run) newString(s string) string {
	r.fits(len(s))
	return s
}

// where is the position of a function that called: 1 for the one that runs or,
// of a builtin, that called it.
func (r *run) where(level int) string {
	if r.native && r.nested {
		level-- // that is a builtin too, which has none
	}
	f := r.frame
	for ; level > 1 && f != nil; level-- {
		f = f.caller
	}
	if f == nil || level < 1 {
		return ""
	}
	return fmt.Sprintf("%s:%d: ", f.fn.proto.chunk.name, f.line)
}

// throw raises any value.
func (r *run) throw(v value) {
	t := &thrown{value: v}
	if r.frame != nil {
		t.source, t.line = r.frame.fn.proto.chunk.source, r.frame.line
	}
	panic(t)
}

// fail raises an error as a builtin does: with the position of who called it.
func (r *run) fail(format string, args ...any) {
	r.throw(r.newString(r.where(1) + fmt.Sprintf(format, args...)))
}

// fault raises an error of the language: within a builtin it has no position.
func (r *run) fault(format string, args ...any) {
	if r.native {
		r.throw(r.newString(fmt.Sprintf(format, args...)))
	}
	r.fail(format, args...)
}

// faultAt is fault for what a line of the function that runs does.
func (f *frame) faultAt(line int, format string, args ...any) {
	f.line = line
	f.run.fault(format, args...)
}

// protect calls a function and catches what it throws.
func (r *run) protect(fn func()) (caught *thrown) {
	native, running, nested := r.native, r.running, r.nested
	frame, depth := r.frame, r.depth
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *thrown:
			caught = e
			r.native, r.running, r.nested = native, running, nested
			r.frame, r.depth = frame, depth
		default:
			panic(e)
		}
	}()
	fn()
	return nil
}
