package node

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
)

// call makes the item of a real command as the server does.
func call(t *testing.T, words ...string) machine.Item {
	t.Helper()
	argv := make([][]byte, len(words))
	for i, w := range words {
		argv[i] = []byte(w)
	}
	c, err := command.Resolve(argv)
	if err != nil {
		t.Fatal(err)
	}
	op, err := c.Parse(argv)
	if err != nil {
		t.Fatal(err)
	}
	return machine.Item{Op: op, Argv: argv, Write: c.Logged(), Grows: c.Grows(), Reserved: c.Reserved()}
}

// TestMemoryIsBounded: what does not fit is refused before it is logged, for
// what is in the log is carried out again at every start. Half a GiB costs a
// client forty bytes.
func TestMemoryIsBounded(t *testing.T) {
	const limit = 1 << 20
	opts := groupOptions(vfs.NewMem(), func(o *GroupOptions) { o.Parse, o.MaxData = command.Parse, limit })
	g := startGroup(t, opts)
	say := func(want string, words ...string) {
		t.Helper()
		if got := string(do(t, g, call(t, words...))[0].Str); !strings.HasPrefix(got, want) {
			t.Errorf("%.60q: got %.60q, want %q", words, got, want)
		}
	}
	const oom = "OOM command not allowed"
	say("OK", "SET", "name", "value")
	before := g.Stats().AppliedIndex
	say(oom, "SETRANGE", "huge", "536870000", "x")
	say(oom, "SET", "large", strings.Repeat("v", limit/2))
	say(oom, "RENAME", "name", strings.Repeat("n", limit/2))
	if got := g.Stats().AppliedIndex; got != before {
		t.Errorf("%d entries were logged for what was refused", got-before)
	}
	say("", "SETRANGE", "half", fmt.Sprint(limit*4/10), "x")
	say("", "SETRANGE", "half", "0", "x") // a copy more, and no room for two
	say("", "SETRANGE", "other", fmt.Sprint(limit*4/10), "x")
	say(oom, "SETRANGE", "half", "0", "x")
	say(oom, "APPEND", "half", "x")
	got := do(t, g, call(t, "SET", "a", strings.Repeat("v", limit/3)), call(t, "GET", "name"), call(t, "DEL", "other"))
	if !strings.HasPrefix(string(got[0].Str), oom) || string(got[1].Str) != "value" || got[2].Int != 1 {
		t.Errorf("a batch on a full memory: %.100q, %.100q, %d", got[0].Str, got[1].Str, got[2].Int)
	}
	say("", "SETRANGE", "half", "0", "x")
	if g.Stats().Bytes > limit {
		t.Errorf("%d bytes, the limit is %d", g.Stats().Bytes, limit)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = startGroup(t, opts)
	defer g.Stop()
	say("value", "GET", "name")
}

// TestScriptsTakeMemory: compiled, a script is many times as large as its text,
// which is counted before it is kept.
func TestScriptsTakeMemory(t *testing.T) {
	const limit = 4 << 20
	g := startGroup(t, groupOptions(vfs.NewMem(), func(o *GroupOptions) { o.Parse, o.MaxData = command.Parse, limit }))
	defer g.Stop()
	text := func(n, size int) string { return fmt.Sprintf("return %d --%s", n, strings.Repeat("x", size)) }
	var loads []machine.Item
	for n := range 8 { // one entry
		loads = append(loads, call(t, "SCRIPT", "LOAD", text(n, 30<<10)))
	}
	kept := 0
	for _, r := range do(t, g, loads...) {
		if !r.IsError() {
			kept++
		} else if !strings.HasPrefix(string(r.Str), "OOM") {
			t.Errorf("%.100s", r.Str)
		}
	}
	if bytes := g.Stats().Bytes; kept == 0 || kept == len(loads) || bytes > limit {
		t.Errorf("%d of %d scripts are kept, and take %d bytes of %d", kept, len(loads), bytes, limit)
	}
	if r := do(t, g, call(t, "EVAL", text(0, 100<<10), "0"))[0]; !strings.Contains(string(r.Str), "make it shorter") {
		t.Errorf("a script of more memory than a script may have: %.200q", r.Str)
	}
	for n := range 20 { // where there is no room they run all the same
		if r := do(t, g, call(t, "EVAL", text(n, 15<<10), "0"))[0]; r.Int != int64(n) {
			t.Fatalf("script %d answers %.100q", n, r.Str)
		}
	}
	if bytes := g.Stats().Bytes; bytes > limit {
		t.Errorf("what EVAL leaves behind has the keyspace take %d bytes of %d", bytes, limit)
	}
}
