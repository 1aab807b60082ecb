package differential

import (
	"fmt"
	"strings"
	"testing"
)

// trackingSteps are said on one of four connections: 0 keeps what it reads, 1
// writes, 2 and 3 stand in for 0. #2 is the ID of connection 2.
var trackingSteps = []struct {
	on   int
	line string
}{
	{0, "CLIENT TRACKING"}, {0, "CLIENT TRACKING maybe"}, {0, "CLIENT TRACKING ON nonsense"}, {0, "CLIENT TRACKING OFF"}, {0, "CLIENT TRACKINGINFO"}, {0, "CLIENT GETREDIR"},
	{0, "CLIENT CACHING YES"}, {0, "CLIENT CACHING"}, {0, "CLIENT TRACKING ON PREFIX a"}, {0, "CLIENT TRACKING ON BCAST OPTIN"}, {0, "CLIENT TRACKING ON OPTIN OPTOUT"},
	{0, "CLIENT TRACKING ON REDIRECT"}, {0, "CLIENT TRACKING ON REDIRECT x"}, {0, "CLIENT TRACKING ON REDIRECT 99999"}, {0, "CLIENT TRACKING ON REDIRECT #2 REDIRECT #2"},
	{0, "CLIENT TRACKING ON BCAST PREFIX a PREFIX ab"}, {0, "CLIENT TRACKINGINFO"},

	{0, "CLIENT TRACKING ON"}, {0, "CLIENT TRACKINGINFO"}, {0, "CLIENT GETREDIR"}, {0, "CLIENT CACHING YES"}, {0, "CLIENT CACHING maybe"}, {0, "CLIENT TRACKING ON BCAST"},
	{0, "GET k"}, {1, "SET k 1"}, {1, "SET k 2"}, {0, "GET k"}, {1, "EXPIRE k 100"}, {0, "GET k"}, {1, "PERSIST k"}, {0, "GET k"}, {1, "PERSIST k"}, {1, "DEL k"}, {1, "DEL k"},
	{0, "MGET a b a"}, {1, "MSET a 1 b 2 c 3"}, {0, "GET a"}, {0, "SET a mine"}, {0, "STRLEN a"}, {0, "APPEND a x"}, {0, "GET a"}, {0, "TYPE nothing"}, {1, "FLUSHALL"}, {1, "SET a 1"},
	{0, "HGETALL h"}, {1, "HSET h f v"}, {0, "HGET h f"}, {1, "HDEL h f"}, {0, "EXISTS l"}, {1, "RPUSH l 1 2"}, {0, "LRANGE l 0 -1"}, {1, "LPOP l"}, {0, "LRANGE l 0 -1"}, {1, "LMOVE l l LEFT LEFT"},
	{0, "GET a"}, {1, "RENAME a b"}, {0, "GET b"}, {1, "COPY b a"}, {0, "GET a"}, {1, "RENAME b a"}, {0, "SMEMBERS a"}, {1, "SET a 2"}, {0, "XRANGE x - +"}, {1, "XADD x 1-1 f v"},
	{0, "MULTI | GET a | GET b | SET c 1 | EXEC"}, {1, "MSET a 1 b 2"}, {0, "MULTI | GET a | DISCARD"}, {1, "SET a 4"},
	{0, `EVAL "return redis.call('GET', KEYS[1])" 2 a b`}, {1, "SET b 1"}, {1, "SET a 5"}, {0, "EVAL_RO \"return redis.call('GET', KEYS[1])\" 1 a"}, {1, "SET a 6"},
	{0, "GET a"}, {1, "MULTI | SET a 1 | SET a 2 | EXEC"}, {0, "GET a"}, {1, `EVAL "redis.call('SET', KEYS[1], 1); return 1" 1 a`},
	{0, "GET e"}, {1, "SET e 1 EX 100"}, {0, "GET e"}, {1, "PEXPIRE e -1"}, {0, "SUBSCRIBE ch"}, {0, "UNSUBSCRIBE ch"},

	{0, "CLIENT TRACKING ON NOLOOP"}, {0, "CLIENT TRACKINGINFO"}, {0, "GET k"}, {0, "SET k 1"}, {0, "GET k"}, {1, "SET k 2"}, {0, "GET k"}, {1, "SET k 3"}, {0, "GET k"}, {0, "FLUSHDB"},
	{0, "CLIENT TRACKING ON OPTIN"}, {0, "GET k"}, {1, "SET k 1"}, {0, "CLIENT CACHING NO"}, {0, "CLIENT CACHING YES | CLIENT TRACKINGINFO | GET k"}, {0, "GET j"}, {1, "SET j 1"}, {1, "SET k 1"},
	{0, "CLIENT CACHING YES | MULTI | GET k | GET j | EXEC"}, {0, "GET i"}, {1, "SET i 1"}, {1, "SET j 1"}, {1, "SET k 1"}, {0, "CLIENT CACHING YES | PING | GET k"}, {1, "SET k 1"}, {0, "CLIENT TRACKING ON OPTOUT"},
	{0, "CLIENT TRACKING OFF"}, {0, "CLIENT TRACKING ON OPTOUT"}, {0, "CLIENT CACHING YES"}, {0, "CLIENT CACHING NO | CLIENT TRACKINGINFO | GET k"}, {0, "GET j"}, {1, "SET k 1"}, {1, "SET j 1"},

	{0, "CLIENT TRACKING OFF"}, {0, "GET k"}, {1, "SET k 1"}, {0, "CLIENT TRACKING ON BCAST PREFIX b: PREFIX a:"}, {0, "CLIENT TRACKINGINFO"}, {0, "CLIENT TRACKING ON BCAST PREFIX a:1"}, {0, "CLIENT TRACKING ON"},
	{1, "SET a:1 x"}, {1, "SET a:1 x"}, {1, "MSET a:3 1 c 1 a:2 1 a:3 2 a: 1"}, {1, "SET b:1 x"}, {1, "MSET b:2 1 a:2 1 b:1 1"}, {1, "DEL b:1 b:2"}, {0, "SET a:1 mine"}, {0, "CLIENT TRACKING ON BCAST NOLOOP PREFIX c:"}, {0, "CLIENT TRACKINGINFO"}, {0, "SET a:1 mine"}, {1, "SET c:1 x"}, {1, "FLUSHALL"},
	{0, "CLIENT TRACKING OFF"}, {1, "SET a:1 x"}, {0, "CLIENT TRACKING ON BCAST"}, {0, "CLIENT TRACKINGINFO"}, {1, "SET anything x"}, {0, "CLIENT TRACKING OFF"}, {0, "CLIENT TRACKINGINFO"},

	{0, "CLIENT TRACKING ON REDIRECT #2"}, {0, "CLIENT GETREDIR"}, {0, "CLIENT TRACKINGINFO"}, {0, "GET k"}, {1, "SET k 1"}, {2, "SUBSCRIBE __redis__:invalidate"}, {0, "MGET k j"}, {1, "SET k 2"}, {0, "SET j 1"}, {1, "FLUSHALL"},
	{0, "CLIENT TRACKING ON REDIRECT #3"}, {3, "SUBSCRIBE other"}, {0, "GET k"}, {1, "SET k 2"}, {1, "CLIENT KILL ID #3"}, {0, "GET k"}, {1, "SET k 3"}, {0, "CLIENT TRACKINGINFO"}, {0, "CLIENT GETREDIR"}, {0, "CLIENT TRACKING ON"}, {0, "CLIENT TRACKINGINFO"},
	{0, "GET k"}, {0, "RESET"}, {1, "SET k 4"},
}

