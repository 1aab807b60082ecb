package permission

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// A party of the matrix: a role over a pattern that may be read, written, both,
// or is every key's.
type party struct {
	user acl.User
	in   *bufio.Reader
	out  io.Writer
}

func parties() (all []*party) {
	roles := map[string][]string{"readonly": acl.ReadOnly, "readwrite": acl.ReadWrite, "admin": acl.Admin}
	for role, rules := range roles {
		for pattern, grant := range map[string]func(*acl.User){
			"both":  func(u *acl.User) { u.Keys = []string{"in:*"} },
			"read":  func(u *acl.User) { u.ReadKeys = []string{"in:*"} },
			"write": func(u *acl.User) { u.WriteKeys = []string{"in:*"} },
			"every": func(u *acl.User) { u.Keys = []string{"*"} },
		} {
			u := acl.User{Name: role + "-" + pattern, Commands: rules}
			u.Verifiers = verifiersOf(u.Name)
			grant(&u)
			all = append(all, &party{user: u})
		}
	}
	return all
}

// verifiersOf are those of who has his name as the password.
func verifiersOf(name string) []acl.Verifier {
	sum := sha256.Sum256([]byte(name))
	return []acl.Verifier{{Generation: 1, SHA256: hex.EncodeToString(sum[:])}}
}

// admit puts the parties into the engine's users file and logs each in.
func admit(t *testing.T, e *devengine.Engine, all []*party) {
	t.Helper()
	var users []acl.User
	for _, p := range all {
		users = append(users, p.user)
	}
	permit(t, e, users)
	for _, p := range all {
		conn := e.Dial()
		_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
		p.in, p.out = bufio.NewReader(conn), conn
		for end := time.Now().Add(8 * time.Second); p.ask(t, "AUTH", p.user.Name, p.user.Name) != "+OK"; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s cannot log in", p.user.Name)
			}
		}
	}
}

// permit writes the engine's users file.
func permit(t *testing.T, e *devengine.Engine, users []acl.User) {
	t.Helper()
	f := acl.File{Version: acl.FileVersion, Revision: "matrix", Users: users}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(e.Dir, "users", "users.json")
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// request is how a command is sent.
func request(argv ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(argv))
	for _, a := range argv {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

// askQueued is ask of a command in a transaction, which is discarded.
func (p *party) askQueued(t *testing.T, argv ...string) string {
	t.Helper()
	p.send(t, request("MULTI")+request(argv...)+request("DISCARD"))
	multi, reply, end := p.line(t), p.line(t), p.line(t)
	if multi != "+OK" || end != "+OK" && end != "-ERR DISCARD without MULTI" {
		t.Fatalf("%s: %s in a transaction: %q, %q, %q", p.user.Name, argv, multi, reply, end)
	}
	return reply
}

// scriptable tells whether a script may run the command.
func scriptable(c *command.Command) bool {
	return c.Flags&command.NoScript == 0 && c.Name != "memory|usage" && (c.Parse != nil || c.Name == "ping" || c.Name == "publish" || c.Name == "spublish" || c.Name == "select")
}

// askScript has a script run a command: it is permitted if its caller is, and
// may run scripts, whatever keys the script was given.
func (p *party) askScript(t *testing.T, argv []string, allowed bool) {
	t.Helper()
	call := append([]string{"EVAL", "local r = redis.pcall(unpack(ARGV)) return type(r) == 'table' and r.err or 'permitted'", "0"}, argv...)
	p.send(t, request(call...))
	reply, err := p.in.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(p.user.Name, "readonly") {
		if !strings.HasPrefix(reply, "-NOPERM") {
			t.Errorf("%s runs a script: %q", p.user.Name, reply)
		}
		return
	}
	text, err := p.in.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if got := !strings.HasPrefix(text, "ERR The user executing the script can't"); got != allowed {
		t.Errorf("%s: a script that runs %s is answered %q, redis-server permits it: %v", p.user.Name, argv, text, allowed)
	}
}

// askOnce is ask, but for MULTI, behind which PING would not be answered.
func (p *party) askOnce(t *testing.T, c *command.Command, argv []string) string {
	t.Helper()
	if c.Name != "multi" {
		return p.ask(t, argv...)
	}
	p.send(t, request(argv...)+request("DISCARD"))
	reply := p.line(t)
	p.line(t)
	return reply
}

func (p *party) send(t *testing.T, requests string) {
	t.Helper()
	if _, err := io.WriteString(p.out, requests); err != nil {
		t.Fatalf("%s: %v", p.user.Name, err)
	}
}

// line returns the next line of what is answered, and skips what a string or an
// array has behind it.
func (p *party) line(t *testing.T) string {
	t.Helper()
	line, err := p.in.ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", p.user.Name, err)
	}
	line = strings.TrimSpace(line)
	switch n := number(line); {
	case line[0] == '$' && n >= 0:
		if _, err := p.in.Discard(n + 2); err != nil {
			t.Fatal(err)
		}
	case line[0] == '*':
		for range n {
			p.line(t)
		}
	}
	return line
}

// number is what a line says behind its first character.
func number(line string) int {
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	return n
}

// ask sends a command with a PING behind it and returns the first line of the
// command's reply.
func (p *party) ask(t *testing.T, argv ...string) string {
	t.Helper()
	const end = "end-of-reply"
	p.send(t, request(argv...)+request("PING", end))
	first := ""
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %s: %v", p.user.Name, argv, err)
		}
		line = strings.TrimSpace(line)
		if first == "" {
			first = line
		}
		if line == end || strings.HasPrefix(line, "-NOAUTH") && line != first {
			return first
		}
	}
}

