package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
)

// await waits until so many sessions wait for data.
func (f *fixture) await(t *testing.T, parked int64) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); f.parked.Load() != parked; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d sessions wait, want %d", f.parked.Load(), parked)
		}
	}
}

// waits has a connection say something behind which it waits.
func (f *fixture) waits(t *testing.T, c io.Writer, send string) {
	t.Helper()
	before := f.parked.Load()
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	f.await(t, before+1)
}

// nobodyWaits checks that nothing is left of those who waited.
func (f *fixture) nobodyWaits(t *testing.T) {
	t.Helper()
	f.await(t, 0)
	queues := make(chan int)
	f.loop.post(func() { queues <- len(f.loop.queues) })
	if n := <-queues; n > 0 {
		t.Errorf("%d queues are left", n)
	}
}

func bulks(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

// TestGoneEndsTheWaiting of consumers whose group or stream is no more, and of
// nobody else.
func TestGoneEndsTheWaiting(t *testing.T) {
	for end, want := range map[string]string{
		"XGROUP DESTROY s g\r\n": "-NOGROUP the consumer group this client was blocked on no longer exists\r\n",
		"DEL s\r\n":              "-UNBLOCKED the stream key no longer exists\r\n",
	} {
		f := start(t)
		c, r := f.login(t)
		other, otherReader := f.login(t)
		exchange(t, c, r, "XGROUP CREATE s g $ MKSTREAM\r\n", "+OK\r\n")
		f.waits(t, other, "XREAD BLOCK 0 STREAMS s $\r\n")
		ended, endedReader := f.login(t)
		f.waits(t, ended, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >\r\n")
		exchange(t, c, r, end, ":1\r\n")
		exchange(t, ended, endedReader, "", want)
		exchange(t, c, r, "XADD s 1-1 f v\r\n", "$3\r\n1-1\r\n")
		exchange(t, other, otherReader, "", "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n")
		f.nobodyWaits(t)
	}
}

// TestServedInOrder of arrival, whatever else each waits for, by one push or by
// several.
func TestServedInOrder(t *testing.T) {
	f := start(t)
	pusher, pusherReader := f.login(t)
	const waiters = 8
	type client struct {
		c net.Conn
		r io.Reader
	}
	var clients []client
	for i := range waiters {
		c, r := f.login(t)
		clients = append(clients, client{c, r})
		f.waits(t, c, fmt.Sprintf("BLPOP other:%d k last 0\r\n", i))
	}
	exchange(t, pusher, pusherReader, "RPUSH k 0 1 2\r\nRPUSH k 3\r\nRPUSH k 4 5 6 7 8\r\n", ":3\r\n")
	for i, w := range clients {
		exchange(t, w.c, w.r, "", bulks("k", fmt.Sprint(i)))
	}
	f.nobodyWaits(t)
}

// TestWhoIsGoneTakesNothing: a connection that ends while it waits leaves the
// queue, though it has said something before.
func TestWhoIsGoneTakesNothing(t *testing.T) {
	for name, behind := range map[string]string{"silent": "", "pipelining": strings.Repeat("PING\r\n", 100), "pipelining much": strings.Repeat("PING "+strings.Repeat("x", 1000)+"\r\n", 50)} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			c, _ := f.login(t)
			f.waits(t, c, "BLPOP k 0\r\n"+behind)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			f.nobodyWaits(t)
			other, r := f.login(t)
			exchange(t, other, r, "RPUSH k x\r\nLLEN k\r\n", ":1\r\n:1\r\n")
		})
	}
}

// TestRevokedWhileItWaits: who may not connect any more is not served.
func TestRevokedWhileItWaits(t *testing.T) {
	f := start(t)
	f.users(t, user("cart"), user("other"))
	c, r := f.dial(t)
	exchange(t, c, r, "AUTH cart cart\r\n", "+OK\r\n")
	f.waits(t, c, "BLPOP k 0\r\n")
	f.users(t, user("other"))
	wantClosed(t, r)
	f.nobodyWaits(t)
	other, otherReader := f.dial(t)
	exchange(t, other, otherReader, "AUTH other other\r\nRPUSH k x\r\nLLEN k\r\n", "+OK\r\n:1\r\n:1\r\n")
}

// TestRulesChangeWhileItWaits: what was permitted when it began to wait is not
// taken when it is not any more. The next in the queue is served.
func TestRulesChangeWhileItWaits(t *testing.T) {
	f := start(t)
	f.audit.SetPolicy(acl.Audit{Level: acl.AuditDenied, RetentionSeconds: 3600})
	f.users(t, user("cart"), user("other"))
	first, firstReader := f.dial(t)
	exchange(t, first, firstReader, "AUTH cart cart\r\n", "+OK\r\n")
	f.waits(t, first, "BLPOP cart:1 k 0\r\n")
	second, secondReader := f.dial(t)
	exchange(t, second, secondReader, "AUTH other other\r\n", "+OK\r\n")
	f.waits(t, second, "BLPOP k 0\r\n")
	f.users(t, user("cart", func(u *acl.User) { u.Commands, u.Keys = acl.ReadWrite, []string{"cart:*"} }), user("other"))
	pusher, pusherReader := f.dial(t)
	exchange(t, pusher, pusherReader, "AUTH other other\r\nRPUSH k x\r\n", "+OK\r\n:1\r\n")
	exchange(t, second, secondReader, "", bulks("k", "x"))
	exchange(t, first, firstReader, "", "-NOPERM this user has no permissions to access one of the keys used as arguments: see AccessToken shop/cart\r\n")
	f.waits(t, first, "BLPOP cart:1 0\r\n")
	exchange(t, pusher, pusherReader, "RPUSH cart:1 y\r\n", ":1\r\n")
	exchange(t, first, firstReader, "", bulks("cart:1", "y"))
	f.nobodyWaits(t)
	if got := f.records(t, 1); len(got) != 1 || line(got[0]) != "cart 1 blpop k denied access one of the keys used as arguments" {
		t.Errorf("%+v", got)
	}
}

