package script

import (
	"fmt"
	"strings"

	"github.com/coffer-dev/coffer/engine/reply"
)

// Program is a script, compiled.
type Program struct {
	SHA   string
	Flags Flags
	main  *proto
}

// Flags are what a script says of itself in its first line, "#!lua flags=…".
type Flags struct {
	Given    bool // there is such a line
	NoWrites bool
	AllowOOM bool
}

// Compile reads a script's text. An error's text is that of the reply.
func Compile(text string) (*Program, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("ERR the script has %d bytes, it must have at most %d", len(text), MaxText)
	}
	flags, body, err := shebang(text)
	if err != nil {
		return nil, err
	}
	p, problem := parse(body, &chunk{name: "user_script", source: "@user_script"})
	if problem != nil {
		return nil, fmt.Errorf("ERR Error compiling script (new function): %s", problem.text)
	}
	return &Program{SHA: SHA(text), Flags: flags, main: p}, nil
}

// shebang reads the first line of a script that begins with "#!". The line
// counts, but is not Lua.
func shebang(text string) (flags Flags, body string, err error) {
	if !strings.HasPrefix(text, "#!") {
		return Flags{}, text, nil
	}
	end := strings.IndexByte(text, '\n')
	if end < 0 {
		return Flags{}, "", fmt.Errorf("ERR Invalid script shebang")
	}
	words := strings.Split(text[:end], " ")
	if words[0] != "#!lua" {
		return Flags{}, "", fmt.Errorf("ERR Unexpected engine in script shebang: %s", words[0])
	}
	flags.Given = true
	for _, word := range words[1:] {
		list, ok := strings.CutPrefix(word, "flags=")
		if !ok {
			return Flags{}, "", fmt.Errorf("ERR Unknown lua shebang option: %s", word)
		}
		for _, flag := range strings.Split(list, ",") {
			switch flag {
			case "no-writes":
				flags.NoWrites = true
			case "allow-oom":
				flags.AllowOOM = true
			case "allow-stale", "no-cluster", "allow-cross-slot-keys", "":
			default:
				return Flags{}, "", fmt.Errorf("ERR Unexpected flag in script shebang: %s", flag)
			}
		}
	}
	return flags, text[end:], nil
}

// Run executes the script. What it did through the host stays done, whatever it
// answers. The seed is that of math.random.
func (p *Program) Run(host Host, keys, args [][]byte, seed uint64, limits Limits) reply.Reply {
	return newRun(host, seed, limits).execute(p, keys, args)
}

func newRun(host Host, seed uint64, limits Limits) *run {
	return &run{
		host: host, shared: theShared(), steps: limits.Steps, memory: limits.Memory,
		random: newRandom(seed), proto: 2, json: defaultJSON(), scratch: takeScratch(),
	}
}

func (r *run) execute(p *Program, keys, args [][]byte) (answer reply.Reply) {
	defer func() {
		r.stopThreads()
		switch e := recover().(type) {
		case nil:
		case *exhausted:
			answer = reply.Error(e.text)
		default:
			// A fault of the interpreter hits every member alike, and again when
			// the log is replayed: it must not end any of them.
			if r.outside {
				panic(e)
			}
			answer = reply.Error("ERR the script was ended by a fault of the engine")
		}
		r.giveBack()
	}()
	r.keys, r.argv = r.texts(keys), r.texts(args)
	var results []value
	if caught := r.protect(func() { results = r.invoke(&function{proto: p.main}, nil) }); caught != nil {
		return r.scriptError(caught, p.SHA)
	}
	answer, ok := r.toReply(first(results), 0)
	if !ok {
		return reply.Error("ERR reached lua stack limit")
	}
	return answer
}

// texts makes a table of arguments.
func (r *run) texts(args [][]byte) *table {
	values := make([]value, len(args))
	size := 0
	for _, arg := range args {
		r.fits(len(arg))
		size += len(arg)
	}
	var all strings.Builder
	all.Grow(size)
	for i, arg := range args {
		from := all.Len()
		all.Write(arg)
		values[i] = all.String()[from:]
	}
	t := r.newTable()
	r.alloc(slotBytes * len(values))
	t.array = values
	return t
}
