package server

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
)

// These tests are of both pollers: `go test -tags portable` has the other one.

// inLoop has the loop call a function, behind whatever had reached the sockets
// before.
func (f *fixture) inLoop(call func()) {
	for _, step := range []func(){func() {}, call} { // a turn that looks at them begins behind the first
		done := make(chan struct{})
		f.loop.post(func() { step(); close(done) })
		<-done
	}
}

// until waits for something to become so, as the loop sees it.
func (f *fixture) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		ok := false
		f.inLoop(func() { ok = is() })
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("never %s: %+v", what, f.Stats())
		}
	}
}

// stopLoop keeps the loop from going on until the function that it returns is
// called.
func (f *fixture) stopLoop() (goOn func()) {
	stopped, gate := make(chan struct{}), make(chan struct{})
	f.loop.post(func() { close(stopped); <-gate })
	<-stopped
	return func() { close(gate) }
}

// only is the one session of the server.
func (f *fixture) only(t *testing.T) *session {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.sessions {
		if len(f.sessions) == 1 {
			return c
		}
	}
	t.Fatalf("there are %d sessions", len(f.sessions))
	return nil
}

// deaf is a client with small buffers, so that what it does not read soon fills
// those of the server.
func (f *fixture) deaf(t *testing.T) (*tls.Conn, *bufio.Reader) {
	t.Helper()
	raw := f.connect(t, "127.0.0.1").(*net.TCPConn)
	if err := raw.SetReadBuffer(16 << 10); err != nil {
		t.Fatal(err)
	}
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // as dial
	r := bufio.NewReader(c)
	exchange(t, c, r, "AUTH "+f.password+"\r\n", "+OK\r\n")
	return c, r
}

const megabyte = 1 << 20

// flood has the client ask for more than it will be able to take, until nothing
// goes out any more.
func (f *fixture) flood(t *testing.T, c net.Conn, r *bufio.Reader, times int) *session {
	t.Helper()
	exchange(t, c, r, fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n", megabyte, strings.Repeat("y", megabyte)), "+OK\r\n")
	s := f.only(t)
	if _, err := io.WriteString(c, strings.Repeat("GET k\r\n", times)); err != nil {
		t.Fatal(err)
	}
	out, same := int64(-1), 0
	f.until(t, "full", func() bool {
		if now := s.srv.counters.BytesOut.Load(); now != out || !s.blocked || !s.wire.full {
			out, same = now, 0
			return false
		}
		same++
		return same == 20
	})
	return s
}

// pieces writes a few bytes at a time.
type pieces struct {
	net.Conn
	size int
	sent func(left int) // after each
}

func (p *pieces) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = p.Conn.Write(b[n:min(n+p.size, len(b))])
		n += m
		if p.sent != nil {
			p.sent(len(b) - n)
		}
	}
	return n, err
}

