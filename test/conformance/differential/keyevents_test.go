package differential

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/fixture/commands"
)

// toldSteps are what a connection does while another one listens: every event
// that there is, and commands that raise none.
var toldSteps = strings.Split(strings.TrimSpace(`
SET a 1
SET a 2 EX 100
SET a 3 NX
SET n 3 NX PX 100000 GET
SET a 4 XX KEEPTTL
SETEX b 100 v
PSETEX b 100000 v
SETNX b w
SETNX c w
GETSET c v
MSET a 1 d 2 a 3
MSETNX a 1 e 2
MSETNX e 1 f 2
INCR a
DECRBY a 3
INCRBYFLOAT a 1.5
INCR nothing
APPEND a x
APPEND new x
SETRANGE new 5 yy
SETRANGE new 5 ""
SETBIT bits 7 1
SETBIT bits 7 1
SETBIT bits 70 0
BITFIELD bits SET u8 0 255 INCRBY u8 0 1 GET u8 0
BITFIELD bits SET u8 0 0 SET u8 0 0
BITFIELD bits GET u8 0
BITFIELD bits OVERFLOW FAIL INCRBY u2 0 100
BITFIELD fresh OVERFLOW FAIL INCRBY u2 0 100
BITOP NOT noted bits
BITOP AND noted none nor
BITOP AND noted none nor
PFADD hll a b c
PFADD hll a
PFADD hll2
PFCOUNT hll
PFMERGE hll hll2
PFMERGE hll3 hll
GETDEL c
GETDEL c
GETEX d EX 100
GETEX d PERSIST
GETEX d PERSIST
GETEX d PXAT 1
GETEX d
EXPIRE a 100
EXPIRE a 50 GT
PEXPIRE a 100000
EXPIREAT a 99999999999
PERSIST a
PERSIST a
EXPIRE a -1
EXPIRE a 10
PEXPIREAT b 1
SET a 1
SET b 2 EX 100
RENAME a a
RENAME a b
RENAME none b
RENAMENX b other
RENAMENX other other
COPY other copied
COPY other copied
COPY other copied REPLACE
COPY none copied
DEL other copied none
UNLINK e f e
LPUSH l a b c
RPUSH l d
LPUSHX l x
RPUSHX none x
LINSERT l BEFORE b y
LINSERT l AFTER none y
LSET l 0 z
LSET l 99 z
LREM l 0 y
LREM l 0 y
LTRIM l 0 3
LTRIM l 0 -1
LPOP l
RPOP l 1
LPOP l 0
LMOVE l m LEFT RIGHT
LMOVE l m LEFT RIGHT
LMOVE m m LEFT RIGHT
RPOPLPUSH m m
RPOPLPUSH m l
LMPOP 2 none m LEFT COUNT 10
BLPOP l 1
RPUSH l 1 2 3
BRPOP l 1
BLMOVE l m LEFT LEFT 1
BLMPOP 1 2 m l LEFT
LTRIM l 5 9
LREM l 0 1
RPUSH one 1
LREM one 0 1
SADD s a b c
SADD s a
SREM s a z
SREM s z
SMOVE s t b
SMOVE s t b
SMOVE s s c
SADD t c
SMOVE s t c
SADD s a b
SPOP s 1
SPOP s 0
SPOP s 5
SADD s a b
SINTERSTORE into s t
SUNIONSTORE into s t
SDIFFSTORE into s s
SDIFFSTORE into s s
SREM s a b
HSET h f v g w
HSET h f v
HMSET h f x
HSETNX h f x
HSETNX h i x
HINCRBY h n 1
HINCRBYFLOAT h n 1.5
HINCRBY h f 1
HDEL h zz
HDEL h f g i n
ZADD z 1 a 2 b 3 c 4 d
ZADD z 1 a
ZADD z XX 5 nobody
ZADD none XX 5 nobody
ZADD z CH 9 a
ZADD z INCR 1 a
ZADD z NX INCR 1 a
ZINCRBY z 0 a
ZINCRBY z 2 a
ZREM z nobody
ZREM z a
ZPOPMIN z
ZPOPMAX z 1
ZPOPMAX z 0
ZPOPMAX z 9
ZADD z 1 a 2 b 3 c 4 d 5 e 6 f
ZRANGESTORE zr z 0 1
ZRANGESTORE zr z 90 91
ZRANGESTORE zr z 90 91
ZUNIONSTORE zu 2 z zr
ZINTERSTORE zu 2 z zr
ZINTERSTORE zu 2 z zr
ZDIFFSTORE zu 1 z
ZREMRANGEBYRANK z 0 0
ZREMRANGEBYRANK z 90 90
ZREMRANGEBYSCORE z 2 2
ZREMRANGEBYLEX zu [a [a
ZREMRANGEBYLEX zu - +
ZMPOP 1 z MIN
BZPOPMIN z 1
BZPOPMAX z 1
BZMPOP 1 1 z MAX COUNT 9
GEOADD geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
GEOSEARCHSTORE near geo FROMLONLAT 15 37 BYRADIUS 200 km
GEOSEARCHSTORE near geo FROMLONLAT 0 0 BYRADIUS 1 m
GEORADIUS geo 15 37 200 km STORE near
GEORADIUS geo 0 0 1 m STORE near
XADD x 1-1 f v
XADD x 2-1 f v
XADD x MAXLEN = 2 3-1 f v
XADD x MAXLEN = 9 4-1 f v
XADD none NOMKSTREAM 1-1 f v
XDEL x 2-1
XDEL x 9-9 1-2
XTRIM x MAXLEN = 1
XTRIM x MAXLEN = 1
XSETID x 9-0
XGROUP CREATE x g 0
XGROUP CREATE x g 0
XGROUP CREATE made g $ MKSTREAM
XGROUP SETID x g 1-0
XGROUP CREATECONSUMER x g bob
XGROUP CREATECONSUMER x g bob
XREADGROUP GROUP g alice STREAMS x >
XREADGROUP GROUP g alice STREAMS x >
XREADGROUP GROUP g carol STREAMS x 0
XCLAIM x g dave 0 4-1
XCLAIM x g dave 0 4-1 JUSTID
XAUTOCLAIM x g erin 0 0
XAUTOCLAIM x g erin 0 0
XACK x g 4-1
XGROUP DELCONSUMER x g bob
XGROUP DELCONSUMER x g bob
XGROUP DESTROY x g
XGROUP DESTROY x g
RPUSH numbers 3 1 2
SORT numbers STORE sorted
SORT numbers LIMIT 9 9 STORE sorted
SORT numbers LIMIT 9 9 STORE sorted
GET numbers
LPUSH hll3 x
MULTI | SET in 1 | LPUSH in x | DEL in | EXEC
EVAL "redis.call('SET', KEYS[1], 'x'); redis.call('EXPIRE', KEYS[1], 100); redis.pcall('LPUSH', KEYS[1], 'x'); return redis.call('DEL', KEYS[1])" 1 byscript
SET gone 1 EX 100
FLUSHDB
SET z 1
FLUSHALL
SET moved 1
MOVE moved 0
MOVE moved 2
MOVE none 2
SELECT 2
MOVE moved 1
SET moved 1
MOVE moved 1
COPY moved moved DB 1
COPY moved moved DB 1 REPLACE
COPY moved fresh DB 3
SWAPDB 1 2
DEL moved
MULTI | SELECT 1 | SET a 1 | SELECT 3 | DEL fresh | EXEC
EVAL "redis.call('select', 5); redis.call('set', 'k', 'v'); return redis.call('move', 'k', 6)" 0
SELECT 0
FLUSHALL
SET "" 1
DEL ""
`), "\n")

