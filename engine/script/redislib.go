package script

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/coffer-dev/coffer/engine/reply"
)

// redisVersion is what scripts are told: that of the server whose behaviour
// they get.
const (
	redisVersion       = "7.0.15"
	redisVersionNumber = 7<<16 | 0<<8 | 15
)

// Host carries out what a script asks of the database.
type Host interface {
	// Call runs a command. The reply of what is refused is an error's; steps are what
	// the command took, beside what its arguments and its reply cost. The arguments
	// are the host's until the next call of the script: of what it keeps it makes a
	// copy.
	Call(argv [][]byte) (answer reply.Reply, steps int64)
	// Allows tells whether the caller may run a command; known is false if there
	// is no such command.
	Allows(argv [][]byte) (allowed, known bool)
}

func init() {
	for i, name := range []string{"DEBUG", "VERBOSE", "NOTICE", "WARNING"} {
		constants("redis", "LOG_"+name, float64(i))
	}
	constants("redis", "REPL_NONE", 0.0)
	constants("redis", "REPL_AOF", 1.0)
	constants("redis", "REPL_SLAVE", 2.0)
	constants("redis", "REPL_REPLICA", 2.0)
	constants("redis", "REPL_ALL", 3.0)
	constants("redis", "REDIS_VERSION", redisVersion)
	constants("redis", "REDIS_VERSION_NUM", float64(redisVersionNumber))
	library("redis", builtins{
		"acl_check_cmd":      aclCheck,
		"breakpoint":         func(r *run, _ []value) []value { return r.one(false) },
		"call":               func(r *run, args []value) []value { return r.command(args, true) },
		"debug":              func(*run, []value) []value { return nil },
		"error_reply":        errorReply,
		"log":                redisLog,
		"pcall":              func(r *run, args []value) []value { return r.command(args, false) },
		"replicate_commands": func(r *run, _ []value) []value { return r.one(true) },
		"set_repl":           setRepl,
		"setresp":            setResp,
		"sha1hex": func(r *run, args []value) []value {
			if len(args) != 1 {
				r.raise("wrong number of arguments")
			}
			text, _ := asText(args[0])
			r.spend(len(text))
			return r.one(r.newString(SHA(text)))
		},
		"status_reply": func(r *run, args []value) []value {
			text, ok := arg(args, 0).(string)
			if len(args) != 1 || !ok {
				return r.one(r.errorTable("wrong number or type of arguments"))
			}
			t := r.newTable()
			t.set(r, "ok", text)
			return r.one(t)
		},
	})
}

