package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/reply"
)

const queuedReply = "+QUEUED\r\n"

// TestTransactionIsOneItem: what is queued reaches the executor as one, which
// alone makes it atomic; what stands before and behind it is answered in order.
func TestTransactionIsOneItem(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "SET a 1\r\nMULTI\r\nINCR a\r\nPING\r\nKEYS *\r\nGET a x\r\nEXEC\r\nMULTI\r\nINCR a\r\nGET a\r\nPING\r\nINCR s\r\nEXEC\r\nGET a\r\n",
		"+OK\r\n+OK\r\n"+strings.Repeat(queuedReply, 3)+"-ERR wrong number of arguments for 'get' command\r\n-EXECABORT Transaction discarded because of previous errors.\r\n"+
			"+OK\r\n"+strings.Repeat(queuedReply, 4)+"*4\r\n:2\r\n$1\r\n2\r\n+PONG\r\n:1\r\n$1\r\n2\r\n")
	f.executor.mu.Lock()
	defer f.executor.mu.Unlock()
	if got := fmt.Sprint(f.executor.batches); got != "[1 1 1]" {
		t.Errorf("batches %s", got)
	}
}

// TestRulesChangeBeforeExec: what a user may not do any more is not done, though
// it was permitted when it was queued; what it still may do is.
func TestRulesChangeBeforeExec(t *testing.T) {
	f := start(t)
	f.users(t, user("cart", func(u *acl.User) { u.Channels = []string{"*"} }), user("other"))
	c, r := f.dial(t)
	exchange(t, c, r, "AUTH cart cart\r\nMULTI\r\nSET cart:1 1\r\nSET x 1\r\nFLUSHALL\r\nPUBLISH ch m\r\nINCR cart:1\r\n", "+OK\r\n+OK\r\n"+strings.Repeat(queuedReply, 5))
	f.users(t, user("cart", func(u *acl.User) { u.Commands, u.Keys = acl.ReadWrite, []string{"cart:*"} }), user("other"))
	const changed = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: "
	exchange(t, c, r, "EXEC\r\nGET cart:1\r\n", "*5\r\n+OK\r\n"+
		changed+"no permission to touch the specified keys: see AccessToken shop/cart\r\n"+
		changed+"no permission to execute the command or subcommand: see AccessToken shop/cart\r\n"+
		changed+"no permission to access one of the channels used as arguments: see AccessToken shop/cart\r\n:2\r\n$1\r\n2\r\n")
	other, otherReader := f.dial(t)
	exchange(t, other, otherReader, "AUTH other other\r\nEXISTS x cart:1\r\n", "+OK\r\n:1\r\n")
	exchange(t, c, r, "MULTI\r\nSET cart:1 5\r\nSET cart:2 5\r\n", "+OK\r\n"+queuedReply+queuedReply)
	f.users(t, user("other"))
	wantClosed(t, r)
	exchange(t, other, otherReader, "MGET cart:1 cart:2\r\n", "*2\r\n$1\r\n2\r\n$-1\r\n")
}

// TestWhatIsRefusedIsNotQueued, and takes the transaction with it.
func TestWhatIsRefusedIsNotQueued(t *testing.T) {
	f := start(t, func(l *config.Limits) { l.MaxKeyBytes = 1024 })
	f.users(t, user("cart", func(u *acl.User) { u.Commands, u.Keys = acl.ReadWrite, []string{"cart:*"} }))
	c, r := f.dial(t)
	exchange(t, c, r, "MULTI\r\nAUTH cart cart\r\n", "-NOAUTH Authentication required.\r\n+OK\r\n")
	const abort = "-EXECABORT Transaction discarded because of previous errors.\r\n"
	for refused, answer := range map[string]string{
		"GET x":                             "-NOPERM this user has no permissions to access one of the keys used as arguments: see AccessToken shop/cart\r\n",
		"FLUSHALL":                          "-NOPERM this user has no permissions to run the 'flushall' command: see AccessToken shop/cart\r\n",
		"AUTH cart cart":                    "-ERR Command not allowed inside a transaction\r\n",
		"HELLO 3":                           "-ERR Command not allowed inside a transaction\r\n",
		"GET " + "cart:" + longKey()[:1020]: "-ERR key is longer than 1024 bytes\r\n",
	} {
		exchange(t, c, r, "MULTI\r\nSET cart:1 v\r\n"+refused+"\r\nSET cart:1 v\r\nEXEC\r\nGET cart:1\r\n", "+OK\r\n"+queuedReply+answer+queuedReply+abort+"$-1\r\n")
	}
}

