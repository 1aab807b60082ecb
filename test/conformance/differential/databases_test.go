package differential

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// databaseCases stand in an order, as edgeCases do.
var databaseCases = []string{
	"SELECT", "SELECT 0 1", "SELECT x", "SELECT 1.0", "SELECT -1", "SELECT 16", "SELECT 15", "SELECT 2147483648", "SELECT 99999999999", "SELECT 99999999999999999999", "SELECT 01",
	"SET last 1", "DBSIZE", "SELECT 0", "DBSIZE", "GET last", "EXISTS last", "KEYS *", "RANDOMKEY", "SCAN 0",
	// MOVE.
	"SET a 1 PX 1000000", "RPUSH l 1 2 3", "XADD x 1-1 f v", "XGROUP CREATE x g 0", "XREADGROUP GROUP g c STREAMS x >", "MOVE", "MOVE a", "MOVE a 1 2", "MOVE a x", "MOVE a 16", "MOVE a -1", "MOVE a 0", "MOVE none 1", "MOVE none 0", "MOVE none 16", "MOVE a 99999999999",
	"MOVE a 1", "MOVE a 1", "MOVE l 1", "MOVE x 1", "DBSIZE", "TTL a", "SELECT 1", "TTL a", "GET a", "LRANGE l 0 -1", "XPENDING x g", "XINFO GROUPS x", "SET a 2", "SELECT 0", "SET a 3", "MOVE a 1", "GET a", "SELECT 1", "GET a", "MOVE a 0", "DEL a", "MOVE a 0",
	// COPY.
	"COPY l l", "COPY l l DB 1", "COPY l l DB 2", "COPY l l DB 2", "COPY l l DB 2 REPLACE", "COPY l m DB 2 DB 3", "COPY l l DB 16", "COPY l l DB -1", "COPY l l DB x", "COPY l l DB", "COPY none l DB 2", "COPY l l DB 99999999999", "COPY l l nonsense DB 16", "SELECT 2", "KEYS *", "LRANGE l 0 -1", "RPUSH l 4", "SELECT 1", "LRANGE l 0 -1", "SELECT 3", "LRANGE m 0 -1",
	// SWAPDB.
	"SWAPDB", "SWAPDB 1", "SWAPDB 1 2 3", "SWAPDB x 1", "SWAPDB 1 x", "SWAPDB x y", "SWAPDB 16 x", "SWAPDB 1 16", "SWAPDB -1 1", "SWAPDB 99999999999 1", "SWAPDB 1 99999999999", "SWAPDB 1 1", "SWAPDB 16 16",
	"SELECT 1", "SET here 1 PX 1000000", "SWAPDB 1 2", "DBSIZE", "EXISTS here", "SELECT 2", "DBSIZE", "TTL here", "SWAPDB 2 1", "EXISTS here", "SELECT 1", "TTL here", "SWAPDB 1 9", "DBSIZE", "SWAPDB 0 9", "SELECT 0", "TTL here", "KEYS *",
	// Flushing.
	"FLUSHDB", "DBSIZE", "SELECT 2", "DBSIZE", "SELECT 15", "GET last", "SELECT 3", "FLUSHDB ASYNC", "DBSIZE", "SELECT 2", "DBSIZE", "SELECT 8", "FLUSHALL", "SELECT 15", "DBSIZE", "SELECT 2", "DBSIZE",
	// Within scripts.
	`EVAL "return redis.call('select', 16)" 0`, `EVAL "return redis.call('select', 'x')" 0`, `EVAL "return redis.call('select')" 0`, `EVAL "redis.call('set', 'k', 'two') redis.call('select', 3) redis.call('set', 'k', 'three') return {redis.call('get', 'k'), redis.call('select', 2), redis.call('get', 'k')}" 0`,
	"GET k", "SELECT 3", "GET k", `EVAL "redis.call('select', 2) return redis.call('move', 'k', 4)" 0`, `EVAL "redis.call('swapdb', 3, 4) return redis.call('get', 'k')" 0`, "GET k", "SELECT 4", "GET k", `EVAL "return redis.call('copy', 'k', 'k', 'DB', 5)" 0`, `EVAL "redis.call('select', 5) return redis.call('dbsize')" 0`, `EVAL "redis.call('select', 5) redis.call('flushdb') return redis.call('dbsize')" 0`,
	`EVAL_RO "redis.call('select', 4) return redis.call('get', 'k')" 0`, `EVAL_RO "return redis.call('move', 'k', 5)" 0`, `EVAL "redis.call('select', 9) return redis.error_reply('MY error')" 0`, "GET k", `EVAL "redis.call('flushall') return redis.call('dbsize')" 0`, "SELECT 4", "DBSIZE",
	// What is told of the commands.
	"COMMAND GETKEYS MOVE a 1", "COMMAND GETKEYS COPY a b DB 1", "COMMAND GETKEYS SWAPDB 1 2",
}

