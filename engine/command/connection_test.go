package command

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/reply"
)

// deaf has no subscriptions.
type deaf struct{}

func (deaf) Listens() bool                              { return false }
func (deaf) Subscribe(ChannelKind, []byte) (int, error) { return 1, nil }
func (deaf) Unsubscribe(ChannelKind, []byte) int        { return 0 }
func (deaf) Subscriptions(ChannelKind) []string         { return nil }
func (deaf) Publish(ChannelKind, []byte, []byte) int64  { return 0 }
func (deaf) Active(ChannelKind) []ActiveChannel         { return nil }

// hasty has no transactions.
type hasty struct{}

func (hasty) Multi() error         { return nil }
func (hasty) Discard() error       { return textError("ERR DISCARD without MULTI") }
func (hasty) Watch([][]byte) error { return nil }
func (hasty) Unwatch()             {}

// quiet is a server where nothing happens, with the user "default".
type quiet struct{}

func (quiet) Users() *acl.Users {
	users, _ := acl.New(acl.File{Version: acl.FileVersion, Revision: "r", Users: []acl.User{{
		Name: "default", Verifiers: []acl.Verifier{{Generation: 1, SHA256: strings.Repeat("0", 64)}}, Commands: acl.Admin, Keys: []string{"*"},
	}}})
	return users
}
func (quiet) Lives(*acl.Identity) bool    { return true }
func (quiet) Random(n int) []byte         { return make([]byte, n) }
func (quiet) Refusals() []Refusal         { return nil }
func (quiet) ForgetRefusals()             {}
func (quiet) Parameters() []Parameter     { return []Parameter{{Name: "timeout", Value: "0"}} }
func (quiet) ResetStatistics()            {}
func (quiet) List(ClientFilter) string    { return "id=7\n" }
func (quiet) Kill(ClientFilter) int64     { return 0 }
func (quiet) Pause(int64, bool)           {}
func (quiet) Unpause()                    {}
func (quiet) StandsIn(int64) bool         { return false }
func (quiet) Track(TrackingOptions) error { return nil }
func (quiet) Untrack()                    {}
func (quiet) Caching()                    {}
func (quiet) Tracking() TrackingInfo      { return TrackingInfo{} }
func (quiet) Monitor()                    {}
func (quiet) Silence(SilenceMode)         {}
func (quiet) Slow() []SlowCall            { return nil }
func (quiet) ForgetSlow()                 {}
func (quiet) Latencies(*Command) []Cumulated {
	return nil
}

// session is a connection whose users' password is "secret".
type session struct {
	user, name, lib string
	proto           int
	closed, reset   bool
	replica         bool
}

func (s *session) ID() int64                            { return 7 }
func (s *session) Proto() int                           { return s.proto }
func (s *session) SetProto(p int)                       { s.proto = p }
func (s *session) Name() string                         { return s.name }
func (s *session) SetName(n string)                     { s.name = n }
func (s *session) Select(int)                           {}
func (s *session) SetLib(name, v string)                { s.lib += name + "/" + v + " " }
func (s *session) User() string                         { return s.user }
func (s *session) Subscriber() Subscriber               { return deaf{} }
func (s *session) Settings() Settings                   { return quiet{} }
func (s *session) Tracker() Tracker                     { return quiet{} }
func (s *session) Clients() Clients                     { return quiet{} }
func (s *session) WaitHolders(int64, int64) reply.Reply { return reply.Integer(0) }
func (s *session) Slowness() Slowness                   { return quiet{} }
func (s *session) Memory() Memory                       { return Memory{} }
func (s *session) LastSave() int64                      { return 1_700_000_000 }
func (s *session) Access() Access                       { return quiet{} }
func (s *session) Replica() bool                        { return s.replica }
func (s *session) Role() Role                           { return Role{s.replica, "kv-1", 6379, true, 5} }
func (s *session) Transactor() Transactor               { return hasty{} }
func (s *session) Debugger() Debugger                   { return nil }
func (s *session) Unblock(int64, reply.Reply) bool      { return false }
func (s *session) Reset()                               { s.reset = true }
func (s *session) CloseAfterReply()                     { s.closed = true }
func (s *session) Describe() string                     { return "id=7" }
func (s *session) Info(of []string) string              { return "# " + strings.Join(of, ",") }
func (s *session) Authenticate(user, password string) error {
	if password != "secret" {
		return ErrAuth
	}
	s.user = user
	return nil
}

