package server

import (
	"bufio"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
)

// TestStrangersDoNotKeepOthersOut: with all places taken one from elsewhere gets
// in, whether the stranger who makes way has begun its handshake or not. Those
// of modest sources stay.
func TestStrangersDoNotKeepOthersOut(t *testing.T) {
	t.Parallel() // it waits for what is counted to be told
	f := start(t, func(l *config.Limits) {
		l.MaxUnauthenticated, l.MaxUnauthenticatedPerHost, l.HandshakeSeconds, l.AuthenticateSeconds = 6, 4, 60, 60
	})
	f.audit.SetPolicy(acl.Audit{Level: acl.AuditDenied, RetentionSeconds: 3600})
	silent := f.connect(t, "127.0.0.2")
	for end := time.Now().Add(20 * time.Second); f.Stats().Unauthenticated == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody has connected")
		}
	}
	oldest, oldestReader := f.dialFrom(t, "127.0.0.2")
	var stay []net.Conn
	var stayReaders []*bufio.Reader
	for _, host := range []string{"127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"} {
		c, r := f.dialFrom(t, host)
		stay, stayReaders = append(stay, c), append(stayReaders, r)
	}
	wantClosed(t, bufio.NewReader(f.connect(t, "127.0.0.2"))) // the greediest itself
	login := func() {
		c, r := f.dialFrom(t, "127.0.0.4")
		exchange(t, c, r, "AUTH "+f.password+"\r\n", "+OK\r\n")
	}
	login()
	wantClosed(t, bufio.NewReader(silent))
	f.dialFrom(t, "127.0.0.5")
	exchange(t, oldest, oldestReader, "GET x\r\n", "-NOAUTH Authentication required.\r\n")
	login()
	wantClosed(t, oldestReader)
	for i, c := range stay {
		exchange(t, c, stayReaders[i], "GET x\r\n", "-NOAUTH Authentication required.\r\n")
	}
	if st := f.Stats(); st.Evicted != 2 || st.Rejected != 1 || st.Unauthenticated != 5 || st.Connections != 7 || st.HandshakeFailures != 0 {
		t.Errorf("%+v", st)
	}
	if got := f.records(t, 1)[0]; got.Operation != "connect" || got.Source != "127.0.0.2" || got.Reason != "limits.maxUnauthenticated" || got.Count != 3 {
		t.Errorf("%+v", got)
	}
}

// TestStrangersGiveWayWithinTheTotalToo: what the users have left of it.
func TestStrangersGiveWayWithinTheTotalToo(t *testing.T) {
	f := start(t, func(l *config.Limits) { l.MaxClients = 2 })
	f.login(t)
	stranger, strangerReader := f.dialFrom(t, "127.0.0.2")
	exchange(t, stranger, strangerReader, "GET x\r\n", "-NOAUTH Authentication required.\r\n")
	c, r := f.dialFrom(t, "127.0.0.3")
	exchange(t, c, r, "AUTH "+f.password+"\r\n", "+OK\r\n")
	wantClosed(t, strangerReader)
	wantClosed(t, bufio.NewReader(f.connect(t, "127.0.0.4")))
	if st := f.Stats(); st.Evicted != 1 || st.Rejected != 1 || st.Connections != 2 {
		t.Errorf("%+v", st)
	}
}

// connect connects from that address of the loopback network, without TLS.
func (f *fixture) connect(t *testing.T, host string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}).Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

func (f *fixture) dialFrom(t *testing.T, host string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := tls.Client(f.connect(t, host), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // as dial
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}
