package script

// expression is a part of a script that has a value. What it is called in an
// error depends on where it comes from.
type expression struct {
	get func(f *frame) value
	// all appends every value of a call or of "..."; nil for what has one.
	all  func(f *frame, to []value) []value
	kind string // "local", "upvalue", "global", "field", "method", "constant" or ""
	name string
	line int

	object, key *expression // of a field
	local       *local
	outer       int           // of an upvalue
	call        *callParts    // of a call that is not in parentheses
	parts       []*expression // of a concatenation that is not in parentheses
	fixed       bool          // is in parentheses
	depth       int
}

// describe says what a value is, and whose; of nil, what it is.
func (e *expression) describe(v value) string {
	if e == nil || e.kind == "" || e.kind == "constant" {
		return "a " + typeName(v) + " value"
	}
	return e.kind + " '" + e.name + "' (a " + typeName(v) + " value)"
}

// parenthesized has one value, is no call and cannot be assigned to.
func (e *expression) parenthesized() *expression {
	inner := *e
	inner.all, inner.call, inner.parts, inner.fixed = nil, nil, nil, true
	return &inner
}

func constant(v value) *expression {
	return &expression{kind: "constant", get: func(*frame) value { return v }}
}

// deepest is the depth of an expression with those parts.
func deepest(parts ...*expression) int {
	depth := 0
	for _, e := range parts {
		depth = max(depth, e.depth)
	}
	return depth + 1
}

// values appends what a list evaluates to, of whose last all values count.
func values(f *frame, list []*expression, to []value) []value {
	for i, e := range list {
		if e.all != nil && i == len(list)-1 {
			return e.all(f, to)
		}
		to = append(to, e.get(f))
	}
	return to
}

// copied appends values that are handed on.
func (r *run) copied(values, to []value) []value {
	r.copies(len(values))
	return append(to, values...)
}

// copies counts values that are handed on; a few cost nothing.
func (r *run) copies(n int) {
	const few = 8
	if n > few {
		r.spend(n / few)
		r.alloc(valueBytes * n)
	}
}

func localVariable(l *local) *expression {
	return &expression{kind: "local", name: l.name, local: l, get: func(f *frame) value {
		v := f.slots[l.slot]
		if l.boxed {
			return v.(*cell).value
		}
		return v
	}}
}

func upvalue(l *local, i int) *expression {
	return &expression{kind: "upvalue", name: l.name, local: l, outer: i, get: func(f *frame) value {
		v := f.fn.captured[i]
		if l.boxed {
			return v.(*cell).value
		}
		return v
	}}
}

func global(name string, line int) *expression {
	e := &expression{kind: "global", name: name, line: line}
	switch v := theShared().globals.get(name); {
	case v != nil: // of which nobody can change what they are
		e.get = func(*frame) value { return v }
	case name == "KEYS":
		e.get = func(f *frame) value { return f.run.keys }
	case name == "ARGV":
		e.get = func(f *frame) value { return f.run.argv }
	case name == "_G":
		e.get = func(f *frame) value { return f.run.env() }
	default:
		e.get = func(f *frame) value {
			f.line = line
			f.run.missing(name)
			return nil
		}
	}
	return e
}

func fieldOf(object, key *expression, line int) *expression {
	e := &expression{kind: "field", name: "?", line: line, object: object, key: key, depth: deepest(object, key)}
	if key.kind == "constant" {
		if name, ok := key.get(nil).(string); ok {
			e.name = name
		}
	}
	e.get = func(f *frame) value {
		o := object.get(f)
		k := key.get(f)
		if t, ok := o.(*table); ok {
			if v := t.get(k); v != nil || t.meta == nil {
				return v
			}
		}
		f.line = line
		return f.run.index(o, k, object)
	}
	return e
}

// assign is how a variable or field is written. What it depends on is evaluated
// first, by the function that it returns.
func (e *expression) assign() func(f *frame) func(v value) {
	switch e.kind {
	case "local":
		e.local.assign()
		return func(f *frame) func(v value) { return func(v value) { setLocal(f, e.local, v) } }
	case "upvalue":
		e.local.assign()
		return func(f *frame) func(v value) { return func(v value) { f.fn.captured[e.outer].(*cell).value = v } }
	case "global":
		return func(f *frame) func(v value) {
			return func(value) { f.faultAt(e.line, readonlyTable) }
		}
	}
	return func(f *frame) func(v value) {
		o := e.object.get(f)
		k := e.key.get(f)
		return func(v value) { e.setField(f, o, k, v) }
	}
}

func setLocal(f *frame, l *local, v value) {
	if l.boxed {
		f.slots[l.slot].(*cell).value = v
	} else {
		f.slots[l.slot] = v
	}
}

func (e *expression) setField(f *frame, o, k, v value) {
	f.line = e.line
	f.run.setIndex(o, k, v, e.object)
}

