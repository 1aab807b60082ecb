package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
)

func (f *fixture) as(t *testing.T, name string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, r := f.dial(t)
	exchange(t, c, r, "AUTH "+name+" "+name+"\r\n", "+OK\r\n")
	return c, r
}

func subscribedTo(channel string, count int) string {
	return fmt.Sprintf("*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:%d\r\n", len(channel), channel, count)
}

// TestChannelsArePermitted: a user hears and says what its channels allow, also
// by a pattern, which must be one of its own.
func TestChannelsArePermitted(t *testing.T) {
	f := start(t)
	f.users(t, user("desk", func(u *acl.User) { u.Channels = []string{"news:*"} }), user("mute"))
	const denied = "-NOPERM this user has no permissions to access one of the channels used as arguments: see AccessToken shop/"
	c, r := f.as(t, "desk")
	exchange(t, c, r, "PUBLISH news:a hello\r\n", ":0\r\n")
	for _, refused := range []string{"PUBLISH other hello", "SUBSCRIBE news:a other", "PSUBSCRIBE news:a*", "PSUBSCRIBE *", "SSUBSCRIBE other", "SPUBLISH other x"} {
		exchange(t, c, r, refused+"\r\n", denied+"desk\r\n")
	}
	exchange(t, c, r, "PSUBSCRIBE news:*\r\n", "*3\r\n$10\r\npsubscribe\r\n$6\r\nnews:*\r\n:1\r\n")
	m, mr := f.as(t, "mute")
	exchange(t, m, mr, "SUBSCRIBE news:a\r\n", denied+"mute\r\n")
	exchange(t, m, mr, "PUBSUB CHANNELS\r\n", "*0\r\n")
}

// TestLosingAChannelEndsItsListeners: what was permitted at the start of a
// subscription is not permitted for ever.
func TestLosingAChannelEndsItsListeners(t *testing.T) {
	f := start(t)
	with := func(channels ...string) acl.User {
		return user("desk", func(u *acl.User) { u.Channels = channels })
	}
	f.users(t, with("news:*", "sport"))
	c, r := f.as(t, "desk")
	exchange(t, c, r, "SUBSCRIBE sport\r\n", subscribedTo("sport", 1))
	stays, staysReader := f.as(t, "desk")
	exchange(t, stays, staysReader, "SUBSCRIBE news:a\r\n", subscribedTo("news:a", 1))
	f.users(t, with("news:*"))
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("reading on after the channel was taken away: %v", err)
	}
	p, pr := f.as(t, "desk")
	exchange(t, p, pr, "PUBLISH news:a x\r\n", ":1\r\n")
	exchange(t, stays, staysReader, "", "*3\r\n$7\r\nmessage\r\n$6\r\nnews:a\r\n$1\r\nx\r\n")
}

// TestSubscriptionsAreBounded in memory, and patterns in what they cost everybody
// who publishes.
func TestSubscriptionsAreBounded(t *testing.T) {
	f := start(t)
	for _, kind := range []struct {
		word string
		fit  int
	}{{"subscribe", maxSubscribed / (maxChannel + subscriptionCost)}, {"psubscribe", maxSubscribed / patternCost / (maxChannel + subscriptionCost)}} {
		c, r := f.login(t)
		for i := 1; i <= kind.fit; i++ {
			channel := fmt.Sprintf("%0*d", maxChannel, i)
			exchange(t, c, r, kind.word+" "+channel+"\r\n", fmt.Sprintf("*3\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n:%d\r\n", len(kind.word), kind.word, maxChannel, channel, i))
		}
		exchange(t, c, r, kind.word+" "+strings.Repeat("x", maxChannel)+"\r\n", "-"+errTooManySubscriptions.Error()+"\r\n")
		exchange(t, c, r, kind.word+" "+strings.Repeat("x", maxChannel+1)+"\r\n", "-ERR channel is longer than 1024 bytes\r\n")
	}
}

// TestListenerThatTakesNothing is closed, and the publisher goes on.
func TestListenerThatTakesNothing(t *testing.T) {
	f := start(t, func(l *config.Limits) { l.MaxOutputBytes = 1 << 20 })
	c, r := f.login(t)
	exchange(t, c, r, "SUBSCRIBE flood\r\n", subscribedTo("flood", 1))
	p, pr := f.login(t)
	text := strings.Repeat("x", 15<<10)
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, err := fmt.Fprintf(p, "PUBLISH flood %s\r\n", text); err != nil {
			t.Fatal(err)
		}
		answer, err := pr.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if answer == ":0\r\n" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the listener is still there")
		}
	}
	if n := f.Stats().OutputExceeded; n != 1 {
		t.Errorf("%d connections closed for their output", n)
	}
}

// TestNobodyListensAfterTheEnd: a connection that ends or resets leaves nothing
// in the hub.
func TestNobodyListensAfterTheEnd(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "SUBSCRIBE a\r\n", subscribedTo("a", 1))
	_ = c.Close()
	q, qr := f.login(t)
	exchange(t, q, qr, "SUBSCRIBE b\r\n", subscribedTo("b", 1))
	exchange(t, q, qr, "RESET\r\n", "+RESET\r\n")
	p, pr := f.login(t)
	for range 100 {
		if _, err := io.WriteString(p, "PUBSUB NUMSUB a b\r\n"); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len("*4\r\n$1\r\na\r\n:0\r\n$1\r\nb\r\n:0\r\n"))
		if _, err := io.ReadFull(pr, got); err != nil {
			t.Fatal(err)
		}
		if string(got) == "*4\r\n$1\r\na\r\n:0\r\n$1\r\nb\r\n:0\r\n" {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("somebody still listens")
}