// verdict is redis-server's of the same rules.
func (p *party) verdict(t *testing.T, rdb *redis.Client, argv []string) (allowed bool) {
	t.Helper()
	ctx := context.Background()
	dryRun := []any{"ACL", "DRYRUN", p.user.Name}
	for _, a := range argv {
		dryRun = append(dryRun, a)
	}
	verdict, err := rdb.Do(ctx, dryRun...).Text()
	if err != nil {
		t.Fatalf("%v: %v", argv, err)
	}
	return verdict == "OK"
}

func (p *party) tell(t *testing.T, rdb *redis.Client) {
	t.Helper()
	rules := []any{"ACL", "SETUSER", p.user.Name, "reset"}
	for _, r := range p.user.Commands {
		if !strings.HasPrefix(r, "-") {
			r = "+" + r
		}
		rules = append(rules, r)
	}
	for mark, patterns := range map[string][]string{"~": p.user.Keys, "%R~": p.user.ReadKeys, "%W~": p.user.WriteKeys} {
		for _, pattern := range patterns {
			rules = append(rules, mark+pattern)
		}
	}
	if err := rdb.Do(context.Background(), rules...).Err(); err != nil {
		t.Fatal(err)
	}
}

// placed are the arguments with the made-up keys inside or outside the pattern.
func placed(argv []string, where string) []string {
	out := append([]string(nil), argv...)
	for i, a := range out[1:] {
		if len(a) == 2 && a[0] == 'k' {
			out[i+1] = where + a
		}
	}
	return out
}

// TestMatrix: every command, in every role, over keys inside and outside of what
// may be read, written, or both, answered by the engine as an application
// reaches it. redis-server has the last word, but for commands on keys that they
// do not name: there the engine asks for every key, and of who monitors for every
// channel.
func TestMatrix(t *testing.T) {
	rdb := startRedis(t)
	all := parties()
	admit(t, devengine.Start(t, devengine.Build(t), t.TempDir()), all)
	for _, p := range all {
		p.tell(t, rdb)
	}
	compared, refused := 0, 0
	for _, c := range rows() {
		known := rdb.Do(context.Background(), "COMMAND", "INFO", c.Name).Val().([]any)[0] != nil
		if !known || c.Flags&command.NoAuth != 0 {
			continue // those before a login are everybody's
		}
		for _, argv := range calls(c) {
			for _, where := range []string{"in:", "out:"} {
				for _, p := range all {
					argv := placed(argv, where)
					allowed := p.verdict(t, rdb, argv)
					if c.EveryKey() != 0 {
						allowed = allowed && len(p.user.Keys) > 0 && p.user.Keys[0] == "*"
					}
					if c.Name == "monitor" {
						allowed = allowed && slices.Contains(p.user.Channels, "*")
					}
					reply := p.askOnce(t, c, argv)
					compared++
					if got := !strings.HasPrefix(reply, "-NOPERM"); got != allowed {
						t.Errorf("%s: %s is answered %q, redis-server permits it: %v", p.user.Name, argv, reply, allowed)
					}
					if !allowed {
						refused++
					}
					if scriptable(c) {
						p.askScript(t, argv, allowed)
					}
					reply = p.askQueued(t, argv...)
					if got := !strings.HasPrefix(reply, "-NOPERM"); got != allowed {
						t.Errorf("%s: %s in a transaction is answered %q, redis-server permits it: %v", p.user.Name, argv, reply, allowed)
					}
				}
			}
		}
	}
	t.Logf("%d verdicts, %d refusals", compared, refused)
	if compared < 3000 || refused < 1000 || compared-refused < 1000 {
		t.Error("too few for a matrix")
	}
}