// calling makes a call of its parts.
func calling(c *callParts, line int) *expression {
	c.spreads = len(c.args) > 0 && c.args[len(c.args)-1].all != nil
	e := &expression{call: c, line: line, depth: deepest(append([]*expression{c.fn}, c.args...)...)}
	e.get = func(f *frame) value { return first(c.call(f, line)) }
	e.all = func(f *frame, to []value) []value { return f.run.copied(c.call(f, line), to) }
	return e
}

// infix makes an operation of two values.
func infix(op string, a, b *expression, line int) *expression {
	e := &expression{line: line, depth: deepest(a, b)}
	switch op {
	case "and":
		e.get = func(f *frame) value {
			if v := a.get(f); !truth(v) {
				return v
			}
			return b.get(f)
		}
	case "or":
		e.get = func(f *frame) value {
			if v := a.get(f); truth(v) {
				return v
			}
			return b.get(f)
		}
	case "==", "~=":
		e.get = func(f *frame) value {
			x, y := a.get(f), b.get(f)
			f.line = line
			return f.run.equal(x, y) == (op == "==")
		}
	case "<", "<=", ">", ">=":
		e.get = comparing(op, a, b, line)
	default:
		e.get = computing(op, a, b, line)
	}
	return e
}

func comparing(op string, a, b *expression, line int) func(f *frame) value {
	compare := (*run).less
	if op == "<=" || op == ">=" {
		compare = (*run).lessEqual
	}
	swap := op[0] == '>'
	return func(f *frame) value {
		x, y := a.get(f), b.get(f)
		f.line = line
		if swap {
			x, y = y, x
		}
		return compare(f.run, x, y)
	}
}

func computing(op string, a, b *expression, line int) func(f *frame) value {
	arithmetic := arithmetics[op]
	return func(f *frame) value {
		x, y := a.get(f), b.get(f)
		if n, ok := x.(float64); ok {
			if m, ok := y.(float64); ok {
				return numeric(arithmetic.compute(f.run, n, m))
			}
		}
		f.line = line
		return f.run.slowArithmetic(&arithmetic, x, y, a, b)
	}
}

// concatenation joins two or more.
func concatenation(parts []*expression, line int) *expression {
	return &expression{line: line, parts: parts, depth: deepest(parts...), get: func(f *frame) value {
		operands := f.run.room()
		for _, e := range parts {
			operands = append(operands, e.get(f))
		}
		f.line = line
		joined := f.run.concat(operands, parts)
		f.run.leave(operands)
		return joined
	}}
}

func unary(op string, a *expression, line int) *expression {
	e := &expression{line: line, depth: a.depth + 1}
	switch op {
	case "not":
		e.get = func(f *frame) value { return !truth(a.get(f)) }
	case "-":
		e.get = func(f *frame) value {
			v := a.get(f)
			f.line = line
			return f.run.negate(v, a)
		}
	default:
		e.get = func(f *frame) value {
			v := a.get(f)
			f.line = line
			return f.run.length(v, a)
		}
	}
	return e
}

func varargs() *expression {
	return &expression{
		get: func(f *frame) value { return first(f.varargs) },
		all: func(f *frame, to []value) []value { return f.run.copied(f.varargs, to) },
	}
}

// closure makes a function each time that it is evaluated.
func closure(p *proto) *expression {
	return &expression{get: func(f *frame) value {
		f.run.alloc(cellBytes + 8*len(p.captures))
		fn := f.run.newFunction(p)
		for i, c := range p.captures {
			if c.slot >= 0 {
				fn.captured[i] = f.slots[c.slot]
			} else {
				fn.captured[i] = f.fn.captured[c.outer]
			}
		}
		return fn
	}}
}

// tableField is one of a constructor; without a key it goes into the list.
type tableField struct{ key, value *expression }

// constructor makes a table of fields and a list, of whose last all values count.
func constructor(fields []tableField, line int) *expression {
	e := &expression{line: line}
	keyed := 0
	for _, field := range fields {
		e.depth = max(e.depth, field.value.depth+1)
		if field.key != nil {
			keyed++
			e.depth = max(e.depth, field.key.depth+1)
		}
	}
	e.get = func(f *frame) value {
		t := f.run.newTable()
		var list []value
		if keyed < len(fields) {
			list = make([]value, 0, len(fields)-keyed)
		}
		for i, field := range fields {
			switch {
			case field.key != nil:
				k := field.key.get(f)
				v := field.value.get(f)
				f.line = line
				if t.entries == nil && v != nil { // of what is nil nothing is charged
					t.entries = make([]entry, 0, min(keyed, fewEntries))
				}
				f.run.store(t, k, v)
			case i == len(fields)-1 && field.value.all != nil:
				list = field.value.all(f, list)
			default:
				list = append(list, field.value.get(f))
			}
		}
		f.run.setList(t, list)
		return t
	}
	return e
}

// setList stores a constructor's list, which goes before fields of the same
// keys.
func (r *run) setList(t *table, list []value) {
	if len(t.array) == 0 && len(t.entries) == 0 {
		r.alloc(slotBytes * len(list))
		t.array = list
		t.trim()
		return
	}
	for i, v := range list {
		t.set(r, float64(i+1), v)
	}
}
