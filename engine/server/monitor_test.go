package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
)

// shownNext is what a monitor is shown next, without the time.
func shownNext(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil || !regexp.MustCompile(`^\+\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] `).MatchString(line) {
		t.Fatalf("%q, %v", line, err)
	}
	_, text, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), "] ")
	return text
}

// TestMonitor shows what is carried out, in its order, and no secret.
func TestMonitor(t *testing.T) {
	f := start(t)
	m, shown := f.login(t)
	exchange(t, m, shown, "MULTI\r\nMONITOR\r\nDISCARD\r\nMONITOR\r\n", "+OK\r\n-ERR Command not allowed inside a transaction\r\n+OK\r\n+OK\r\n")
	c, r := f.dial(t)
	_, _ = fmt.Fprintf(c, "AUTH hidden\r\nAUTH %s\r\nHELLO 2 AUTH default %s\r\nCLIENT LIST\r\nNOSUCH\r\nGET\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$6\r\n\"\\\n\x00\xffx\r\nMULTI\r\nINCR b\r\nEXEC\r\nPUBLISH c d\r\nQUIT\r\n", f.password, f.password)
	if all, err := io.ReadAll(r); err != nil || !strings.HasSuffix(string(all), "*1\r\n:1\r\n:0\r\n+OK\r\n") {
		t.Fatalf("%q, %v", all, err)
	}
	for _, want := range []string{`"AUTH" "(redacted)"`, `"AUTH" "(redacted)"`, `"HELLO" "(redacted)" "(redacted)" "(redacted)" "(redacted)"`, `"SET" "a" "\"\\\n\x00\xffx"`, `"MULTI"`, `"INCR" "b"`, `"exec"`, `"PUBLISH" "c" "d"`, `"QUIT"`} {
		if got := shownNext(t, shown); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	_, _ = io.WriteString(m, "PING\r\n")
	if got := shownNext(t, shown); got != `"PING"` {
		t.Error(got)
	}
	exchange(t, m, shown, "", "+PONG\r\n")
	exchange(t, m, shown, "RESET\r\n", "")
	if got := shownNext(t, shown); got != `"RESET"` {
		t.Error(got)
	}
	exchange(t, m, shown, "PING\r\n", "+RESET\r\n-NOAUTH Authentication required.\r\n")
}

// TestMonitorIsForThoseWhoMayReadAll, for as long as they may.
func TestMonitorIsForThoseWhoMayReadAll(t *testing.T) {
	f := start(t)
	all := func(u *acl.User) { u.Channels = []string{"*"} }
	f.users(t, user("owner", all), user("some", all, func(u *acl.User) { u.Keys = []string{"some:*"} }), user("deaf"), user("app", all, func(u *acl.User) { u.Commands = acl.ReadWrite }))
	as := func(name string) (net.Conn, *bufio.Reader) {
		c, r := f.dial(t)
		exchange(t, c, r, fmt.Sprintf("AUTH %s %s\r\n", name, name), "+OK\r\n")
		return c, r
	}
	for name, reason := range map[string]string{"some": "access one of the keys used as arguments", "deaf": "access one of the channels used as arguments", "app": "run the 'monitor' command"} {
		c, r := as(name)
		exchange(t, c, r, "MONITOR\r\n", "-NOPERM this user has no permissions to "+reason+": see AccessToken shop/"+name+"\r\n")
	}
	m, shown := as("owner")
	exchange(t, m, shown, "MONITOR\r\nAUTH some some\r\n", "+OK\r\n")
	if got := shownNext(t, shown); got != `"AUTH" "(redacted)" "(redacted)"` {
		t.Error(got)
	}
	exchange(t, m, shown, "PING\r\n", "+OK\r\n+PONG\r\n")
	m, shown = as("owner")
	exchange(t, m, shown, "MONITOR\r\n", "+OK\r\n")
	f.users(t, user("owner", all, func(u *acl.User) { u.Keys = []string{"some:*"} }))
	wantClosed(t, shown)
}

// TestMonitorThatTakesNothing is closed, as everybody who is sent too much is.
func TestMonitorThatTakesNothing(t *testing.T) {
	f := start(t, func(l *config.Limits) { l.MaxOutputBytes = 64 << 10 })
	m, shown := f.login(t)
	exchange(t, m, shown, "MONITOR\r\n", "+OK\r\n")
	c, r := f.login(t)
	exchange(t, c, r, fmt.Sprintf("SET k %s\r\n", strings.Repeat("x", 40<<10)), "+OK\r\n")
	for range 1000 {
		exchange(t, c, r, fmt.Sprintf("SET k %s\r\n", strings.Repeat("x", 40<<10)), "+OK\r\n")
		if f.Stats().OutputExceeded > 0 {
			return
		}
	}
	t.Error("it is kept")
}