// listens says the line on a connection and returns what all hear, without what
// the test asks itself.
func (c *chat) listens(t *testing.T, on int, line string) []string {
	t.Helper()
	for i, id := range c.id {
		line = strings.ReplaceAll(line, fmt.Sprint("#", i), id)
	}
	for each := range strings.SplitSeq(line, " | ") { // they are said at once
		c.of[on].send(split(each))
	}
	heard := make([]string, len(c.of))
	for n := range len(c.of) + 1 { // the first one again: redis-server tells of prefixes behind all that came together
		i := (on + n) % len(c.of)
		if c.gone[i] {
			continue
		}
		more := c.drain(t, i)
		mark := fmt.Sprintf("$6\r\nmark-%d\r\n", i)
		more = strings.NewReplacer("*2\r\n$4\r\npong\r\n"+mark, "", mark, "", "-NOAUTH Authentication required.\r\n", "").Replace(more)
		for other, id := range c.id { // the servers count from others
			for _, before := range []string{"redirect\r\n", "tracking-redir-broken\r\n"} {
				more = strings.ReplaceAll(more, before+":"+id+"\r\n", fmt.Sprintf("%s:#%d\r\n", before, other))
			}
			if line == "CLIENT GETREDIR" && i == on {
				more = strings.ReplaceAll(more, ":"+id+"\r\n", fmt.Sprintf(":#%d\r\n", other))
			}
		}
		heard[i] += more
	}
	return heard
}

// TestTracking compares what clients hear that keep what they read, and those that
// stand in for them.
func TestTracking(t *testing.T) {
	for _, proto := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", proto), func(t *testing.T) {
			theirs, ours := chats(t, proto)
			for _, step := range trackingSteps {
				if strings.HasPrefix(step.line, "CLIENT KILL") {
					theirs.gone[3], ours.gone[3] = true, true
				}
				want, got := theirs.listens(t, step.on, step.line), ours.listens(t, step.on, step.line)
				if fmt.Sprint(want) != fmt.Sprint(got) {
					t.Fatalf("connection %d says %s\nredis-server: %q\ncoffer:       %q", step.on, step.line, want, got)
				}
			}
		})
	}
}
