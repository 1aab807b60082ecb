package command

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

func argv(words ...string) [][]byte {
	out := make([][]byte, len(words))
	for i, w := range words {
		out[i] = []byte(w)
	}
	return out
}

func TestEveryRowIsWhole(t *testing.T) {
	check := func(c *Command) {
		if (c.Parse == nil) == (c.Run == nil) && c != Exec {
			t.Errorf("%s: exactly one of Parse and Run must be there", c.Name)
		}
		if docs[c.Name].summary == "" || docs[c.Name].since == "" || docs[c.Name].complexity == "" {
			t.Errorf("%s is not documented", c.Name)
		}
		if c.Arity == 0 || len(c.Categories) == 0 || c.Name != strings.ToLower(c.Name) {
			t.Errorf("%s: arity, categories or name", c.Name)
		}
		if (c.FirstKey != 0) != (len(c.uses) > 0) {
			t.Errorf("%s: what it does with its keys", c.Name)
		}
		if (c.FirstKey != 0 || c.Flags&MovableKeys != 0) != (len(c.searches) > 0) {
			t.Errorf("%s: how clients find its keys", c.Name)
		}
		if c.Flags&Write != 0 && (c.Flags&ReadOnly != 0 || c.Parse == nil) {
			t.Errorf("%s: a write goes through the log and is no read", c.Name)
		}
	}
	n := 0
	for _, c := range All() {
		check(c)
		n++
		for _, sub := range c.Subcommands {
			check(sub)
			n++
		}
	}
	if n != len(docs) {
		t.Errorf("%d commands, %d documented", n, len(docs))
	}
}

