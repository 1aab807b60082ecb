package acl

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func sum(secret string) string {
	s := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(s[:])
}

func file() File {
	return File{
		Version:  FileVersion,
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
		id, credential, ok := u.Verify(tt.user, tt.password)
		if ok != tt.ok || credential.Generation() != tt.generation || (id != nil) != tt.ok {
			t.Errorf("Verify(%q, %q) = %v, %d, %v", tt.user, tt.password, id, credential.Generation(), ok)
		}
		if ok && id.Name() != tt.user {
			t.Errorf("identity %q, want %q", id.Name(), tt.user)
		}
	}
	if !u.VerifyToken("token") || u.VerifyToken("") || u.VerifyToken("old") {
		t.Error("VerifyToken accepts the wrong tokens")
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
	_, old, ok1 := before.Verify("default", "old")
	_, current, ok2 := before.Verify("default", "new")
	if !ok1 || !ok2 || !before.Accepts(old) || !before.Accepts(current) {
		t.Fatal("both are the user's")
	}
	f.Users[0].Verifiers = []Verifier{{1, sum("other")}, {2, sum("new")}}
	after, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	if after.Accepts(old) || !after.Accepts(current) || after.Accepts(Credential{}) {
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
	if _, credential, ok := u.Verify("default", "same"); !ok || credential.Generation() != 4 {
		t.Errorf("generation %d, %v; want 4", credential.Generation(), ok)
	}
}

func TestAllows(t *testing.T) {
	reader := users(t).Identity("reader")
	keys := func(names ...string) (out [][]byte) {
		for _, n := range names {
			out = append(out, []byte(n))
		}
		return out
	}
	tests := []struct {
		name   string
		action Action
		want   string
	}{
		{"category", Action{"get", []string{"string", "read"}, keys("shop:1"), false}, ""},
		{"by name", Action{"ping", []string{"connection"}, nil, false}, ""},
		{"subcommand", Action{"client|id", []string{"connection"}, nil, false}, ""},
		{"subcommand of a permitted container", Action{"command|info", []string{"connection"}, nil, false}, ""},
		{"other subcommand", Action{"client|kill", []string{"connection"}, nil, false}, "'client|kill'"},
		{"command", Action{"set", []string{"write"}, keys("shop:1"), false}, "NOPERM this user has no permissions to run the 'set' command"},
		{"one key of two", Action{"mget", []string{"read"}, keys("shop:1", "x"), false}, "NOPERM this user has no permissions to access one of the keys used as arguments"},
		{"names of all keys", Action{"keys", []string{"read"}, nil, true}, "access one of the keys"},
		{"second pattern", Action{"mget", []string{"read"}, keys("cart:1"), false}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			denied := reader.Allows(tt.action)
			if tt.want == "" && denied != nil {
				t.Errorf("denied: %v", denied)
			}
			if tt.want != "" && (denied == nil || !strings.Contains(denied.Error(), tt.want)) {
				t.Errorf("got %v, want %q", denied, tt.want)
			}
		})
	}
	if denied := users(t).Identity("default").Allows(Action{"set", []string{"write"}, keys("x"), false}); denied != nil {
		t.Errorf("default is denied: %v", denied)
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
	tests := []struct {
		name, in string
		want     error
		says     string
	}{
		{"newer", `{"version":2,"roles":[]}`, ErrNewerVersion, "version 2, this engine reads up to 1"},
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
