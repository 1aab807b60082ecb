package differential

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// blockingSteps are lines of several connections. "0: GET k" is said on the
// first, and its reply compared; "0> BLPOP a 0" is only said, and "0<" is the
// reply, which the connection may have waited for.
var blockingSteps = []string{
	// What waits for nothing.
	"0: RPUSH l a b c d e f g h", "0: BLPOP l 0", "0: BRPOP none l 0", "0: BLMPOP 0 2 none l LEFT", "0: BLMPOP 0 1 l RIGHT COUNT 2", "0: BLMOVE l m LEFT RIGHT 0", "0: BRPOPLPUSH l m 0", "0: LRANGE m 0 -1", "0: LRANGE l 0 -1",
	"0: ZADD z 1 a 2 b 3 c 4 d 5 e", "0: BZPOPMIN z 0", "0: BZPOPMAX none z 0", "0: BZMPOP 0 1 z MIN", "0: BZMPOP 0 2 none z MAX COUNT 10", "0: EXISTS z", "0: XADD x 1-1 f v", "0: XREAD BLOCK 0 STREAMS x 0", "0: XREAD BLOCK 0 COUNT 1 STREAMS none x 0 0",
	// What is wrong with the call.
	"0: BLPOP l", "0: BLPOP l x", "0: BLPOP l -1", "0: BLPOP l 1e400", "0: BLPOP l inf", "0: BLPOP l nan", "0: BLPOP l 9223372036854775807", "0: BLPOP l 9223372036854776", `0: BLPOP l ""`, `0: BLPOP l " 1"`, "0: BLPOP l 0x", "0: BLPOP l -0.0001", "0: RPUSH l x",
	"0: BLMOVE l m LEFT x 0", "0: BLMOVE l m x LEFT y", "0: BLMOVE l m LEFT LEFT x", "0: BLMOVE l m LEFT LEFT -1", "0: BRPOPLPUSH l m x", "0: BLMPOP x 1 l LEFT", "0: BLMPOP 0 0 l LEFT", "0: BLMPOP x 0 l LEFT", "0: BLMPOP x 1 l nowhere", "0: BLMPOP 0 1 l LEFT COUNT 0", "0: BLMPOP 0 9 l LEFT", "0: BLMPOP -1 1 l LEFT COUNT 1 COUNT 2",
	"0: BZPOPMIN z x", "0: BZPOPMAX z -1", "0: BZMPOP x 1 z MIN", "0: BZMPOP 0 1 z nothing", "0: BZMPOP 0 0 z MIN", "0: XREAD BLOCK x STREAMS x 0", "0: XREAD BLOCK -1 STREAMS x 0", "0: XREAD BLOCK 1.5 STREAMS x 0", "0: XREAD BLOCK 0 STREAMS x", "0: XREAD BLOCK 0 STREAMS l 0", "0: XREAD BLOCK 0 STREAMS x y", "0: XREAD BLOCK 0 STREAMS x >", "0: XREAD BLOCK", "0: XREAD BLOCK 5",
	"0: SET s v", "0: BLPOP s 0", "0: BLPOP none s l 0", "0: BLPOP m s 0", "0: BZPOPMIN l 0", "0: BLMOVE s l LEFT LEFT 0", "0: BLMOVE l s LEFT LEFT 0", "0: BRPOPLPUSH s l 0", "0: BLMPOP 0 2 none s LEFT", "0: BZMPOP 0 1 s MIN", "0: FLUSHALL",
	// Time.
	"0: BLPOP a b 0.01", "0: BRPOP a 0.011", "0: BLMOVE a b LEFT LEFT 0.01", "0: BRPOPLPUSH a b 0.01", "0: BLMPOP 0.01 2 a b LEFT", "0: BZPOPMIN a 0.01", "0: BZPOPMAX a 0.01", "0: BZMPOP 0.01 1 a MAX", "0: XREAD BLOCK 10 STREAMS a $", "0: XREAD BLOCK 1 STREAMS a b 0 0", "0: BLPOP a 1e-5", "0: BLPOP a 0x1p-8", "0: RPUSH a x", "0: BLPOP a 0.01", "0: EXISTS a",
	// What waits is served by what makes it ready, in the order of arrival.
	"0> BLPOP a 0", "1: RPUSH a x", "0<", "1: EXISTS a", "0> BLPOP a b c 0", "1: RPUSH c x y", "0<", "1: LPOP c", "0> BRPOP a 0", "1: RPUSH a x y z", "0<", "1: DEL a",
	"0> BLPOP a 0", "1> BLPOP a 0", "2> BRPOP a 0", "pause", "3: RPUSH a 1", "0<", "3: RPUSH a 2 3", "1<", "2<", "3: EXISTS a", "0> BLPOP a 0", "pause", "1> BLPOP a 0", "3: RPUSH a 1 2 3 4", "0<", "1<", "3: LRANGE a 0 -1", "3: DEL a",
	"0> BLMOVE a b LEFT RIGHT 0", "1> BLPOP b 0", "pause", "3: RPUSH a x", "0<", "1<", "3: EXISTS a b", "0> BRPOPLPUSH a a 0", "3: LPUSH a x y", "0<", "3: LRANGE a 0 -1", "3: DEL a", "0> BLMPOP 0 2 a b LEFT COUNT 2", "3: RPUSH b 1 2 3", "0<", "3: LRANGE b 0 -1", "3: DEL b",
	"0> BZPOPMIN a b 0", "1> BZPOPMAX b 0", "pause", "3: ZADD b 1 x 2 y 3 z", "0<", "1<", "3: ZRANGE b 0 -1", "3: DEL b", "0> BZMPOP 0 1 a MIN COUNT 5", "3: ZADD a 1 x 2 y", "0<", "3: EXISTS a", "0> BZPOPMAX a 0", "3: ZINCRBY a 1.5 x", "0<",
	"0> XREAD BLOCK 0 STREAMS a b $ 0", "3: XADD b 5-1 f v", "0<", "0> XREAD BLOCK 0 COUNT 1 STREAMS b $", "1> XREAD BLOCK 0 STREAMS b 5-3", "pause", "3: XADD b 5-2 f v", "0<", "3: XADD b 6-1 f v", "1<", "3: DEL b", "0> XREAD BLOCK 0 STREAMS a $", "3: XADD a 1-1 f v", "0<", "3: DEL a",
	// Consumers of groups: each entry goes to who came first, what was there goes to whom asks for several streams, and those end whose group or stream is gone.
	"0: XGROUP CREATE a g $ MKSTREAM", "0: XGROUP CREATE a h $", "0: XGROUP CREATE b g $ MKSTREAM", "0> XREADGROUP GROUP g c BLOCK 0 STREAMS a >", "3: XADD a 1-1 f v", "0<", "3: XPENDING a g", "0> XREADGROUP GROUP g c BLOCK 0 STREAMS a >", "pause", "1> XREADGROUP GROUP g d BLOCK 0 COUNT 1 STREAMS a b > >", "pause", "2> XREADGROUP GROUP h e BLOCK 0 NOACK STREAMS a >", "pause", "3: XADD a 2-1 f v", "0<", "2<", "3: XADD a 3-1 f v", "1<", "3: XPENDING a g", "3: XPENDING a h", "3: XINFO GROUPS a",
	"0> XREADGROUP GROUP g d BLOCK 0 COUNT 1 STREAMS b a > >", "pause", "3: XADD b 1-1 f v", "0<", "3: XADD a 4-1 f v", "3: XADD b 2-1 f v", "0: XREADGROUP GROUP g d BLOCK 0 STREAMS b a > >", "0: XREADGROUP GROUP g d BLOCK 0 STREAMS b a 0 >", "0: XREADGROUP GROUP g nobody BLOCK 0 STREAMS b 0", "0: XREADGROUP GROUP g d BLOCK 10 STREAMS b a > >", "3: XPENDING a g", "0: XREADGROUP GROUP none d BLOCK 0 STREAMS a >", "0: XREADGROUP GROUP g d BLOCK 0 STREAMS none >", "0: XREADGROUP GROUP g d BLOCK 0 STREAMS a $", "0: XREADGROUP GROUP g d BLOCK x STREAMS a >", "0: XREADGROUP GROUP g d BLOCK -1 STREAMS a >", "0: XINFO GROUPS a",
	"0> XREADGROUP GROUP g c BLOCK 0 STREAMS a >", "1> XREADGROUP GROUP h c BLOCK 0 STREAMS b a > >", "1<", "1> XREADGROUP GROUP h c BLOCK 0 STREAMS a >", "1<", "1> XREADGROUP GROUP h c BLOCK 0 STREAMS a >", "pause", "3: XGROUP DESTROY a g", "0<", "3: XADD a 5-1 f v", "1<", "0> XREADGROUP GROUP g c BLOCK 0 STREAMS b >", "1> XREADGROUP GROUP h c BLOCK 0 STREAMS a >", "2> XREAD BLOCK 0 STREAMS a $", "pause", "3: DEL a", "1<", "3: SET b x", "0<", "3: XADD a 9-1 f v", "2<", "3: FLUSHALL",
	"0: XGROUP CREATE a g $ MKSTREAM", "0> XREADGROUP GROUP g c BLOCK 0 STREAMS a >", "pause", "3: FLUSHALL", "0<", "0: XGROUP CREATE a g $ MKSTREAM", "0> XREADGROUP GROUP g c BLOCK 0 STREAMS a >", "pause", "3: RENAME a b", "0<", "0> XREADGROUP GROUP g c BLOCK 0 STREAMS b >", "pause", "3: MULTI", "3: DEL b", "3: XGROUP CREATE b g 0 MKSTREAM", "3: XADD b 1-1 f v", "3: EXEC", "0<", "3: XGROUP CREATE b w 0", "0: WATCH b", "3: XGROUP DESTROY b w", "3: XACK b g 1-1", "0: MULTI", "0: XREADGROUP GROUP g c BLOCK 0 STREAMS b >", "0: EXEC",
	"0> XREADGROUP GROUP g c BLOCK 0 STREAMS b >", "pause", "3: XGROUP SETID b g 0", "3: XADD b 2-1 f v", "0<", "0> XREADGROUP GROUP g c BLOCK 0 STREAMS b >", "pause", "3: CLIENT UNBLOCK {0} ERROR", "0<", "0> XREADGROUP GROUP g c BLOCK 0 STREAMS b >", "pause", "3: PEXPIRE b 1", "0<", "3: FLUSHALL",
	// However it becomes ready, and what does not make it ready.
	"0> BLPOP a 0", "3: SET a x", "3: APPEND a y", "3: DEL a", "3: SADD a x", "3: RENAME a b", "3: RPUSH c 1", "3: RENAME c a", "0<", "3: DEL b", "0> BLPOP a 0", "3: RPUSH c 1", "3: COPY c a", "0<", "0> BLPOP a 0", "3: LMOVE c a LEFT LEFT", "0<", "0> BZPOPMIN a 0", "3: RPUSH a 1", "3: DEL a", "3: ZADD z 1 m", "3: ZUNIONSTORE a 1 z", "0<",
	"0> BLPOP a 0", "1> BZPOPMIN a 0", "2> XREAD BLOCK 0 STREAMS a 0", "pause", "3: XADD a 1-1 f v", "2<", "3: DEL a", "3: ZADD a 1 m", "1<", "3: RPUSH a x", "0<", "3: FLUSHALL", "0> BLMOVE a s LEFT LEFT 0", "pause", "3: SET s v", "3: RPUSH a x", "0<", "3: LRANGE a 0 -1", "3: FLUSHALL",
	"0> BLPOP a 0", "3: SETEX a 100 v", "3: EXPIRE a 0", "3: RPUSH a x", "0<", "0> BLPOP s l 0", "pause", "3: SET s v", "3: RPUSH l x", "0<", "3: FLUSHALL", "0> XREAD BLOCK 0 STREAMS a 5", "3: XADD a 1-1 f v", "3: XADD a 9-1 f v", "0<", "3: FLUSHALL", "0> XREAD BLOCK 0 STREAMS a b 0 0", "3: MULTI", "3: XADD b 1-1 f v", "3: XADD a 1-1 f v", "3: EXEC", "0<", "3: FLUSHALL",
	// Transactions: what they do counts as of their end, and they do not wait.
	"0> BLPOP a 0", "3: MULTI", "3: RPUSH a x", "3: DEL a", "3: EXEC", "3: MULTI", "3: RPUSH a 1", "3: RPUSH a 2", "3: LPOP a", "3: EXEC", "0<", "0> BLPOP a b 0", "3: MULTI", "3: RPUSH b 1", "3: RPUSH a 2", "3: EXEC", "0<", "3: FLUSHALL",
	"0: MULTI", "0: BLPOP a 0", "0: BRPOP a 0", "0: BLMOVE a b LEFT LEFT 0", "0: BRPOPLPUSH a b 0", "0: BLMPOP 0 1 a LEFT", "0: BZPOPMIN a 0", "0: BZPOPMAX a 0", "0: BZMPOP 0 1 a MIN", "0: XREAD BLOCK 0 STREAMS a $", "0: BLPOP a x", "0: EXEC", "0: RPUSH a 1 2", "0: ZADD z 1 m", "0: MULTI", "0: BLPOP a 0", "0: BLMOVE a b LEFT LEFT 0", "0: BZPOPMIN z 0", "0: EXEC",
	"0: WATCH k", "0> BLPOP k 0", "3: RPUSH k x", "0<", "0: MULTI", "0: EXEC", "3: FLUSHALL",
	// What is said behind a command that waits is answered behind it.
	"0> BLPOP a 0", "0> PING", "0> BLPOP b 0", "0> ECHO end", "3: RPUSH b y", "3: RPUSH a x", "0<", "0<", "0<", "0<", "0> BLPOP a 0.02", "0> BLPOP a 0.02", "0> PING", "0<", "0<", "0<",
	// Who ends the waiting of others.
	"0> BLPOP a 0", "pause", "3: CLIENT UNBLOCK {0}", "0<", "0> BLMOVE a b LEFT LEFT 0", "pause", "3: CLIENT UNBLOCK {0} TIMEOUT", "0<", "0> XREAD BLOCK 0 STREAMS a $", "pause", "3: CLIENT UNBLOCK {0} ERROR", "0<", "3: CLIENT UNBLOCK {0}", "3: RPUSH a x", "0: LPOP a", "3: CLIENT UNBLOCK 0", "3: CLIENT UNBLOCK x", "3: CLIENT UNBLOCK 999999 nonsense", "3: CLIENT UNBLOCK 999999 ERROR", "3: CLIENT UNBLOCK 1 TIMEOUT x", "3: CLIENT UNBLOCK",
}

// TestBlocking compares what those hear who wait, and those who do not.
func TestBlocking(t *testing.T) {
	for _, proto := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", proto), func(t *testing.T) {
			theirs, ours := chats(t, proto)
			for i, step := range blockingSteps {
				want, got := theirs.step(t, step), ours.step(t, step)
				if want != got {
					t.Fatalf("step %d: %s\nredis-server: %q\ncoffer:       %q\nbefore it: %q", i, step, want, got, blockingSteps[max(0, i-8):i])
				}
			}
		})
	}
}

// step does what a line of blockingSteps says.
func (c *chat) step(t *testing.T, step string) string {
	t.Helper()
	if step == "pause" { // those that were said first are to wait first
		time.Sleep(30 * time.Millisecond)
		return ""
	}
	r, line := c.of[step[0]-'0'], strings.ReplaceAll(step[2:], "{0}", c.id[0])
	if step[1] != '<' {
		r.send(split(line))
	}
	if step[1] == '>' {
		return ""
	}
	raw, err := readRaw(r.in, nil)
	if err != nil {
		t.Fatalf("%s: %v", step, err)
	}
	return string(raw)
}
