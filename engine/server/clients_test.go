package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
)

// ask sends a line and returns the text of a bulk string.
func ask(t *testing.T, c net.Conn, r *bufio.Reader, line string) string {
	t.Helper()
	if _, err := io.WriteString(c, line+"\r\n"); err != nil {
		t.Fatal(err)
	}
	head, err := r.ReadString('\n')
	var n int
	if _, scan := fmt.Sscanf(head, "$%d", &n); err != nil || scan != nil {
		t.Fatalf("%s: %q, %v", line, head, err)
	}
	text := make([]byte, n+2)
	if _, err := io.ReadFull(r, text); err != nil {
		t.Fatal(err)
	}
	return string(text[:n])
}

// waitFor asks until the answer matches.
func waitFor(t *testing.T, c net.Conn, r *bufio.Reader, line, match string) {
	t.Helper()
	var got string
	for range 500 {
		if got = ask(t, c, r, line); regexp.MustCompile(match).MatchString(got) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s: %q never matches %q", line, got, match)
}

// TestClientList shows what everybody is at.
func TestClientList(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	waits, _ := f.login(t)
	listens, listensReader := f.login(t)
	in, inReader := f.login(t)
	_, _ = io.WriteString(waits, "BLPOP l 0\r\n")
	exchange(t, listens, listensReader, "SUBSCRIBE news\r\n", "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")
	exchange(t, in, inReader, "MULTI\r\nSET a 1\r\n", "+OK\r\n+QUEUED\r\n")
	f.dial(t)
	waitFor(t, c, r, "CLIENT LIST", `(?s)^id=1 \S+ \S+ name= .* flags=N .* multi=-1 .* cmd=client\|list user=default .*\n`+
		`id=2 .* flags=b .* cmd=blpop .*\nid=3 .* flags=P db=0 sub=1 .*\nid=4 .* flags=x .* multi=1 .* multi-mem=[1-9].*\nid=5 .* user= .*\n$`)
	for filter, want := range map[string]string{"TYPE pubsub": "^id=3 [^\n]*\n$", "ID 4 2 99": "^id=2 [^\n]*\nid=4 [^\n]*\n$", "TYPE replica": "^$"} {
		if got := ask(t, c, r, "CLIENT LIST "+filter); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: %q", filter, got)
		}
	}
}

// TestClientKill ends those who wait and those who listen, and whoever asks last.
func TestClientKill(t *testing.T) {
	f := start(t)
	f.users(t, user("owner"), user("cart", func(u *acl.User) { u.Channels = []string{"*"} }))
	as := func(name string) (net.Conn, *bufio.Reader) {
		c, r := f.dial(t)
		exchange(t, c, r, fmt.Sprintf("AUTH %s %s\r\n", name, name), "+OK\r\n")
		return c, r
	}
	c, r := as("owner")
	waits, waitsReader := as("cart")
	listens, listensReader := as("cart")
	_, idle := as("cart")
	other, otherReader := as("owner")
	_, _ = io.WriteString(waits, "BLPOP l 0\r\n")
	exchange(t, listens, listensReader, "SUBSCRIBE news\r\n", "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")
	waitFor(t, c, r, "CLIENT LIST ID 2", " flags=b ")
	exchange(t, c, r, "CLIENT KILL ID 99\r\nCLIENT KILL USER cart TYPE pubsub\r\nCLIENT KILL USER nobody\r\n", ":0\r\n:1\r\n-ERR No such user 'nobody'\r\n")
	wantClosed(t, listensReader)
	exchange(t, c, r, "CLIENT KILL USER cart\r\nRPUSH l x\r\nLLEN l\r\n", ":2\r\n:1\r\n:1\r\n") // nobody waits any more
	wantClosed(t, waitsReader)
	wantClosed(t, idle)
	exchange(t, c, r, "CLIENT KILL "+other.LocalAddr().String()+"\r\nCLIENT KILL "+other.LocalAddr().String()+"\r\n", "+OK\r\n-ERR No such client\r\n")
	wantClosed(t, otherReader)
	exchange(t, c, r, "CLIENT KILL USER owner\r\nCLIENT KILL USER owner SKIPME no\r\nPING\r\n", ":0\r\n:1\r\n")
	wantClosed(t, r)
	if n := f.parked.Load(); n != 0 {
		t.Errorf("%d sessions wait", n)
	}
}

// TestClientReply: answers are left out, one for each command.
func TestClientReply(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "CLIENT REPLY SKIP\r\nSET a 1\r\nINCR a\r\nCLIENT REPLY SKIP\r\nNOSUCH\r\nPING\r\n", ":2\r\n+PONG\r\n")
	exchange(t, c, r, "CLIENT REPLY OFF\r\nINCR a\r\nPING\r\nCLIENT REPLY SKIP\r\nMULTI\r\nINCR a\r\nEXEC\r\nGET a\r\nCLIENT REPLY ON\r\nGET a\r\n", "+OK\r\n$1\r\n4\r\n")
	exchange(t, c, r, "MULTI\r\nCLIENT REPLY OFF\r\nEXEC\r\n", "+OK\r\n-ERR Command not allowed inside a transaction\r\n-EXECABORT Transaction discarded because of previous errors.\r\n")
	exchange(t, c, r, "CLIENT REPLY OFF\r\nRESET\r\nAUTH "+f.password+"\r\n", "+RESET\r\n+OK\r\n")
}