// TestDatabases: commands about databases, and what each holds, are redis-server's.
func TestDatabases(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		p.script(databaseCases...)
		p.script("SELECT 1", "SET gone 1 PX 20", "SELECT 0", "SET gone 2", "MOVE gone 1")
		time.Sleep(50 * time.Millisecond) // it makes room
		p.script("MOVE gone 1", "EXISTS gone", "SELECT 1", "GET gone", "TTL gone")
		p.compareState()
		p.ours.checkReplay()
	})
	wholeEngine(t, func(t *testing.T, p *pair) {
		p.script(databaseCases...)
		p.script("CONFIG GET databases", "MULTI", "SET t 1", "SELECT 7", "SET t 2", "MOVE t 8", "SELECT 8", "GET t", "SWAPDB 8 9", "GET t", "SELECT 9", "GET t", "SELECT x", "SELECT 16", "KEYS *", "EXEC", "GET t", "DBSIZE",
			"MULTI", "SELECT 1", "DISCARD", "GET t", "MULTI", "SELECT 1", "SELECT", "EXEC", "GET t", "MULTI", "FLUSHALL", "SELECT 2", "SET a 1", "EXEC", "KEYS *")
		p.compareState()
		p.script("SELECT 3", "SET a 1 PX 1000000", "SET b 1 PX 1000000", "SET c 1", "SELECT 15", "SET a 1", "SELECT 0", "SET a 1", "SELECT 4", "SET a 1", "DEL a")
		want, got := p.theirs.do(args("INFO", "keyspace")), p.ours.do(args("INFO", "keyspace"))
		average := regexp.MustCompile(`avg_ttl=\d+`)
		if mask := func(b []byte) string { return average.ReplaceAllString(afterHead(b), "avg_ttl=") }; mask(want) != mask(got) || !strings.Contains(string(got), "db3:keys=3,expires=2,avg_ttl=99") {
			t.Errorf("redis-server: %q\ncoffer:       %q", want, got)
		}
	})
}

// afterHead is a reply without its length.
func afterHead(raw []byte) string {
	_, text, _ := strings.Cut(string(raw), "\r\n")
	return text
}

