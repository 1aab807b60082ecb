package script

import (
	"math"
	"strings"
)

// maxChain is how many metatables an access may lead through.
const maxChain = 100

const readonlyTable = "Attempt to modify a readonly table"

func (r *run) metatable(v value) *table {
	switch v := v.(type) {
	case *table:
		return v.meta
	case string:
		return r.shared.stringMeta
	}
	return nil
}

func (r *run) metamethod(v value, event string) value {
	if m := r.metatable(v); m != nil {
		return m.get(event)
	}
	return nil
}

// first is the first of a call's results.
func first(results []value) value {
	if len(results) > 0 {
		return results[0]
	}
	return nil
}

// index reads a key; who is what is read from, for an error.
func (r *run) index(v, key value, who *expression) value {
	for range maxChain {
		t, isTable := v.(*table)
		if isTable {
			if found := t.get(key); found != nil || t.meta == nil {
				return found
			}
		}
		handler := r.metamethod(v, "__index")
		if handler == nil {
			if !isTable {
				r.fault("attempt to index %s", who.describe(v))
			}
			return nil
		}
		if fn, ok := handler.(*function); ok {
			return first(r.invoke(fn, []value{v, key}))
		}
		v, who = handler, nil
	}
	r.fault("loop in gettable")
	return nil
}

// setIndex writes a key.
func (r *run) setIndex(v, key, to value, who *expression) {
	for range maxChain {
		t, isTable := v.(*table)
		if isTable {
			if t.readonly {
				r.fault(readonlyTable)
			}
			if t.meta == nil || t.get(key) != nil {
				r.store(t, key, to)
				return
			}
		}
		handler := r.metamethod(v, "__newindex")
		if handler == nil {
			if !isTable {
				r.fault("attempt to index %s", who.describe(v))
			}
			r.store(t, key, to)
			return
		}
		if fn, ok := handler.(*function); ok {
			r.invoke(fn, []value{v, key, to})
			return
		}
		v, who = handler, nil
	}
	r.fault("loop in settable")
}

// store writes a key of a table that may be written, past its metatable.
func (r *run) store(t *table, key, to value) {
	switch k := key.(type) {
	case nil:
		r.fault("table index is nil")
	case float64:
		if math.IsNaN(k) {
			r.fault("table index is NaN")
		}
	}
	t.set(r, key, to)
}

// arithmetic is one of + - * / % ^.
type arithmetic struct {
	event   string
	compute func(r *run, a, b float64) float64
}

var arithmetics = map[string]arithmetic{
	"+": {"__add", func(_ *run, a, b float64) float64 { return a + b }},
	"-": {"__sub", func(_ *run, a, b float64) float64 { return a - b }},
	"*": {"__mul", func(_ *run, a, b float64) float64 { return float64(a * b) }},
	"/": {"__div", func(_ *run, a, b float64) float64 { return a / b }},
	"%": {"__mod", func(_ *run, a, b float64) float64 { return modulo(a, b) }},
	"^": {"__pow", (*run).power},
}

// modulo is a-floor(a/b)*b, as Lua 5.1 computes it.
func modulo(a, b float64) float64 { return a - float64(floor(a/b)*b) }

func (r *run) slowArithmetic(op *arithmetic, a, b value, whoA, whoB *expression) value {
	x, okX := toNumber(a)
	y, okY := toNumber(b)
	if okX && okY {
		return numeric(op.compute(r, x, y))
	}
	if handler := r.binaryHandler(a, b, op.event); handler != nil {
		return first(r.call(handler, a, b))
	}
	if !okX {
		r.fault("attempt to perform arithmetic on %s", whoA.describe(a))
	}
	r.fault("attempt to perform arithmetic on %s", whoB.describe(b))
	return nil
}

func (r *run) binaryHandler(a, b value, event string) value {
	if handler := r.metamethod(a, event); handler != nil {
		return handler
	}
	return r.metamethod(b, event)
}

// asText is a string or a number as a string.
func asText(v value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return formatNumber(v), true
	}
	return "", false
}