func TestLookupIgnoresASCIICaseOnly(t *testing.T) {
	for name, want := range map[string]bool{"get": true, "GET": true, "gEt": true, "\u212aeys": false, "": false, "get ": false, strings.Repeat("g", 99): false} {
		if got := Lookup([]byte(name)) != nil; got != want {
			t.Errorf("%q found: %v", name, got)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, tt := range []struct{ command, want string }{
		{"GET k", "k"}, {"MSET a 1 b 2", "a b"}, {"del a b c", "a b c"}, {"RENAME a b", "a b"},
		{"XADD s * f v", "s"}, {"SCAN 0", ""}, {"PING", ""}, {"SMISMEMBER s a b", "s"},
	} {
		call := argv(strings.Fields(tt.command)...)
		var names [][]byte
		for _, key := range Lookup(call[0]).AppendKeys(nil, call) {
			names = append(names, key.Name)
		}
		if got := string(bytes.Join(names, []byte(" "))); got != tt.want {
			t.Errorf("%s: keys %q, want %q", tt.command, got, tt.want)
		}
	}
}

// TestEveryKey: what these list, count or remove is more than any pattern of
// keys permits.
func TestEveryKey(t *testing.T) {
	var got []string
	for _, c := range All() {
		if access := c.EveryKey(); access != 0 {
			got = append(got, c.Name+map[acl.Access]string{acl.Read: "", acl.Write: "!"}[access])
		}
	}
	if want := "coffer.erase! dbsize flushall! flushdb! keys monitor randomkey scan swapdb!"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseInt(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "-1": -1, "9223372036854775807": 1<<63 - 1, "-9223372036854775808": -1 << 63} {
		if got, ok := parseInt([]byte(in)); !ok || got != want {
			t.Errorf("%q: %d, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "-9223372036854775809", "99999999999999999999", "1_0"} {
		if got, ok := parseInt([]byte(in)); ok {
			t.Errorf("%q was read as %d", in, got)
		}
	}
}

func TestFloat(t *testing.T) {
	for in, want := range map[string]string{
		"1": "1", "-0": "0", ".5": "0.5", "5.": "5", "1e2": "100", "1E-2": "0.01", "+3.50": "3.5", "0x10": "16", "-0x1.8p1": "-3",
		"1e17": "100000000000000000", "0.1": "0.1", "1e-30": "0",
	} {
		f, ok := parseFloat([]byte(in))
		if !ok || string(formatFloat(f)) != want {
			t.Errorf("%q: %v, %v; want %s", in, f, ok, want)
		}
	}
	for _, in := range []string{"", "nan", "1 ", " 1", "1e", "e1", ".", "--1", "1_0", "1e5000", "1e-5000", "1e99999999999", "0x", "0xg", "1p5", "infinite", strings.Repeat("1", 6000)} {
		if f, ok := parseFloat([]byte(in)); ok {
			t.Errorf("%.20q was read as %v", in, f)
		}
	}
}

// run resolves, parses and applies one command as the server does.
func run(m *machine.Machine, index *uint64, log *[][]byte, call [][]byte) (reply.Reply, bool) {
	c, err := Resolve(call)
	if err != nil {
		return fail(err), false
	}
	if c == Exec {
		return fail(textError("ERR EXEC without MULTI")), false
	}
	if c.Run != nil {
		return c.Run(&session{user: "default", proto: 2}, call), false
	}
	op, err := c.Parse(call)
	if err != nil {
		return fail(err), false
	}
	items := []machine.Item{{Op: op, Argv: call, Write: c.Flags&Write != 0}}
	now := int64(*index)*3 + 1_000_000
	if !items[0].Write {
		m.Read(items, now)
		return items[0].Reply, false
	}
	*index++
	*log = append(*log, machine.AppendBatch(nil, items, now, *index))
	m.Apply(*index, items, now, *index)
	return items[0].Reply, true
}

// TestRepliesEndWhereNobodyGetsThem: a reply that is larger than any connection
// may be sent is not built to its end.
func TestRepliesEndWhereNobodyGetsThem(t *testing.T) {
	m, index, log := machine.New(Parse), uint64(0), [][]byte(nil)
	for i := range 2000 {
		n := fmt.Sprint(i)
		run(m, &index, &log, argv("RPUSH", "list", n))
		run(m, &index, &log, argv("HSET", "hash", n, n))
		run(m, &index, &log, argv("ZADD", "zset", n, n))
		run(m, &index, &log, argv("SET", n, n))
		run(m, &index, &log, argv("SADD", "set", n))
		run(m, &index, &log, argv("XADD", "stream", "1-"+fmt.Sprint(i+1), "f", n))
	}
	for _, call := range [][][]byte{
		argv("KEYS", "*"), argv("SCAN", "0", "COUNT", "1000000"), argv("SMEMBERS", "set"),
		argv("LRANGE", "list", "0", "-1"), argv("HGETALL", "hash"), argv("HKEYS", "hash"), argv("HVALS", "hash"), argv("HSCAN", "hash", "0", "COUNT", "5000"),
		argv("HRANDFIELD", "hash", "2000"), argv("HRANDFIELD", "hash", "-2000", "WITHVALUES"), argv("ZRANGE", "zset", "0", "-1"), argv("ZRANGE", "zset", "0", "-1", "WITHSCORES"), argv("ZUNION", "2", "zset", "set"),
		argv("ZSCAN", "zset", "0", "COUNT", "5000"), argv("ZRANDMEMBER", "zset", "1999", "WITHSCORES"),
		argv("XRANGE", "stream", "-", "+"), argv("XREVRANGE", "stream", "+", "-"),
	} {
		m.MaxReply = 0
		if r, _ := run(m, &index, &log, call); r.Size() < 2000*32 {
			t.Errorf("%q: without a limit %d bytes", call, r.Size())
		}
		m.MaxReply = 4096
		if r, _ := run(m, &index, &log, call); r.Size() <= 4096 || r.Size() > 6000 {
			t.Errorf("%q: %d bytes, want few above the limit, which close the connection", call, r.Size())
		}
	}
}

// TestDescriptionsAreShared: two megabytes of COMMAND INFO became three
// gigabytes of reply.
func TestDescriptionsAreShared(t *testing.T) {
	for _, sub := range []string{"INFO", "DOCS"} {
		call := argv("COMMAND", sub)
		for range 1000 {
			call = append(call, []byte("client"))
		}
		c, err := Resolve(call)
		if err != nil {
			t.Fatal(err)
		}
		if got := testing.AllocsPerRun(5, func() { c.Run(&session{}, call) }); got > 10_000 {
			t.Errorf("COMMAND %s: %.0f allocations for 1000 names", sub, got)
		}
	}
}

func FuzzCommands(f *testing.F) {
	for _, c := range All() {
		words := []string{c.Name}
		for i := 1; i < max(c.Arity, -c.Arity); i++ {
			words = append(words, fmt.Sprint(i))
		}
		f.Add([]byte(strings.Join(words, " ") + "\nXADD s * f v\nSADD 1 a b\nSET 1 EX 5"))
	}
	f.Add([]byte("XADD s MAXLEN ~ 5 LIMIT 3 5-* f v\nXREVRANGE s + (4-1 COUNT 2\nINCRBYFLOAT f 0x1p3\nSET k v XX GET PXAT 12345678"))
	f.Fuzz(func(t *testing.T, script []byte) {
		live, index, log := machine.New(Parse), uint64(0), [][]byte(nil)
		for _, line := range bytes.Split(script, []byte("\n")) {
			call := bytes.Split(line, []byte(" "))
			if len(call) > 2 && bytes.Contains(bytes.ToLower(call[0]), []byte("rand")) {
				call[2] = call[2][:min(len(call[2]), 6)] // nor do as many copies of an element
			}
			if len(call) > 3 && (bytes.EqualFold(call[0], []byte("setrange")) || bytes.EqualFold(call[0], []byte("setbit"))) {
				call[2] = call[2][:min(len(call[2]), 6)] // half a GiB proves nothing
			}
			if bytes.EqualFold(call[0], []byte("bitfield")) {
				for i := range call {
					call[i] = call[i][:min(len(call[i]), 8)]
				}
			}
			before := live.Hash()
			r, wrote := run(live, &index, &log, call)
			if r.IsError() && bytes.ContainsAny(r.Str, "\r\n") {
				t.Fatalf("%q: an error of several lines: %q", call, r.Str)
			}
			if !wrote && live.Hash() != before {
				t.Fatalf("%q is no write and changed the state", call)
			}
		}
		replayed := machine.New(Parse)
		for i, data := range log {
			if err := replayed.Replay(uint64(i+1), data); err != nil {
				t.Fatal(err)
			}
		}
		if replayed.Hash() != live.Hash() {
			t.Fatal("the replayed log leads to another state")
		}
	})
}

// TestSnapshotAndLogEqualLog restores a snapshot taken in the middle, replays
// what came after, and must arrive where the live machine is.
func TestSnapshotAndLogEqualLog(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	live, index, log := machine.New(Parse), uint64(0), [][]byte(nil)
	random := func() {
		key, n := fmt.Sprint(r.IntN(300)), fmt.Sprint(r.IntN(50))
		calls := []string{"SADD s" + key + " " + n, "SREM s" + key + " " + n, "SET k" + key + " " + n + " PX " + n + "00", "INCR n" + key, "APPEND k" + key + " x",
			"XADD x" + key + " MAXLEN ~ 20 * f " + n, "XDEL x" + key + " " + n, "DEL k" + key, "RENAME k" + key + " k" + n, "PEXPIRE s" + key + " " + n}
		run(live, &index, &log, argv(strings.Fields(calls[r.IntN(len(calls))])...))
	}
	for range 3000 {
		random()
	}
	snapshot, err := live.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	var stream []byte
	for {
		chunk, done := snapshot.Next(512)
		stream = append(stream, chunk...)
		if done {
			break
		}
		random()
	}
	restored := machine.New(Parse)
	if err := restored.Restore(bytes.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	if restored.Index() >= index {
		t.Fatal("nothing was written while the snapshot ran")
	}
	for i := restored.Index(); i < index; i++ {
		if err := restored.Replay(i+1, log[i]); err != nil {
			t.Fatal(err)
		}
	}
	if restored.Hash() != live.Hash() {
		t.Fatal("snapshot and log lead to another state than the log")
	}
}
