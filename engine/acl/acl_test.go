package acl

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func sum(secret string) string {
	s := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(s[:])
}

func file() File {
	return File{
		Version:  FirstFileVersion,
		Revision: "r1",
		Users: []User{
			{Name: "default", Verifiers: []Verifier{{1, sum("old")}, {2, sum("new")}}, Commands: []string{"@all"}, Keys: []string{"*"}},
			{Name: "reader", Verifiers: []Verifier{{9, sum("read")}}, Commands: []string{"@read", "client|id", "Ping", "command"}, Keys: []string{"shop:*", "cart:?"}},
		},
		MetricsTokens: []Verifier{{1, sum("token")}},
	}
}

func users(t *testing.T) *Users {
	t.Helper()
	u, err := New(file())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestVerify(t *testing.T) {
	u := users(t)
	tests := []struct {
		user, password string
		generation     int64
		ok             bool
	}{
		{"default", "old", 1, true},
		{"default", "new", 2, true},
		{"reader", "read", 9, true},
		{"default", "read", 0, false},
		{"reader", "", 0, false},
		{"nobody", "old", 0, false},
		{"nobody", "", 0, false},
		{"", "", 0, false},
	}
	for _, tt := range tests {
		id, credential, refusal := u.Verify(tt.user, tt.password, now)
		ok := refusal == ""
		if ok != tt.ok || credential.Generation() != tt.generation || (id != nil) != tt.ok {
			t.Errorf("Verify(%q, %q) = %v, %d, %v", tt.user, tt.password, id, credential.Generation(), ok)
		}
		if ok && id.Name() != tt.user {
			t.Errorf("identity %q, want %q", id.Name(), tt.user)
		}
	}
	for token, want := range map[string]struct {
		user       string
		generation int64
	}{"old": {"default", 1}, "new": {"default", 2}, "read": {"reader", 9}, "token": {}, "": {}} {
		id, credential, refusal := u.VerifyBearer(token, now)
		if (refusal == "") != (want.user != "") || credential.User != want.user || credential.Generation() != want.generation || (id != nil) != (want.user != "") {
			t.Errorf("VerifyBearer(%q) = %v, %v, %q", token, id, credential, refusal)
		}
		if refusal == "" && !u.Accepts(credential, now) {
			t.Errorf("the credential of %q is not accepted", token)
		}
	}
	if !u.VerifyToken("token") || u.VerifyToken("") || u.VerifyToken("old") {
		t.Error("VerifyToken accepts the wrong tokens")
	}
}

// TestEveryVerifierIsCompared, as often for a stranger as for anybody, and by
// what takes the same time wherever two sums differ. That nobody can tell with
// a clock is what `make bench-security` looks at.
func TestEveryVerifierIsCompared(t *testing.T) {
	u, calls := users(t), 0
	equal = func(x, y []byte) int { calls++; return subtle.ConstantTimeCompare(x, y) }
	defer func() { equal = subtle.ConstantTimeCompare }()
	for _, login := range [][2]string{{"default", "old"}, {"default", "new"}, {"default", "wrong"}, {"reader", "read"}, {"reader", "wrong"}, {"nobody", "read"}, {"nobody", "wrong"}} {
		calls = 0
		if u.Verify(login[0], login[1], now); calls != 2 { // default has two verifiers
			t.Errorf("%s: compared %d times", login, calls)
		}
	}
}

// TestAcceptsTheSecretNotItsNumber: a number that is given again, to another
// secret, does not keep sessions of the first alive.
func TestAcceptsTheSecretNotItsNumber(t *testing.T) {
	f := file()
	f.Users[0].Verifiers = []Verifier{{1, sum("old")}, {2, sum("new")}}
	before, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	_, old, refusal1 := before.Verify("default", "old", now)
	_, current, refusal2 := before.Verify("default", "new", now)
	if refusal1 != "" || refusal2 != "" || !before.Accepts(old, now) || !before.Accepts(current, now) {
		t.Fatal("both are the user's")
	}
	f.Users[0].Verifiers = []Verifier{{1, sum("other")}, {2, sum("new")}}
	after, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	if after.Accepts(old, now) || !after.Accepts(current, now) || after.Accepts(Credential{}, now) {
		t.Error("Accepts is wrong")
	}
}

func TestTwoGenerationsOfOneSecret(t *testing.T) {
	f := file()
	f.Users[0].Verifiers = []Verifier{{4, sum("same")}, {3, sum("same")}}
	u, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, credential, refusal := u.Verify("default", "same", now); refusal != "" || credential.Generation() != 4 {
		t.Errorf("generation %d, %q; want 4", credential.Generation(), refusal)
	}
}

func TestParseRefuses(t *testing.T) {
	change := func(f func(*File)) string {
		c := file()
		f(&c)
		data, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	second := func(f func(*File)) string {
		return change(func(c *File) { c.Version = FileVersion; f(c) })
	}
	tests := []struct {
		name, in string
		want     error
		says     string
	}{
		{"newer", `{"version":4,"roles":[]}`, ErrNewerVersion, "version 4, this engine reads up to 3"},
		{"no version", `{}`, ErrInvalid, "version: missing"},
		{"unknown field", `{"version":1,"roles":[]}`, ErrInvalid, `"roles"`},
		{"trailing", change(func(*File) {}) + "{}", ErrInvalid, "after top-level"},
		{"no revision", change(func(f *File) { f.Revision = "" }), ErrInvalid, "revision"},
		{"no users", change(func(f *File) { f.Users = nil }), ErrInvalid, "users: 0"},
		{"twice", change(func(f *File) { f.Users[1].Name = "default" }), ErrInvalid, "twice"},
		{"name", change(func(f *File) { f.Users[1].Name = "a b" }), ErrInvalid, "name"},
		{"no verifier", change(func(f *File) { f.Users[0].Verifiers = nil }), ErrInvalid, "verifiers: 0"},
		{"short hash", change(func(f *File) { f.Users[0].Verifiers[0].SHA256 = "ab" }), ErrInvalid, "64 lower-case"},
		{"upper-case hash", change(func(f *File) { f.Users[0].Verifiers[0].SHA256 = strings.ToUpper(sum("old")) }), ErrInvalid, "64 lower-case"},
		{"generation", change(func(f *File) { f.Users[0].Verifiers[1].Generation = 1 }), ErrInvalid, "unique"},
		{"category", change(func(f *File) { f.Users[1].Commands = []string{"@reads"} }), ErrInvalid, `"@reads"`},
		{"pattern", change(func(f *File) { f.Users[1].Keys = []string{strings.Repeat("a", 2000)} }), ErrInvalid, "1024"},
		{"minus in version 1", change(func(f *File) { f.Users[1].Commands = []string{"-get"} }), ErrInvalid, `"-get" needs version 2`},
		{"life in version 1", change(func(f *File) { f.Users[1].NotAfter = "2030-01-01T00:00:00Z" }), ErrInvalid, "need version 2"},
		{"audit in version 1", change(func(f *File) { f.Audit = &Audit{Level: AuditNone} }), ErrInvalid, "audit: needs version 2"},
		{"rule", second(func(f *File) { f.Users[1].Commands = []string{"--get"} }), ErrInvalid, `users[1] ("reader"): commands: "--get" is not a command's name`},
		{"forbidden category", second(func(f *File) { f.Users[1].Commands = []string{"-@reads"} }), ErrInvalid, `unknown category "-@reads"`},
		{"no pattern", second(func(f *File) { f.Users[1].ReadKeys = []string{""} }), ErrInvalid, "readKeys: a pattern of 0 bytes"},
		{"open class", second(func(f *File) { f.Users[1].WriteKeys = []string{"a[bc"} }), ErrInvalid, `writeKeys: pattern "a[bc": [ without ]`},
		{"backslash", second(func(f *File) { f.Users[1].Channels = []string{`a\`} }), ErrInvalid, "channels: pattern"},
		{"patterns", second(func(f *File) { f.Users[1].WriteKeys = make([]string, MaxPatterns+1) }), ErrInvalid, "writeKeys: 257 patterns, must be at most 256"},
		{"source", second(func(f *File) { f.Users[1].Source = "a\r\nb" }), ErrInvalid, "source"},
		{"end", second(func(f *File) { f.Users[1].NotAfter = "tomorrow" }), ErrInvalid, `notAfter: "tomorrow", must be a time as in 2026`},
		{"connections", second(func(f *File) { f.Users[1].Quota = &Quota{Connections: -1} }), ErrInvalid, "quota.connections: -1, must be from 0 to 100000"},
		{"requests", second(func(f *File) { f.Users[1].Quota = &Quota{RequestsPerSecond: 1 << 30} }), ErrInvalid, "quota.requestsPerSecond: 1073741824, must be from 0 to 10000000"},
		{"level", second(func(f *File) { f.Audit = &Audit{Level: "Some", RetentionSeconds: 1} }), ErrInvalid, `audit.level: "Some", must be "None"`},
		{"retention", second(func(f *File) { f.Audit = &Audit{Level: AuditAll} }), ErrInvalid, "audit.retentionSeconds: 0, must be from 1 to"},
		{"jobs in version 2", change(func(f *File) { f.Version = TokensFileVersion; f.Users[1].Jobs = []JobRule{{[]string{"*"}, JobWorker}} }), ErrInvalid, "jobs: needs version 3"},
		{"job rules", second(func(f *File) { f.Users[1].Jobs = make([]JobRule, MaxJobRules+1) }), ErrInvalid, "jobs: 65 rules, must be at most 64"},
		{"no queue", second(func(f *File) { f.Users[1].Jobs = []JobRule{{Operations: JobWorker}} }), ErrInvalid, "jobs[0]: queues: 0 patterns"},
		{"queue", second(func(f *File) { f.Users[1].Jobs = []JobRule{{[]string{"a["}, JobWorker}} }), ErrInvalid, `jobs[0]: queues: pattern "a[": [ without ]`},
		{"no operation", second(func(f *File) { f.Users[1].Jobs = []JobRule{{Queues: []string{"*"}}} }), ErrInvalid, "operations: 0, must be from 1 to 14"},
		{"operation", second(func(f *File) { f.Users[1].Jobs = []JobRule{{[]string{"*"}, []string{"push"}}} }), ErrInvalid, `operations: unknown operation "push", must be one of Push, Pull`},
		{"size", strings.Repeat(" ", MaxFileBytes+1), ErrInvalid, "larger"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.in))
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v saying %q", err, tt.want, tt.says)
			}
		})
	}
	if u, err := Parse([]byte(change(func(*File) {}))); err != nil || u.Revision() != "r1" {
		t.Errorf("valid file: %v", err)
	}
}
