package server

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// tries are how often something is tried that a machine under load may keep from
// being quick.
const tries = 100

// load has the server know a script, and returns how it is called.
func load(t *testing.T, c io.Writer, r *bufio.Reader, script string) (call string) {
	t.Helper()
	if _, err := fmt.Fprintf(c, "SCRIPT LOAD %q\r\n", script); err != nil {
		t.Fatal(err)
	}
	length, err := r.ReadString('\n')
	sha, next := r.ReadString('\n')
	if err != nil || next != nil || length != "$40\r\n" {
		t.Fatal(length, sha, err, next)
	}
	return "EVALSHA " + strings.TrimSpace(sha) + " 0\r\n"
}

// TestBriskScriptsGoTogether, up to so many, once some were seen to be short.
func TestBriskScriptsGoTogether(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	call := load(t, c, r, "return 1")
	for range tries {
		exchange(t, c, r, call, ":1\r\n")
		f.executor.mu.Lock()
		f.executor.batches = nil
		f.executor.mu.Unlock()
		exchange(t, c, r, strings.Repeat(call, briskTogether+4), strings.Repeat(":1\r\n", briskTogether+4))
		f.executor.mu.Lock()
		got := slices.Clone(f.executor.batches)
		f.executor.mu.Unlock()
		if slices.Max(got) > briskTogether {
			t.Fatalf("batches %d", got)
		}
		if len(got) == 2 && got[0] == briskTogether {
			return
		}
	}
	t.Errorf("none of %d pipelines of a short script was one batch", tries)
}

// TestSlowScriptsRunAlone: others have their turn between two of them.
func TestSlowScriptsRunAlone(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	call := load(t, c, r, "for i = 1, 300000 do end return 1")
	const calls = 2 * briskAfter
	exchange(t, c, r, strings.Repeat(call, calls), strings.Repeat(":1\r\n", calls))
	f.executor.mu.Lock()
	defer f.executor.mu.Unlock()
	if got := f.executor.batches; slices.Max(got) > 1 {
		t.Errorf("batches %d", got)
	}
}

// TestOneLongRunCountsForItsBatch: of a script that is long for some arguments the
// calls do not go together because the last one was short.
func TestOneLongRunCountsForItsBatch(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	call := strings.TrimSpace(load(t, c, r, "for i = 1, tonumber(ARGV[1]) do end return 1"))
	short, long := call+" 1\r\n", call+" 300000\r\n"
	for range 2 * briskAfter {
		exchange(t, c, r, short, ":1\r\n")
	}
	f.executor.mu.Lock()
	f.executor.batches = nil
	f.executor.mu.Unlock()
	exchange(t, c, r, strings.Repeat(strings.Repeat(long, 15)+short, 5), strings.Repeat(":1\r\n", 80))
	f.executor.mu.Lock()
	defer f.executor.mu.Unlock()
	if got := f.executor.batches; len(got) < 40 {
		t.Errorf("batches %d", got)
	}
}

// TestScriptsOfAReplicaLetOthersIn, although they are carried out at once.
func TestScriptsOfAReplicaLetOthersIn(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	call := load(t, c, r, "for i = 1, 200 do end return 1")
	replica := f.replica(t)
	c, r = replica.login(t)
	other, replies := replica.login(t)
	for range 2 * briskAfter {
		exchange(t, c, r, call, ":1\r\n")
	}
	ran := func() (n int) {
		f.executor.mu.Lock()
		defer f.executor.mu.Unlock()
		for _, batch := range f.executor.batches {
			n += batch
		}
		return n
	}
	const calls = 1000
	before := ran()
	if _, err := io.WriteString(c, strings.Repeat(call, calls)); err != nil {
		t.Fatal(err)
	}
	replica.until(t, "the first one runs", func() bool { return ran() > before })
	exchange(t, other, replies, "PING\r\n", "+PONG\r\n")
	if n := ran() - before; n >= calls {
		t.Errorf("answered behind all of %d", n)
	}
	exchange(t, c, r, "", strings.Repeat(":1\r\n", calls))
}

