package differential

import (
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/protocol/resp"
	"github.com/coffer-dev/coffer/engine/reply"
)

// coffer is our machine behind the command table and the codec. It keeps what
// the log would hold, to be replayed at the end.
type coffer struct {
	t       *testing.T
	machine *machine.Machine
	proto   int
	index   uint64
	log     [][]byte
	session session
}

func newCoffer(t *testing.T, proto int) *coffer {
	return &coffer{t: t, machine: machine.New(command.Parse), proto: proto, session: session{proto: proto}}
}

// do runs one command and returns its reply as it would go over the wire.
func (c *coffer) do(argv [][]byte) []byte {
	return resp.AppendReply(nil, c.proto, c.run(argv))
}

func (c *coffer) run(argv [][]byte) reply.Reply {
	cmd, err := command.Resolve(argv)
	if err != nil {
		return reply.Error(err.Error())
	}
	if cmd.Run != nil {
		return cmd.Run(&c.session, argv)
	}
	op, err := cmd.Parse(argv)
	if err != nil {
		return reply.Error(err.Error())
	}
	since := cmd.Since(argv)
	if called, ok := op.(command.Called); ok {
		argv = called.As(everything(c.t), func(*command.Command) bool { return false })
	}
	item := machine.Item{Op: op, Argv: argv, Write: cmd.Logged(), Since: since, Database: uint8(c.session.database)}
	if item.Write {
		r := c.write(item)
		if _, waits := op.(command.Waiter); waits && r.Kind == reply.KindNull {
			return reply.NullArray // the time is up
		}
		return r
	}
	items := []machine.Item{item}
	before := c.machine.Bytes()
	c.machine.Read(items, time.Now().UnixMilli())
	if c.machine.Bytes() != before {
		c.t.Fatalf("the read %q changed the state", argv)
	}
	return items[0].Reply
}

// everything is somebody who may do everything.
func everything(t *testing.T) *acl.Identity {
	t.Helper()
	id, err := acl.FromRules([]byte(`{"commands": ["@all"], "keys": ["*"], "channels": ["*"]}`))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (c *coffer) write(item machine.Item) reply.Reply {
	items, now := []machine.Item{item}, time.Now().UnixMilli()
	c.index++
	c.log = append(c.log, machine.AppendBatch(nil, items, now, c.index))
	c.machine.Apply(c.index, items, now, c.index)
	return items[0].Reply
}

// sweep does what the leader does all the time: remove what has expired.
func (c *coffer) sweep() {
	for c.machine.Due(time.Now().UnixMilli()) {
		c.write(machine.Sweep(machine.MaxSweep))
	}
}

// checkReplay replays the log into a second machine and compares the states.
func (c *coffer) checkReplay() {
	c.t.Helper()
	second := machine.New(command.Parse)
	for i, data := range c.log {
		if err := second.Replay(uint64(i+1), data); err != nil {
			c.t.Fatalf("replay: %v", err)
		}
	}
	if second.Hash() != c.machine.Hash() || second.Bytes() != c.machine.Bytes() {
		c.t.Fatal("the replayed log leads to another state")
	}
}

// deaf has no subscriptions; those of the whole engine are compared elsewhere.
type deaf struct{ command.Subscriber }

func (deaf) Listens() bool { return false }

// session is a connection of the default user.
type session struct {
	proto    int
	name     string
	database int
}

func (s *session) ID() int64                            { return 7 }
func (s *session) Proto() int                           { return s.proto }
func (s *session) SetProto(p int)                       { s.proto = p }
func (s *session) Name() string                         { return s.name }
func (s *session) SetName(n string)                     { s.name = n }
func (s *session) Select(database int)                  { s.database = database }
func (s *session) SetLib(string, string)                {}
func (s *session) User() string                         { return "default" }
func (s *session) Authenticate(string, string) error    { return command.ErrAuth }
func (s *session) Subscriber() command.Subscriber       { return deaf{} }
func (s *session) Replica() bool                        { return false }
func (s *session) Settings() command.Settings           { return nil }
func (s *session) Tracker() command.Tracker             { return nil } // the whole engine's alone
func (s *session) Clients() command.Clients             { return nil }
func (s *session) WaitHolders(int64, int64) reply.Reply { return reply.Integer(0) }
func (s *session) Slowness() command.Slowness           { return nil }
func (s *session) Memory() command.Memory               { return command.Memory{} }
func (s *session) LastSave() int64                      { return 0 }
func (s *session) Access() command.Access               { return nil } // the whole engine's alone
func (s *session) Role() command.Role                   { return command.Role{} }
func (s *session) Debugger() command.Debugger           { return nil } // the whole engine's alone
func (s *session) Transactor() command.Transactor       { return nil } // the whole engine's alone
func (s *session) Unblock(int64, reply.Reply) bool      { return false }
func (s *session) Reset()                               {}
func (s *session) CloseAfterReply()                     {}
func (s *session) Describe() string                     { return "id=7" }
func (s *session) Info([]string) string                 { return "" }