// databaseSteps are lines of several connections, as blockingSteps are.
var databaseSteps = []string{
	// What is watched in one database, and what happens in others.
	"0: SET a 1", "0: WATCH a", "1: SELECT 1", "1: SET a 2", "0: MULTI", "0: GET a", "0: EXEC", "0: SELECT 1", "0: WATCH a", "0: SELECT 2", "0: WATCH a", "1: SET a 3", "0: MULTI", "0: GET a", "0: EXEC", "0: WATCH a", "1: SET a 4", "0: MULTI", "0: SELECT 1", "0: GET a", "0: EXEC", "0: GET a",
	"0: SELECT 2", "0: WATCH a", "1: SWAPDB 1 2", "0: MULTI", "0: GET a", "0: EXEC", "0: WATCH a", "1: SWAPDB 2 3", "0: MULTI", "0: GET a", "0: EXEC", "0: WATCH a", "1: SWAPDB 2 4", "0: MULTI", "0: GET a", "0: EXEC", "0: WATCH none", "1: SWAPDB 2 3", "0: MULTI", "0: GET a", "0: EXEC",
	"0: WATCH a", "1: SWAPDB 2 2", "0: MULTI", "0: GET a", "0: EXEC", "0: WATCH a", "1: SWAPDB 3 4", "0: MULTI", "0: GET a", "0: EXEC", "1: SELECT 2", "0: WATCH a", "1: MOVE a 5", "0: MULTI", "0: EXEC", "0: WATCH a", "1: SELECT 5", "1: MOVE a 2", "0: MULTI", "0: EXEC", "0: WATCH a", "1: FLUSHDB", "0: MULTI", "0: GET a", "0: EXEC", "0: WATCH a", "1: FLUSHALL", "0: MULTI", "0: EXEC",
	"0: SET e 1 PX 20", "0: WATCH e", "1: SELECT 3", "pause", "1: SWAPDB 2 3", "0: MULTI", "0: EXEC", "1: FLUSHALL", "1: SET e 1 PX 20", "0: WATCH e", "pause", "1: SWAPDB 2 3", "0: MULTI", "0: PING", "0: EXEC", "1: FLUSHALL",
	// What waits in one database.
	"0> BLPOP a b 0", "1: SELECT 0", "1: RPUSH a 0", "1: SELECT 2", "1: RPUSH a 2 3", "0<", "1: LRANGE a 0 -1", "0> BLPOP b 0", "1: SELECT 0", "1: RPUSH b x", "1: MOVE b 2", "0<", "0> BLPOP b 0", "1: COPY a b DB 2", "0<", "0> BLPOP b 0", "pause", "1: RPUSH b y z", "1: SWAPDB 0 2", "0<", "1: SELECT 2", "1: LRANGE b 0 -1", "1: FLUSHALL",
	"0> BLPOP a 0", "2: SELECT 3", "2> BLPOP a 0", "pause", "1: SELECT 4", "1: RPUSH a 1 2", "1: SWAPDB 4 3", "2<", "1: SWAPDB 3 2", "0<", "1: FLUSHALL", "0> BLMOVE a b LEFT RIGHT 0", "pause", "1: SELECT 2", "2> BLPOP b 0", "pause", "1: RPUSH a x", "0<", "1: LRANGE b 0 -1", "1: SELECT 3", "1: RPUSH b y", "2<", "1: FLUSHALL",
	"0> BZPOPMIN z 0", "pause", "1: ZADD z 1 m", "1: MOVE z 2", "0<", "0: XGROUP CREATE x g $ MKSTREAM", "0> XREADGROUP GROUP g c BLOCK 0 STREAMS x >", "pause", "1: SWAPDB 2 3", "0<", "1: FLUSHALL", "0> XREAD BLOCK 0 STREAMS x 0", "pause", "1: XADD x 1-1 f v", "1: SWAPDB 3 2", "0<", "1: FLUSHALL",
	"0> BLPOP a 0", "pause", "1: MULTI", "1: SELECT 2", "1: RPUSH a x", "1: EXEC", "0<", "0> BLPOP a 0", "pause", `1: EVAL "redis.call('select', 2) return redis.call('rpush', 'a', 'y')" 0`, "0<", "0> BLPOP a 0.02", "0<", "1: KEYS *",
}

// TestDatabasesOfConnections compares what those hear who watch and wait in one
// database while others change another.
func TestDatabasesOfConnections(t *testing.T) {
	for _, proto := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", proto), func(t *testing.T) {
			theirs, ours := chats(t, proto)
			for i, step := range databaseSteps {
				want, got := theirs.step(t, step), ours.step(t, step)
				if want != got {
					t.Fatalf("step %d: %s\nredis-server: %q\ncoffer:       %q\nbefore it: %q", i, step, want, got, databaseSteps[max(0, i-8):i])
				}
			}
		})
	}
}
