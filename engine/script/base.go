package script

import (
	"strconv"
	"strings"
)

func init() {
	constants("", "_VERSION", "Lua 5.1")
	library("", builtins{
		"assert":         baseAssert,
		"collectgarbage": collectGarbage,
		"error":          baseError,
		"gcinfo":         func(r *run, _ []value) []value { return r.one(r.used()) },
		"getmetatable":   getMetatable,
		"ipairs":         ipairs,
		"load":           load,
		"loadstring":     loadString,
		"next":           next,
		"pairs": func(r *run, args []value) []value {
			return []value{r.shared.globals.get("next"), r.tableArg(args), nil}
		},
		"pcall":        pcall,
		"rawequal":     func(r *run, args []value) []value { return r.one(r.anyArg(args, 0) == r.anyArg(args, 1)) },
		"rawget":       func(r *run, args []value) []value { return r.one(r.tableArg(args).get(r.anyArg(args, 1))) },
		"rawset":       rawSet,
		"select":       selectArgs,
		"setmetatable": setMetatable,
		"tonumber":     tonumber,
		"tostring":     func(r *run, args []value) []value { return r.one(r.tostring(r.anyArg(args, 0))) },
		"type":         func(r *run, args []value) []value { return r.one(typeName(r.anyArg(args, 0))) },
		"unpack":       unpack,
		"xpcall":       xpcall,
	})
}

// used is the memory that was counted, in KiB, as a float: there is no other
// number of it that all members would agree on.
func (r *run) used() float64 { return float64((DefaultMemory-r.memory)>>10) + 1 }

func collectGarbage(r *run, args []value) []value {
	switch option := r.optionalString(args, 0, "collect"); option {
	case "count":
		return r.one(r.used())
	case "collect", "stop", "restart", "step", "setpause", "setstepmul":
		return r.one(0.0)
	default:
		r.badArgument(0, "invalid option '%s'", option)
		return nil
	}
}

func baseAssert(r *run, args []value) []value {
	if !truth(r.anyArg(args, 0)) {
		r.fail("%s", r.optionalString(args, 1, "assertion failed!"))
	}
	return args
}

func baseError(r *run, args []value) []value {
	v, level := arg(args, 0), r.optionalInt(args, 1, 1)
	if text, ok := asText(v); ok && level > 0 {
		v = r.newString(r.where(level) + text)
	}
	r.throw(v)
	return nil
}

func getMetatable(r *run, args []value) []value {
	m := r.metatable(r.anyArg(args, 0))
	if m == nil {
		return r.one(nil)
	}
	if hidden := m.get("__metatable"); hidden != nil {
		return r.one(hidden)
	}
	return r.one(m)
}

func setMetatable(r *run, args []value) []value {
	t := r.tableArg(args)
	m, isTable := arg(args, 1).(*table)
	if !isTable && (len(args) < 2 || args[1] != nil) {
		r.badArgument(1, "nil or table expected")
	}
	if t.meta != nil && t.meta.get("__metatable") != nil {
		r.fail("cannot change a protected metatable")
	}
	if t.readonly {
		r.fault(readonlyTable)
	}
	t.meta = m
	return r.one(t)
}

func rawSet(r *run, args []value) []value {
	t := r.ownTable(args)
	k, v := r.anyArg(args, 1), r.anyArg(args, 2)
	r.store(t, k, v)
	return r.one(t)
}

var ipairsNext = &function{builtin: &builtin{name: "ipairs", run: func(r *run, args []value) []value {
	i := r.intArg(args, 1) + 1
	v := r.tableArg(args).at(i)
	if v == nil {
		return r.one(nil)
	}
	return r.two(numeric(float64(i)), v)
}}}

func ipairs(r *run, args []value) []value {
	return []value{ipairsNext, r.tableArg(args), 0.0}
}

func next(r *run, args []value) []value {
	t := r.tableArg(args)
	k, v, ok := t.next(arg(args, 1))
	if !ok {
		r.fault("invalid key to 'next'")
	}
	if k == nil {
		return r.one(nil)
	}
	return r.two(k, v)
}

// pcall answers of an error of redis.call the text alone, as redis-server does.
func pcall(r *run, args []value) []value {
	fn, rest := arg(args, 0), args[min(len(args), 1):]
	var results []value
	if caught := r.protect(func() { results = r.call(fn, rest...) }); caught != nil {
		v := caught.value
		if t, ok := v.(*table); ok {
			if text, ok := t.get("err").(string); ok {
				v = text
			}
		}
		return []value{false, v}
	}
	return append([]value{true}, results...)
}

