package command

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// who is somebody with those rules.
func who(t *testing.T, rules string) *acl.Identity {
	t.Helper()
	id, err := acl.FromRules([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

const (
	everything = `{"commands": ["@all"], "keys": ["*"], "channels": ["*"]}`
	shopOnly   = `{"commands": ["@all", "-hset"], "keys": ["shop:*"], "readKeys": ["price:*"], "channels": ["news"], "source": "AccessToken default/shop"}`
)

// lab is a machine with a log.
type lab struct {
	t   *testing.T
	m   *machine.Machine
	log [][]byte
}

// as runs a command for somebody, within a limit of memory if there is one.
func (l *lab) as(caller *acl.Identity, limit int64, words ...string) (reply.Reply, *Trace) {
	l.t.Helper()
	call := argv(words...)
	c, err := Resolve(call)
	if err != nil {
		l.t.Fatal(err)
	}
	op, err := c.Parse(call)
	if err != nil {
		return fail(err), nil
	}
	called, isCalled := op.(Called)
	if isCalled {
		call = called.As(caller, func(c *Command) bool { return c.Logged() })
	}
	items := []machine.Item{{Op: op, Argv: call, Write: c.Logged(), Grows: c.Grows()}}
	if limit > 0 {
		l.m.Bound(items, machine.Room{Limit: limit}, 1, fail(errOOM))
	}
	if items[0].Write {
		l.log = append(l.log, machine.AppendBatch(nil, items, 1, 7))
		l.m.Apply(uint64(len(l.log)), items, 1, 7)
	} else {
		l.m.Read(items, 1)
	}
	if !isCalled {
		return items[0].Reply, nil
	}
	return items[0].Reply, called.Trace()
}

// agrees replays the log.
func (l *lab) agrees() {
	l.t.Helper()
	second := machine.New(Parse)
	for i, data := range l.log {
		if err := second.Replay(uint64(i+1), data); err != nil {
			l.t.Fatal(err)
		}
	}
	if second.Hash() != l.m.Hash() {
		l.t.Error("the log leads elsewhere")
	}
}

// TestScriptsArePermittedCallByCall: by the rules of who calls, whatever keys
// the script was given, also when the log is replayed.
func TestScriptsArePermittedCallByCall(t *testing.T) {
	for _, tt := range []struct{ script, want string }{
		{"return redis.call('set', 'shop:1', 'x')", "OK"},
		{"return redis.call('set', 'other', 'x')", "can't access at least one of the keys mentioned in the command arguments: see AccessToken default/shop script: "},
		{"return redis.call('set', 'price:1', 'x')", "can't access at least one of the keys"},
		{"return redis.call('get', 'price:1')", "(null)"},
		{"return redis.call('mget', 'shop:1', 'other')", "can't access at least one of the keys"},
		{"return redis.call('hset', 'shop:2', 'f', 'v')", "can't run this command or subcommand: see AccessToken default/shop script: "},
		{"return redis.call('flushall')", "can't access at least one of the keys"},
		{"return redis.call('publish', 'news', 'x')", "0"},
		{"return redis.call('publish', 'secrets', 'x')", "can't publish to the channel"},
		{"return {tostring(redis.acl_check_cmd('set', 'shop:1', 'x')), tostring(redis.acl_check_cmd('set', 'other', 'x'))}", "[true false]"},
		{"redis.call('set', 'shop:before', 'x') redis.pcall('set', 'other', 'x') redis.call('set', 'shop:behind', 'x') return redis.call('del', 'other')", "can't access"},
	} {
		l := &lab{t: t, m: machine.New(Parse)}
		r, trace := l.as(who(t, shopOnly), 0, "EVAL", tt.script, "0")
		if got := text(r); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.script, got, tt.want)
		}
		if denied := strings.Contains(tt.want, "can't"); denied != (len(trace.Calls) > 0 && trace.Calls[len(trace.Calls)-1].Denied != nil) {
			t.Errorf("%s: traced %+v", tt.script, trace.Calls)
		}
		l.agrees()
	}
	l := &lab{t: t, m: machine.New(Parse)}
	if r, _ := l.as(nil, 0, "EVAL", "return redis.call('set', 'a', 1)", "0"); !r.IsError() || l.m.Keys() != 0 {
		t.Errorf("nobody's script wrote: %s", text(r))
	}
	l.agrees()
}

// TestScriptsTrace what the server has to record and to send, and no more than
// so much.
func TestScriptsTrace(t *testing.T) {
	l := &lab{t: t, m: machine.New(Parse)}
	_, trace := l.as(who(t, everything), 0, "EVAL", "redis.call('echo', ('x'):rep(100)) redis.call('get', 'a') redis.call('set', 'a', 1) redis.call('publish', 'c', 'm') redis.call('echo', ('x'):rep(100)) for i = 1, 1500 do redis.call('incr', 'n') end", "0")
	if len(trace.Calls) != maxTraced || trace.MoreCalls != 501 || trace.Calls[0].Command.Name != "set" || string(trace.Calls[0].Keys[0].Name) != "a" {
		t.Errorf("%d calls and %d more", len(trace.Calls), trace.MoreCalls)
	}
	if len(trace.Published) != 1 || string(trace.Published[0].Channel) != "c" || string(trace.Published[0].Message) != "m" || trace.Published[0].Kind != Channel {
		t.Errorf("published %+v", trace.Published)
	}
	_, trace = l.as(who(t, shopOnly), 0, "EVAL", "redis.call('echo', ('x'):rep(100)) redis.pcall('set', 'other', 1) redis.pcall('publish', 'secrets', 'x') redis.call('echo', ('x'):rep(100))", "0")
	if len(trace.Calls) != 2 || string(trace.Calls[0].Denied.Key) != "other" || string(trace.Calls[1].Denied.Channel) != "secrets" {
		t.Errorf("refused %+v", trace.Calls)
	}
	r, _ := l.as(who(t, everything), 0, "EVAL", "local m = ('x'):rep(1e6) for i = 1, 20 do redis.call('publish', 'c', m) end", "0")
	if !strings.Contains(text(r), "a script can publish 16777216 bytes") {
		t.Errorf("%s", text(r))
	}
}

// TestScriptsWithoutRoom: as redis-server at its limit of memory, but what a
// script that has begun to write may add is bounded too.
func TestScriptsWithoutRoom(t *testing.T) {
	const oom = "OOM command not allowed when used memory > 'maxmemory'."
	for _, tt := range []struct{ script, want string }{
		{"return redis.call('set', 'a', 1)", oom + " script: "},
		{"return redis.pcall('set', 'a', 1)", oom},
		{"return redis.call('get', 'a')", "(null)"},
		{"redis.call('del', 'full') return redis.call('set', 'a', 1)", "OK"},
		{"redis.call('del', 'full') local s = ('x'):rep(100) for i = 1, 1e6 do redis.call('append', 'a', s) end", oom + " script: "},
		{"#!lua\nreturn 1", oom},
		{"#!lua flags=allow-oom\nreturn redis.call('set', 'a', 1)", "OK"},
		{"#!lua flags=no-writes\nreturn 1", "1"},
	} {
		l := &lab{t: t, m: machine.New(Parse)}
		l.as(nil, 0, "SET", "full", strings.Repeat("x", 100_000))
		r, _ := l.as(who(t, everything), 90_000, "EVAL", tt.script, "0")
		if got := text(r); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %.200s, want %s", tt.script, got, tt.want)
		}
		l.agrees()
		if l.m.Bytes() > 90_000+2*scriptLeast {
			t.Errorf("%s: the keyspace has %d bytes", tt.script, l.m.Bytes())
		}
	}
}

