package command

import (
	"bytes"
	"slices"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

const (
	errNotInScript   = textError("ERR This Redis command is not allowed from script")
	errScriptUnknown = textError("ERR Unknown Redis command called from script")
	errScriptArity   = textError("ERR Wrong number of args calling Redis command from script")
	errReadOnlyRun   = textError("ERR Write commands are not allowed from read-only scripts.")
)

const (
	// maxScriptKey bounds the keys and channels that a script names, in bytes:
	// the same on every member, whatever its configuration says.
	maxScriptKey = 64 << 10
	// maxScriptReply is what a command may answer within a script, in bytes; one
	// that reads stops there.
	maxScriptReply = 64 << 20
	// maxTraced is how many calls of a script a trace tells, and
	// maxPublished how many bytes of messages a script may send.
	maxTraced    = 1000
	maxPublished = 16 << 20
	// chargedSince is the semantics with which scripts are charged for the work of the
	// commands that they run: members of the version before charge each alike.
	chargedSince = 7
)

// scriptHost carries out what a script calls.
type scriptHost struct {
	eval     *eval
	tx       *machine.Tx
	readOnly bool
	allowOOM bool

	calls     uint64
	step      machine.Tx // of the call at hand
	work      int64      // that it has done
	keys      []acl.Key  // of it
	written   bool
	published int
}

// Call implements script.Host.
func (h *scriptHost) Call(argv [][]byte) (answer reply.Reply, steps int64) {
	h.work = 0
	answer = h.call(argv)
	return answer, h.work
}

func (h *scriptHost) call(argv [][]byte) reply.Reply {
	c, err := Resolve(argv)
	switch {
	case err == nil && c.since > h.tx.Semantics || err != nil && h.unknown(argv):
		return fail(errScriptUnknown)
	case err != nil && known(argv):
		return fail(errScriptArity)
	case err != nil:
		return fail(errScriptUnknown)
	case c.Flags&NoScript != 0 || c.Parse == nil && c.inScript == nil || c.Name == "memory|usage": // of which members may have different ideas
		return fail(errNotInScript)
	}
	if err := h.permitted(c, argv); err != nil {
		return fail(err)
	}
	if c.inScript != nil {
		return c.inScript(h, argv)
	}
	if (c.Name == "xread" || c.Name == "xreadgroup") && waits(argv) {
		return fail(errorf("ERR %s command is not allowed with BLOCK option from scripts", cstring(argv[0])))
	}
	parse := c.Parse
	if c.narrow != nil && h.tx.Semantics < c.wider {
		parse = c.narrow
	}
	op, err := parse(argv)
	if err != nil {
		return fail(err)
	}
	h.step = h.tx.Step(h.calls)
	h.step.MaxReply, h.step.Work = maxScriptReply, 0
	h.calls++
	if c.Grows() {
		size := machine.Adds(&h.step, op, argv)
		if !h.fits(size, c.since != 0 && c.Reserved()) {
			return fail(errOOM)
		}
		*h.tx.Grown += size
	}
	h.written = h.written || c.Flags&Write != 0
	answer := op.Apply(&h.step)
	if h.tx.Semantics >= chargedSince {
		h.work = h.step.Work
	}
	if answer.Size() > maxScriptReply {
		return fail(errorf("ERR the reply to '%s' is larger than the %d bytes that a script can be given", c.Name, maxScriptReply))
	}
	return answer
}

// known tells whether there is such a command, whatever its arguments.
func known(argv [][]byte) bool {
	c := Lookup(argv[0])
	return c != nil && (c.Subcommands == nil || len(argv) < 2 || c.subcommand(argv[1]) != nil)
}

// waits tells whether the options of XREAD or XREADGROUP have it wait, as far as
// redis-server reads them before it says that a script cannot.
func waits(argv [][]byte) bool {
	for i := 1; i+1 < len(argv) && !is(argv[i], "STREAMS"); i++ {
		switch {
		case is(argv[i], "BLOCK"):
			return true
		case is(argv[i], "GROUP"):
			i += 2
		case is(argv[i], "NOACK"):
		case is(argv[i], "COUNT"):
			i++
			if _, ok := parseInt(argv[i]); !ok {
				return false
			}
		default:
			return false
		}
	}
	return false
}

// permitted asks whether the caller may run the command, and the script.
func (h *scriptHost) permitted(c *Command, argv [][]byte) error {
	keys := c.AppendKeys(h.keys[:0], argv)
	h.keys = keys
	channels, patterns := c.Channels(argv)
	denied := h.denied(c, keys, channels, patterns)
	h.note(c, keys, denied)
	if denied != nil {
		return scriptDenied(denied)
	}
	for _, key := range keys {
		if len(key.Name) > maxScriptKey {
			return errorf("ERR key is longer than %d bytes", maxScriptKey)
		}
	}
	switch changes := c.Logged() || c.Publishes(); {
	case changes && h.readOnly:
		return errReadOnlyRun
	case changes && h.eval.onReplica:
		return errReadOnly
	}
	return nil
}

// denied is why the caller may not; who is nobody may nothing.
func (h *scriptHost) denied(c *Command, keys []acl.Key, channels [][]byte, patterns bool) *acl.Denied {
	if h.eval.caller == nil {
		return &acl.Denied{Command: c.Name}
	}
	action := c.Action(keys, channels, patterns)
	return h.eval.caller.Allows(&action)
}

// scriptDenied is redis-server's text, and behind it what to change.
func scriptDenied(denied *acl.Denied) textError {
	text := "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments"
	switch {
	case denied.Command != "":
		text = "ERR The user executing the script can't run this command or subcommand"
	case denied.Channel != nil:
		text = "ERR The user executing the script can't publish to the channel mentioned in the command"
	}
	if denied.Source != "" {
		text += ": see " + denied.Source
	}
	return errorf("%s", text)
}

// Allows implements script.Host.
func (h *scriptHost) Allows(argv [][]byte) (allowed, known bool) {
	c, err := Resolve(argv)
	if err != nil || h.unknown(argv) {
		return false, false
	}
	channels, patterns := c.Channels(argv)
	return h.denied(c, c.AppendKeys(nil, argv), channels, patterns) == nil, true
}

// fits tells whether the keyspace may take so many more bytes. As in
// redis-server a script that has written goes on: what it may add then is
// bounded by what it may allocate. So is what a command may that is not refused
// for want of memory, of those that an older member refuses as unknown.
func (h *scriptHost) fits(size int64, reserved bool) bool {
	room := h.eval.room
	if h.written || h.allowOOM || reserved {
		room = max(room, 0) + h.eval.memory
	}
	return room-*h.tx.Grown >= size
}

// note keeps a call for the trace.
func (h *scriptHost) note(c *Command, keys []acl.Key, denied *acl.Denied) {
	t := h.eval.trace
	if t == nil || denied == nil && !h.eval.wants(c) {
		return
	}
	if len(t.Calls) == maxTraced {
		t.MoreCalls++
		return
	}
	keys = slices.Clone(keys) // the names of which, too, are the call's alone
	for i := range keys {
		keys[i].Name = bytes.Clone(keys[i].Name)
	}
	if denied != nil {
		told := *denied
		told.Key, told.Channel = bytes.Clone(told.Key), bytes.Clone(told.Channel)
		denied = &told
	}
	t.Calls = append(t.Calls, TracedCall{c, h.tx.Store.Number(), keys, denied})
}

// publishInScript keeps a message until the script is through. It answers 0: who
// listens is not the same on every member.
func publishInScript(k ChannelKind) func(h *scriptHost, argv [][]byte) reply.Reply {
	return func(h *scriptHost, argv [][]byte) reply.Reply {
		if h.published += len(argv[1]) + len(argv[2]); h.published > maxPublished {
			return fail(errorf("ERR a script can publish %d bytes", maxPublished))
		}
		if t := h.eval.trace; t != nil {
			t.Published = append(t.Published, Published{k, bytes.Clone(argv[1]), bytes.Clone(argv[2])})
		}
		return reply.Integer(0)
	}
}

// Publishes reports whether the command sends messages.
func (c *Command) Publishes() bool { return c.Name == "publish" || c.Name == "spublish" }