// textLength is how long a string or a number is as a string.
func textLength(v value) (n int, ok bool) {
	switch v := v.(type) {
	case string:
		return len(v), true
	case float64:
		var buf [32]byte
		return len(appendG(buf[:0], v, 14)), true
	}
	return 0, false
}

func writeText(b *strings.Builder, v value) {
	switch v := v.(type) {
	case string:
		b.WriteString(v)
	case float64:
		var buf [32]byte
		b.Write(appendG(buf[:0], v, 14))
	}
}

// concat joins values, from the right as Lua does.
func (r *run) concat(values []value, parts []*expression) value {
	right := values[len(values)-1]
	for i := len(values) - 2; i >= 0; {
		text, ok := asText(right)
		from, size := i, len(text)
		for ok && from >= 0 {
			length, isText := textLength(values[from])
			if !isText {
				break
			}
			size += length
			from--
		}
		if ok && from < i {
			r.fits(size)
			var joined strings.Builder
			joined.Grow(size)
			for _, v := range values[from+1 : i+1] {
				writeText(&joined, v)
			}
			joined.WriteString(text)
			right, i = joined.String(), from
			continue
		}
		handler := r.binaryHandler(values[i], right, "__concat")
		if handler == nil {
			culprit, who := values[i], parts[i]
			if _, isText := asText(culprit); isText {
				culprit, who = right, parts[i+1]
			}
			r.fault("attempt to concatenate %s", who.describe(culprit))
		}
		right = first(r.call(handler, values[i], right))
		i--
	}
	return right
}

func (r *run) equal(a, b value) bool {
	if a == b {
		return true
	}
	x, isTable := a.(*table)
	y, areTables := b.(*table)
	if !isTable || !areTables || x.meta == nil || y.meta == nil {
		return false
	}
	handler := x.meta.get("__eq")
	if handler == nil || handler != y.meta.get("__eq") {
		return false
	}
	return truth(first(r.call(handler, a, b)))
}

func (r *run) less(a, b value) bool {
	switch x := a.(type) {
	case float64:
		if y, ok := b.(float64); ok {
			return x < y
		}
	case string:
		if y, ok := b.(string); ok {
			r.spend(min(len(x), len(y)) / bytesPerStep)
			return x < y
		}
	}
	if result, ok := r.comparison(a, b, "__lt"); ok {
		return result
	}
	r.incomparable(a, b)
	return false
}

func (r *run) lessEqual(a, b value) bool {
	switch x := a.(type) {
	case float64:
		if y, ok := b.(float64); ok {
			return x <= y
		}
	case string:
		if y, ok := b.(string); ok {
			r.spend(min(len(x), len(y)) / bytesPerStep)
			return x <= y
		}
	}
	if result, ok := r.comparison(a, b, "__le"); ok {
		return result
	}
	if result, ok := r.comparison(b, a, "__lt"); ok {
		return !result
	}
	r.incomparable(a, b)
	return false
}

// comparison asks the metatables, which must agree.
func (r *run) comparison(a, b value, event string) (result, ok bool) {
	if typeName(a) != typeName(b) {
		return false, false
	}
	handler := r.metamethod(a, event)
	if handler == nil || handler != r.metamethod(b, event) {
		return false, false
	}
	return truth(first(r.call(handler, a, b))), true
}

func (r *run) incomparable(a, b value) {
	if x, y := typeName(a), typeName(b); x != y {
		r.fault("attempt to compare %s with %s", x, y)
	}
	r.fault("attempt to compare two %s values", typeName(a))
}

// negate is the unary minus.
func (r *run) negate(v value, who *expression) value {
	if f, ok := toNumber(v); ok {
		return numeric(-f)
	}
	handler := r.metamethod(v, "__unm")
	if handler == nil {
		r.fault("attempt to perform arithmetic on %s", who.describe(v))
	}
	return first(r.call(handler, v, v))
}

// length is the operator #.
func (r *run) length(v value, who *expression) value {
	switch v := v.(type) {
	case string:
		return numeric(float64(len(v)))
	case *table:
		return numeric(float64(v.length()))
	}
	r.fault("attempt to get length of %s", who.describe(v))
	return nil
}
