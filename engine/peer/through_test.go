package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// through is a member that dials, and one that clients may be handed to.
func through(t *testing.T, sameKey bool, clients func(Port) func(net.Conn)) *Transport {
	t.Helper()
	ca := authority(t)
	own := certificate(t, ca, name)
	other := own
	if !sameKey {
		other = certificate(t, ca, name)
	}
	p := connect(t, own, other, nil)
	p.to.opts.Clients = clients
	return p.from
}

var client = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4711}

func TestAClientIsHandedThrough(t *testing.T) {
	came := make(chan net.Conn, 1)
	from := through(t, true, func(p Port) func(net.Conn) {
		if p != Jobs {
			t.Errorf("port %q", p)
		}
		return func(conn net.Conn) { came <- conn }
	})
	conn, err := from.HandThrough(2, Jobs, client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	leaders := <-came
	defer leaders.Close()
	if leaders.RemoteAddr().String() != client.String() {
		t.Errorf("the leader sees %s, want the client's %s", leaders.RemoteAddr(), client)
	}
	if _, ok := leaders.(interface{ CloseWrite() error }); !ok {
		t.Errorf("%T is no TCP connection", leaders)
	}
	for _, way := range [][2]net.Conn{{conn, leaders}, {leaders, conn}} {
		got := make([]byte, 5)
		if _, err := way[0].Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(way[1], got); err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestWhoDoesNotLeadTakesNoClients(t *testing.T) {
	from := through(t, true, func(Port) func(net.Conn) { return nil })
	if _, err := from.HandThrough(2, Keys, client); !errors.Is(err, ErrLeadsNone) {
		t.Errorf("%v, want %v", err, ErrLeadsNone)
	}
}

// TestWhoDoesNotLeadIsNotStormed by all clients that wait for it to lead.
func TestWhoDoesNotLeadIsNotStormed(t *testing.T) {
	var asked atomic.Int64
	from := through(t, true, func(Port) func(net.Conn) { asked.Add(1); return nil })
	var clients sync.WaitGroup
	for range 500 {
		clients.Go(func() {
			for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				_, _ = from.HandThrough(2, Keys, client)
			}
		})
	}
	clients.Wait()
	if n := asked.Load(); n > 5000 {
		t.Errorf("asked %d times in a second", n)
	}
}

// TestOnlyMembersSayWhoAClientIs: else anybody could come under any address.
func TestOnlyMembersSayWhoAClientIs(t *testing.T) {
	from := through(t, false, func(Port) func(net.Conn) {
		return func(net.Conn) { t.Error("a client came in") }
	})
	if _, err := from.HandThrough(2, Keys, client); !errors.Is(err, ErrUnanswered) {
		t.Errorf("%v, want %v", err, ErrUnanswered)
	}
}

// TestManyClientsComeAtOnce, as when another member has taken over: all of them
// are introduced.
func TestManyClientsComeAtOnce(t *testing.T) {
	from := through(t, true, func(Port) func(net.Conn) {
		return func(conn net.Conn) { t.Cleanup(func() { _ = conn.Close() }) }
	})
	var refused atomic.Int64
	var clients sync.WaitGroup
	for range 1000 {
		clients.Go(func() {
			conn, err := from.HandThrough(2, Keys, client)
			switch {
			case err == nil:
				_ = conn.Close()
			case errors.Is(err, ErrUnanswered):
				refused.Add(1)
			case !errors.Is(err, context.DeadlineExceeded): // a slow machine: it is tried again
				t.Error(err)
			}
		})
	}
	clients.Wait()
	if n := refused.Load(); n > 0 {
		t.Errorf("%d clients were taken for strangers", n)
	}
}

// TestALeaderThatDoesNotKnowOfIt: it waits for TLS, and ends the connection.
func TestALeaderThatDoesNotKnowOfIt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, _ = conn.Read(make([]byte, 5))
			_ = conn.Close()
		}
	}()
	own := certificate(t, authority(t), name)
	p := connect(t, own, own, func(o *Options) { o.Address = func(uint64) string { return l.Addr().String() } })
	if _, err := p.from.HandThrough(2, Keys, client); !errors.Is(err, ErrUnanswered) {
		t.Errorf("%v, want %v", err, ErrUnanswered)
	}
}

func TestIntroductions(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_123)
	key, other := []byte("a key"), []byte("another")
	change := func(at int) []byte {
		b := introduce(key, Keys, client, now)
		b[at] ^= 1
		return b
	}
	for _, c := range []struct {
		name, problem string
		data          []byte
	}{
		{"as written", "", introduce(key, Keys, client, now)},
		{"an address of IPv6", "", introduce(key, Keys, &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1}, now)},
		{"another version", "as this version does it", change(len(throughMagic))},
		{"another port", "the members' key", change(len(throughMagic) + 1)},
		{"another address", "the members' key", change(len(throughMagic) + 2 + 15)},
		{"another time", "the members' key", change(throughMAC - 1)},
		{"another key", "the members' key", introduce(other, Keys, client, now)},
		{"overheard", "time of day", introduce(key, Keys, client, now.Add(-throughAge-time.Second))},
		{"from the future", "time of day", introduce(key, Keys, client, now.Add(throughAge+time.Second))},
	} {
		if len(c.data) != throughLength {
			t.Fatalf("%s: %d bytes, want %d", c.name, len(c.data), throughLength)
		}
		port, address, err := introduced(key, c.data, now)
		switch {
		case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)):
			t.Errorf("%s: %v, want %q", c.name, err, c.problem)
		case c.problem == "" && (err != nil || port != Keys):
			t.Errorf("%s: %q, %v", c.name, port, err)
		case c.name == "as written" && address.String() != client.String():
			t.Errorf("%s: %s", c.name, address)
		}
	}
}
