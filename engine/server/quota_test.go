package server

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
)

// TestConnectionQuota: one more is told why, and is not logged in; one less
// makes room, and so does a session that becomes another user's.
func TestConnectionQuota(t *testing.T) {
	f := start(t)
	f.users(t, user("cart", func(u *acl.User) { u.Quota = &acl.Quota{Connections: 2} }), user("other"))
	first, firstReader := f.dial(t)
	exchange(t, first, firstReader, "AUTH cart cart\r\nAUTH cart cart\r\n", "+OK\r\n+OK\r\n")
	second, secondReader := f.dial(t)
	exchange(t, second, secondReader, "AUTH cart cart\r\n", "+OK\r\n")
	const full = "-ERR max number of clients reached for this user (quota.connections: 2): see AccessToken shop/cart\r\n"
	third, thirdReader := f.dial(t)
	exchange(t, third, thirdReader, "AUTH cart cart\r\nGET x\r\n", full+"-NOAUTH Authentication required.\r\n")
	exchange(t, third, thirdReader, "AUTH cart wrong\r\n", wrongPass)
	exchange(t, first, firstReader, "AUTH other other\r\n", "+OK\r\n")
	exchange(t, third, thirdReader, "AUTH cart cart\r\nGET x\r\n", "+OK\r\n$-1\r\n")
	exchange(t, first, firstReader, "AUTH cart cart\r\nPING\r\n", full+"+PONG\r\n")
	exchange(t, second, secondReader, "RESET\r\n", "+RESET\r\n")
	exchange(t, first, firstReader, "AUTH cart cart\r\n", "+OK\r\n")
	exchange(t, second, secondReader, "AUTH cart cart\r\n", full)
	third.Close()
	for end := time.Now().Add(10 * time.Second); f.Stats().Connections > 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the third is still there")
		}
	}
	exchange(t, second, secondReader, "AUTH cart cart\r\n", "+OK\r\n")
}

// TestRequestQuota: the sessions of a user share what it may ask for; over it
// they wait and are not refused, and others do not.
func TestRequestQuota(t *testing.T) {
	f := start(t)
	f.users(t, user("cart", func(u *acl.User) { u.Quota = &acl.Quota{RequestsPerSecond: 200} }), user("other"))
	const each = 100
	begin := time.Now()
	done := make(chan error, 2)
	for range 2 {
		c, r := f.dial(t)
		exchange(t, c, r, "AUTH cart cart\r\n", "+OK\r\n")
		go func() {
			fmt.Fprint(c, strings.Repeat("INCR n\r\n", each))
			for range each {
				if line, err := r.ReadString('\n'); err != nil || line[0] != ':' {
					done <- fmt.Errorf("%q, %w", line, err)
					return
				}
			}
			done <- nil
		}()
	}
	other, otherReader := f.dial(t)
	exchange(t, other, otherReader, "AUTH other other\r\n", "+OK\r\n")
	exchange(t, other, otherReader, strings.Repeat("PING\r\n", 1000), strings.Repeat("+PONG\r\n", 1000))
	if took := time.Since(begin); took > 700*time.Millisecond {
		t.Logf("the other user took %v", took) // the machine may be slow
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	// 200 requests, of which a tenth of a second's are free.
	if took := time.Since(begin); took < 850*time.Millisecond {
		t.Errorf("they took %v, which is more than 200 a second", took)
	}
	if st := f.Stats().Users["cart"]; st.Held == 0 || st.Throttled != 0 {
		t.Errorf("counted %+v", st)
	}
}

// TestRequestsThatWouldWaitTooLongAreRefused with the quota's name.
func TestRequestsThatWouldWaitTooLongAreRefused(t *testing.T) {
	t.Parallel() // it waits for what is counted to be told
	f := start(t)
	f.audit.SetPolicy(acl.Audit{Level: acl.AuditDenied, RetentionSeconds: 3600})
	f.users(t, user("cart", func(u *acl.User) { u.Quota = &acl.Quota{RequestsPerSecond: 1} }))
	var conns []net.Conn
	refused := 0
	for range 5 {
		c, r := f.dial(t)
		exchange(t, c, r, "AUTH cart cart\r\n", "+OK\r\n")
		fmt.Fprint(c, "PING\r\n")
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		line, err := r.ReadString('\n')
		if line == "-ERR too many requests for this user (quota.requestsPerSecond: 1): see AccessToken shop/cart\r\n" {
			refused++
		} else if len(conns) > 0 && err == nil {
			t.Errorf("session %d was answered %q", len(conns), line)
		}
		conns = append(conns, c)
	}
	if refused < 1 || refused > 2 {
		t.Errorf("%d refused", refused)
	}
	if got := f.records(t, 1)[0]; got.Operation != "request" || got.Reason != "quota.requestsPerSecond" || got.Count != int64(refused) || got.Identity != "cart" {
		t.Errorf("%+v", got)
	}
}
