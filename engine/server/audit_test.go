package server

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/config"
)

// records waits for so many and returns them.
func (f *fixture) records(t *testing.T, count int) []adminapi.AuditRecord {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		page := f.audit.Read(0, 1000)
		if len(page.Records) >= count {
			return page.Records
		}
		if time.Now().After(end) {
			t.Fatalf("%d records, want %d: %+v", len(page.Records), count, page.Records)
		}
	}
}

func line(r adminapi.AuditRecord) string {
	return strings.TrimSpace(fmt.Sprintf("%s %d %s %s %s %s", r.Identity, r.Generation, r.Operation, strings.Join(r.Keys, ","), r.Decision, r.Reason))
}

// shop has users whose passwords are not their names.
func (f *fixture) shop(t *testing.T) {
	t.Helper()
	f.users(t, user("cart", func(u *acl.User) {
		u.Commands, u.Keys, u.Verifiers = acl.ReadWrite, []string{"cart:*"}, verifiers("cart-password")
	}), user("other", func(u *acl.User) { u.Verifiers = verifiers("other-password") }))
}

// session has one user do everything that levels tell apart.
func (f *fixture) session(t *testing.T) {
	t.Helper()
	c, r := f.dial(t)
	exchange(t, c, r, "AUTH cart wrong\r\nAUTH nobody secret-value\r\nAUTH other-password x\r\n", strings.Repeat(wrongPass, 3))
	exchange(t, c, r, "AUTH cart cart-password\r\n", "+OK\r\n")
	exchange(t, c, r, "SET cart:1 secret-value\r\nGET cart:1\r\nGET x\r\nFLUSHALL\r\nMSET cart:1 secret-value cart:2 secret-value\r\n",
		"+OK\r\n$12\r\nsecret-value\r\n-NOPERM this user has no permissions to access one of the keys used as arguments: see AccessToken shop/cart\r\n"+
			"-NOPERM this user has no permissions to run the 'flushall' command: see AccessToken shop/cart\r\n+OK\r\n")
}

// TestAuditLevels: who did what, and nothing of what was written or of how
// anybody proved who he is.
func TestAuditLevels(t *testing.T) {
	refused := []string{
		"cart 0 login  denied wrong password", "nobody 0 login  denied unknown user", "(somebody's password) 0 login  denied unknown user",
		"cart 1 get x denied access one of the keys used as arguments", "cart 1 flushall  denied run the 'flushall' command",
	}
	for level, want := range map[acl.Level][]string{
		acl.AuditDenied: refused,
		acl.AuditWrites: {refused[0], refused[1], refused[2], "cart 1 login  allowed", "cart 1 set cart:1 allowed", refused[3], refused[4], "cart 1 mset cart:1,cart:2 allowed"},
		acl.AuditAll:    {refused[0], refused[1], refused[2], "cart 1 login  allowed", "cart 1 set cart:1 allowed", "cart 1 get cart:1 allowed", refused[3], refused[4], "cart 1 mset cart:1,cart:2 allowed"},
	} {
		t.Run(string(level), func(t *testing.T) {
			f := start(t)
			f.audit.SetPolicy(acl.Audit{Level: level, RetentionSeconds: 3600})
			f.shop(t)
			f.session(t)
			got := f.records(t, len(want))
			for i, r := range got {
				if i >= len(want) || line(r) != want[i] {
					t.Errorf("record %d: %q, want %q", i, line(r), want[min(i, len(want)-1)])
				}
				if !strings.HasPrefix(r.Source, "127.0.0.1:") || r.Member != "kv-0" || r.Index != uint64(i+1) {
					t.Errorf("record %+v", r)
				}
				if text := fmt.Sprintf("%+v", r); strings.Contains(text, "secret-value") || strings.Contains(text, "-password") {
					t.Errorf("a record tells a secret: %s", text)
				}
			}
		})
	}
}

func TestNothingIsRecordedUnasked(t *testing.T) {
	f := start(t)
	f.shop(t)
	f.session(t)
	f.audit.SetPolicy(acl.Audit{Level: acl.AuditDenied, RetentionSeconds: 3600})
	c, r := f.dial(t)
	exchange(t, c, r, "AUTH cart last\r\n", wrongPass)
	if got := f.records(t, 1); len(got) != 1 || got[0].Index != 1 {
		t.Errorf("%+v", got)
	}
}

// TestWhoFillsTheAuditLogWaits, and nobody else does; nothing is left out.
func TestWhoFillsTheAuditLogWaits(t *testing.T) {
	f := start(t)
	f.users(t, user("cart", func(u *acl.User) { u.Keys = nil }), user("quiet"))
	f.audit.SetPolicy(acl.Audit{Level: acl.AuditDenied, RetentionSeconds: 3600})
	busy, busyReader := f.dial(t)
	exchange(t, busy, busyReader, "AUTH cart cart\r\n", "+OK\r\n")
	quiet, quietReader := f.dial(t)
	exchange(t, quiet, quietReader, "AUTH quiet quiet\r\n", "+OK\r\n")
	f.stream.Lock()
	const count = 10_000
	go fmt.Fprint(busy, strings.Repeat("GET x\r\n", count))
	for !f.audit.Full() {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	if denied := f.Stats().Denied; denied > count/2 {
		t.Errorf("%d commands were served although nobody takes their records", denied)
	}
	exchange(t, quiet, quietReader, "SET x 1\r\n", "+OK\r\n")
	f.stream.Unlock()
	for range count {
		if _, err := busyReader.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(20 * time.Second); f.audit.Status().NextIndex != count+1; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v", f.audit.Status())
		}
	}
}

// TestRefusedConnectionsAreCounted: with one record, however many there are.
func TestRefusedConnectionsAreCounted(t *testing.T) {
	t.Parallel() // it waits for what is counted to be told
	f := start(t, func(l *config.Limits) { l.MaxUnauthenticatedPerHost = 1 })
	f.audit.SetPolicy(acl.Audit{Level: acl.AuditDenied, RetentionSeconds: 3600})
	f.dial(t)
	for range 20 {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		wantClosed(t, bufio.NewReader(c))
		c.Close()
	}
	got := f.records(t, 1)[0]
	if got.Operation != "connect" || got.Source != "127.0.0.1" || got.Reason != "limits.maxUnauthenticatedPerHost" || got.Decision != "denied" || got.Count != 20 {
		t.Errorf("%+v", got)
	}
}
