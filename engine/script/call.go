package script

// frame is one call of a Lua function. Another one has it when that is through.
type frame struct {
	run     *run
	fn      *function
	slots   []value
	space   []value // what slots are of
	varargs []value
	caller  *frame
	line    int     // of the call that it makes
	results []value // good until the next call
	kept    []value // where they are, of a list
	tail    *frame  // of the call in the place of this one
}

// frameOf makes the frame of a call.
func (r *run) frameOf(fn *function) *frame {
	const least = 8
	var f *frame
	if n := len(r.frames); n > 0 {
		f, r.frames = r.frames[n-1], r.frames[:n-1]
	} else {
		f = &frame{}
	}
	n := fn.proto.slots
	if n > len(f.space) {
		f.space = make([]value, max(n, least))
	}
	f.run, f.fn, f.slots = r, fn, f.space[:n]
	return f
}

// release hands a frame on. Its results stay where they are.
func (r *run) release(f *frame) {
	clear(f.slots)
	f.fn, f.varargs, f.caller, f.results, f.tail = nil, nil, nil, nil, nil
	r.frames = append(r.frames, f)
}

// take puts the arguments into their places.
func (f *frame) take(args []value) {
	n := len(f.fn.proto.params)
	copy(f.slots[:n], args)
	if f.fn.proto.vararg && len(args) > n {
		f.varargs = args[n:]
	}
}

// declare gives a variable a new place with a value.
func (f *frame) declare(l *local, v value) {
	if l.captured {
		f.run.alloc(cellBytes) // whether it is boxed or not
	}
	if l.boxed {
		v = &cell{v}
	}
	f.slots[l.slot] = v
}

// roomFor is how many arguments nearly all calls have at most.
const roomFor = 16

// room is empty, for arguments that nobody looks at after the call.
func (r *run) room() []value {
	if n := len(r.rooms); n > 0 {
		room := r.rooms[n-1]
		r.rooms = r.rooms[:n-1]
		return room
	}
	return make([]value, 0, roomFor)
}

// leave hands a room on, unless what was in it has outgrown it.
func (r *run) leave(room []value) {
	if len(room) <= roomFor {
		clear(room)
		r.rooms = append(r.rooms, room[:0])
	}
}

// holds says that the function has its arguments after the call.
func (fn *function) holds() bool {
	if fn.builtin != nil {
		return fn.builtin.keeps
	}
	return fn.proto.vararg
}

// callParts are what a call is made of.
type callParts struct {
	fn      *expression
	method  value // a string; nil of what is no method
	args    []*expression
	spreads bool // all values of the last argument count
}

// call evaluates the parts, then calls. What it answers with is good until the
// next call.
func (c *callParts) call(f *frame, line int) []value {
	results, callee := c.begin(f, line)
	if callee == nil {
		return results
	}
	f.run.spend(1)
	return f.run.enter(callee)
}

// begin evaluates the parts. A builtin is called; a Lua function is not yet: that
// is its frame.
func (c *callParts) begin(f *frame, line int) (results []value, callee *frame) {
	r, object := f.run, c.fn.get(f)
	target := object
	if c.method != nil {
		f.line = line
		target = r.index(object, c.method, c.fn)
	}
	fn, _ := target.(*function)
	if fn != nil && fn.builtin == nil && !fn.proto.vararg && !c.spreads {
		callee = r.frameOf(fn)
		c.pass(f, callee.slots[:len(fn.proto.params)], object)
		f.line = line
		return nil, callee
	}
	borrowed := fn != nil && !fn.holds()
	var args []value
	if borrowed {
		args = r.room()
	} else {
		args = make([]value, 0, len(c.args)+1)
	}
	if c.method != nil {
		args = append(args, object)
	}
	args = values(f, c.args, args)
	if fn == nil {
		if fn, args = r.callable(target, args); fn == nil {
			f.faultAt(line, "attempt to call %s", c.who().describe(target))
		}
	}
	f.line = line
	if fn.builtin == nil {
		callee = r.frameOf(fn)
		callee.take(args)
	} else {
		results = r.invoke(fn, args)
	}
	if borrowed {
		r.leave(args)
	}
	return results, callee
}

// pass evaluates arguments right into a function's parameters.
func (c *callParts) pass(f *frame, params []value, object value) {
	at := 0
	if c.method != nil {
		if len(params) > 0 {
			params[0] = object
		}
		at = 1
	}
	for _, e := range c.args {
		if v := e.get(f); at < len(params) {
			params[at] = v
		}
		at++
	}
}

// who is what is called, for an error.
func (c *callParts) who() *expression {
	if name, isMethod := c.method.(string); isMethod {
		return &expression{kind: "method", name: name}
	}
	return c.fn
}

// call calls any value, for a builtin. What a call answers with is good until the
// next one.
func (r *run) call(v value, args ...value) []value {
	fn, args := r.callable(v, args)
	if fn == nil {
		r.fault("attempt to call a %s value", typeName(v))
	}
	return r.invoke(fn, args)
}

// callable is the function that a call of v calls, nil for none, and with what:
// a metatable's gets v too.
func (r *run) callable(v value, args []value) (*function, []value) {
	if fn, ok := v.(*function); ok {
		return fn, args
	}
	if fn, ok := r.metamethod(v, "__call").(*function); ok {
		return fn, append([]value{v}, args...)
	}
	return nil, nil
}

func (r *run) invoke(fn *function, args []value) []value {
	r.spend(1)
	if fn.builtin == nil {
		f := r.frameOf(fn)
		f.take(args)
		return r.enter(f)
	}
	native, running, nested := r.native, r.running, r.nested
	r.native, r.running, r.nested = true, fn, native
	results := fn.builtin.run(r, args)
	r.native, r.running, r.nested = native, running, nested
	return results
}

// enter runs a Lua function, and those that it calls in its own place.
func (r *run) enter(f *frame) []value {
	native, caller, depth := r.native, r.frame, r.depth
	r.native = false
	for {
		p := f.fn.proto
		r.depth = depth + 1 + p.nesting/nestingPerCall
		if r.depth > maxDepth {
			r.fault("stack overflow")
		}
		f.caller = caller
		r.frame = f
		for _, l := range p.params {
			if l.captured {
				f.declare(l, f.slots[l.slot])
			}
		}
		p.body.run(f)
		r.frame = caller
		results, tail := f.results, f.tail
		r.release(f)
		if tail == nil {
			r.native, r.depth = native, depth
			return results
		}
		f = tail
		r.spend(1)
	}
}