// text renders a reply for comparison.
func text(r reply.Reply) string {
	switch r.Kind {
	case reply.KindInteger:
		return fmt.Sprint(r.Int)
	case reply.KindNull, reply.KindNullArray:
		return "(null)"
	case reply.KindArray, reply.KindMap, reply.KindSet:
		var items []string
		for _, item := range r.Items {
			items = append(items, text(item))
		}
		return "[" + strings.Join(items, " ") + "]"
	}
	return string(r.Str)
}

func TestConnectionCommands(t *testing.T) {
	hello := func(proto int) string {
		return fmt.Sprintf("[server redis version 7.2.4 proto %d id 7 mode standalone role master modules []]", proto)
	}
	for _, tt := range []struct {
		name  string
		calls []string // command, reply, …
		after session
	}{
		{"ioredis", []string{"HELLO 3 AUTH default secret", hello(3), "CLIENT SETINFO LIB-VER 6.0.0", "OK", "CLIENT SETINFO LIB-NAME ioredis", "OK",
			"CLIENT SETNAME app", "OK", "CLIENT GETNAME", "app", "INFO Server", "# server", "CLIENT INFO", "id=7\n", "CLIENT ID", "7"},
			session{user: "default", proto: 3, name: "app", lib: "/6.0.0 ioredis/ "}},
		{"password only", []string{"AUTH secret", "OK", "HELLO", hello(2), "CLIENT GETNAME", "(null)"}, session{user: "default", proto: 2}},
		{"user", []string{"AUTH alice secret", "OK", "HELLO 3 SETNAME n", hello(3)}, session{user: "alice", proto: 3, name: "n"}},
		{"wrong password changes nothing", []string{"HELLO 3 AUTH default wrong SETNAME n", string(ErrAuth), "AUTH wrong", string(ErrAuth),
			"AUTH default wrong", string(ErrAuth), "HELLO 3", string(errNotAuth)}, session{proto: 2}},
		{"bad HELLO", []string{"HELLO 4", string(errProto), "HELLO x", "ERR Protocol version is not an integer or out of range",
			"HELLO 3 AUTH default", "ERR Syntax error in HELLO option 'AUTH'"}, session{proto: 2}},
		{"bad CLIENT", []string{"CLIENT SETINFO LIB-COLOUR red", "ERR Unrecognized option 'LIB-COLOUR'",
			"CLIENT SETINFO lib-name a\x01b", "ERR lib-name cannot contain spaces, newlines or special characters.",
			"CLIENT NO-TOUCH ON", "OK", "CLIENT NO-TOUCH maybe", "ERR syntax error", "CLIENT NOSUCH x", "ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."},
			session{proto: 2}},
		{"the end", []string{"RESET", "RESET", "QUIT", "OK"}, session{proto: 2, closed: true, reset: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := session{proto: 2}
			for i := 0; i < len(tt.calls); i += 2 {
				call := argv(strings.Fields(tt.calls[i])...)
				c, err := Resolve(call)
				got := ""
				if err != nil {
					got = err.Error()
				} else {
					got = text(c.Run(&s, call))
				}
				if got != tt.calls[i+1] {
					t.Errorf("%s\n got %s\nwant %s", tt.calls[i], got, tt.calls[i+1])
				}
			}
			if s != tt.after {
				t.Errorf("session %+v, want %+v", s, tt.after)
			}
		})
	}
}

func TestCommandDocsAndList(t *testing.T) {
	docs := commandDocs(nil, argv("COMMAND", "DOCS", "get", "nonsense", "client|id"))
	if len(docs.Items) != 4 || docs.Kind != reply.KindMap || text(docs.Items[0]) != "get" || text(docs.Items[2]) != "client|id" {
		t.Errorf("COMMAND DOCS: %s", text(docs))
	}
	if all := commandDocs(nil, argv("COMMAND", "DOCS")); len(all.Items) != 2*len(table) {
		t.Errorf("COMMAND DOCS of all: %d items", len(all.Items))
	}
	for call, want := range map[string]string{
		"COMMAND LIST FILTERBY ACLCAT bitmap":  "[bitcount bitfield bitfield_ro bitop bitpos getbit setbit]",
		"COMMAND LIST FILTERBY PATTERN *info*": "[client|setinfo client|info client|trackinginfo command|info info xinfo xinfo|consumers xinfo|groups xinfo|stream xinfo|help]",
		"COMMAND LIST FILTERBY MODULE x":       "[]",
		"COMMAND LIST FILTERBY x y":            "ERR syntax error",
	} {
		if got := text(commandList(nil, argv(strings.Fields(call)...))); got != want {
			t.Errorf("%s: %s", call, got)
		}
	}
	if n := len(commandList(nil, argv("COMMAND", "LIST")).Items); int64(n) != commandCount(nil, nil).Int || n != len(table) {
		t.Errorf("COMMAND LIST has %d names", n)
	}
}
