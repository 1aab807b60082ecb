package script

import "strconv"

// value is what a Lua variable holds: nil, bool, float64, string, *table,
// *function, *coroutine or null.
type value = any

// null is cjson.null, a light userdata.
type null struct{}

// function is a Lua function with its captured variables, or a builtin.
type function struct {
	proto    *proto
	captured []value // *cell of those that are boxed
	builtin  *builtin
}

// builtin is a function of a library.
type builtin struct {
	name  string
	run   func(r *run, args []value) []value
	keeps bool // it answers with its arguments, or has them after it has answered
}

// cell is a variable that a closure has captured and somebody assigns to.
type cell struct{ value value }

// proto is a function as it was compiled.
type proto struct {
	chunk    *chunk
	params   []*local
	vararg   bool
	slots    int
	captures []capture
	body     block
	// nesting is how deep its expressions and statements are nested.
	nesting int
}

// capture says where a closure finds a variable of the function around it.
type capture struct {
	slot  int // of that function's own
	outer int // of those that it captured itself, when slot is -1
}

// chunk is a text of Lua.
type chunk struct {
	name   string // in errors' positions
	source string // in the errors of whole scripts
}

// local is a variable of a function.
type local struct {
	name     string
	slot     int
	captured bool // by a closure
	assigned bool // after it was declared
	boxed    bool // is both: slot and closures hold a *cell, else its value
}

func (l *local) capture() { l.captured, l.boxed = true, l.assigned }

func (l *local) assign() { l.assigned, l.boxed = true, l.captured }

// smallNumbers are values of the numbers below so many: most are, and making a value
// of another one allocates.
var smallNumbers = func() (values [1024]value) {
	for i := range values {
		values[i] = float64(i)
	}
	return values
}()

// numeric is a number as a value.
func numeric(f float64) value {
	if f >= 1 && f < float64(len(smallNumbers)) {
		if i := int(f); float64(i) == f {
			return smallNumbers[i]
		}
	}
	return f
}

func truth(v value) bool {
	b, isBool := v.(bool)
	return v != nil && (!isBool || b)
}

func typeName(v value) string {
	switch v.(type) {
	case nil:
		return "nil"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case *table:
		return "table"
	case *function:
		return "function"
	case *coroutine:
		return "thread"
	}
	return "userdata"
}

// text is a value as tostring has it, but for metatables. What Lua shows the
// address of gets a number instead: of the order in which it is asked for.
func (r *run) text(v value) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return formatNumber(v)
	case string:
		return v
	case null:
		return "userdata: (nil)"
	}
	n, known := r.numbered[v]
	if !known {
		if r.numbered == nil {
			r.numbered = map[value]int{}
		}
		r.alloc(entryBytes)
		n = len(r.numbered) + 1
		r.numbered[v] = n
	}
	digits := strconv.FormatInt(int64(n), 16)
	return typeName(v) + ": 0x" + "0000000000000000"[min(len(digits), 12):12] + digits
}