// TestTheTimeIsUpWhileItIsServed: what is on its way to the client arrives; if
// another was faster, the client waits no longer.
func TestTheTimeIsUpWhileItIsServed(t *testing.T) {
	for _, stolen := range []bool{false, true} {
		f := start(t)
		c, r := f.login(t)
		exchange(t, c, r, "RPUSH k x\r\n", ":1\r\n")
		f.executor.mu.Lock()
		f.executor.hold = make(chan struct{})
		f.executor.mu.Unlock()
		f.waits(t, c, "BLPOP k 0.01\r\n")
		time.Sleep(100 * time.Millisecond) // the time is up
		want := bulks("k", "x")
		if stolen {
			want = "*-1\r\n"
			argv := [][]byte{[]byte("LPOP"), []byte("k")}
			op, err := command.Parse(argv)
			if err != nil {
				t.Fatal(err)
			}
			f.executor.mu.Lock()
			f.executor.index++
			f.executor.machine.Apply(f.executor.index, []machine.Item{{Op: op, Argv: argv, Write: true}}, 1, 1)
			f.executor.mu.Unlock()
		}
		close(f.executor.hold)
		exchange(t, c, r, "PING\r\n", want+"+PONG\r\n")
		f.nobodyWaits(t)
	}
}

// TestWaitingIsCheapAndCounted: no goroutine, and memory that counts as the
// client's.
func TestWaitingIsCheapAndCounted(t *testing.T) {
	f := start(t)
	const clients = 20
	var conns []net.Conn
	for range clients {
		c, r := f.login(t)
		exchange(t, c, r, "PING\r\n", "+PONG\r\n")
		conns = append(conns, c)
	}
	goroutines, buffered := runtime.NumGoroutine(), f.Stats().Buffered
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	for _, c := range conns {
		f.waits(t, c, "BLPOP "+strings.Join(keys, " ")+" 0\r\n")
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines more", n-goroutines)
	}
	for end := time.Now().Add(10 * time.Second); f.Stats().Buffered-buffered < clients*int64(len(keys))*parkedCost; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are counted", f.Stats().Buffered-buffered)
		}
	}
	c, r := f.login(t)
	if _, err := io.WriteString(c, "INFO clients\r\n"); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil || strings.HasPrefix(line, "blocked_clients:") {
			if line != fmt.Sprintf("blocked_clients:%d\r\n", clients) {
				t.Errorf("%q, %v", line, err)
			}
			break
		}
	}
}

// TestRepliesBeforeWaitingArrive, and what is said behind it is answered behind.
func TestRepliesBeforeWaitingArrive(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	other, otherReader := f.login(t)
	exchange(t, c, r, "SET a 1\r\nGET a\r\nPING\r\nBLPOP k 0\r\nINCR a\r\nBLPOP k 0\r\nGET a\r\n", "+OK\r\n$1\r\n1\r\n+PONG\r\n")
	f.await(t, 1)
	exchange(t, other, otherReader, "GET a\r\nRPUSH k x y\r\n", "$1\r\n1\r\n:2\r\n")
	exchange(t, c, r, "", bulks("k", "x")+":2\r\n"+bulks("k", "y")+"$1\r\n2\r\n")
}

// TestShutdownEndsTheWaiting.
func TestShutdownEndsTheWaiting(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	f.waits(t, c, "BLPOP k 0\r\n")
	if err := f.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	wantClosed(t, r)
}

// TestStoppedExecutorEndsTheWaiting of who was just being served.
func TestStoppedExecutorEndsTheWaiting(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "RPUSH k x\r\n", ":1\r\n")
	f.executor.mu.Lock()
	f.executor.hold = make(chan struct{})
	f.executor.mu.Unlock()
	f.waits(t, c, "BLPOP k 0\r\n")
	time.Sleep(50 * time.Millisecond)
	f.executor.mu.Lock()
	f.executor.stopped = errors.New("disk gone")
	f.executor.mu.Unlock()
	close(f.executor.hold)
	exchange(t, c, r, "", "-ERR the server is stopping\r\n")
	wantClosed(t, r)
	f.await(t, 0)
}

// TestWhatIsTakenIsLoggedAsACommandOfOneKey: a command that waits reaches the
// executor when there is something to take, and not before.
func TestWhatIsTakenIsLoggedAsACommandOfOneKey(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	f.waits(t, c, "BLPOP a b c 0\r\n")
	f.executor.mu.Lock()
	index := f.executor.index
	f.executor.mu.Unlock()
	if index != 0 {
		t.Errorf("%d writes of who waits", index)
	}
	other, otherReader := f.login(t)
	exchange(t, other, otherReader, "RPUSH b x\r\n", ":1\r\n")
	exchange(t, c, r, "", bulks("b", "x"))
	f.executor.mu.Lock()
	defer f.executor.mu.Unlock()
	if f.executor.index != 2 {
		t.Errorf("%d writes, of which one is the push", f.executor.index)
	}
}
