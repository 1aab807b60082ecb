package differential

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/fixture/devengine"
)

const enableDebug = "--enable-debug-command"

// withDebug runs a test in each protocol against servers that allow DEBUG.
func withDebug(t *testing.T, test func(t *testing.T, p *pair)) {
	for _, proto := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", proto), func(t *testing.T) {
			test(t, &pair{t: t, theirs: startRedis(t, proto, enableDebug, "yes", "--appendonly", "yes"), ours: startEngine(t, proto, enableDebug)})
		})
	}
}

func TestDebug(t *testing.T) {
	withDebug(t, func(t *testing.T, p *pair) {
		p.script("DEBUG", "DEBUG nonsense", "DEBUG SLEEP", "DEBUG SLEEP 0", "DEBUG sleep -1", "DEBUG SLEEP x", "DEBUG SLEEP 0.001", "DEBUG SLEEP 1 2",
			"DEBUG OBJECT missing", "DEBUG OBJECT", "DEBUG OBJECT a b", "DEBUG SET-ACTIVE-EXPIRE", "DEBUG SET-ACTIVE-EXPIRE 0 1", "DEBUG HELP x", "DEBUG PROTOCOL", "DEBUG PROTOCOL x", "DEBUG PROTOCOL a b",
			"COMMAND GETKEYS DEBUG OBJECT a", "COMMAND INFO DEBUG", "CONFIG GET enable-debug-command", `EVAL "return redis.call('debug','sleep','0')" 0`)
		for _, kind := range strings.Fields("string integer double bignum null array set map attrib verbatim true false TRUE push") {
			p.script("DEBUG PROTOCOL " + kind)
		}
		if strings.HasSuffix(t.Name(), "RESP3") { // behind the push comes what a client waits for
			if want, got := p.theirs.receive(nil), p.ours.(engine).receive(nil); string(want) != string(got) {
				t.Fatalf("behind the push: %q and %q", want, got)
			}
		}
	})
}

// debugged is what DEBUG OBJECT tells of where and when, how much, and of the nodes
// of a list.
var debugged = regexp.MustCompile(`at:\S+|length:\d+|lru:\d+| ql_.*\d`)

func TestDebugObject(t *testing.T) {
	withDebug(t, func(t *testing.T, p *pair) {
		p.script("SET s 12345", "SET t text", "RPUSH l a b", "SADD i 1 2", "SADD m a b", "HSET h f v", "ZADD z 1 a", "XADD x 1-1 f v")
		for _, key := range strings.Fields("s t l i h z x") {
			call := args("DEBUG", "OBJECT", key)
			want, got := p.theirs.do(call), p.ours.do(call)
			if mask := func(b []byte) string { return string(debugged.ReplaceAll(b, nil)) }; mask(want) != mask(got) {
				t.Errorf("%s\nredis-server: %q\ncoffer:       %q", key, want, got)
			}
		}
	})
}

// TestDebugReload: all is there behind it, and goes on; who watched a key cannot
// know that it is the same.
func TestDebugReload(t *testing.T) {
	withDebug(t, func(t *testing.T, p *pair) {
		p.random(3, 2000)
		p.script("SET watched v", "WATCH watched", "DEBUG RELOAD", "MULTI", "GET watched", "EXEC", "DEBUG LOADAOF", "DEBUG LOADAOF x")
		p.compareState()
		p.random(4, 500)
		p.script("DEBUG RELOAD")
		p.compareState()
	})
}

// TestDebugActiveExpire: an expired key that nobody asks for is counted until it is
// removed.
func TestDebugActiveExpire(t *testing.T) {
	withDebug(t, func(t *testing.T, p *pair) {
		p.script("DEBUG SET-ACTIVE-EXPIRE 0", "PSETEX gone 1 v")
		time.Sleep(500 * time.Millisecond)
		p.script("DBSIZE", "DEBUG SET-ACTIVE-EXPIRE 1")
		for end := time.Now().Add(10 * time.Second); string(p.ours.do(args("DBSIZE"))) != ":0\r\n"; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it is never removed")
			}
		}
	})
}

// TestDebugBesideOthers: who waits for data is served behind a reload, and everybody
// waits for the end of a sleep.
func TestDebugBesideOthers(t *testing.T) {
	dev := devengine.Start(t, devengine.Build(t), t.TempDir(), enableDebug)
	one, other := connectEngine(t, dev, 2), connectEngine(t, dev, 2)
	other.send(args("BLPOP", "list", "0"))
	time.Sleep(100 * time.Millisecond)
	for _, call := range []string{"DEBUG RELOAD", "DEBUG LOADAOF"} {
		if raw := one.do(split(call)); string(raw) != "+OK\r\n" {
			t.Fatalf("%s: %q", call, raw)
		}
	}
	one.do(args("RPUSH", "list", "a"))
	if raw := other.receive(args("BLPOP")); !strings.Contains(string(raw), "list") {
		t.Fatalf("who waits is answered %q", raw)
	}
	const sleep = 400 * time.Millisecond
	begin := time.Now()
	one.send(args("DEBUG", "SLEEP", "0.4"))
	time.Sleep(sleep / 4)
	if raw := other.do(args("PING")); string(raw) != "+PONG\r\n" || time.Since(begin) < sleep {
		t.Fatalf("another client is answered %q after %v", raw, time.Since(begin))
	}
	one.receive(args("DEBUG"))
	other.do(args("MULTI"))
	if raw := other.do(args("DEBUG", "SLEEP", "0")); !strings.HasPrefix(string(raw), "-ERR") {
		t.Fatalf("within a transaction: %q", raw)
	}
}

// TestDebugIsOff: redis-server's refusal, and what to do here.
func TestDebugIsOff(t *testing.T) {
	p := &pair{t: t, theirs: startRedis(t, 2), ours: startEngine(t, 2)}
	const refusal = "-ERR DEBUG command not allowed. "
	for _, call := range []string{"DEBUG SLEEP 0", "DEBUG nonsense", "DEBUG HELP", "DEBUG OBJECT a", "DEBUG RELOAD"} {
		for _, do := range []func([][]byte) []byte{p.theirs.do, p.ours.do} {
			if raw := do(split(call)); !strings.HasPrefix(string(raw), refusal) {
				t.Errorf("%s: %q", call, raw)
			}
		}
	}
	p.script("DEBUG", "CONFIG GET enable-debug-command")
}