func xpcall(r *run, args []value) []value {
	fn, handler := r.anyArg(args, 0), r.anyArg(args, 1)
	var results []value
	caught := r.protect(func() { results = r.call(fn) })
	if caught == nil {
		return append([]value{true}, results...)
	}
	if again := r.protect(func() { results = r.call(handler, caught.value) }); again != nil {
		return []value{false, again.value}
	}
	return append([]value{false}, results...)
}

func selectArgs(r *run, args []value) []value {
	if s, ok := arg(args, 0).(string); ok && strings.HasPrefix(s, "#") {
		return r.one(float64(len(args) - 1))
	}
	n := r.intArg(args, 0)
	if n < 0 {
		n += len(args)
	}
	if n < 1 {
		r.badArgument(0, "index out of range")
	}
	return args[min(n, len(args)):]
}

// maxResults is how many values a function of a library may return.
const maxResults = 7999

func unpack(r *run, args []value) []value {
	t := r.tableArg(args)
	from := r.optionalInt(args, 1, 1)
	to := r.optionalInt(args, 2, t.length())
	if from > to {
		return nil
	}
	if n := to - from; n < 0 || n >= maxResults {
		r.fail("too many results to unpack")
	}
	r.spend(to - from)
	results := make([]value, 0, to-from+1)
	for i := from; i <= to; i++ {
		results = append(results, t.at(i))
	}
	return results
}

func tonumber(r *run, args []value) []value {
	base := r.optionalInt(args, 1, 10)
	if base == 10 {
		if f, ok := toNumber(r.anyArg(args, 0)); ok {
			return r.one(numeric(f))
		}
		return r.one(nil)
	}
	s := r.stringArg(args, 0)
	if base < 2 || base > 36 {
		r.badArgument(1, "base out of range")
	}
	s = strings.ToLower(strings.Trim(cstring(s), blanks))
	unsigned, negative := strings.CutPrefix(s, "-")
	if base == 16 {
		unsigned = strings.TrimPrefix(unsigned, "0x")
	}
	if strings.Trim(unsigned, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return r.one(nil)
	}
	n, err := strconv.ParseUint(unsigned, base, 64)
	if err != nil && n == 0 {
		return r.one(nil)
	}
	if negative {
		n = -n
	}
	return r.one(float64(n))
}

// tostring is a value as a text, by its metatable if that says.
func (r *run) tostring(v value) value {
	if handler := r.metamethod(v, "__tostring"); handler != nil {
		return first(r.call(handler, v))
	}
	if s, ok := v.(string); ok {
		return s
	}
	return r.newString(r.text(v))
}

// compile makes a function of a text, or an error's text.
func (r *run) compile(text, name string) []value {
	const perByte = 64 // what closures take
	if len(text) > MaxText {
		return []value{nil, r.newString("text is too long")}
	}
	r.spend(len(text))
	r.alloc(perByte * len(text))
	p, err := parse(text, newChunk(name))
	if err != nil {
		return []value{nil, r.newString(err.text)}
	}
	return r.one(&function{proto: p})
}

func loadString(r *run, args []value) []value {
	text := r.stringArg(args, 0)
	return r.compile(text, r.optionalString(args, 1, text))
}

// load gets its text from a function, piece by piece.
func load(r *run, args []value) []value {
	fn, ok := arg(args, 0).(*function)
	if !ok {
		r.wrongType(args, 0, "function")
	}
	name := r.optionalString(args, 1, "=(load)")
	var b strings.Builder
	for b.Len() <= MaxText {
		piece := first(r.call(fn))
		if piece == nil || piece == "" {
			break
		}
		s, ok := piece.(string)
		if !ok {
			return []value{nil, "reader function must return a string"}
		}
		r.fits(len(s))
		b.WriteString(s)
	}
	return r.compile(b.String(), name)
}

// newChunk names a text as Lua shortens it for errors.
func newChunk(name string) *chunk {
	const shown = 60 - len(`[string "..."]`) - 1
	c := &chunk{source: name}
	switch {
	case name != "" && (name[0] == '=' || name[0] == '@'):
		c.name = name[1:]
	default:
		line, _, more := strings.Cut(name, "\n")
		if len(line) > shown {
			line, more = line[:shown], true
		}
		if more {
			line += "..."
		}
		c.name = `[string "` + line + `"]`
	}
	return c
}
