package differential

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/fixture/commands"
)

// Steps of two connections, as in pubsubSteps.
var transactionSteps = []struct {
	on   int
	line string
}{
	{0, "EXEC"}, {0, "DISCARD"}, {0, "UNWATCH"}, {0, "EXEC x"}, {0, "MULTI x"}, {0, "WATCH"}, {0, "MULTI"}, {0, "MULTI"}, {0, "WATCH a"}, {0, "EXEC"},
	{0, "MULTI"}, {0, "SET a 1"}, {1, "GET a"}, {0, "GET a"}, {0, "INCR a"}, {0, "LPUSH a x"}, {0, "SET b v EX x"}, {0, "ECHO x"}, {0, "PING"}, {0, "UNWATCH"}, {0, "SELECT 0"}, {0, "CLIENT SETNAME me"}, {0, "CLIENT GETNAME"}, {0, "EXEC"}, {1, "GET a"},
	{0, "MULTI"}, {0, "SET a 5"}, {0, "DISCARD"}, {0, "GET a"}, {0, "EXEC"},
	// What is refused when it is queued discards all.
	{0, "MULTI"}, {0, "SET a 6"}, {0, "NONSENSE"}, {0, "SET a 7"}, {0, "EXEC"}, {0, "GET a"}, {0, "MULTI"}, {0, "GET"}, {0, "PING"}, {0, "DISCARD"}, {0, "MULTI"}, {0, "CLIENT nonsense"}, {0, "EXEC"},
	{0, "MULTI"}, {0, "SET a 8"}, {0, "EXEC x"}, {0, "EXEC"}, {0, "GET a"}, {0, "MULTI"}, {0, "MULTI x"}, {0, "EXEC"}, {0, "MULTI"}, {0, "DISCARD x"}, {0, "EXEC"},
	{0, "MULTI"}, {0, "MULTI"}, {0, "SET a 9"}, {0, "WATCH a"}, {0, "EXEC"}, {0, "MULTI"}, {0, "EXEC"}, {0, "WATCH a"}, {0, "EXEC"},
	// What is watched, by whom it is changed, and what is no change.
	{0, "WATCH a"}, {1, "SET a 9"}, {0, "MULTI"}, {0, "GET a"}, {0, "EXEC"}, {0, "MULTI"}, {0, "GET a"}, {0, "EXEC"},
	{0, "WATCH a b"}, {0, "SET b 1"}, {0, "MULTI"}, {0, "EXEC"}, {0, "WATCH a"}, {1, "SET a 1"}, {0, "UNWATCH"}, {0, "MULTI"}, {0, "EXEC"}, {0, "WATCH a"}, {1, "SET a 1"}, {0, "MULTI"}, {0, "DISCARD"}, {0, "MULTI"}, {0, "EXEC"},
	{0, "WATCH a"}, {1, "SET a 1"}, {0, "MULTI"}, {0, "NONSENSE"}, {0, "EXEC"}, {0, "WATCH a"}, {1, "GET a"}, {0, "MULTI"}, {0, "INCR a"}, {0, "EXEC"}, {0, "WATCH a"}, {0, "MULTI"}, {0, "INCR a"}, {0, "SET a 1"}, {0, "INCR a"}, {0, "EXEC"},
	{0, "WATCH none"}, {1, "DEL none"}, {0, "MULTI"}, {0, "EXEC"}, {0, "WATCH none"}, {1, "FLUSHALL"}, {0, "MULTI"}, {0, "EXEC"}, {1, "SET a 1"}, {0, "WATCH a"}, {1, "FLUSHALL"}, {0, "MULTI"}, {0, "EXEC"}, {1, "SET a 1"}, {0, "WATCH a"}, {1, "FLUSHDB"}, {1, "SET a 1"}, {0, "MULTI"}, {0, "EXEC"}, {0, "WATCH none"}, {1, "SET none 1"}, {1, "DEL none"}, {0, "MULTI"}, {0, "EXEC"},
	{0, "WATCH a"}, {0, "WATCH b"}, {1, "SET b x"}, {0, "WATCH c"}, {0, "MULTI"}, {0, "EXEC"},
	// Expiry.
	{0, "SET e 1 PX 100"}, {0, "WATCH e"}, {0, "sleep"}, {0, "MULTI"}, {0, "PING"}, {0, "EXEC"}, {0, "GET e"}, {0, "SET e 1 PX 100"}, {0, "sleep"}, {0, "WATCH e"}, {1, "GET e"}, {0, "MULTI"}, {0, "PING"}, {0, "EXEC"},
	{0, "SET e 1 PX 100"}, {0, "WATCH e"}, {0, "sleep"}, {1, "SET e 1"}, {0, "MULTI"}, {0, "EXEC"}, {0, "WATCH e"}, {1, "PEXPIREAT e 4000000000000"}, {0, "MULTI"}, {0, "EXEC"}, {0, "WATCH e"}, {1, "PEXPIREAT e 4000000000000"}, {0, "MULTI"}, {0, "EXEC"},
	// Publish/subscribe.
	{1, "SUBSCRIBE ch"}, {0, "MULTI"}, {0, "PUBLISH ch one"}, {0, "SET k v"}, {0, "PUBLISH ch two"}, {0, "PUBSUB NUMSUB ch"}, {0, "EXEC"}, {0, "MULTI"}, {0, "PUBLISH ch three"}, {0, "DISCARD"}, {1, "UNSUBSCRIBE"},
	{0, "MULTI"}, {0, "SUBSCRIBE x"}, {0, "PING"}, {0, "EXEC"}, {1, "PUBLISH x other"}, {0, "read"}, {0, "UNSUBSCRIBE x"}, {0, "MULTI"}, {0, "SUBSCRIBE x"}, {0, "UNSUBSCRIBE"}, {0, "EXEC"}, {0, "MULTI"}, {0, "SUBSCRIBE x y"}, {0, "UNSUBSCRIBE x y"}, {0, "EXEC"}, {0, "read"}, {0, "read"}, {0, "GET k"},
	{0, "SUBSCRIBE x"}, {0, "MULTI"}, {0, "UNSUBSCRIBE"}, {0, "EXEC"},
	// What the end of the session ends.
	{0, "WATCH a"}, {0, "MULTI"}, {0, "SET a 2"}, {0, "RESET"}, {0, "GET a"}, {0, "login"}, {0, "EXEC"}, {0, "GET a"}, {0, "MULTI"}, {0, "QUIT"},
}

