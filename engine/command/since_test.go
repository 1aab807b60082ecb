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
			if each.since < c.since {
				t.Errorf("%s came before %s", each.Name, c.Name)
			}
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
	const base, newest, databases = 0, 7, 8
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
		{[]string{"COPY", "a", "b"}, base},
		{[]string{"COPY", "a", "b", "REPLACE", "DB", "0"}, base},
		{[]string{"COPY", "a", "b", "db", "1"}, databases},
		{[]string{"COPY", "a", "a", "DB", "0"}, databases}, // which it takes for a mistake
		{[]string{"MOVE", "a", "0"}, databases},
		{[]string{"SWAPDB", "0", "0"}, databases},
		{[]string{"EVAL", "redis.call('select', 1)", "0"}, databases},
		{[]string{"EVAL", "redis.call('copy', 'a', 'b')", "0"}, databases},
		{[]string{"EVALSHA", strings.Repeat("0", 40), "0", "SELECT"}, databases},
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
		h := &scriptHost{eval: &eval{caller: caller}, tx: &machine.Tx{Store: store.New().At(0), Semantics: semantics, Grown: new(int64)}}
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

// TestAScriptReachesNoMoreThanItsEntrySays: SELECT and COPY answer as those did that
// knew database 0 alone, with the errors that they had.
func TestAScriptReachesNoMoreThanItsEntrySays(t *testing.T) {
	caller, databases := who(t, everything), store.New()
	databases.At(0).PutString([]byte("a"), []byte("v"), 0)
	for _, tt := range []struct {
		call         []string
		before, then string
	}{
		{[]string{"select", "0"}, "OK", "OK"},
		{[]string{"select", "1"}, string(errDatabase), "OK"},
		{[]string{"select", "16"}, string(errDatabase), string(errDatabase)},
		{[]string{"copy", "a", "b", "DB", "1", "nonsense"}, string(errDatabase), string(errSyntax)},
		{[]string{"copy", "a", "a", "DB", "0"}, string(errSameObject), string(errSameObject)},
		{[]string{"move", "a", "0"}, string(errScriptUnknown), string(errSameObject)},
		{[]string{"swapdb", "0", "0"}, string(errScriptUnknown), "OK"},
	} {
		for semantics, want := range map[uint16]string{machine.SinceDatabases - 1: tt.before, machine.SinceDatabases: tt.then} {
			tx := &machine.Tx{Store: databases.At(0), Databases: databases, Semantics: semantics, Grown: new(int64)}
			h := &scriptHost{eval: &eval{caller: caller, room: unlimited}, tx: tx}
			if got := string(h.call(argv(tt.call...)).Str); got != want {
				t.Errorf("%q with semantics %d: %q, want %q", tt.call, semantics, got, want)
			}
			if want != "OK" && semantics < machine.SinceDatabases && h.written {
				t.Errorf("%q counts as a write that an older member does not see", tt.call)
			}
			if tx.Store != databases.At(0) {
				t.Errorf("%q is felt outside the script", tt.call)
			}
		}
	}
}
