package permission

import (
	"bufio"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/test/fixture/devengine"
)

// everything lets a user do all.
func everything(u acl.User) acl.User {
	u.Commands, u.Keys, u.ReadKeys, u.WriteKeys, u.Channels = acl.Admin, []string{"*"}, nil, nil, []string{"*"}
	return u
}

// queueable are all commands that can be part of a transaction, over keys inside
// and outside of the patterns. Each has one reply.
func queueable(t *testing.T, rdb *redis.Client) (all [][]string, everyKey []bool) {
	for _, c := range rows() {
		known := rdb.Do(t.Context(), "COMMAND", "INFO", c.Name).Val().([]any)[0] != nil
		if !known || !c.Queued() || !c.InTransaction() {
			continue
		}
		forms := calls(c)
		if c.Flags&command.PubSub != 0 && !strings.Contains(c.Name, "|") { // one channel
			forms = forms[:1]
			if len(forms[0]) == 1 {
				forms[0] = append(forms[0], "k1")
			}
		}
		for _, argv := range forms {
			for _, where := range []string{"in:", "out:"} {
				all, everyKey = append(all, placed(argv, where)), append(everyKey, c.EveryKey() != 0)
			}
		}
	}
	return all, everyKey
}

// queue has the party begin a transaction of all the commands.
func (p *party) queue(t *testing.T, all [][]string) {
	t.Helper()
	requests := request("MULTI")
	for _, argv := range all {
		requests += request(argv...)
	}
	p.send(t, requests)
	for i := range len(all) + 1 {
		if line := p.line(t); line != "+QUEUED" && line != "+OK" {
			t.Fatalf("%s: %s is answered %q", p.user.Name, all[i-1], line)
		}
	}
}

// exec returns the first lines of what the commands answer.
func (p *party) exec(t *testing.T) (lines []string) {
	t.Helper()
	p.send(t, request("EXEC"))
	head, err := p.in.ReadString('\n')
	if err != nil {
		t.Fatalf("%s: EXEC: %v", p.user.Name, err)
	}
	n, err := strconv.Atoi(strings.Trim(head, "*\r\n"))
	if err != nil {
		t.Fatalf("%s: EXEC is answered %q", p.user.Name, head)
	}
	for range n {
		lines = append(lines, p.line(t))
	}
	return lines
}

// twin is the party on redis-server, which lets it do everything.
func (p *party) twin(t *testing.T, rdb *redis.Client) *party {
	t.Helper()
	if err := rdb.Do(t.Context(), "ACL", "SETUSER", p.user.Name, "reset", "on", ">"+p.user.Name, "+@all", "~*", "&*").Err(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", rdb.Options().Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	twin := &party{user: p.user, in: bufio.NewReader(conn), out: conn}
	if got := twin.ask(t, "AUTH", p.user.Name, p.user.Name); got != "+OK" {
		t.Fatal(got)
	}
	return twin
}

// TestMatrixAtExec: every command is queued by who may do everything. Then users
// become what they are in the matrix, and EXEC refuses what they may not do any
// more, in redis-server's words, and that alone.
func TestMatrixAtExec(t *testing.T) {
	rdb, e := startRedis(t), devengine.Start(t, devengine.Build(t), t.TempDir())
	roles := parties()
	var ours []*party
	var restricted []acl.User
	for _, p := range roles {
		restricted = append(restricted, p.user)
		ours = append(ours, &party{user: everything(p.user)})
	}
	admit(t, e, ours)
	queued, everyKey := queueable(t, rdb)
	var theirs []*party
	for _, p := range ours {
		twin := p.twin(t, rdb)
		theirs = append(theirs, twin)
		p.queue(t, queued)
		twin.queue(t, queued)
	}
	permit(t, e, restricted)
	awaitRules(t, e, restricted)
	compared, refused := 0, 0
	for i, p := range ours {
		roles[i].tell(t, rdb)
		want, got := theirs[i].exec(t), p.exec(t)
		if len(want) != len(queued) || len(got) != len(queued) {
			t.Fatalf("%s: %d and %d answers to %d commands", p.user.Name, len(want), len(got), len(queued))
		}
		for j, argv := range queued {
			compared++
			if everyKey[j] && !slices.Contains(roles[i].user.Keys, "*") && !strings.HasPrefix(want[j], "-NOPERM") {
				want[j] = noKeys // redis-server lets everybody list and remove all keys
			}
			lost := strings.HasPrefix(want[j], "-NOPERM")
			if lost {
				refused++
			}
			if lost != strings.HasPrefix(got[j], "-NOPERM") || lost && got[j] != want[j] {
				t.Errorf("%s: %s is answered %q, by redis-server %q", p.user.Name, argv, got[j], want[j])
			}
		}
	}
	t.Logf("%d verdicts, %d refusals", compared, refused)
	if compared < 3000 || refused < 1000 || compared-refused < 1000 {
		t.Error("too few for a matrix")
	}
}

// noKeys is the answer to who lost the right to keys.
const noKeys = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. " +
	"This command is no longer allowed for the following reason: no permission to touch the specified keys"

// awaitRules waits until the engine has taken up the rules.
func awaitRules(t *testing.T, e *devengine.Engine, users []acl.User) {
	t.Helper()
	for _, u := range users {
		if u.Name != "readonly-both" {
			continue
		}
		conn := e.Dial()
		defer conn.Close()
		p := &party{user: u, in: bufio.NewReader(conn), out: conn}
		p.ask(t, "AUTH", u.Name, u.Name)
		for end := time.Now().Add(10 * time.Second); !strings.HasPrefix(p.ask(t, "GET", "out:k"), "-NOPERM"); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the rules are not taken up")
			}
		}
	}
}
