package command

import (
	"math"
	"strconv"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/script"
)

const (
	errNoScript = textError("NOSCRIPT No matching script. Please use EVAL.")
	errOOM      = textError("OOM command not allowed when used memory > 'maxmemory'.")
)

// scriptShare of the memory for data is what a script may allocate at most, but
// not less than scriptLeast, in bytes.
const (
	scriptShare = 8
	scriptLeast = 1 << 20
)

// unlimited is the room of a keyspace that has no limit.
const unlimited = math.MaxInt64 / 2

// scriptName is the logged name of a script's call, which no client can send:
//
//	name, memory, room, permissions of who calls, the command as it was sent
//
// Numbers are decimal.
const scriptName = "\x00SCRIPT"

// beforeCall is what stands before the command.
const beforeCall = 4

func init() {
	flags := NoScript | Stale | SkipMonitor | NoMandatoryKeys | MovableKeys
	changed, read := numberedKeys(2, rw|accesses|updates), numberedKeys(2, ro|accesses)
	register(
		row("eval", -3, flags, noKey, "slow scripting", parseEval).finding(changed).inLog().noting("We cannot tell how the keys will be used so we assume the worst, RW and UPDATE"),
		row("evalsha", -3, flags, noKey, "slow scripting", parseEval).finding(changed).inLog(),
		row("eval_ro", -3, flags|ReadOnly, noKey, "slow scripting", parseEval).finding(read).noting("We cannot tell how the keys will be used so we assume the worst, RO and ACCESS"),
		row("evalsha_ro", -3, flags|ReadOnly, noKey, "slow scripting", parseEval).finding(read),
		container("script", -2, 0, "slow",
			row("script|load", 3, NoScript|Stale, noKey, "slow scripting", parseScriptLoad).inLog().tip(tipAllNodes, tipAllSucceeded),
			row("script|exists", -3, NoScript, noKey, "slow scripting", plain(scriptExists)).tip(tipAllShards, tipAll),
			row("script|flush", -2, NoScript, noKey, "slow scripting", parseScriptFlush).inLog().tip(tipAllNodes, tipAllSucceeded),
			row("script|kill", 2, NoScript|AllowBusy, noKey, "slow scripting", plain(scriptKill)).tip(tipAllShards, tipOneSucceeded),
			connection("script|help", 2, Loading|Stale, "slow scripting", help(
				"SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
				"EXISTS <sha1> [<sha1> ...]",
				"    Return information about the existence of the scripts in the script cache.",
				"FLUSH [ASYNC|SYNC]",
				"    Flush the Lua scripts cache. Very dangerous on replicas.",
				"    When called without the optional mode argument, the behavior is determined by the",
				"    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
				"    * ASYNC: Asynchronously flush the scripts cache.",
				"    * SYNC: Synchronously flush the scripts cache.",
				"KILL",
				"    Kill the currently executing Lua script.",
				"LOAD <script>",
				"    Load a script into the scripts cache without executing it.",
			)),
		),
	)
}

// Called is an Op that does what its caller may do.
type Called interface {
	machine.Op
	// As sets the caller, without whom nothing is permitted, and which of the
	// commands that it runs Trace shall tell. It returns the arguments that the
	// log carries.
	As(caller *acl.Identity, trace func(*Command) bool) (argv [][]byte)
	// OnReplica has it change nothing, as what is evaluated outside the log.
	OnReplica()
	// Trace is what it did for its caller, on the member where As was called.
	Trace() *Trace
}

// Trace is what somebody besides the keyspace wants to know of a script.
type Trace struct {
	Calls     []TracedCall
	MoreCalls int // that are left out
	Published []Published
}

// TracedCall is a command that a script ran, or was refused.
type TracedCall struct {
	Command  *Command
	Database int
	Keys     []acl.Key
	Denied   *acl.Denied
}

// Published is a message that a script sent.
type Published struct {
	Kind             ChannelKind
	Channel, Message []byte
}

// eval is a call of a script.
type eval struct {
	argv       [][]byte
	keys, args [][]byte
	bySHA      bool
	readOnly   bool
	onReplica  bool

	caller *acl.Identity
	memory int64
	room   int64
	wants  func(*Command) bool
	trace  *Trace
}

func parseEval(argv [][]byte) (machine.Op, error) {
	e := &eval{argv: argv, memory: script.DefaultMemory, room: unlimited}
	name := lower(argv[0])
	e.bySHA = name == "evalsha" || name == "evalsha_ro"
	e.readOnly = name == "eval_ro" || name == "evalsha_ro"
	if e.bySHA && len(argv[1]) != 40 {
		return nil, errNoScript
	}
	n, err := integer(argv[2])
	switch {
	case err != nil:
		return nil, err
	case n > int64(len(argv)-3):
		return nil, textError("ERR Number of keys can't be greater than number of args")
	case n < 0:
		return nil, textError("ERR Number of keys can't be negative")
	}
	e.keys, e.args = argv[3:3+n], argv[3+n:]
	return e, nil
}

// As implements Called.
func (e *eval) As(caller *acl.Identity, wants func(*Command) bool) [][]byte {
	e.caller, e.wants, e.trace = caller, wants, &Trace{}
	return e.logged()
}

// OnReplica implements Called.
func (e *eval) OnReplica() { e.onReplica = true }

// reads says that the call leaves no trace in the state.
func (e *eval) reads() bool { return e.readOnly || e.onReplica }

// Trace implements Called.
func (e *eval) Trace() *Trace { return e.trace }

