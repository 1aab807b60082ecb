package differential

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/fixture/devengine"
	"github.com/coffer-dev/coffer/test/fixture/redisserver"
)

// A step is said on one of two connections; then each connection is read until
// it has answered a PING, or an ECHO where that is not a subscriber's to send.
var pubsubSteps = []struct {
	on   int
	line string
}{
	{0, "SUBSCRIBE a b a"}, {1, "PUBLISH a hello"}, {1, "PUBLISH c nobody"}, {0, "GET k"}, {0, "PING"}, {0, "PING x"}, {0, "PING x y"},
	{0, "PSUBSCRIBE a* [xy]*"}, {1, "PUBLISH a both"}, {1, "PUBSUB CHANNELS b"}, {1, "PUBSUB CHANNELS a*"}, {1, "PUBSUB CHANNELS a b"},
	{1, "PUBSUB NUMSUB"}, {1, "PUBSUB NUMSUB a c a"}, {1, "PUBSUB NUMPAT"}, {1, "PUBSUB NUMPAT x"}, {1, "PUBSUB"}, {1, "PUBSUB nonsense"}, {1, "PUBSUB HELP"},
	{0, "UNSUBSCRIBE c"}, {0, "UNSUBSCRIBE a"}, {0, "PUBSUB CHANNELS"}, {0, "UNSUBSCRIBE"}, {1, "PUBLISH a pattern-only"}, {0, "PUNSUBSCRIBE [xy]*"}, {0, "PUNSUBSCRIBE"}, {0, "PUNSUBSCRIBE"}, {0, "PUNSUBSCRIBE x"}, {0, "UNSUBSCRIBE"}, {0, "UNSUBSCRIBE"},
	{0, "GET k"}, {0, "SSUBSCRIBE s t"}, {1, "SPUBLISH s sharded"}, {1, "PUBLISH s not-sharded"}, {1, "PUBSUB SHARDCHANNELS t"}, {1, "PUBSUB SHARDNUMSUB s x"},
	{0, "SUNSUBSCRIBE s"}, {0, "SUNSUBSCRIBE"}, {0, "SUNSUBSCRIBE"}, {0, "SUBSCRIBE"}, {1, "PUBLISH a"}, {0, "PSUBSCRIBE *"}, {1, `PUBLISH x ""`}, {0, "RESET"},
}

// chat is some connections to one server.
type chat struct {
	of       [4]*redis
	id       [4]string
	password string
	dir      string // the engine's
	gone     [4]bool
}

// chats connects to a redis-server and to the whole engine.
func chats(t *testing.T, proto int) (theirs, ours *chat) {
	t.Helper()
	theirs, ours = &chat{password: "secret"}, &chat{}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	dial := func() (net.Conn, error) { return net.Dial("unix", socket) }
	redisserver.Start(t, dir, func() error {
		conn, err := dial()
		if err == nil {
			_ = conn.Close()
		}
		return err
	}, "--unixsocket", socket, "--requirepass", theirs.password)
	theirs.connect(t, proto, func() net.Conn {
		conn, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		return conn
	})
	dev := devengine.Start(t, devengine.Build(t), t.TempDir())
	ours.password, ours.dir = dev.Password, dev.Dir
	ours.connect(t, proto, func() net.Conn { return dev.Dial() })
	return theirs, ours
}

func (c *chat) connect(t *testing.T, proto int, dial func() net.Conn) {
	for i := range c.of {
		conn := dial()
		t.Cleanup(func() { _ = conn.Close() })
		c.of[i] = &redis{t: t, conn: conn, in: bufio.NewReaderSize(conn, 1<<16)}
		c.of[i].do(args("AUTH", c.password))
		c.id[i] = strings.Trim(string(c.of[i].do(args("CLIENT", "ID"))), ":\r\n")
		if proto == 3 {
			c.of[i].do(args("HELLO", "3"))
		}
	}
}

// hear says the line on one connection and returns what both then hear.
func (c *chat) hear(t *testing.T, on int, line string) (heard [2]string) {
	t.Helper()
	c.of[on].send(split(line))
	for _, i := range []int{on, 1 - on} {
		heard[i] = c.drain(t, i)
	}
	return heard
}

// drain returns what a connection has heard up to now.
func (c *chat) drain(t *testing.T, i int) (heard string) {
	t.Helper()
	mark := fmt.Sprintf("mark-%d", i)
	c.of[i].send(args("PING", mark))
	for {
		raw, err := readRaw(c.of[i].in, nil)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		heard += string(raw)
		if pong := fmt.Sprintf("$%d\r\n%s\r\n", len(mark), mark); string(raw) == pong || string(raw) == "*2\r\n$4\r\npong\r\n"+pong || string(raw) == "-NOAUTH Authentication required.\r\n" {
			return heard
		}
	}
}

// TestPublishSubscribe compares what publishers and subscribers hear.
func TestPublishSubscribe(t *testing.T) {
	for _, proto := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", proto), func(t *testing.T) {
			theirs, ours := chats(t, proto)
			for _, step := range pubsubSteps {
				want, got := theirs.hear(t, step.on, step.line), ours.hear(t, step.on, step.line)
				if want != got {
					t.Fatalf("connection %d says %s\nredis-server: %q\ncoffer:       %q", step.on, step.line, want, got)
				}
			}
		})
	}
}

// send sends a command and does not wait for its reply.
func (r *redis) send(argv [][]byte) {
	r.t.Helper()
	out := fmt.Appendf(nil, "*%d\r\n", len(argv))
	for _, arg := range argv {
		out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(arg), arg)
	}
	_ = r.conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := r.conn.Write(out); err != nil {
		r.t.Fatalf("write %q: %v", argv, err)
	}
}