func longKey() string { return strings.Repeat("k", 65530) }

// TestTransactionIsBounded as a request is, in bytes.
func TestTransactionIsBounded(t *testing.T) {
	const limit = 4 << 10
	f := start(t, func(l *config.Limits) { l.MaxRequestBytes, l.MaxBulkBytes = limit, limit })
	c, r := f.login(t)
	const abort = "-EXECABORT Transaction discarded because of previous errors.\r\n"
	tooLarge := fmt.Sprintf("-ERR the commands of a transaction may take %d bytes (limits.maxRequestBytes): make it smaller\r\n", limit)
	value := strings.Repeat("x", 1500)
	exchange(t, c, r, "MULTI\r\n"+strings.Repeat("SET a "+value+"\r\n", 3)+"EXEC\r\nEXISTS a\r\n", "+OK\r\n"+queuedReply+queuedReply+tooLarge+abort+":0\r\n")
	fits := limit / (queuedCost + argumentCost + len("PING"))
	exchange(t, c, r, "MULTI\r\n"+strings.Repeat("PING\r\n", fits+2)+"EXEC\r\n", "+OK\r\n"+strings.Repeat(queuedReply, fits)+tooLarge+queuedReply+abort)
	exchange(t, c, r, "MULTI\r\n"+strings.Repeat("SET a "+value+"\r\n", 2)+"EXEC\r\n", "+OK\r\n"+queuedReply+queuedReply+"*2\r\n+OK\r\n+OK\r\n")
}

// TestAnswersOfExecAreBounded: of what only answers, no more is done than anybody
// gets an answer of.
func TestAnswersOfExecAreBounded(t *testing.T) {
	const queued = 5000
	f := start(t, func(l *config.Limits) { l.MaxOutputBytes = 1 << 20 })
	c, r := f.login(t)
	asked := 0
	f.loop.post(func() {
		f.opts.Facts = func() Facts { asked++; return Facts{} }
	})
	exchange(t, c, r, "MULTI\r\n"+strings.Repeat("INFO\r\n", queued)+"SET a 1\r\n", "+OK\r\n"+strings.Repeat(queuedReply, queued+1))
	exchange(t, c, r, "EXEC\r\n", "")
	wantClosed(t, r)
	p, pr := f.login(t)
	exchange(t, p, pr, "GET a\r\n", "$1\r\n1\r\n")
	said := make(chan int)
	f.loop.post(func() { said <- asked })
	if got := <-said; got == 0 || got > queued/2 {
		t.Errorf("INFO was carried out %d times of %d", got, queued)
	}
}

// TestWhatIsQueuedIsCounted as the client's buffers are.
func TestWhatIsQueuedIsCounted(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	eventually := func(what string, holds func(buffered int64) bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !holds(f.Stats().Buffered); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d bytes", what, f.Stats().Buffered)
			}
		}
	}
	value := strings.Repeat("x", 60_000)
	exchange(t, c, r, "WATCH k\r\nMULTI\r\nSET a "+value+"\r\nSET a "+value+"\r\n", "+OK\r\n+OK\r\n"+queuedReply+queuedReply)
	eventually("queued", func(b int64) bool { return b >= 120_000 })
	exchange(t, c, r, "DISCARD\r\n", "+OK\r\n")
	eventually("discarded", func(b int64) bool { return b < 120_000 })
}

