package server

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
)

// TestRefusalsAreGrouped as redis-server does, and their number is bounded.
func TestRefusalsAreGrouped(t *testing.T) {
	var r refusals
	now := time.Now()
	row := func(object string) command.Refusal { return command.Refusal{Reason: "key", Object: object} }
	for range 3 {
		r.add(row("a"), now)
	}
	for i := range groupedAmong - 1 {
		r.add(row(fmt.Sprint(i)), now)
	}
	r.add(row("a"), now.Add(grouped))
	if r[0].Object != "a" || r[0].Count != 4 || len(r) != groupedAmong {
		t.Errorf("%d rows, the first %+v", len(r), r[0].Refusal)
	}
	r.add(row("a"), now.Add(2*grouped+1))
	if r[0].Count != 1 {
		t.Errorf("counted with what was refused more than %v ago: %+v", grouped, r[0].Refusal)
	}
	for i := range 2 * maxRefusals {
		r.add(row(fmt.Sprint("many", i)), now)
	}
	if len(r) != maxRefusals {
		t.Errorf("%d rows", len(r))
	}
}

// TestACLLog tells what was refused, where, and of which name, and never a
// value, or a secret in the place of a name.
func TestACLLog(t *testing.T) {
	f := start(t)
	f.users(t, user("owner", secret("to-own")), user("cart", secret("to-buy"), func(u *acl.User) {
		u.Commands, u.Keys, u.Channels = acl.ReadWrite, []string{"cart:*"}, []string{"c*"}
	}))
	c, r := f.dial(t)
	long := strings.Repeat("k", maxShown+7)
	exchange(t, c, r, "AUTH cart to-buy\r\n", "+OK\r\n")
	for _, line := range []string{
		"SET x hidden-value", "SET x other-value", "PUBLISH news hidden-value", "ACL GETUSER hidden-value", "GET " + long, "KEYS *",
		`EVAL "return redis.call('set','y','hidden-value')" 0`, "MULTI", "SET z hidden-value", "DISCARD", "AUTH owner hidden-value", "AUTH owner cart", "AUTH cart hidden-value", "AUTH hidden-name cart",
	} {
		_, _ = fmt.Fprintf(c, "%s\r\n", line)
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = io.WriteString(c, "AUTH owner to-own\r\nACL LOG 100\r\nACL LOG RESET\r\nACL LOG\r\nQUIT\r\n")
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	text := string(all)
	if !strings.HasSuffix(text, "+OK\r\n*0\r\n+OK\r\n") {
		t.Errorf("behind RESET: %q", text[max(0, len(text)-100):])
	}
	if strings.Contains(text, "hidden-value") {
		t.Errorf("a value is shown: %q", text)
	}
	for _, want := range []string{"count 2 reason key context toplevel object x username cart ", "reason channel context toplevel object news ", "reason command context toplevel object acl|getuser ",
		"object " + long[:maxShown] + "... (7 more bytes) ", "reason command context toplevel object keys ", "reason key context lua object y ", "reason key context multi object z ",
		"count 2 reason auth context toplevel object AUTH username owner ", "reason auth context toplevel object AUTH username cart ", "object AUTH username hidden-name ", " cmd=set user=cart"} {
		if !strings.Contains(plain(text), want) {
			t.Errorf("%q is missing from %q", want, plain(text))
		}
	}
}

// secret gives a user another password than its name.
func secret(password string) func(*acl.User) {
	return func(u *acl.User) { u.Verifiers = verifiers(password) }
}

// plain is a reply of RESP2 without what is not told, in one line.
func plain(raw string) string {
	var words []string
	for _, line := range strings.Split(raw, "\r\n") {
		switch {
		case line == "" || line[0] == '$' || line[0] == '*':
		default:
			words = append(words, strings.TrimPrefix(line, ":"))
		}
	}
	return strings.Join(words, " ") + " "
}

// TestSecretsAreNoNames: who sends a password in the place of a name does not have
// it shown to others.
func TestSecretsAreNoNames(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "AUTH "+f.password+" x\r\n", wrongPass)
	_, _ = io.WriteString(c, "ACL LOG\r\nQUIT\r\n")
	all, _ := io.ReadAll(r)
	if text := string(all); strings.Contains(text, f.password) || !strings.Contains(plain(text), "object AUTH username age-seconds") {
		t.Errorf("%q", text)
	}
}

// TestUsersAreToldWithoutTheirSecrets, hashes included.
func TestUsersAreToldWithoutTheirSecrets(t *testing.T) {
	f := start(t)
	f.users(t, user("owner"), user("cart", func(u *acl.User) {
		u.Commands, u.Keys, u.ReadKeys, u.WriteKeys, u.Channels = acl.ReadOnly, []string{"a*"}, []string{"b*", "a*"}, []string{"c*"}, []string{"n*"}
	}), user("gone", func(u *acl.User) { u.NotAfter, u.Keys, u.Commands = "2001-01-01T00:00:00Z", nil, nil }))
	c, r := f.dial(t)
	_, _ = io.WriteString(c, "AUTH owner owner\r\nACL LIST\r\nACL GETUSER cart\r\nACL WHOAMI\r\nACL USERS\r\nACL SETUSER x\r\nACL LOAD\r\nQUIT\r\n")
	all, _ := io.ReadAll(r)
	const rules = "-@all +@read +@connection +@transaction -@write -@admin -@dangerous +command +info +time +acl|whoami +acl|cat +acl|genpass"
	const want = "+OK user cart on ~a* %R~b* %W~c* resetchannels &n* " + rules + " user gone off resetchannels -@all user owner on ~* resetchannels +@all " +
		"flags on passwords commands " + rules + " keys ~a* %R~b* %W~c* channels &n* selectors owner cart gone owner " +
		"-" + "ERR users are AccessTokens: apply one with kubectl, or delete it, and its user is there, or gone, within seconds " +
		"-" + "ERR users are AccessTokens, which the operator writes into a file that is read again whenever it changes: nothing is to be loaded or saved +OK "
	if got := plain(string(all)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
