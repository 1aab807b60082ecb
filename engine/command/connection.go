package command

import (
	"bytes"
	"strings"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// RedisVersion is the version of Redis whose behaviour clients may count on.
const RedisVersion = "7.2.4"

// ErrAuth is the answer to wrong credentials, whatever is wrong with them.
const ErrAuth = textError("WRONGPASS invalid username-password pair or user is disabled.")

// ErrNoAuth is the answer to who has not authenticated.
const ErrNoAuth = textError("NOAUTH Authentication required.")

const (
	errProto      = textError("NOPROTO unsupported protocol version")
	errNotAuth    = textError("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
	errClientName = textError("ERR Client names cannot contain spaces, newlines or special characters.")
	errLabel      = textError("ERR the names of a connection and of its library, and its version, may have 1024 bytes each: use shorter ones")
)

func init() {
	before := NoScript | Loading | Stale | Fast | NoAuth | AllowBusy
	register(
		connection("auth", -2, before, "fast connection", auth),
		connection("hello", -1, before, "fast connection", hello),
		connection("ping", -1, Fast, "fast connection", ping).within(func(_ *scriptHost, argv [][]byte) reply.Reply { return pong(argv) }).tip(tipAllShards, tipAllSucceeded),
		connection("quit", -1, before, "fast connection", quit),
		connection("reset", 1, before, "fast connection", reset),
		connection("info", -1, Loading|Stale, "slow dangerous", info).tip(tipVaries, tipAllShards, tipMerged),
		row("echo", 2, Loading|Stale|Fast, noKey, "fast connection", plain(echo)),
		container("client", -2, 0, "slow", append(clientCommands(), others()...)...),
	)
}

type runner = func(s Session, argv [][]byte) reply.Reply

// connection makes the row of a command of the connection.
func connection(name string, arity int, flags Flag, categories string, run runner) *Command {
	c := row(name, arity, flags, noKey, categories, nil)
	c.Run = run
	return c
}

// within says how a script is served.
func (c *Command) within(serve func(h *scriptHost, argv [][]byte) reply.Reply) *Command {
	c.inScript = serve
	return c
}

// container makes the row of a command with subcommands; called without one it
// answers that an argument is missing.
func container(name string, arity int, flags Flag, categories string, subs ...*Command) *Command {
	c := connection(name, arity, flags, categories, func(s Session, argv [][]byte) reply.Reply {
		sub, err := Resolve(argv)
		if err != nil {
			return fail(err)
		}
		return sub.Run(s, argv)
	})
	c.Subcommands = subs
	return c
}

func clientCommands() []*Command {
	flags := NoScript | Loading | Stale
	return []*Command{
		connection("client|id", 2, flags, "slow connection", clientID),
		connection("client|setname", 3, flags, "slow connection", clientSetName),
		connection("client|getname", 2, flags, "slow connection", clientGetName),
		connection("client|setinfo", 4, flags, "slow connection", clientSetInfo),
		connection("client|info", 2, flags, "slow connection", clientInfo).tip(tipVaries),
		connection("client|no-evict", 3, Admin|flags, "admin slow dangerous connection", clientOnOff),
		connection("client|no-touch", 3, flags, "slow connection", clientOnOff),
		connection("client|unblock", -3, Admin|flags, "admin slow dangerous connection", clientUnblock),
		connection("client|help", 2, Loading|Stale, "slow connection", help(
			"CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
			"CACHING (YES|NO)",
			"    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
			"GETREDIR",
			"    Return the client ID we are redirecting to when tracking is enabled.",
			"GETNAME",
			"    Return the name of the current connection.",
			"ID",
			"    Return the ID of the current connection.",
			"INFO",
			"    Return information about the current client connection.",
			"KILL <ip:port>",
			"    Kill connection made from <ip:port>.",
			"KILL <option> <value> [<option> <value> [...]]",
			"    Kill connections. Options are:",
			"    * ADDR (<ip:port>|<unixsocket>:0)",
			"      Kill connections made from the specified address",
			"    * LADDR (<ip:port>|<unixsocket>:0)",
			"      Kill connections made to specified local address",
			"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
			"      Kill connections by type.",
			"    * USER <username>",
			"      Kill connections authenticated by <username>.",
			"    * SKIPME (YES|NO)",
			"      Skip killing current connection (default: yes).",
			"LIST [options ...]",
			"    Return information about client connections. Options:",
			"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
			"      Return clients of specified type.",
			"UNPAUSE",
			"    Stop the current client pause, resuming traffic.",
			"PAUSE <timeout> [WRITE|ALL]",
			"    Suspend all, or just write, clients for <timeout> milliseconds.",
			"REPLY (ON|OFF|SKIP)",
			"    Control the replies sent to the current connection.",
			"SETINFO <option> <value>",
			"    Set client meta attr. Options are:",
			"    * LIB-NAME: the client lib name.",
			"    * LIB-VER: the client lib version.",
			"SETNAME <name>",
			"    Assign the name <name> to the current connection.",
			"UNBLOCK <clientid> [TIMEOUT|ERROR]",
			"    Unblock the specified blocked client.",
			"TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
			"         [OPTIN] [OPTOUT] [NOLOOP]",
			"    Control server assisted client side caching.",
			"TRACKINGINFO",
			"    Report tracking status for the current connection.",
			"NO-EVICT (ON|OFF)",
			"    Protect current client connection from eviction.",
			"NO-TOUCH (ON|OFF)",
			"    Will not touch LRU/LFU stats when this mode is on.",
		)),
	}
}

// help answers lines of text and, last, how to read them again.
func help(lines ...string) runner {
	lines = append(lines, "HELP", "    Prints this help.")
	return func(Session, [][]byte) reply.Reply {
		items := make([]reply.Reply, 0, len(lines))
		for _, line := range lines {
			items = append(items, reply.Simple(line))
		}
		return reply.Array(items...)
	}
}

func auth(s Session, argv [][]byte) reply.Reply {
	if len(argv) > 3 {
		return fail(errSyntax)
	}
	user := "default"
	if len(argv) == 3 {
		user = string(argv[1])
	}
	if err := s.Authenticate(user, string(argv[len(argv)-1])); err != nil {
		return fail(err)
	}
	return reply.OK
}

// helloOptions are what follows HELLO; a pair of credentials is given or not.
type helloOptions struct {
	proto          int // 0 leaves it
	user, password []byte
	authGiven      bool
	name           []byte
	nameGiven      bool
}

func (o *helloOptions) parse(argv [][]byte) error {
	if len(argv) > 1 {
		proto, ok := parseInt(argv[1])
		if !ok {
			return textError("ERR Protocol version is not an integer or out of range")
		}
		if proto < 2 || proto > 3 {
			return errProto
		}
		o.proto = int(proto)
	}
	for i := 2; i < len(argv); i++ {
		more := len(argv) - 1 - i
		switch {
		case is(argv[i], "AUTH") && more >= 2:
			o.user, o.password, o.authGiven = argv[i+1], argv[i+2], true
			i += 2
		case is(argv[i], "SETNAME") && more >= 1:
			o.name = argv[i+1]
			if err := checkLabel(o.name, errClientName); err != nil {
				return err
			}
			o.nameGiven = true
			i++
		default:
			return errorf("ERR Syntax error in HELLO option '%s'", cstring(argv[i]))
		}
	}
	return nil
}

func hello(s Session, argv [][]byte) reply.Reply {
	var o helloOptions
	if err := o.parse(argv); err != nil {
		return fail(err)
	}
	if o.authGiven {
		if err := s.Authenticate(string(o.user), string(o.password)); err != nil {
			return fail(err)
		}
	}
	if s.User() == "" {
		return fail(errNotAuth)
	}
	if o.nameGiven {
		s.SetName(string(o.name))
	}
	if o.proto != 0 {
		s.SetProto(o.proto)
	}
	role := "master"
	if s.Replica() {
		role = "replica"
	}
	return reply.Map(
		reply.BulkString("server"), reply.BulkString("redis"),
		reply.BulkString("version"), reply.BulkString(RedisVersion),
		reply.BulkString("proto"), reply.Integer(int64(s.Proto())),
		reply.BulkString("id"), reply.Integer(s.ID()),
		reply.BulkString("mode"), reply.BulkString("standalone"),
		reply.BulkString("role"), reply.BulkString(role),
		reply.BulkString("modules"), reply.Array(),
	)
}

// maxLabel bounds what a connection says of itself, in bytes: it is kept for as
// long as the connection is there.
const maxLabel = 1024

// checkLabel says what is wrong with the name of a connection or library.
func checkLabel(text []byte, unprintable textError) error {
	if len(text) > maxLabel {
		return errLabel
	}
	for _, c := range text {
		if c < '!' || c > '~' {
			return unprintable
		}
	}
	return nil
}

func ping(s Session, argv [][]byte) reply.Reply {
	if len(argv) <= 2 && s.Proto() == 2 && s.Subscriber().Listens() {
		// In the form of a message, so that clients can tell it from one.
		return reply.Array(reply.BulkString("pong"), reply.Bulk(bytes.Join(argv[1:], nil)))
	}
	return pong(argv)
}

func pong(argv [][]byte) reply.Reply {
	switch len(argv) {
	case 1:
		return reply.Simple("PONG")
	case 2:
		return reply.Bulk(argv[1])
	}
	return fail(errArity("ping"))
}

func echo(_ *machine.Tx, argv [][]byte) reply.Reply { return reply.Bulk(argv[1]) }

func quit(s Session, _ [][]byte) reply.Reply {
	s.CloseAfterReply()
	return reply.OK
}

func reset(s Session, _ [][]byte) reply.Reply {
	s.Reset()
	return reply.Simple("RESET")
}

func info(s Session, argv [][]byte) reply.Reply {
	sections := make([]string, 0, len(argv)-1)
	for _, arg := range argv[1:] {
		sections = append(sections, lower(arg))
	}
	return reply.Verbatim(s.Info(sections))
}

func clientID(s Session, _ [][]byte) reply.Reply { return reply.Integer(s.ID()) }

func clientSetName(s Session, argv [][]byte) reply.Reply {
	if err := checkLabel(argv[2], errClientName); err != nil {
		return fail(err)
	}
	s.SetName(string(argv[2]))
	return reply.OK
}

func clientGetName(s Session, _ [][]byte) reply.Reply {
	if s.Name() == "" {
		return reply.Null
	}
	return reply.BulkString(s.Name())
}

func clientSetInfo(s Session, argv [][]byte) reply.Reply {
	name, version := string(argv[3]), ""
	switch {
	case is(argv[2], "LIB-VER"):
		name, version = "", name
	case !is(argv[2], "LIB-NAME"):
		return fail(errorf("ERR Unrecognized option '%s'", cstring(argv[2])))
	}
	if err := checkLabel(argv[3], errorf("ERR %s cannot contain spaces, newlines or special characters.", cstring(argv[2]))); err != nil {
		return fail(err)
	}
	s.SetLib(name, version)
	return reply.OK
}

func clientInfo(s Session, _ [][]byte) reply.Reply {
	return reply.Verbatim(strings.TrimSuffix(s.Describe(), "\n") + "\n")
}

func clientUnblock(s Session, argv [][]byte) reply.Reply {
	answer := reply.NullArray
	switch {
	case len(argv) == 3 || len(argv) == 4 && is(argv[3], "TIMEOUT"):
	case len(argv) == 4 && is(argv[3], "ERROR"):
		answer = reply.Error("UNBLOCKED client unblocked via CLIENT UNBLOCK")
	case len(argv) == 4:
		return fail(textError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"))
	default:
		return fail(errSubcommand(argv))
	}
	id, err := integer(argv[2])
	if err != nil {
		return fail(err)
	}
	return truth(s.Unblock(id, answer))
}

// clientOnOff serves the modes that concern eviction, of which there is none.
func clientOnOff(_ Session, argv [][]byte) reply.Reply {
	if !is(argv[2], "ON") && !is(argv[2], "OFF") {
		return fail(errSyntax)
	}
	return reply.OK
}
