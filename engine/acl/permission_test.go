package acl

import (
	"strings"
	"testing"
	"time"
)

func identity(t *testing.T, change func(*User)) *Identity {
	t.Helper()
	f := file()
	f.Version = FileVersion
	change(&f.Users[1])
	u, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	return u.Identity("reader")
}

func action(command, categories string, access Access, names ...string) *Action {
	a := &Action{Command: command, Categories: CategoriesOf(strings.Fields(categories)...)}
	for _, n := range names {
		a.Keys = append(a.Keys, Key{Name: []byte(n), Access: access})
	}
	return a
}

func TestAllows(t *testing.T) {
	reader := users(t).Identity("reader")
	const key = "NOPERM this user has no permissions to access one of the keys used as arguments"
	everyKey := action("keys", "read", 0)
	everyKey.EveryKey = Read
	tests := []struct {
		name   string
		action *Action
		want   string
	}{
		{"category", action("get", "string read", Read, "shop:1"), ""},
		{"by name", action("ping", "connection", 0), ""},
		{"subcommand", action("client|id", "connection", 0), ""},
		{"subcommand of a permitted container", action("command|info", "connection", 0), ""},
		{"other subcommand", action("client|kill", "connection", 0), "'client|kill'"},
		{"command", action("set", "write", Write, "shop:1"), "NOPERM this user has no permissions to run the 'set' command"},
		{"one key of two", action("mget", "read", Read, "shop:1", "x"), key},
		{"names of all keys", everyKey, key},
		{"second pattern", action("mget", "read", Read, "cart:1"), ""},
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
	if denied := users(t).Identity("default").Allows(action("set", "write", Write, "x")); denied != nil {
		t.Errorf("default is denied: %v", denied)
	}
}

// TestTheLastRuleThatMatchesCounts as in redis-server.
func TestTheLastRuleThatMatchesCounts(t *testing.T) {
	for _, tt := range []struct {
		rules   string
		action  *Action
		allowed bool
	}{
		{"@all -@dangerous", action("get", "read", 0), true},
		{"@all -@dangerous", action("keys", "read dangerous", 0), false},
		{"@all -@dangerous keys", action("keys", "read dangerous", 0), true},
		{"keys @all -@dangerous", action("keys", "read dangerous", 0), false},
		{"@all -client", action("client|id", "connection", 0), false},
		{"@all -client client|id", action("client|id", "connection", 0), true},
		{"@all -client|kill", action("client|id", "connection", 0), true},
		{"@all -client|kill client", action("client|kill", "connection", 0), true},
		{"@all -GET", action("get", "read", 0), false},
		{"@all -@all", action("get", "read", 0), false},
		{"-get", action("set", "write", 0), false},
		{"", action("get", "read", 0), false},
	} {
		id := identity(t, func(u *User) { u.Commands = strings.Fields(tt.rules) })
		if denied := id.Allows(tt.action); (denied == nil) != tt.allowed {
			t.Errorf("%q: %s: %v, want allowed: %v", tt.rules, tt.action.Command, denied, tt.allowed)
		}
	}
}

// TestReadingAndWritingApart: one pattern must permit all that is done with a
// key; who may do either may look whether it is there.
func TestReadingAndWritingApart(t *testing.T) {
	id := identity(t, func(u *User) {
		u.Commands, u.Keys = []string{"@all"}, []string{"both:*"}
		u.ReadKeys = []string{"in:*", "twice:*", "shared*"}
		u.WriteKeys = []string{"out:*", "twice:*", "*shared"}
	})
	for key, want := range map[string]map[Access]bool{
		"both:1":  {0: true, Read: true, Write: true, Read | Write: true},
		"in:1":    {0: true, Read: true, Write: false, Read | Write: false},
		"out:1":   {0: true, Read: false, Write: true, Read | Write: false},
		"twice:1": {0: true, Read: true, Write: true, Read | Write: true},
		"shared":  {0: true, Read: true, Write: true, Read | Write: false},
		"else":    {0: false, Read: false, Write: false, Read | Write: false},
	} {
		for access, allowed := range want {
			if denied := id.Allows(action("x", "", access, key)); (denied == nil) != allowed {
				t.Errorf("%s, access %b: %v, want allowed: %v", key, access, denied, allowed)
			}
		}
	}
}

// TestEveryKey: who may read every key may list them, and not remove them.
func TestEveryKey(t *testing.T) {
	for access, change := range map[Access]func(*User){
		0:            func(u *User) { u.Keys = []string{"**", "a*"} },
		Read:         func(u *User) { u.ReadKeys = []string{"*"} },
		Write:        func(u *User) { u.WriteKeys = []string{"*"} },
		Read | Write: func(u *User) { u.ReadKeys, u.WriteKeys = []string{"*"}, []string{"*"} },
	} {
		id := identity(t, func(u *User) { u.Commands, u.Keys = []string{"@all"}, nil; change(u) })
		for _, asked := range []Access{Read, Write} {
			denied := id.Allows(&Action{Command: "x", EveryKey: asked})
			if (denied == nil) != (access&asked != 0) {
				t.Errorf("with %b of every key, %b: %v", access, asked, denied)
			}
		}
	}
}

func TestChannels(t *testing.T) {
	id := identity(t, func(u *User) { u.Commands, u.Channels = []string{"@all"}, []string{"news:*"} })
	for channel, allowed := range map[string]bool{"news:1": true, "other": false} {
		denied := id.Allows(&Action{Command: "publish", Channels: [][]byte{[]byte(channel)}})
		if (denied == nil) != allowed {
			t.Errorf("%s: %v", channel, denied)
		}
		if denied != nil && denied.Error() != "NOPERM this user has no permissions to access one of the channels used as arguments" {
			t.Errorf("%v", denied)
		}
	}
}

// TestRefusalsNameTheirSource behind redis' own text.
func TestRefusalsNameTheirSource(t *testing.T) {
	id := identity(t, func(u *User) { u.Source, u.Commands = "AccessToken shop/cart", []string{"get"} })
	for want, a := range map[string]*Action{
		"NOPERM this user has no permissions to access one of the keys used as arguments: see AccessToken shop/cart": action("get", "", Read, "x"),
		"NOPERM this user has no permissions to run the 'set' command: see AccessToken shop/cart":                    action("set", "", Write, "x"),
	} {
		if denied := id.Allows(a); denied == nil || denied.Error() != want {
			t.Errorf("got %v, want %s", denied, want)
		}
	}
}

// TestExpiry: from its last moment on a user is nobody's, by the time the
// caller gives.
func TestExpiry(t *testing.T) {
	f := file()
	f.Version = FileVersion
	f.Users[1].NotAfter = now.Add(time.Hour).Format(time.RFC3339)
	u, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	before, end := now.Add(time.Hour-time.Nanosecond), now.Add(time.Hour)
	if _, c, refusal := u.Verify("reader", "read", before); refusal != "" || !u.Accepts(c, before) || u.Accepts(c, end) {
		t.Errorf("before: %q", refusal)
	}
	if id, c, refusal := u.Verify("reader", "read", end); refusal != UserExpired || id != nil || c.User != "" {
		t.Errorf("at the end: %q", refusal)
	}
	if id, c, refusal := u.VerifyBearer("read", end); refusal != UserExpired || id != nil || c.User != "" {
		t.Errorf("the token at the end: %q", refusal)
	}
	if _, _, refusal := u.Verify("reader", "wrong", end); refusal != WrongPassword {
		t.Errorf("a wrong password then: %q", refusal)
	}
	if got := u.NextExpiry(before); !got.Equal(end) || !u.NextExpiry(end).IsZero() {
		t.Errorf("next expiry %v", got)
	}
}
