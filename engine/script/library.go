package script

import (
	"fmt"
	"slices"
	"sync"
)

// builtins are functions of a library by their names.
type builtins map[string]func(r *run, args []value) []value

// libraries are what scripts find, by the names of the globals that hold them;
// "" are globals themselves.
var libraries = map[string]map[string]value{}

// library adds functions to one.
func library(name string, functions builtins) {
	names := make([]string, 0, len(functions))
	for name := range functions {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, fn := range names {
		keeps := name == "coroutine" || name == "" && (fn == "assert" || fn == "pcall" || fn == "select")
		constants(name, fn, &function{builtin: &builtin{fn, functions[fn], keeps}})
	}
}

// constants adds a value to a library.
func constants(name, key string, v value) {
	if libraries[name] == nil {
		libraries[name] = map[string]value{}
	}
	libraries[name][key] = v
}

// shared is what all runs have in common: read-only tables.
type shared struct {
	globals    *table
	stringMeta *table
	envMeta    *table // of _G
}

var theShared = sync.OnceValue(func() *shared {
	r := &run{memory: 1 << 30, steps: 1 << 30}
	s := &shared{globals: &table{}, stringMeta: &table{}, envMeta: &table{}}
	for _, name := range sorted(libraries) {
		into := s.globals
		if name != "" {
			into = &table{}
			s.globals.set(r, name, into)
		}
		for _, key := range sorted(libraries[name]) {
			into.set(r, key, libraries[name][key])
		}
		into.readonly = true
	}
	s.stringMeta.set(r, "__index", s.globals.get("string"))
	s.envMeta.set(r, "__index", &function{builtin: &builtin{name: "__index", run: func(r *run, args []value) []value {
		r.missing(arg(args, 1))
		return nil
	}}})
	s.stringMeta.readonly, s.envMeta.readonly = true, true
	return s
})

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (r *run) missing(name value) {
	text, _ := asText(name)
	r.fail("Script attempted to access nonexistent global variable '%s'", text)
}

// env is _G, which few scripts ask for.
func (r *run) env() *table {
	if r.environment == nil {
		t := r.newTable()
		r.shared.globals.each(func(k, v value) bool {
			t.set(r, k, v)
			return true
		})
		t.set(r, "KEYS", r.keys)
		t.set(r, "ARGV", r.argv)
		t.set(r, "_G", t)
		t.meta, t.readonly = r.shared.envMeta, true
		r.environment = t
	}
	return r.environment
}

// one is the only result of a builtin, or of a function.
func (r *run) one(v value) []value {
	r.answer[0] = v
	return r.answer[:1]
}

// two are a builtin's only results.
func (r *run) two(v, w value) []value {
	r.answer[0], r.answer[1] = v, w
	return r.answer[:]
}

// arg is an argument, nil where there is none.
func arg(args []value, i int) value { return nth(args, i) }

// builtinName is what errors call the builtin that runs.
func (r *run) builtinName() string {
	if r.nested {
		return "?"
	}
	return r.running.builtin.name
}

// badArgument raises the error of a wrong argument; i counts from 0.
func (r *run) badArgument(i int, format string, args ...any) {
	r.fail("bad argument #%d to '%s' (%s)", i+1, r.builtinName(), fmt.Sprintf(format, args...))
}

func (r *run) wrongType(args []value, i int, want string) {
	got := "no value"
	if i < len(args) {
		got = typeName(args[i])
	}
	r.badArgument(i, "%s expected, got %s", want, got)
}

// tableArg is the first argument, which is where all builtins take tables.
func (r *run) tableArg(args []value) *table {
	t, ok := arg(args, 0).(*table)
	if !ok {
		r.wrongType(args, 0, "table")
	}
	return t
}

// ownTable is the first argument: a table that the builtin changes.
func (r *run) ownTable(args []value) *table {
	t := r.tableArg(args)
	if t.readonly {
		r.fault(readonlyTable)
	}
	return t
}

func (r *run) numberArg(args []value, i int) float64 {
	f, ok := toNumber(arg(args, i))
	if !ok {
		r.wrongType(args, i, "number")
	}
	return f
}

// intArg is a number without its fraction, within what an int holds.
func (r *run) intArg(args []value, i int) int { return int(truncate(r.numberArg(args, i))) }

func (r *run) optionalInt(args []value, i, otherwise int) int {
	if arg(args, i) == nil {
		return otherwise
	}
	return r.intArg(args, i)
}

func (r *run) stringArg(args []value, i int) string {
	s, ok := asText(arg(args, i))
	if !ok {
		r.wrongType(args, i, "string")
	}
	return s
}

func (r *run) optionalString(args []value, i int, otherwise string) string {
	if arg(args, i) == nil {
		return otherwise
	}
	return r.stringArg(args, i)
}

// anyArg is an argument that must be there.
func (r *run) anyArg(args []value, i int) value {
	if i >= len(args) {
		r.badArgument(i, "value expected")
	}
	return args[i]
}
