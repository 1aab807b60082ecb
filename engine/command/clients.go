package command

import (
	"strings"

	"github.com/coffer-dev/coffer/engine/reply"
)

// Clients is what a session offers to those commands that are about others.
type Clients interface {
	// List describes those that the filter lets pass, a line each.
	List(f ClientFilter) string
	// Kill closes them, and says how many they are.
	Kill(f ClientFilter) int64
	// Pause has commands wait for so many ms: all, or those that write. The
	// stricter and the longer of two pauses counts.
	Pause(ms int64, all bool)
	Unpause()
	// Monitor has the session be shown what all do.
	Monitor()
	// Silence has the session answer nothing, or not the next command.
	Silence(mode SilenceMode)
}

// SilenceMode is what CLIENT REPLY asks for.
type SilenceMode uint8

// The modes.
const (
	Answer SilenceMode = iota
	AnswerNothing
	AnswerNotNext
)

// ClientFilter says which connections are meant: what is zero lets all pass.
type ClientFilter struct {
	IDs             map[int64]bool
	Type            string // normal | pubsub | master | replica
	Addr, LocalAddr string
	User            string
	NotMe           bool
}

// maxPause bounds a pause, in ms: nobody is to take a database away for longer
// by one command.
const maxPause = 60_000

const (
	errNoClient   = textError("ERR No such client")
	errClientID   = textError("ERR client-id should be greater than 0")
	errPauseMode  = textError("ERR CLIENT PAUSE mode must be WRITE or ALL")
	errPauseShort = textError("ERR timeout is negative")
	errPauseLong  = textError("ERR a pause may last 60000 milliseconds: ask for less, and again before it ends")
	errPauseText  = textError("ERR timeout is not an integer or out of range")
)

// others are CLIENT's subcommands that are about more than the connection's own.
func others() []*Command {
	flags, categories := NoScript|Loading|Stale, "slow connection"
	admin, dangerous := Admin|flags, "admin slow dangerous connection"
	all := []*Command{
		connection("client|list", -2, admin, dangerous, clientList).tip(tipVaries),
		connection("client|kill", -3, admin, dangerous, clientKill),
		connection("client|pause", -3, admin, dangerous, clientPause),
		connection("client|unpause", 2, admin, dangerous, func(s Session, _ [][]byte) reply.Reply {
			s.Clients().Unpause()
			return reply.OK
		}),
		connection("client|reply", 3, flags, categories, clientReply),
	}
	all = append(all, trackingCommands()...)
	for _, c := range all {
		c.since7()
	}
	return all
}

// clientType reads the type of connections.
func clientType(arg []byte) (string, error) {
	switch name := lower(arg); name {
	case "normal", "pubsub", "master", "replica":
		return name, nil
	case "slave":
		return "replica", nil
	}
	return "", errorf("ERR Unknown client type '%.128s'", cstring(arg))
}

func clientList(s Session, argv [][]byte) reply.Reply {
	var f ClientFilter
	switch {
	case len(argv) == 2:
	case len(argv) == 4 && is(argv[2], "TYPE"):
		var err error
		if f.Type, err = clientType(argv[3]); err != nil {
			return fail(err)
		}
	case len(argv) > 3 && is(argv[2], "ID"):
		f.IDs = map[int64]bool{}
		for _, arg := range argv[3:] {
			id, ok := parseInt(arg)
			if !ok {
				return fail(textError("ERR Invalid client ID"))
			}
			f.IDs[id] = true
		}
	default:
		return fail(errSyntax)
	}
	return reply.Verbatim(s.Clients().List(f))
}

// clientKill has two forms: that with an address alone answers OK, and may end
// who asks.
func clientKill(s Session, argv [][]byte) reply.Reply {
	if len(argv) == 3 {
		if s.Clients().Kill(ClientFilter{Addr: string(argv[2])}) == 0 {
			return fail(errNoClient)
		}
		return reply.OK
	}
	f := ClientFilter{NotMe: true}
	for i := 2; i < len(argv); i += 2 {
		if i+1 == len(argv) {
			return fail(errSyntax)
		}
		if err := f.read(s, argv[i], argv[i+1]); err != nil {
			return fail(err)
		}
	}
	return reply.Integer(s.Clients().Kill(f))
}

// read takes an option of CLIENT KILL.
func (f *ClientFilter) read(s Session, option, value []byte) (err error) {
	switch {
	case is(option, "ID"):
		id, ok := parseInt(value)
		if !ok || id < 1 {
			return errClientID
		}
		f.IDs = map[int64]bool{id: true}
	case is(option, "TYPE"):
		f.Type, err = clientType(value)
	case is(option, "ADDR"):
		f.Addr = string(value)
	case is(option, "LADDR"):
		f.LocalAddr = string(value)
	case is(option, "USER"):
		if s.Access().Users().Identity(string(value)) == nil {
			return errorf("ERR No such user '%.128s'", cstring(value))
		}
		f.User = string(value)
	case is(option, "SKIPME") && (is(value, "YES") || is(value, "NO")):
		f.NotMe = strings.EqualFold(string(value), "yes")
	default:
		err = errSyntax
	}
	return err
}

func clientPause(s Session, argv [][]byte) reply.Reply {
	all := true
	switch {
	case len(argv) > 4:
		return fail(errSubcommand(argv))
	case len(argv) == 4 && is(argv[3], "WRITE"):
		all = false
	case len(argv) == 4 && !is(argv[3], "ALL"):
		return fail(errPauseMode)
	}
	ms, ok := parseInt(argv[2])
	switch {
	case !ok:
		return fail(errPauseText)
	case ms < 0:
		return fail(errPauseShort)
	case ms > maxPause:
		return fail(errPauseLong)
	}
	s.Clients().Pause(ms, all)
	return reply.OK
}

func clientReply(s Session, argv [][]byte) reply.Reply {
	switch {
	case is(argv[2], "ON"):
		s.Clients().Silence(Answer)
		return reply.OK
	case is(argv[2], "OFF"):
		s.Clients().Silence(AnswerNothing)
	case is(argv[2], "SKIP"):
		s.Clients().Silence(AnswerNotNext)
	default:
		return fail(errSyntax)
	}
	return reply.Several() // none
}

// Pausable reports whether the command waits for the end of a pause: of writes,
// or of all commands. Those do not by which one logs in and ends the pause.
func (c *Command) Pausable(all bool) bool {
	if c.Flags&NoAuth != 0 || c.Name == "client|unpause" {
		return false
	}
	return all || c.Logged() || c.Publishes()
}
