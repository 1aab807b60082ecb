package permission

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/test/fixture/devengine"
)

// waiting are the commands that wait, in a form that does, and what serves each,
// before which there may be something to do.
var waiting = map[string]struct{ call, push, before string }{
	"blpop":      {call: "blpop k1 0", push: "rpush k1"},
	"brpop":      {call: "brpop k1 0", push: "rpush k1"},
	"blmove":     {call: "blmove k1 k2 left right 0", push: "rpush k1"},
	"brpoplpush": {call: "brpoplpush k1 k2 0", push: "rpush k1"},
	"blmpop":     {call: "blmpop 0 1 k1 left", push: "rpush k1"},
	"bzpopmin":   {call: "bzpopmin k1 0", push: "zadd k1"},
	"bzpopmax":   {call: "bzpopmax k1 0", push: "zadd k1"},
	"bzmpop":     {call: "bzmpop 0 1 k1 min", push: "zadd k1"},
	"xread":      {call: "xread block 0 streams k1 0", push: "xadd k1 *"},
	"xreadgroup": {call: "xreadgroup group g c block 0 streams k1 >", push: "xadd k1 *", before: "xgroup create k1 g $ mkstream"},
}

// waiter is a party that waits.
type waiter struct {
	*party
	role *party // what it becomes meanwhile
	argv []string
}

// TestMatrixWhenServed: every command that waits is begun by who may do
// everything. Then users become what they are in the matrix, and what they wait
// for arrives: who may not take it any more is refused, and that one alone.
func TestMatrixWhenServed(t *testing.T) {
	rdb, e := startRedis(t), devengine.Start(t, devengine.Build(t), t.TempDir())
	roles := parties()
	pusher := &party{user: everything(roles[0].user)}
	pusher.user.Name = "pusher"
	pusher.user.Verifiers = verifiersOf("pusher")
	restricted, all := []acl.User{pusher.user}, []*party{pusher}
	for _, p := range roles {
		restricted = append(restricted, p.user)
		all = append(all, &party{user: everything(p.user)})
	}
	admit(t, e, all)
	var waiters []*waiter
	var pushes [][]string
	for _, c := range rows() {
		form, known := waiting[c.Name]
		if c.Flags&command.Blocking == 0 {
			continue
		}
		if !known {
			t.Errorf("no form of %s waits", c.Name)
		}
		for _, where := range []string{"in:", "out:"} {
			where += c.Name + ":"
			if form.before != "" {
				if got := pusher.ask(t, placed(strings.Fields(form.before), where)...); got != "+OK" {
					t.Fatal(got)
				}
			}
			for i, p := range all[1:] {
				w := &waiter{party: &party{user: p.user}, role: roles[i], argv: placed(strings.Fields(form.call), where)}
				w.begin(t, e)
				waiters = append(waiters, w)
			}
			push := placed(strings.Fields(form.push), where)
			for i := range roles { // one for each, in case
				push = append(push, fmt.Sprint(i))
				if push[0] != "rpush" {
					push = append(push, fmt.Sprint("m", i))
				}
			}
			pushes = append(pushes, push)
			for range roles {
				if form.before != "" { // each entry is one consumer's
					pushes = append(pushes, push)
				}
			}
		}
	}
	pusher.awaitWaiting(t, len(waiters))
	permit(t, e, restricted)
	awaitRules(t, e, restricted)
	for _, push := range pushes {
		if line := pusher.ask(t, push...); line[0] != ':' && line[0] != '$' {
			t.Fatalf("%s: %s", push, line)
		}
	}
	for _, p := range roles {
		p.tell(t, rdb)
	}
	refused := 0
	for _, w := range waiters {
		allowed, got := w.role.verdict(t, rdb, w.argv), w.line(t)
		if allowed == strings.HasPrefix(got, "-NOPERM") || allowed && got[0] == '-' {
			t.Errorf("%s: %s is answered %q, redis-server permits it: %v", w.user.Name, w.argv, got, allowed)
		}
		if !allowed {
			refused++
		}
	}
	t.Logf("%d verdicts, %d refusals", len(waiters), refused)
	if refused < 50 || len(waiters)-refused < 50 {
		t.Error("too few of one kind for a matrix")
	}
}

// begin has the party wait on a connection of its own.
func (w *waiter) begin(t *testing.T, e *devengine.Engine) {
	t.Helper()
	conn := e.Dial()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	w.in, w.out = bufio.NewReader(conn), conn
	if got := w.ask(t, "AUTH", w.user.Name, w.user.Name); got != "+OK" {
		t.Fatal(got)
	}
	w.send(t, request(w.argv...))
}

// awaitWaiting waits until so many connections wait.
func (p *party) awaitWaiting(t *testing.T, count int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		p.send(t, request("INFO", "clients"))
		head, err := p.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, number(head)+2)
		if _, err := io.ReadFull(p.in, body); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(body), fmt.Sprintf("blocked_clients:%d\r\n", count)) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s, want %d that wait", body, count)
		}
	}
}
