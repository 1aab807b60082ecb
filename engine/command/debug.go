package command

import (
	"fmt"
	"math"
	"strconv"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// Debugger is what a session of an engine that was started for tests offers to
// DEBUG.
type Debugger interface {
	// Sleep stops the port for so many µs, for all of its clients.
	Sleep(us int64)
	// SetActiveExpiry says whether what has expired is removed in the background.
	SetActiveExpiry(on bool)
	// Reload has the state be read back from the newest snapshot and the log, with a
	// new snapshot if save is set. It answers later, and with none for now.
	Reload(save bool) reply.Reply
	// Look has f look at the session's database.
	Look(f func(tx *machine.Tx)) error
}

const (
	errNoDebug = textError("ERR DEBUG command not allowed. It is for tests: start the engine with \"serve --dev --enable-debug-command\", " +
		"or with enableDebugCommand in its configuration file. An engine that the operator runs never has it.")
	errReloadOptions = textError("ERR DEBUG RELOAD takes no options here: what was acknowledged stays, so that the state that is read back takes the place of an equal one")
	errRESP2         = textError("ERR RESP2 is not supported by this command")
	errProtocolType  = textError("ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false")
)

// longestSleep is how long DEBUG SLEEP stops the port at most, in s.
const longestSleep = 3600

// lruBits are what redis-server keeps of the time at which a key was used.
const lruBits = 24

// debugging are the subcommands: DEBUG is no container to redis-server.
var debugging = []struct {
	name string // in capitals
	args int    // with both names; 0 for any number
	run  func(s Session, d Debugger, argv [][]byte) reply.Reply
}{
	{"SET-ACTIVE-EXPIRE", 3, debugActiveExpire},
	{"SLEEP", 3, debugSleep},
	{"OBJECT", 3, debugObject},
	{"RELOAD", 0, debugReload},
	{"LOADAOF", 0, func(_ Session, d Debugger, _ [][]byte) reply.Reply { return d.Reload(false) }},
	{"PROTOCOL", 3, debugProtocol},
	{"HELP", 2, func(s Session, _ Debugger, argv [][]byte) reply.Reply { return debugHelp(s, argv) }},
}

var debugHelp = help(
	"DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
	"LOADAOF",
	"    Read the state back from the newest snapshot and the log, as at a start,",
	"    and verify that it is the same. Only for a member that is alone.",
	"OBJECT <key>",
	"    Show low level info about `key` and associated value. The address is none,",
	"    and serializedlength is the memory that key and value take.",
	"PROTOCOL <type>",
	"    Reply with a test value of the specified type. <type> can be: string,",
	"    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
	"    true, false.",
	"RELOAD",
	"    Like LOADAOF, behind a new snapshot.",
	"SET-ACTIVE-EXPIRE <0|1>",
	"    Setting it to 0 disables removing expired keys in background, while this",
	"    member leads. They are absent to commands all the same, but for DBSIZE,",
	"    which counts them. Setting it to 1 reenables back the default.",
	"SLEEP <seconds>",
	"    Stop the port for keys, with all its clients, for <seconds>. Decimals",
	"    allowed. Replication, jobs and health go on.",
)

func init() {
	register(connection("debug", -2, Admin|NoScript|Loading|Stale, "admin slow dangerous", debug).finding(finder{find: debugKeys}).since7())
}

func debug(s Session, argv [][]byte) reply.Reply {
	d := s.Debugger()
	if d == nil {
		return fail(errNoDebug)
	}
	for _, sub := range debugging {
		if is(argv[1], sub.name) && (sub.args == 0 || sub.args == len(argv)) {
			return sub.run(s, d, argv)
		}
	}
	return fail(errorf("ERR unknown subcommand or wrong number of arguments for '%.128s'. Try DEBUG HELP.", cstring(argv[1])))
}

// debugKeys lists DEBUG OBJECT's key, so that it is asked who may look at it.
func debugKeys(dst []acl.Key, argv [][]byte) []acl.Key {
	if len(argv) == 3 && is(argv[1], "OBJECT") {
		dst = append(dst, ro.of(argv[2]))
	}
	return dst
}

// debugActiveExpire takes what is no number for 0, as redis-server does.
func debugActiveExpire(_ Session, d Debugger, argv [][]byte) reply.Reply {
	on, _ := parseInt(argv[2])
	d.SetActiveExpiry(on != 0)
	return reply.OK
}

// debugSleep takes what is no number for 0, as redis-server does.
func debugSleep(_ Session, d Debugger, argv [][]byte) reply.Reply {
	seconds, err := strconv.ParseFloat(string(argv[2]), 64)
	if err == nil && seconds > 0 {
		d.Sleep(int64(math.Round(min(seconds, longestSleep) * 1e6)))
	}
	return reply.OK
}

func debugReload(_ Session, d Debugger, argv [][]byte) reply.Reply {
	if len(argv) > 2 {
		return fail(errReloadOptions)
	}
	return d.Reload(true)
}

// debugObject has the form of redis-server's. When a key was used is told where it
// is noted.
func debugObject(_ Session, d Debugger, argv [][]byte) reply.Reply {
	answer := fail(errNoKey)
	err := d.Look(func(tx *machine.Tx) {
		v := tx.Store.Peek(argv[2], tx.Now)
		if v == nil {
			return
		}
		size, _ := tx.Store.SizeOf(argv[2], tx.Now)
		idle, _ := tx.Store.Idle(argv[2])
		lru := (tx.Now - idle) / 1000 % (1 << lruBits)
		answer = reply.Simple(fmt.Sprintf("Value at:0x0 refcount:1 encoding:%s serializedlength:%d lru:%d lru_seconds_idle:%d", encoding(v), size, lru, idle/1000))
	})
	if err != nil {
		return fail(err)
	}
	return answer
}

// debugProtocol answers a value of each type, in redis-server's words.
func debugProtocol(s Session, _ Debugger, argv [][]byte) reply.Reply {
	bulk, number := reply.BulkString, reply.Integer
	switch lower(argv[2]) {
	case "string":
		return bulk("Hello World")
	case "integer":
		return number(12345)
	case "double":
		return reply.Decimal(3.141, []byte("3.141"))
	case "bignum":
		return reply.BigNumber("1234567999999999999999999999999999999")
	case "null":
		return reply.Null
	case "array":
		return reply.Array(number(0), number(1), number(2))
	case "set":
		return reply.Set(number(0), number(1), number(2))
	case "map":
		return reply.Map(number(0), reply.Bool(false), number(1), reply.Bool(true), number(2), reply.Bool(false))
	case "attrib":
		return reply.Several(
			reply.Attribute(bulk("key-popularity"), reply.Array(bulk("key:123"), number(90))),
			bulk("Some real reply following the attribute"))
	case "push":
		if s.Proto() < 3 {
			return fail(errRESP2)
		}
		return reply.Several(reply.Push(bulk("server-cpu-usage"), number(42)), bulk("Some real reply following the push reply"))
	case "verbatim":
		return reply.Verbatim("This is a verbatim\nstring")
	case "true":
		return reply.Bool(true)
	case "false":
		return reply.Bool(false)
	}
	return fail(errProtocolType)
}
