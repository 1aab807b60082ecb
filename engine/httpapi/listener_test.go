package httpapi

import (
	"errors"
	"io"
	"net"
	"strconv"
	"testing"
	"time"
)

// TestOneAddressIsCapped: the listener's, so that silence before the handshake
// counts, too; what is closed makes room.
func TestOneAddressIsCapped(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	capped := Limit(l)
	accepted := make(chan net.Conn, 2*maxPerHost)
	go func() {
		for {
			c, err := capped.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	defer l.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	var first net.Conn
	for range maxPerHost {
		dial()
		first = <-accepted
	}
	beyond := dial()
	_ = beyond.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := beyond.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection beyond the cap: %v", err)
	}
	_ = first.Close()
	_ = first.Close() // counts once
	dial()
	<-accepted
	if got := capped.(*limited).open; got != maxPerHost {
		t.Errorf("%d open", got)
	}
}

func TestAllAddressesAreCapped(t *testing.T) {
	l := &limited{hosts: map[string]int{}}
	for i := range maxConnections {
		if !l.enter(strconv.Itoa(i)) {
			t.Fatalf("refused after %d", i)
		}
	}
	if l.enter("another") {
		t.Error("all are open and another is let in")
	}
	l.leave("0")
	if !l.enter("another") || len(l.hosts) != maxConnections {
		t.Errorf("there is room again; %d hosts", len(l.hosts))
	}
}