// say says a line on a connection and returns its reply. The other connection,
// if it is the second, is heard to its end.
func (c *chat) say(t *testing.T, on int, line string) (heard string) {
	t.Helper()
	switch line {
	case "sleep":
		time.Sleep(150 * time.Millisecond)
		return ""
	case "login":
		line = "AUTH " + c.password
		fallthrough
	default:
		c.of[on].send(split(line))
		fallthrough
	case "read":
		raw, err := readRaw(c.of[on].in, nil)
		if err != nil {
			t.Fatalf("after %q: %v", line, err)
		}
		heard = string(raw)
	}
	if on == 0 {
		heard += c.drain(t, 1)
	}
	return heard
}

// TestTransactions compares what those hear who carry transactions out.
func TestTransactions(t *testing.T) {
	for _, proto := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", proto), func(t *testing.T) {
			theirs, ours := chats(t, proto)
			for i, step := range transactionSteps {
				want, got := theirs.say(t, step.on, step.line), ours.say(t, step.on, step.line)
				if want != got {
					t.Fatalf("step %d: connection %d says %s\nredis-server: %q\ncoffer:       %q", i, step.on, step.line, want, got)
				}
			}
		})
	}
}

// game is one connection that carries out transactions while another changes
// what they depend on, of each server.
type game struct {
	t            *testing.T
	r            *rand.Rand
	g            *commands.Generator
	theirs, ours *chat
	recent       []string // what was said since the last transaction
	done, broken int
}

// say says a command and compares the replies, but for those of transactions.
func (g *game) say(on int, argv [][]byte) (want, got []byte) {
	g.t.Helper()
	g.recent = append(g.recent, fmt.Sprintf("%d: %q", on, argv))
	want, got = g.theirs.of[on].do(argv), g.ours.of[on].do(argv)
	if string(argv[0]) != "EXEC" {
		g.compare(argv, want, got)
	}
	return want, got
}

func (g *game) compare(argv [][]byte, want, got []byte) {
	g.t.Helper()
	if !same(argv, string(want), string(got)) {
		g.t.Fatalf("%q\nredis-server: %q\ncoffer:       %q\nbefore it:\n%s", argv, want, got, strings.Join(g.recent, "\n"))
	}
}

// transaction watches keys or not, has others change some or not, and queues
// what makes sense or does not.
func (g *game) transaction() {
	g.t.Helper()
	g.recent = nil
	if g.r.IntN(4) > 0 { // else where they happen to be
		for on := range 2 {
			g.say(on, args("SELECT", "0"))
		}
	}
	if g.r.IntN(3) > 0 {
		watch, names := []string{"WATCH"}, g.g.Names()
		for range 1 + g.r.IntN(9) {
			watch = append(watch, names[g.r.IntN(len(names))])
		}
		g.say(0, args(watch...))
	}
	for range g.r.IntN(4) {
		if argv := g.g.Command(); !sorts(argv) { // see sortsZSet
			g.say(1, argv)
		}
	}
	g.say(0, args("MULTI"))
	var queued [][][]byte
	for range g.r.IntN(5) {
		argv := g.g.Command()
		if sorts(argv) {
			continue
		}
		if want, _ := g.say(0, argv); string(want) == "+QUEUED\r\n" {
			queued = append(queued, argv)
		}
	}
	if g.r.IntN(10) == 0 {
		g.say(0, args("DISCARD"))
		return
	}
	want, got := g.say(0, args("EXEC"))
	a, b := elements(want), elements(got)
	if len(a) == 0 || len(a) != len(b) {
		if null := string(want); null == "*-1\r\n" || null == "_\r\n" {
			g.broken++
		}
		g.compare(args("EXEC"), want, got)
		return
	}
	g.done++
	for i, argv := range queued {
		if !strings.EqualFold(string(argv[0]), "DBSIZE") { // counts what is to be removed
			g.compare(argv, []byte(a[i]), []byte(b[i]))
		}
	}
}

// TestGeneratedTransactions: whether EXEC carries out what is queued, what it
// answers, and what is there afterwards are as with redis-server.
func TestGeneratedTransactions(t *testing.T) {
	const transactions = 3000
	for _, proto := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", proto), func(t *testing.T) {
			theirs, ours := chats(t, proto)
			r := rand.New(rand.NewPCG(uint64(proto), 99))
			g := &game{t: t, r: r, theirs: theirs, ours: ours}
			g.g = &commands.Generator{Rand: r, Keys: 1} // few, so that they meet
			for range transactions {
				g.transaction()
			}
			p := &pair{t: t, theirs: theirs.of[1], ours: engine{ours.of[1]}}
			p.compareState()
			t.Logf("%d carried out, %d not since a key had changed", g.done, g.broken)
			if g.done < transactions/4 || g.broken < transactions/40 {
				t.Error("too few of one kind")
			}
		})
	}
}