// listening are chats in which connection 0 is told of these events.
func listening(t *testing.T, events string, proto int) (theirs, ours *chat) {
	t.Helper()
	theirs, ours = chats(t, proto)
	theirs.of[1].do(args("CONFIG", "SET", "notify-keyspace-events", events))
	ours.events(t, events)
	get := args("CONFIG", "GET", "notify-keyspace-events")
	want := string(theirs.of[1].do(get))
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := string(ours.of[1].do(get))
		if got == want {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("events %s: redis-server has %q, coffer %q", events, want, got)
		}
	}
	for _, c := range []*chat{theirs, ours} {
		c.hear(t, 0, "PSUBSCRIBE __key*")
	}
	return theirs, ours
}

// events has the engine tell of these, as an operator does: by the settings file.
func (c *chat) events(t *testing.T, events string) {
	t.Helper()
	path := filepath.Join(c.dir, "users", "settings.json")
	err := os.WriteFile(path+".new", fmt.Appendf(nil, `{"version": 1, "revision": "r", "keyspaceEvents": %q}`, events), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// compare says the line on connection 1 of both and compares what both hear. Of
// several commands only the last one's answer is waited for.
func compare(t *testing.T, theirs, ours *chat, line string) {
	t.Helper()
	lines := strings.Split(line, " | ")
	for _, c := range []*chat{theirs, ours} {
		for _, early := range lines[:len(lines)-1] {
			c.of[1].send(split(early))
		}
	}
	last := lines[len(lines)-1]
	want, got := theirs.hear(t, 1, last), ours.hear(t, 1, last)
	if want[0] != got[0] {
		t.Fatalf("of %s a listener hears\nredis-server: %q\ncoffer:       %q", line, want[0], got[0])
	}
}

// TestKeyspaceEvents compares what is told of every kind of change, and its order.
func TestKeyspaceEvents(t *testing.T) {
	for name, c := range map[string]struct {
		events string
		proto  int
	}{"all": {"KEAn", 2}, "all, RESP3": {"KEAn", 3}, "of keys": {"Klzg", 2}, "of events": {"E$stn", 2}, "of hashes": {"KEh", 3}} {
		t.Run(name, func(t *testing.T) {
			theirs, ours := listening(t, c.events, c.proto)
			for _, line := range toldSteps {
				compare(t, theirs, ours, line)
			}
		})
	}
}

// TestKeyspaceEventsOfRandomCommands compares those of commands of all kinds.
func TestKeyspaceEventsOfRandomCommands(t *testing.T) {
	theirs, ours := listening(t, "KEAn", 2)
	const seed, count = 11, 6000
	t.Logf("seed %d", seed)
	g := &commands.Generator{Rand: rand.New(rand.NewPCG(seed, seed)), Keys: generatedKeys}
	for range count {
		var words []string
		for _, arg := range g.Command() {
			words = append(words, fmt.Sprintf("%q", arg))
		}
		compare(t, theirs, ours, strings.Join(words, " "))
	}
}

// TestKeyspaceEventsOfExpiry: that a key has expired is told once it is removed,
// by whatever removes it.
func TestKeyspaceEventsOfExpiry(t *testing.T) {
	theirs, ours := listening(t, "KEAn", 2)
	for _, line := range []string{"HSET h f v", "PEXPIRE h 1500", "SET a 1 PX 1600"} {
		compare(t, theirs, ours, line)
	}
	for _, c := range []*chat{theirs, ours} {
		heard := ""
		for end := time.Now().Add(10 * time.Second); strings.Count(heard, "expired") < 4; time.Sleep(10 * time.Millisecond) {
			if c == theirs {
				c.of[1].do(args("EXISTS", "h"))
				c.of[1].do(args("EXISTS", "a"))
			}
			heard += strings.ReplaceAll(c.drain(t, 0), "*2\r\n$4\r\npong\r\n$6\r\nmark-0\r\n", "")
			if time.Now().After(end) {
				t.Fatalf("not told that keys have expired: %q", heard)
			}
		}
		h, a := told("__keyspace@0__:h", "expired")+told("__keyevent@0__:expired", "h"), told("__keyspace@0__:a", "expired")+told("__keyevent@0__:expired", "a")
		if heard != h+a && (heard != a+h || c == ours) { // ours goes by their deadlines
			t.Fatalf("heard %q, want %q", heard, h+a)
		}
	}
}

func told(channel, message string) string {
	return fmt.Sprintf("*4\r\n$8\r\npmessage\r\n$6\r\n__key*\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(channel), channel, len(message), message)
}