// TestWatchIsBounded in memory, and ends with the session.
func TestWatchIsBounded(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	each := 60_000 + watchedCost
	for range maxWatched / each {
		exchange(t, c, r, "WATCH "+longKey()[:60_000]+"\r\n", "+OK\r\n")
	}
	exchange(t, c, r, "WATCH "+longKey()[:60_000]+"\r\n", "-"+errTooManyKeys.Error()+"\r\n")
	exchange(t, c, r, "UNWATCH\r\nWATCH a\r\n", "+OK\r\n+OK\r\n")
	calls := func() int {
		f.executor.mu.Lock()
		defer f.executor.mu.Unlock()
		return len(f.executor.batches)
	}
	before := calls()
	c.Close()
	for end := time.Now().Add(10 * time.Second); calls() == before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the watch outlives the session")
		}
	}
}

// TestRefusedTransaction: what the executor does not take is said as
// redis-server does.
func TestRefusedTransaction(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "WATCH a\r\nMULTI\r\nSET b 1\r\nPING\r\n", "+OK\r\n+OK\r\n"+queuedReply+queuedReply)
	f.executor.mu.Lock()
	f.executor.refusal = reply.Error("MISCONF the volume is full")
	f.executor.mu.Unlock()
	exchange(t, c, r, "EXEC\r\nPING\r\n", "-EXECABORT Transaction discarded because of: MISCONF the volume is full\r\n+PONG\r\n")
}

// TestAuditOfTransactions: what is queued is recorded when it is carried out, or
// refused.
func TestAuditOfTransactions(t *testing.T) {
	f := start(t)
	f.audit.SetPolicy(acl.Audit{Level: acl.AuditWrites, RetentionSeconds: 3600})
	cart := func(u *acl.User) { u.Commands, u.Keys = acl.ReadWrite, []string{"cart:*"} }
	f.users(t, user("cart", cart))
	c, r := f.dial(t)
	exchange(t, c, r, "AUTH cart cart\r\nMULTI\r\nSET cart:1 1\r\nDISCARD\r\nMULTI\r\nSET cart:2 1\r\nGET x\r\nEXEC\r\n", "+OK\r\n+OK\r\n"+queuedReply+"+OK\r\n+OK\r\n"+queuedReply+
		"-NOPERM this user has no permissions to access one of the keys used as arguments: see AccessToken shop/cart\r\n-EXECABORT Transaction discarded because of previous errors.\r\n")
	exchange(t, c, r, "MULTI\r\nSET cart:3 1\r\nSET cart:4 1\r\n", "+OK\r\n"+queuedReply+queuedReply)
	f.users(t, user("cart", func(u *acl.User) { cart(u); u.Keys = []string{"cart:4"} }))
	exchange(t, c, r, "EXEC\r\n", "*2\r\n-NOPERM")
	want := []string{"cart 1 login  allowed", "cart 1 get x denied access one of the keys used as arguments",
		"cart 1 set cart:3 denied access one of the keys used as arguments", "cart 1 set cart:4 allowed"}
	got := f.records(t, len(want))
	for i, rec := range got {
		if i >= len(want) || line(rec) != want[i] {
			t.Errorf("record %d: %q", i, line(rec))
		}
	}
}

// TestRevokedBeforeExec: EXEC that is made to wait is not carried out when the
// user is gone by then.
func TestRevokedBeforeExec(t *testing.T) {
	f := start(t)
	f.users(t, user("cart", func(u *acl.User) { u.Quota = &acl.Quota{RequestsPerSecond: 2} }), user("other"))
	c, r := f.dial(t)
	exchange(t, c, r, "AUTH cart cart\r\nMULTI\r\nSET a 1\r\n", "+OK\r\n+OK\r\n"+queuedReply)
	exchange(t, c, r, "EXEC\r\n", "")
	time.Sleep(100 * time.Millisecond) // it is read
	f.users(t, user("other"))
	wantClosed(t, r)
	other, otherReader := f.dial(t)
	exchange(t, other, otherReader, "AUTH other other\r\nGET a\r\n", "+OK\r\n$-1\r\n")
}