// TestClientPause holds what writes, then all, until it ends.
func TestClientPause(t *testing.T) {
	f := start(t)
	admin, adminReader := f.login(t)
	c, r := f.login(t)
	exchange(t, admin, adminReader, "CLIENT PAUSE 60001\r\nCLIENT PAUSE 60000 WRITE\r\n", "-ERR a pause may last 60000 milliseconds: ask for less, and again before it ends\r\n+OK\r\n")
	exchange(t, c, r, "GET a\r\nMULTI\r\nGET a\r\nEXEC\r\nINCR a\r\nGET a\r\nNOSUCH\r\n", "$-1\r\n+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n")
	waitFor(t, admin, adminReader, "CLIENT LIST ID 2", " flags=b ")
	exchange(t, admin, adminReader, "GET a\r\nCLIENT UNPAUSE\r\n", "$-1\r\n+OK\r\n")
	exchange(t, c, r, "", ":1\r\n$1\r\n1\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n")

	exchange(t, admin, adminReader, "CLIENT PAUSE 60000\r\nPING\r\n", "+OK\r\n") // PING waits
	_, _ = io.WriteString(c, "GET a\r\n")
	other, otherReader := f.login(t)
	exchange(t, other, otherReader, "CLIENT UNPAUSE\r\nGET a\r\n", "+OK\r\n$1\r\n1\r\n")
	exchange(t, admin, adminReader, "", "+PONG\r\n")
	exchange(t, c, r, "", "$1\r\n1\r\n")

	begin := time.Now()
	exchange(t, admin, adminReader, "CLIENT PAUSE 100 WRITE\r\nCLIENT PAUSE 1 WRITE\r\nINCR a\r\n", "+OK\r\n+OK\r\n:2\r\n")
	if took := time.Since(begin); took < 100*time.Millisecond {
		t.Errorf("a pause of 100 ms ended after %v", took)
	}
}

// TestWhatWaitsForAPauseIsJudgedBehindIt: as what its user may do by then, and a
// connection that ends meanwhile, or is ended, does nothing.
func TestWhatWaitsForAPauseIsJudgedBehindIt(t *testing.T) {
	f := start(t)
	f.users(t, user("owner"), user("cart"), user("gone"))
	as := func(name string) (net.Conn, *bufio.Reader) {
		c, r := f.dial(t)
		exchange(t, c, r, fmt.Sprintf("AUTH %s %s\r\n", name, name), "+OK\r\n")
		return c, r
	}
	admin, adminReader := as("owner")
	cart, cartReader := as("cart")
	gone, goneReader := as("gone")
	killed, killedReader := as("owner")
	left, _ := as("owner")
	exchange(t, admin, adminReader, "CLIENT PAUSE 60000 WRITE\r\n", "+OK\r\n")
	for i, c := range []net.Conn{cart, gone, killed, left} {
		_, _ = fmt.Fprintf(c, "SET k%d v\r\n", i)
		waitFor(t, admin, adminReader, fmt.Sprintf("CLIENT LIST ID %d", i+2), " flags=b ")
	}
	f.users(t, user("owner"), user("cart", func(u *acl.User) { u.Keys = nil }))
	wantClosed(t, goneReader)
	exchange(t, admin, adminReader, "CLIENT KILL ID 4\r\n", ":1\r\n")
	wantClosed(t, killedReader)
	_ = left.Close()
	waitFor(t, admin, adminReader, "CLIENT LIST ID 5", "^$")
	exchange(t, admin, adminReader, "CLIENT UNPAUSE\r\n", "+OK\r\n")
	exchange(t, cart, cartReader, "", "-NOPERM this user has no permissions to access one of the keys used as arguments: see AccessToken shop/cart\r\n")
	exchange(t, admin, adminReader, "DBSIZE\r\n", ":0\r\n")
}

// TestAPauseEndsWithTheLeadership: who asked for it asked a member that leads.
func TestAPauseEndsWithTheLeadership(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "CLIENT PAUSE 60000\r\nGET a\r\n", "+OK\r\n")
	f.Disconnect()
	wantClosed(t, r)
	c, r = f.login(t)
	exchange(t, c, r, "SET a 1\r\n", "+OK\r\n")
	if text := ask(t, c, r, "CLIENT INFO"); !strings.Contains(text, " flags=N ") {
		t.Error(text)
	}
}

// TestTransactionsArePaused: those that write, though they were queued before.
func TestTransactionsArePaused(t *testing.T) {
	f := start(t)
	admin, adminReader := f.login(t)
	c, r := f.login(t)
	exchange(t, c, r, "MULTI\r\nINCR a\r\n", "+OK\r\n+QUEUED\r\n")
	exchange(t, admin, adminReader, "CLIENT PAUSE 60000 WRITE\r\n", "+OK\r\n")
	_, _ = io.WriteString(c, "EXEC\r\n")
	waitFor(t, admin, adminReader, "CLIENT LIST ID 2", " flags=xb ")
	exchange(t, admin, adminReader, "GET a\r\nCLIENT UNPAUSE\r\n", "$-1\r\n+OK\r\n")
	exchange(t, c, r, "", "*1\r\n:1\r\n")
}