// TestScriptsMayAllocateTheirShare of what the member has.
func TestScriptsMayAllocateTheirShare(t *testing.T) {
	l := &lab{t: t, m: machine.New(Parse)}
	for limit, want := range map[int64]bool{1 << 30: true, 16 << 20: false} {
		r, _ := l.as(who(t, everything), limit, "EVAL", "return #('x'):rep(10e6)", "0")
		if got := !r.IsError(); got != want {
			t.Errorf("with %d bytes: %s", limit, text(r))
		}
	}
	l.agrees()
}

// TestScriptsAreKept in snapshots and the log, the ones of SCRIPT LOAD for good
// and those of EVAL as long as there is room.
func TestScriptsAreKept(t *testing.T) {
	l, all := &lab{t: t, m: machine.New(Parse)}, who(t, everything)
	loaded, _ := l.as(all, 0, "SCRIPT", "LOAD", "return 'loaded'")
	first := machine.ScriptSHA([]byte("return 'first'"))
	l.as(all, 0, "EVAL", "return 'first'", "0")
	for i := range 499 {
		l.as(all, 0, "EVAL", fmt.Sprintf("return %d", i), "0")
		if r, _ := l.as(all, 0, "EVALSHA", first, "0"); i%100 == 0 && text(r) != "first" {
			t.Fatalf("%d: %s", i, text(r))
		}
	}
	known := func(sha string) string {
		r, _ := l.as(all, 0, "SCRIPT", "EXISTS", sha)
		return text(r)
	}
	zero := machine.ScriptSHA([]byte("return 0"))
	if known(zero) != "[1]" {
		t.Error("one is gone too early")
	}
	l.as(all, 0, "EVAL", "return 'one more'", "0")
	if known(zero) != "[0]" || known(first) != "[1]" || known(text(loaded)) != "[1]" {
		t.Errorf("unused for longest: %s, used: %s, loaded: %s", known(zero), known(first), known(text(loaded)))
	}
	s, err := l.m.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	var stream []byte
	for done := false; !done; {
		var chunk []byte
		chunk, done = s.Next(1 << 10)
		stream = append(stream, chunk...)
	}
	second := machine.New(Parse)
	if err := second.Restore(bytes.NewReader(stream)); err != nil || second.Hash() != l.m.Hash() || second.Bytes() != l.m.Bytes() {
		t.Fatalf("restored: %v, %d bytes, had %d", err, second.Bytes(), l.m.Bytes())
	}
	l.agrees()
	l.m = second
	if r, _ := l.as(all, 0, "EVALSHA", strings.ToUpper(text(loaded)), "0"); text(r) != "loaded" {
		t.Errorf("after a restart: %s", text(r))
	}
	before := l.m.Bytes()
	if l.as(all, 0, "SCRIPT", "FLUSH"); l.m.Bytes() >= before || known(text(loaded)) != "[0]" {
		t.Error("SCRIPT FLUSH leaves some")
	}
}

// TestReadsLeaveNoScript: what does not go through the log changes nothing.
func TestReadsLeaveNoScript(t *testing.T) {
	l := &lab{t: t, m: machine.New(Parse)}
	before := l.m.Hash()
	if r, _ := l.as(who(t, everything), 0, "EVAL_RO", "return redis.call('get', 'a') or 'none'", "0"); text(r) != "none" || l.m.Hash() != before {
		t.Errorf("%s", text(r))
	}
}

// TestMalformedScriptsOfTheLog are errors, not panics.
func TestMalformedScriptsOfTheLog(t *testing.T) {
	for _, words := range [][]string{
		{}, {"1"}, {"1", "1", ""}, {"1", "1", "", "GET", "a"}, {"x", "1", "", "EVAL", "x", "0"}, {"1", "", "", "EVAL", "x", "0"}, {"1", "1", "{", "EVAL", "x", "0"}, {"1", "1", "", "EVAL", "x", "5"}, {"1", "1", "", "NONSENSE"},
	} {
		if _, err := Parse(argv(append([]string{scriptName}, words...)...)); err == nil {
			t.Errorf("%q is a script", words)
		}
	}
}