// TestWhatABriskScriptIs: one whose latest runs were short, and how much is remembered is
// bounded.
func TestWhatABriskScriptIs(t *testing.T) {
	evalsha, b := command.Of([][]byte{[]byte("evalsha")}), brisk{}
	argv := func(n int) [][]byte { return [][]byte{[]byte("evalsha"), fmt.Appendf(nil, "%040x", n)} }
	run := func(n int, took time.Duration, replied int) {
		b.note([]machine.Item{{Timing: &timing{cmd: evalsha, argv: argv(n), began: time.Now(), took: took}, Reply: reply.Bulk(make([]byte, replied))}})
	}
	for _, one := range []struct {
		runs    int
		took    time.Duration
		replied int
		want    bool
	}{{briskAfter - 1, briskRun, 10, false}, {1, briskRun, briskReply / 2, true}, {1, briskRun + 1, 10, false}, {briskAfter, 1, 10, true},
		{1, 1, briskReply + 1, false}, {briskAfter - 1, 1, 10, false}, {briskAfter, 1, 10, true}} {
		for range one.runs {
			run(1, one.took, one.replied)
		}
		if got := b.has(evalsha, argv(1)); got != one.want {
			t.Errorf("after %d times %s and %d bytes: %t", one.runs, one.took, one.replied, got)
		}
	}
	for n := range 2 * maxBrisk {
		run(n, 1, 10)
	}
	if len(b) > maxBrisk {
		t.Errorf("%d scripts are remembered", len(b))
	}
	long := [][]byte{[]byte("evalsha"), make([]byte, 1<<20)}
	for range briskAfter {
		b.note([]machine.Item{{Timing: &timing{cmd: evalsha, argv: long, began: time.Now(), took: 1}}})
	}
	if b.has(evalsha, long) {
		t.Error("what is no SHA-1 is remembered")
	}
	refused := argv(-1)
	for range briskAfter {
		b.note([]machine.Item{{Timing: &timing{cmd: evalsha, argv: refused}, Reply: reply.Error("OOM")}})
	}
	if b.has(evalsha, refused) {
		t.Error("what never ran is remembered")
	}
}

// TestShortHeavyCommandsShareATurn: the replies of a pipeline of them are one record,
// unless they took long.
func TestShortHeavyCommandsShareATurn(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "HSET h f v\r\n", ":1\r\n")
	want := strings.Repeat("*2\r\n$1\r\nf\r\n$1\r\nv\r\n", 3)
	for range tries {
		if _, err := io.WriteString(c, strings.Repeat("HGETALL h\r\n", 3)); err != nil {
			t.Fatal(err)
		}
		record := make([]byte, len(want))
		n, err := c.Read(record)
		if err != nil {
			t.Fatal(err)
		}
		if n == len(want) {
			return
		}
		if _, err := io.ReadFull(c, record[n:]); err != nil || string(record) != want {
			t.Fatalf("%q, %v", record, err)
		}
	}
	t.Errorf("none of %d pipelines was answered at once", tries)
}

// TestLongHeavyCommandsLetOthersIn: a pipeline of them does not hold those who ask for
// little.
func TestLongHeavyCommandsLetOthersIn(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	other, replies := f.login(t)
	call := strings.Replace(load(t, c, r, "for i = 1, 300000 do end return 1"), "EVALSHA", "EVALSHA_RO", 1)
	begun := func() int {
		f.executor.mu.Lock()
		defer f.executor.mu.Unlock()
		return len(f.executor.batches)
	}
	const calls = 50
	before := begun()
	if _, err := io.WriteString(c, strings.Repeat(call, calls)); err != nil {
		t.Fatal(err)
	}
	f.until(t, "the first one runs", func() bool { return begun() > before })
	exchange(t, other, replies, "PING\r\n", "+PONG\r\n")
	if n := begun() - before; n >= calls {
		t.Errorf("answered behind all of %d", n)
	}
	exchange(t, c, r, "", strings.Repeat(":1\r\n", calls))
}