// SHA names a script's text.
func SHA(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// errorTable is an error as redis.pcall answers it. A text that begins with a
// minus brings its own code.
func (r *run) errorTable(text string) *table {
	code, rest := "ERR", text
	if given, ok := strings.CutPrefix(text, "-"); ok {
		rest = given
		if before, after, found := strings.Cut(given, " "); found {
			code, rest = before, after
		}
	}
	t := r.newTable()
	t.set(r, "err", r.newString(code+" "+strings.TrimRight(rest, "\r\n")))
	return t
}

// raise throws an error of the redis library: a table.
func (r *run) raise(text string) { r.throw(r.errorTable(text)) }

func errorReply(r *run, args []value) []value {
	text, ok := arg(args, 0).(string)
	if len(args) != 1 || !ok {
		return r.one(r.errorTable("wrong number or type of arguments"))
	}
	if !strings.HasPrefix(text, "-") {
		text = "-" + text
	}
	return r.one(r.errorTable(text))
}

// arguments makes a command's of a call's. They are there until the next ones.
func (r *run) arguments(args []value, raise bool) (_ [][]byte, problem *table) {
	if len(args) == 0 {
		problem = r.errorTable("Please specify at least one argument for this redis lib call")
	}
	texts, argv := r.commandText[:0], r.commandArgs[:0]
	for _, v := range args {
		from := len(texts)
		switch v := v.(type) {
		case string:
			r.fits(len(v))
			texts = append(texts, v...)
		case float64:
			texts = appendG(texts, v, 17)
			r.fits(len(texts) - from)
		default:
			problem = r.errorTable("Lua redis lib command arguments must be strings or integers")
			continue
		}
		argv = append(argv, texts[from:len(texts):len(texts)])
	}
	r.commandText, r.commandArgs = texts, argv
	if problem != nil && raise {
		r.throw(problem)
	}
	return argv, problem
}

// callSteps is what a command takes at least, and replies per element.
const callSteps = 20

func (r *run) command(args []value, raise bool) []value {
	argv, problem := r.arguments(args, raise)
	if problem != nil {
		return r.one(problem)
	}
	r.spend(callSteps)
	r.outside = true
	answer, steps := r.host.Call(argv)
	r.outside = false
	r.spend(int(steps))
	r.alloc(int(min(answer.Size(), int64(2*DefaultMemory))))
	if !answer.IsError() {
		return r.one(r.fromReply(&answer))
	}
	t := r.newTable()
	t.set(r, "ignore_error_stats_update", true)
	t.set(r, "err", r.newString(string(answer.Str)))
	if raise {
		r.throw(t)
	}
	return r.one(t)
}

func aclCheck(r *run, args []value) []value {
	argv, _ := r.arguments(args, true)
	r.spend(callSteps)
	allowed, known := r.host.Allows(argv)
	if !known {
		r.raise("Invalid command passed to redis.acl_check_cmd()")
	}
	return r.one(allowed)
}

// redisLog checks its arguments, and writes nothing: what a script says can be
// data, which has no place in a log.
func redisLog(r *run, args []value) []value {
	if len(args) < 2 {
		r.raise("redis.log() requires two arguments or more.")
	}
	level, ok := toNumber(args[0])
	if !ok {
		r.raise("First argument must be a number (log level).")
	}
	if level < 0 || level > 3 {
		r.raise("Invalid debug level.")
	}
	return nil
}

func setRepl(r *run, args []value) []value {
	if len(args) != 1 {
		r.raise("redis.set_repl() requires two arguments.")
	}
	if f, _ := toNumber(args[0]); truncate(f)&^3 != 0 {
		r.raise("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
	}
	return nil
}

func setResp(r *run, args []value) []value {
	if len(args) != 1 {
		r.raise("redis.setresp() requires one argument.")
	}
	f, _ := toNumber(args[0])
	if f != 2 && f != 3 {
		r.raise("RESP version must be 2 or 3.")
	}
	r.proto = int(truncate(f))
	return nil
}

// fromReply makes a value of a reply, as of the protocol that the script chose.
func (r *run) fromReply(a *reply.Reply) value {
	r.spend(1)
	resp3 := r.proto == 3
	switch a.Kind {
	case reply.KindInteger:
		return numeric(float64(a.Int))
	case reply.KindBulk:
		return r.newString(string(a.Str))
	case reply.KindBigNumber:
		if resp3 {
			return r.tagged("big_number", string(a.Str))
		}
		return r.newString(string(a.Str))
	case reply.KindSimple:
		if string(a.Str) == "OK" { // which nearly all are
			return r.tagged("ok", "OK")
		}
		return r.tagged("ok", string(a.Str))
	case reply.KindError:
		return r.tagged("err", string(a.Str))
	case reply.KindVerbatim:
		if !resp3 {
			return r.newString(string(a.Str))
		}
		t := r.tagged("format", "txt")
		t.set(r, "string", r.newString(string(a.Str)))
		return r.tagged("verbatim_string", t)
	case reply.KindDouble:
		if !resp3 {
			return r.newString(string(a.DoubleText()))
		}
		return r.tagged("double", a.Float)
	case reply.KindBool:
		if !resp3 {
			return float64(a.Int)
		}
		return a.Int != 0
	case reply.KindArray, reply.KindPush, reply.KindSet, reply.KindMap, reply.KindPairs, reply.KindPairedMap:
		return r.fromItems(a)
	}
	if resp3 {
		return nil
	}
	return false
}

// tagged is a table of one field, whose key is a string.
func (r *run) tagged(key, v value) *table {
	t := r.newTable()
	t.set(r, key, v)
	return t
}

func (r *run) fromItems(a *reply.Reply) value {
	resp3, t, n := r.proto == 3, r.newTable(), 0
	switch {
	case a.Kind == reply.KindSet && resp3:
		for element := range a.All() {
			r.store(t, r.fromReply(&element), true)
		}
		return r.tagged("set", t)
	case (a.Kind == reply.KindMap || a.Kind == reply.KindPairedMap) && resp3:
		var key value
		for element := range a.All() {
			if v := r.fromReply(&element); n%2 == 0 {
				key = v
			} else {
				r.store(t, key, v)
			}
			n++
		}
		return r.tagged("map", t)
	case a.Kind == reply.KindPairs && resp3, a.Kind == reply.KindPairedMap:
		for i := 0; i+1 < len(a.Items); i += 2 {
			pair := reply.Array(a.Items[i], a.Items[i+1])
			t.set(r, float64(i/2+1), r.fromItems(&pair))
		}
		return t
	}
	t.array = make([]value, 0, a.Len())
	for i := range a.Items {
		t.set(r, float64(i+1), r.fromReply(&a.Items[i]))
	}
	if len(a.Items) > 0 {
		return t
	}
	for element := range a.All() {
		n++
		t.set(r, float64(n), r.fromReply(&element))
	}
	return t
}

// maxReplyDepth is how deep a reply is nested, about what redis-server's stack
// has room for.
const maxReplyDepth = 1000

// toReply makes a script's reply of what it returned. ok is false if that is
// nested too deep.
func (r *run) toReply(v value, depth int) (answer reply.Reply, ok bool) {
	r.spend(1)
	r.alloc(tableBytes)
	if depth > maxReplyDepth {
		return reply.Reply{}, false
	}
	switch v := v.(type) {
	case string:
		return reply.BulkString(v), true
	case float64:
		return reply.Integer(truncate(v)), true
	case bool:
		switch {
		case r.proto == 3:
			return reply.Bool(v), true
		case v:
			return reply.Integer(1), true
		}
	case *table:
		return r.tableReply(v, depth)
	}
	return reply.Null, true
}

func (r *run) tableReply(t *table, depth int) (answer reply.Reply, ok bool) {
	if text, ok := t.get("err").(string); ok {
		return reply.Error(oneLine(text)), true
	}
	if text, ok := t.get("ok").(string); ok {
		return reply.Simple(oneLine(text)), true
	}
	if f, ok := t.get("double").(float64); ok {
		return reply.Double(f), true
	}
	if m, ok := t.get("map").(*table); ok {
		return r.mapReply(m, depth)
	}
	if s, ok := t.get("set").(*table); ok {
		return r.setReply(s, depth)
	}
	if text, ok := t.get("big_number").(string); ok {
		return reply.BigNumber(oneLine(text)), true
	}
	if verbatim, ok := t.get("verbatim_string").(*table); ok {
		format, isText := verbatim.get("format").(string)
		if text, ok := verbatim.get("string").(string); ok && isText && format != "" {
			return reply.Verbatim(text), true
		}
	}
	items := []reply.Reply{}
	for i := 1; ; i++ {
		v := t.at(i)
		if v == nil {
			return reply.Array(items...), true
		}
		item, ok := r.toReply(v, depth+1)
		if !ok {
			return item, false
		}
		items = append(items, item)
	}
}

func (r *run) mapReply(m *table, depth int) (answer reply.Reply, ok bool) {
	items, ok := []reply.Reply{}, true
	m.each(func(k, v value) bool {
		for _, part := range []value{k, v} {
			var item reply.Reply
			if item, ok = r.toReply(part, depth+1); !ok {
				return false
			}
			items = append(items, item)
		}
		return true
	})
	return reply.Map(items...), ok
}

func (r *run) setReply(s *table, depth int) (answer reply.Reply, ok bool) {
	items, ok := []reply.Reply{}, true
	s.each(func(k, _ value) bool {
		var item reply.Reply
		item, ok = r.toReply(k, depth+1)
		items = append(items, item)
		return ok
	})
	return reply.Set(items...), ok
}

func oneLine(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }

// scriptError is the reply of a script that ended with an error.
func (r *run) scriptError(t *thrown, sha string) reply.Reply {
	var text string
	switch v := t.value.(type) {
	case *table:
		err, ok := v.get("err").(string)
		if !ok {
			err = "ERR the script raised a table without an err"
		}
		text = err
	default:
		plain, _ := r.tostring(v).(string)
		text = "ERR " + plain
	}
	if t.source != "" {
		text += " script: " + sha + ", on " + t.source + ":" + strconv.Itoa(t.line) + "."
	}
	return reply.Error(oneLine(text))
}
