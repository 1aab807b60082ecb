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

func newAdmission(total, unauthenticated, perHost int) *admission {
	return &admission{total: total, unauthenticated: unauthenticated, perHost: perHost, sources: map[string]*source{}}
}

// TestAdmission: the caps, and that what is counted in is counted out.
func TestAdmission(t *testing.T) {
	a := newAdmission(3, 2, 1)
	var sessions []*session
	for _, step := range []struct{ host, reached string }{
		{"a", ""}, {"a", "limits.maxUnauthenticatedPerHost"}, {"b", ""}, {"b", "limits.maxUnauthenticated"},
	} {
		c := &session{host: step.host}
		evicted, reached, ok := a.enter(c)
		if evicted != nil || reached != step.reached || ok != (reached == "") {
			t.Errorf("%+v: evicted %v, reached %q, %v", step, evicted, reached, ok)
		}
		if ok {
			sessions = append(sessions, c)
		}
	}
	a.authenticated(sessions[0], true)
	a.authenticated(sessions[1], true)
	last := &session{host: "a"}
	if _, _, ok := a.enter(last); !ok {
		t.Error("who has authenticated is still counted")
	}
	a.authenticated(last, true)
	if _, reached, ok := a.enter(&session{host: "d"}); ok || reached != "limits.maxClients" {
		t.Errorf("beyond the total: %q, %v", reached, ok)
	}
	a.authenticated(last, false)
	for _, c := range append(sessions, last) {
		a.leave(c)
	}
	if a.now != 0 || a.pending != 0 || len(a.sources) != 0 || a.oldestOfTheGreediest() != nil {
		t.Errorf("left over: %+v", a)
	}
}

// TestTheGreediestMakesWay: the source with the most strangers loses its oldest
// one; of those with as many the one that has had them longest. Who would be
// the greediest is refused.
func TestTheGreediestMakesWay(t *testing.T) {
	a := newAdmission(100, 5, 4)
	var all []*session
	enter := func(host string) (evicted *session, ok bool) {
		c := &session{host: host}
		if evicted, _, ok = a.enter(c); ok {
			all = append(all, c)
		}
		return evicted, ok
	}
	for _, host := range []string{"a", "b", "b", "b", "a"} { // 0 1 2 3 4
		if evicted, ok := enter(host); !ok || evicted != nil {
			t.Fatalf("%s: %v %v", host, evicted, ok)
		}
	}
	for _, step := range []struct {
		host    string
		evicted int // -1: refused
	}{
		{"b", -1}, // has the most itself
		{"c", 1},
		{"a", -1}, // has two, as b has now
		{"d", 0},  // a has had two for longer than b
		{"c", 2},
		{"c", -1},
		{"e", 5}, // the first of c's two
		{"f", 4}, // all have one: a has for the longest time
		{"g", 6},
	} {
		evicted, ok := enter(step.host)
		switch {
		case !ok && step.evicted >= 0:
			t.Errorf("%s was refused", step.host)
		case ok && (step.evicted < 0 || evicted != all[step.evicted]):
			t.Errorf("%s: %+v was evicted, want %d", step.host, evicted, step.evicted)
		case ok && (!evicted.evicted.Load() || a.pending != a.unauthenticated):
			t.Errorf("%s: %d pending", step.host, a.pending)
		}
	}
}

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

// TestWhoLogsInInTimeKeepsItsPlace: also when its place was given away just
// before.
func TestWhoLogsInInTimeKeepsItsPlace(t *testing.T) {
	a := newAdmission(10, 1, 1)
	first, second := &session{host: "a"}, &session{host: "b"}
	a.enter(first)
	if evicted, _, _ := a.enter(second); evicted != first {
		t.Fatalf("%+v was evicted", evicted)
	}
	a.authenticated(first, true)
	if first.evicted.Load() || a.now != 2 || a.pending != 1 {
		t.Errorf("evicted: %v; %+v", first.evicted.Load(), a)
	}
	a.leave(first)
	a.leave(second)
	if a.now != 0 || a.pending != 0 {
		t.Errorf("left over: %+v", a)
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
