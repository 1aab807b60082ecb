package admission

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// TestManyComeThroughAMember: its address is no single source, but all caps are.
func TestManyComeThroughAMember(t *testing.T) {
	g := NewGate(10, 3, 1)
	g.Through = func(host string) bool { return host == "member" }
	for i := range 3 {
		if _, reached, ok := g.Enter(&Guest{Host: "member"}); !ok {
			t.Fatalf("connection %d through a member: %s", i, reached)
		}
	}
	if evicted, _, ok := g.Enter(&Guest{Host: "other"}); !ok || evicted == nil || evicted.Host != "member" {
		t.Errorf("another source has no place beside them: %v, evicted %+v", ok, evicted)
	}
}

// TestAdmission: the caps, and that what is counted in is counted out.
func TestAdmission(t *testing.T) {
	g := NewGate(3, 2, 1)
	var sessions []*Guest
	for _, step := range []struct{ host, reached string }{
		{"a", ""}, {"a", "limits.maxUnauthenticatedPerHost"}, {"b", ""}, {"b", "limits.maxUnauthenticated"},
	} {
		c := &Guest{Host: step.host}
		evicted, reached, ok := g.Enter(c)
		if evicted != nil || reached != step.reached || ok != (reached == "") {
			t.Errorf("%+v: evicted %v, reached %q, %v", step, evicted, reached, ok)
		}
		if ok {
			sessions = append(sessions, c)
		}
	}
	g.Authenticated(sessions[0], true)
	g.Authenticated(sessions[1], true)
	last := &Guest{Host: "a"}
	if _, _, ok := g.Enter(last); !ok {
		t.Error("who has authenticated is still counted")
	}
	g.Authenticated(last, true)
	if _, reached, ok := g.Enter(&Guest{Host: "d"}); ok || reached != "limits.maxClients" {
		t.Errorf("beyond the total: %q, %v", reached, ok)
	}
	g.Authenticated(last, false)
	for _, c := range append(sessions, last) {
		g.Leave(c)
	}
	if g.now != 0 || g.pending != 0 || len(g.sources) != 0 || g.oldestOfTheGreediest() != nil {
		t.Errorf("left over: %+v", g)
	}
}

// TestTheGreediestMakesWay: the source with the most strangers loses its oldest
// one; of those with as many the one that has had them longest. Who would be
// the greediest is refused.
func TestTheGreediestMakesWay(t *testing.T) {
	g := NewGate(100, 5, 4)
	var all []*Guest
	enter := func(host string) (evicted *Guest, ok bool) {
		c := &Guest{Host: host}
		if evicted, _, ok = g.Enter(c); ok {
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
		case ok && (!evicted.evicted.Load() || g.pending != g.unauthenticated):
			t.Errorf("%s: %d pending", step.host, g.pending)
		}
	}
}

// TestWhoLogsInInTimeKeepsItsPlace: also when its place was given away just
// before.
func TestWhoLogsInInTimeKeepsItsPlace(t *testing.T) {
	g := NewGate(10, 1, 1)
	first, second := &Guest{Host: "a"}, &Guest{Host: "b"}
	g.Enter(first)
	if evicted, _, _ := g.Enter(second); evicted != first {
		t.Fatalf("%+v was evicted", evicted)
	}
	g.Authenticated(first, true)
	if first.evicted.Load() || g.now != 2 || g.pending != 1 {
		t.Errorf("evicted: %v; %+v", first.evicted.Load(), g)
	}
	g.Leave(first)
	g.Leave(second)
	if g.now != 0 || g.pending != 0 {
		t.Errorf("left over: %+v", g)
	}
}

// TestPlacesAreGivenInOrder: whoever asks first waits least; nobody gets more
// than the quota for long.
func TestPlacesAreGivenInOrder(t *testing.T) {
	var u Usage
	now := time.Unix(1000, 0)
	last := time.Duration(0)
	granted := 0
	for {
		wait, ok := u.Take(now, 100)
		if !ok {
			break
		}
		if wait < last {
			t.Fatalf("place %d is before the one before", granted)
		}
		last, granted = wait, granted+1
	}
	if want := int((quotaHold+quotaBurst)/(10*time.Millisecond)) + 1; granted != want {
		t.Errorf("%d places within %v, want %d", granted, quotaHold, want)
	}
	if wait, ok := u.Take(now.Add(quotaHold), 100); !ok || wait > 20*time.Millisecond {
		t.Errorf("later: %v, %v", wait, ok)
	}
}

// TestSourceOf: whoever has an IPv6 network has all of its addresses.
func TestSourceOf(t *testing.T) {
	for addr, want := range map[string]string{
		"10.1.2.3:5": "10.1.2.3", "[::ffff:10.1.2.3]:5": "10.1.2.3", "[2001:db8:1:2:3:4:5:6]:7": "2001:db8:1:2::/64",
		"[2001:db8:1:2::1]:8": "2001:db8:1:2::/64", "[2001:db8:1:3::1]:8": "2001:db8:1:3::/64", "[fe80::1%1]:9": "fe80::/64",
	} {
		a, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := SourceOf(a); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

func TestThrottle(t *testing.T) {
	th := NewThrottle()
	now := time.Unix(1000, 0)
	for i := range FreeFailures {
		if d := th.Failed("a", now); d != 0 {
			t.Fatalf("failure %d was held back", i)
		}
	}
	if th.Failed("a", now) != FailureDelay || th.Failed("b", now) != 0 {
		t.Error("the eleventh failure of one source is held back, another source is not")
	}
	if th.Failed("a", now.Add(FailureWindow+1)) != 0 {
		t.Error("a new window starts anew")
	}
	for i := range 2 * maxTrackedHost {
		th.Failed(fmt.Sprint(i), now)
	}
	if len(th.hosts) > maxTrackedHost {
		t.Errorf("%d sources are kept", len(th.hosts))
	}
}
