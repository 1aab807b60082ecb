package script

import "iter"

// threadBytes is what memory counts for a coroutine: a stack of its own.
const (
	threadBytes = 16 << 10
	// callBytes is what each call that is suspended with it takes, about.
	callBytes = 2 << 10
)

// coroutine is a function that runs beside the one that resumes it.
type coroutine struct {
	fn     *function
	status string // suspended, running, normal or dead
	in     []value
	out    []value
	caught *thrown // what ended it
	ended  *exhausted

	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
}

// abandoned is the panic that ends a coroutine that nobody resumes any more.
type abandoned struct{}

func (r *run) newCoroutine(fn *function) *coroutine {
	r.alloc(threadBytes)
	return &coroutine{fn: fn, status: "suspended"}
}

// start gives a coroutine a stack.
func (r *run) start(c *coroutine) {
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		defer func() {
			switch e := recover().(type) {
			case nil, abandoned:
			case *exhausted:
				c.ended = e
			default:
				panic(e)
			}
		}()
		c.caught = r.protect(func() { c.out = r.invoke(c.fn, c.in) })
	})
	r.threads = append(r.threads, c)
}

// resume runs a coroutine until it yields or ends; it returns what it yielded
// or returned, or what it threw.
func (r *run) resume(c *coroutine, args []value) ([]value, *thrown) {
	before, frame, native, depth := r.thread, r.frame, r.native, r.depth
	if before != nil {
		before.status = "normal"
	}
	c.status, c.in, c.out = "running", args, nil
	if c.next == nil {
		r.start(c)
	}
	r.thread, r.frame, r.native = c, nil, false
	_, more := c.next()
	r.thread, r.frame, r.native, r.depth = before, frame, native, depth
	if before != nil {
		before.status = "running"
	}
	if !more {
		c.status = "dead"
		r.forget(c)
	}
	if c.ended != nil {
		panic(c.ended)
	}
	return c.out, c.caught
}

// suspend hands values to who resumed the coroutine that runs, and returns what
// it is resumed with.
func (r *run) suspend(args []value) []value {
	c := r.thread
	if c == nil {
		r.fault("attempt to yield across metamethod/C-call boundary")
	}
	frame, native, depth := r.frame, r.native, r.depth
	r.alloc(callBytes * depth)
	c.status, c.out = "suspended", args
	if !c.yield(struct{}{}) {
		panic(abandoned{})
	}
	r.frame, r.native, r.depth = frame, native, depth
	return c.in
}

func (r *run) forget(c *coroutine) {
	for i, t := range r.threads {
		if t == c {
			r.threads = append(r.threads[:i], r.threads[i+1:]...)
			return
		}
	}
}

// stopThreads ends the coroutines that are suspended when the script ends.
func (r *run) stopThreads() {
	for _, c := range r.threads {
		c.stop()
	}
}

func init() {
	library("coroutine", builtins{
		"create": func(r *run, args []value) []value {
			return r.one(r.newCoroutine(r.luaFunction(args)))
		},
		"resume": func(r *run, args []value) []value {
			c, ok := arg(args, 0).(*coroutine)
			if !ok {
				r.fail("bad argument #1 to 'resume' (coroutine expected)")
			}
			if c.status != "suspended" {
				return []value{false, r.newString("cannot resume " + map[bool]string{true: "dead", false: "non-suspended"}[c.status == "dead"] + " coroutine")}
			}
			results, caught := r.resume(c, args[1:])
			if caught != nil {
				return []value{false, caught.value}
			}
			return append([]value{true}, results...)
		},
		"yield": func(r *run, args []value) []value { return r.suspend(args) },
		"status": func(r *run, args []value) []value {
			c, ok := arg(args, 0).(*coroutine)
			if !ok {
				r.fail("bad argument #1 to 'status' (coroutine expected)")
			}
			return r.one(c.status)
		},
		"running": func(r *run, _ []value) []value {
			if r.thread == nil {
				return r.one(nil)
			}
			return r.one(r.thread)
		},
		"wrap": func(r *run, args []value) []value {
			c := r.newCoroutine(r.luaFunction(args))
			return r.one(&function{builtin: &builtin{"wrap", func(r *run, args []value) []value { return r.wrapped(c, args) }, true}})
		},
	})
}

// luaFunction is the argument of create and wrap.
func (r *run) luaFunction(args []value) *function {
	fn, ok := arg(args, 0).(*function)
	if !ok || fn.builtin != nil {
		r.fail("bad argument #1 to '%s' (Lua function expected)", r.builtinName())
	}
	return fn
}

// wrapped resumes a coroutine for a function that stands for it.
func (r *run) wrapped(c *coroutine, args []value) []value {
	if c.status != "suspended" {
		state := "dead"
		if c.status != "dead" {
			state = "non-suspended"
		}
		r.fail("cannot resume %s coroutine", state)
	}
	results, caught := r.resume(c, args)
	if caught == nil {
		return results
	}
	if text, ok := caught.value.(string); ok { // with the position of the call, as Lua adds it
		caught.value = r.newString(r.where(1) + text)
	}
	panic(caught)
}