// TestRecordsInPieces: crypto/tls goes on where a record was not there whole,
// after any byte of it. A request is served when its last record is.
func TestRecordsInPieces(t *testing.T) {
	f := start(t)
	for _, size := range []int{1, 4, 5, 6, 100, 16<<10 + 22} {
		p := &pieces{Conn: f.connect(t, "127.0.0.1"), size: size}
		c := tls.Client(p, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // as dial
		r := bufio.NewReader(c)
		exchange(t, c, r, "AUTH "+f.password+"\r\n", "+OK\r\n")
		before := f.Stats().Commands
		p.sent = func(left int) {
			f.inLoop(func() {})
			if served := f.Stats().Commands - before; left > 0 && served > 0 {
				t.Errorf("in pieces of %d bytes: served with %d to come", size, left)
			}
		}
		value := strings.Repeat("x", 40)
		exchange(t, c, r, "SET a "+value+"\r\n", "+OK\r\n")
		p.sent, p.size = func(int) { f.inLoop(func() {}) }, max(size, 100)
		value = strings.Repeat("x", 40<<10) // several records
		exchange(t, c, r, fmt.Sprintf("*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", len(value), value), fmt.Sprintf("$%d\r\n%s\r\n", len(value), value))
	}
}

// TestRequestsAcrossReads: a pipeline may be cut anywhere.
func TestRequestsAcrossReads(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	const requests = "SET n 1\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\nPING\r\nNOSUCH\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$2\r\n\r\n\r\nGET b\r\n"
	const replies = "+OK\r\n:2\r\n+PONG\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n+OK\r\n$2\r\n\r\n\r\n"
	for cut := 1; cut < len(requests); cut++ {
		if _, err := io.WriteString(c, requests[:cut]); err != nil {
			t.Fatal(err)
		}
		f.inLoop(func() {})
		exchange(t, c, r, requests[cut:], replies)
	}
}

// TestALongPipelineLetsOthersIn: it is served a part in each turn.
func TestALongPipelineLetsOthersIn(t *testing.T) {
	f := start(t)
	long, longReader := f.login(t)
	short, shortReader := f.login(t)
	before := f.Stats().Commands
	const count = 4 * maxTurn
	goOn := f.stopLoop()
	exchange(t, long, longReader, strings.Repeat("PING\r\n", count), "")
	exchange(t, short, shortReader, "PING\r\n", "")
	served := make(chan int64, 1)
	f.loop.post(func() { served <- f.counters.Commands.Load() - before }) // behind one turn
	goOn()
	if n := <-served; n > maxTurn+1 {
		t.Errorf("%d commands were served in one turn", n)
	}
	exchange(t, short, shortReader, "", "+PONG\r\n")
	exchange(t, long, longReader, "", strings.Repeat("+PONG\r\n", count))
}

// TestWhoTakesNothingIsNotReadFrom: neither its requests nor its replies pile
// up, encoded ones least of all; others go on, and it loses nothing.
func TestWhoTakesNothingIsNotReadFrom(t *testing.T) {
	f := start(t)
	c, r := f.deaf(t)
	const count = 24
	s := f.flood(t, c, r, count)
	other, otherReader := f.login(t)
	exchange(t, other, otherReader, "PING\r\n", "+PONG\r\n")
	before := f.Stats().Commands
	if _, err := io.WriteString(c, "INCR n\r\n"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		f.inLoop(func() {
			if out, limit := len(s.wire.out), writeChunk+writeChunk/100; out > limit {
				t.Errorf("%d bytes are sealed for it, want at most %d", out, limit)
			}
			if out, limit := len(s.out), flushSize+megabyte+100; out > limit {
				t.Errorf("%d bytes are encoded for it, want at most %d", out, limit)
			}
			if len(s.replies) == 0 || !s.blocked {
				t.Errorf("%d replies wait as they are; blocked: %v", len(s.replies), s.blocked)
			}
		})
	}
	if served := f.Stats().Commands - before; served != 0 {
		t.Errorf("%d commands were taken up behind replies that it does not take", served)
	}
	exchange(t, c, r, "", strings.Repeat(fmt.Sprintf("$%d\r\n%s\r\n", megabyte, strings.Repeat("y", megabyte)), count)+":1\r\n")
	f.until(t, "free again", func() bool { return !s.blocked && s.out == nil && s.waiting == 0 })
}

// TestWhoTakesNothingForTooLongIsClosed, and leaves nothing behind.
func TestWhoTakesNothingForTooLongIsClosed(t *testing.T) {
	f := start(t)
	c, r := f.deaf(t)
	f.inLoop(func() { f.replyTimeout = 50 * time.Millisecond })
	exchange(t, c, r, fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n", megabyte, strings.Repeat("y", megabyte)), "+OK\r\n")
	if _, err := io.WriteString(c, strings.Repeat("GET k\r\n", 24)); err != nil {
		t.Fatal(err)
	}
	f.until(t, "closed", func() bool { return f.Stats().Connections == 0 && f.Stats().Buffered == 0 })
}

// TestGoneWhileRepliesAreDue: whatever the session waits for at that moment.
func TestGoneWhileRepliesAreDue(t *testing.T) {
	reset := func(t *testing.T, c *tls.Conn) {
		raw := c.NetConn().(*net.TCPConn)
		if err := errors.Join(raw.SetLinger(0), raw.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Run("that it does not take", func(t *testing.T) {
		f := start(t)
		c, r := f.deaf(t)
		f.flood(t, c, r, 24)
		reset(t, c)
		f.until(t, "gone", func() bool { return f.Stats().Connections == 0 && f.Stats().Buffered == 0 })
	})
	t.Run("that are being worked on", func(t *testing.T) {
		f := start(t)
		c, r := f.deaf(t)
		release := f.holdWrites()
		exchange(t, c, r, "INCR n\r\nPING\r\n", "")
		s := f.only(t)
		f.until(t, "executing", func() bool { return s.executing })
		reset(t, c)
		f.inLoop(func() {})
		release()
		f.until(t, "gone", func() bool { return f.Stats().Connections == 0 && f.Stats().Buffered == 0 })
		other, otherReader := f.login(t)
		exchange(t, other, otherReader, "GET n\r\n", "$1\r\n1\r\n")
	})
}

// holdWrites keeps writes waiting until the function that it returns is called.
func (f *fixture) holdWrites() (release func()) {
	hold := make(chan struct{})
	f.executor.mu.Lock()
	defer f.executor.mu.Unlock()
	f.executor.hold = hold
	return func() {
		f.executor.mu.Lock()
		f.executor.hold = nil
		f.executor.mu.Unlock()
		close(hold)
	}
}

// TestWhatComesDuringAWriteIsOneBatch: an fsync is for all who wait.
func TestWhatComesDuringAWriteIsOneBatch(t *testing.T) {
	f := start(t)
	type client struct {
		net.Conn
		*bufio.Reader
	}
	var clients []client
	for range 4 {
		c, r := f.login(t)
		clients = append(clients, client{c, r})
	}
	release := f.holdWrites()
	for i, c := range clients {
		exchange(t, c.Conn, c.Reader, "INCR n\r\n", "")
		f.until(t, "executing", func() bool {
			f.executor.mu.Lock()
			holding := f.executor.holding
			f.executor.mu.Unlock()
			if holding == 0 {
				return false // it gathers yet
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			n := 0
			for s := range f.sessions {
				if s.executing {
					n++
				}
			}
			return n == i+1
		})
	}
	release()
	for i, c := range clients {
		exchange(t, c.Conn, c.Reader, "", fmt.Sprintf(":%d\r\n", i+1))
	}
	f.executor.mu.Lock()
	defer f.executor.mu.Unlock()
	if got := fmt.Sprint(f.executor.batches); got != "[1 3]" {
		t.Errorf("batches %s", got)
	}
}

// TestRevokedBetweenTwoCommands: the one at hand is answered, the one behind it
// is not carried out.
func TestRevokedBetweenTwoCommands(t *testing.T) {
	f := start(t)
	f.users(t, user("cart"), user("other"))
	c, r := f.dial(t)
	exchange(t, c, r, "AUTH cart cart\r\n", "+OK\r\n")
	s := f.only(t)
	release := f.holdWrites()
	exchange(t, c, r, "INCR n\r\n", "")
	f.until(t, "executing", func() bool { return s.executing })
	exchange(t, c, r, "INCR n\r\n", "")
	f.users(t, user("cart", func(u *acl.User) { u.Verifiers = verifiers("next") }), user("other"))
	release()
	exchange(t, c, r, "", ":1\r\n")
	wantClosed(t, r)
	other, otherReader := f.dial(t)
	exchange(t, other, otherReader, "AUTH other other\r\nGET n\r\n", "+OK\r\n$1\r\n1\r\n")
}

// TestHalfClosed: who has said all that it wants to say is still answered, in
// TLS's words or in TCP's, in one packet with the end or not.
func TestHalfClosed(t *testing.T) {
	for name, closeWrite := range map[string]func(c *tls.Conn) error{
		"TLS": (*tls.Conn).CloseWrite,
		"TCP": func(c *tls.Conn) error { return c.NetConn().(*net.TCPConn).CloseWrite() },
	} {
		for _, together := range []bool{false, true} {
			for requests, replies := range map[string]string{
				"":                              "",
				"PING\r\n":                      "+PONG\r\n",
				"INCR n\r\nINCR n\r\nGET n\r\n": ":1\r\n:2\r\n$1\r\n2\r\n",
				"PING\r\nPI":                    "+PONG\r\n",
			} {
				t.Run(fmt.Sprintf("%s %v %q", name, together, requests), func(t *testing.T) {
					f := start(t)
					c, r := f.deaf(t)
					goOn := func() {}
					if together {
						goOn = f.stopLoop()
					}
					if _, err := io.WriteString(c, requests); err != nil {
						t.Fatal(err)
					}
					if !together {
						f.inLoop(func() {})
					}
					if err := closeWrite(c); err != nil {
						t.Fatal(err)
					}
					goOn()
					exchange(t, c, r, "", replies)
					wantClosed(t, r)
				})
			}
		}
	}
}

// TestWritesAreHandedOverWhileTheLoopIsBusy: where others always have something
// to read, writes wait for the end of a batch alone.
func TestWritesAreHandedOverWhileTheLoopIsBusy(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	var busy func()
	over := false // the loop's
	busy = func() {
		if !over {
			f.loop.post(busy)
		}
	}
	f.loop.post(busy)
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	exchange(t, c, r, "SET k v\r\n", "+OK\r\n")
	f.inLoop(func() { over = true })
}