// Within implements machine.Roomy.
func (e *eval) Within(room, limit int64) [][]byte {
	e.room, e.memory = room, min(script.DefaultMemory, max(limit/scriptShare, scriptLeast))
	return e.logged()
}

func (e *eval) logged() [][]byte {
	number := func(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
	var rules []byte
	if e.caller != nil {
		rules = e.caller.Rules()
	}
	argv := make([][]byte, 0, beforeCall+len(e.argv))
	return append(append(argv, []byte(scriptName), number(e.memory), number(e.room), rules), e.argv...)
}

// parseLoggedScript reads back what logged wrote.
func parseLoggedScript(argv [][]byte) (machine.Op, error) {
	malformed := textError("ERR malformed script")
	if len(argv) <= beforeCall {
		return nil, malformed
	}
	c, err := Resolve(argv[beforeCall:])
	if err != nil {
		return nil, err
	}
	op, err := c.Parse(argv[beforeCall:])
	if err != nil {
		return nil, err
	}
	e, isEval := op.(*eval)
	memory, ok := parseInt(argv[1])
	room, alsoOK := parseInt(argv[2])
	if !isEval || !ok || !alsoOK {
		return nil, malformed
	}
	e.memory, e.room = memory, room
	if len(argv[3]) > 0 {
		if e.caller, err = acl.FromRules(argv[3]); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Apply implements machine.Op.
func (e *eval) Apply(tx *machine.Tx) reply.Reply {
	p, err := e.program(tx)
	if err != nil {
		return fail(err)
	}
	h := &scriptHost{eval: e, tx: tx, readOnly: e.readOnly || p.Flags.NoWrites, allowOOM: p.Flags.AllowOOM}
	switch {
	case p.Flags.Given && e.onReplica && !p.Flags.NoWrites:
		return fail(errReadOnly)
	case p.Flags.Given && e.readOnly && !p.Flags.NoWrites:
		return fail(textError("ERR Can not execute a script with write flag using *_ro command."))
	case p.Flags.Given && !p.Flags.NoWrites && !h.fits(0, false):
		return fail(errOOM)
	}
	return p.Run(h, e.keys, e.args, tx.Seed, script.Limits{Steps: script.DefaultSteps, Memory: e.memory})
}

// program finds the script or, of EVAL, makes it. What a read runs is not kept: it
// leaves no trace; nor is that for which there is no room.
func (e *eval) program(tx *machine.Tx) (*script.Program, error) {
	scripts := tx.Scripts
	sha := lower(e.argv[1])
	if !e.bySHA {
		sha = machine.ScriptSHA(e.argv[1])
	}
	found := scripts.Find(sha)
	if found == nil {
		if e.bySHA {
			return nil, errNoScript
		}
		size := machine.ScriptBytes(len(e.argv[1]))
		if size > e.memory {
			return nil, errorf("ERR the script would take %d bytes of memory, compiled, and may have %d: make it shorter", size, e.memory)
		}
		p, err := script.Compile(string(e.argv[1]))
		if err == nil && !e.reads() && e.room-*tx.Grown >= size {
			scripts.Add(sha, string(e.argv[1]), false).Program = p
			*tx.Grown += size
		}
		return p, err
	}
	if !e.reads() {
		scripts.Use(found)
	}
	return compiled(found)
}

// compiled is what was made of a script's text, made anew where that was lost:
// it is no part of a snapshot.
func compiled(s *machine.Script) (*script.Program, error) {
	if p, ok := s.Program.(*script.Program); ok {
		return p, nil
	}
	p, err := script.Compile(s.Text)
	if err != nil {
		return nil, err
	}
	s.Program = p
	return p, nil
}

type scriptLoad struct {
	text []byte
	p    *script.Program
}

// parseScriptLoad compiles the text, so that one that is none is not logged.
func parseScriptLoad(argv [][]byte) (machine.Op, error) {
	p, err := script.Compile(string(argv[2]))
	if err != nil {
		return nil, err
	}
	return scriptLoad{argv[2], p}, nil
}

// Needs implements machine.Sizer.
func (l scriptLoad) Needs(*machine.Tx) int64 { return machine.ScriptBytes(len(l.text)) }

// Apply implements machine.Op.
func (l scriptLoad) Apply(tx *machine.Tx) reply.Reply {
	tx.Scripts.Add(l.p.SHA, string(l.text), true).Program = l.p
	return reply.BulkString(l.p.SHA)
}

func scriptExists(tx *machine.Tx, argv [][]byte) reply.Reply {
	items := make([]reply.Reply, 0, len(argv)-2)
	for _, sha := range argv[2:] {
		found := int64(0)
		if tx.Scripts.Find(lower(sha)) != nil {
			found = 1
		}
		items = append(items, reply.Integer(found))
	}
	return reply.Array(items...)
}

func parseScriptFlush(argv [][]byte) (machine.Op, error) {
	if len(argv) > 3 || len(argv) == 3 && !is(argv[2], "SYNC") && !is(argv[2], "ASYNC") {
		return nil, textError("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
	}
	return argvOp{argv, func(tx *machine.Tx, _ [][]byte) reply.Reply {
		tx.Scripts.Flush()
		return reply.OK
	}}, nil
}

// scriptKill finds no script: whoever asks waits until none runs.
func scriptKill(*machine.Tx, [][]byte) reply.Reply {
	return fail(textError("NOTBUSY No scripts in execution right now."))
}
