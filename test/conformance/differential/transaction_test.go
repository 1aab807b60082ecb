package differential

import (
	"bytes"
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

// TestGeneratedTransactions: one connection watches keys and queues commands,
// the other changes what it likes meanwhile. Whether EXEC does it, what it
// answers, and what is there afterwards are as with redis-server.
func TestGeneratedTransactions(t *testing.T) {
	const transactions = 1500
	for _, proto := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", proto), func(t *testing.T) {
			theirs, ours := chats(t, proto)
			r := rand.New(rand.NewPCG(uint64(proto), 99))
			g := &commands.Generator{Rand: r, Keys: generatedKeys}
			var recent []string
			say := func(on int, argv [][]byte) (want, got []byte) {
				recent = append(recent, fmt.Sprintf("%d: %q", on, argv))
				return theirs.of[on].do(argv), ours.of[on].do(argv)
			}
			compare := func(argv [][]byte, want, got []byte) {
				t.Helper()
				if !same(argv, string(want), string(got)) {
					t.Fatalf("%q\nredis-server: %q\ncoffer:       %q\nbefore it:\n%s", argv, want, got, strings.Join(recent, "\n"))
				}
			}
			names := g.Names()
			done, broken := 0, 0
			for range transactions {
				recent = nil
				if r.IntN(3) > 0 {
					watch := []string{"WATCH"}
					for range 1 + r.IntN(4) {
						watch = append(watch, names[r.IntN(len(names))])
					}
					want, got := say(0, args(watch...))
					compare(nil, want, got)
				}
				for range r.IntN(3) {
					argv := g.Command()
					want, got := say(1, argv)
					compare(argv, want, got)
				}
				want, got := say(0, args("MULTI"))
				compare(nil, want, got)
				var queued [][][]byte
				for range r.IntN(5) {
					argv := g.Command()
					want, got := say(0, argv)
					compare(nil, want, got)
					if string(want) == "+QUEUED\r\n" {
						queued = append(queued, argv)
					}
				}
				if r.IntN(10) == 0 {
					want, got := say(0, args("DISCARD"))
					compare(nil, want, got)
					continue
				}
				want, got = say(0, args("EXEC"))
				if want[0] != '*' || bytes.HasPrefix(want, []byte("*-1")) {
					broken++
					compare(nil, want, got)
					continue
				}
				done++
				a, b := elements(want), elements(got)
				if len(a) != len(b) || len(a) != len(queued) {
					t.Fatalf("%d queued\nredis-server: %q\ncoffer:       %q\nbefore it:\n%s", len(queued), want, got, strings.Join(recent, "\n"))
				}
				for i, argv := range queued {
					if !strings.EqualFold(string(argv[0]), "DBSIZE") { // counts what is to be removed
						compare(argv, []byte(a[i]), []byte(b[i]))
					}
				}
			}
			p := &pair{t: t, theirs: theirs.of[1], ours: engine{ours.of[1]}}
			p.compareState()
			t.Logf("%d carried out, %d not", done, broken)
			if done < transactions/4 || broken < transactions/20 {
				t.Error("too few of one kind")
			}
		})
	}
}
