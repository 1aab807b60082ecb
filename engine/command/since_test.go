package command

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/store"
)

var writeNames = flag.Bool("update-base", false, "write the names of the commands of machine.BaseSemantics")

// TestWhatIsNewSaysSo: a command that an older member does not know must say so,
// or that member does not end but goes another way.
func TestWhatIsNewSaysSo(t *testing.T) {
	const path = "testdata/base-commands"
	var all, base []string
	for _, c := range table {
		for _, each := range append([]*Command{c}, c.Subcommands...) {
			all = append(all, each.Name)
			if each.since <= machine.BaseSemantics {
				base = append(base, each.Name)
			}
		}
	}
	slices.Sort(base)
	if *writeNames {
		_ = os.Mkdir("testdata", 0o755)
		if err := os.WriteFile(path, []byte(strings.Join(base, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Fields(string(data))
	for _, name := range base {
		if !slices.Contains(known, name) {
			t.Errorf("%s is no command of semantics %d and does not say since when it is: .since7() or a later one", name, machine.BaseSemantics)
		}
	}
	for _, name := range known {
		if !slices.Contains(base, name) && slices.Contains(all, name) {
			t.Errorf("%s is a command of semantics %d and says that it came later", name, machine.BaseSemantics)
		}
	}
}

// TestACallNeedsWhatItUses.
func TestACallNeedsWhatItUses(t *testing.T) {
	const base, newest = 0, 7
	for _, tt := range []struct {
		call []string
		want uint16
	}{
		{[]string{"SET", "xack", "xack"}, base},
		{[]string{"XADD", "s", "*", "xgroup", "v"}, base},
		{[]string{"XACK", "s", "g", "1-1"}, newest},
		{[]string{"XGROUP", "CREATE", "s", "g", "$"}, newest},
		{[]string{"EVAL", "return redis.call('xadd', KEYS[1], '*', \"f\", 'v') -- xack", "1", "s"}, base},
		{[]string{"EVAL", "return redis.call('xadd', KEYS[1]) or redis.call('XACK', 's')", "1", "s"}, newest},
		{[]string{"EVAL", "redis.call(\"xpending\", 's', 'g')", "0"}, newest},
		{[]string{"EVAL", "it's " + strings.Repeat("long ", 20) + "'xinfo'", "0"}, newest},
		{[]string{"EVAL", "return redis.call(unpack(ARGV))", "0", "xAck", "s"}, newest},
		{[]string{"EVALSHA", strings.Repeat("0", 40), "0", "get"}, base},
		{[]string{"EVALSHA", strings.Repeat("0", 40), "0", "xclaim"}, newest},
		{[]string{"SCRIPT", "LOAD", "return redis.call('xautoclaim')"}, newest},
		{[]string{"SCRIPT", "LOAD", "return redis.call('get')"}, base},
	} {
		c, err := Resolve(argv(tt.call...))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Since(argv(tt.call...)); got != tt.want {
			t.Errorf("%q needs %d, want %d", tt.call, got, tt.want)
		}
	}
}

// TestAScriptUsesNoMoreThanItsEntrySays: an older member may apply the entry, to
// which such a command is unknown.
func TestAScriptUsesNoMoreThanItsEntrySays(t *testing.T) {
	caller := who(t, everything)
	for semantics, want := range map[uint16]string{machine.BaseSemantics: string(errScriptUnknown), machine.Semantics: "ERR no such key"} {
		h := &scriptHost{eval: &eval{caller: caller}, tx: &machine.Tx{Store: store.New(), Semantics: semantics, Grown: new(int64)}}
		if got := string(h.call(argv("xinfo", "stream", "s")).Str); got != want {
			t.Errorf("with semantics %d: %q, want %q", semantics, got, want)
		}
		if got := string(h.call(argv("xinfo", "stream")).Str); (got == string(errScriptUnknown)) != (semantics < machine.Semantics) {
			t.Errorf("with semantics %d and too few arguments: %q", semantics, got)
		}
		if _, known := h.Allows(argv("xinfo", "stream", "s")); known != (semantics == machine.Semantics) {
			t.Errorf("with semantics %d it is known: %v", semantics, known)
		}
	}
}
