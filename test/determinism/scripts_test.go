package determinism

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/test/fixture/commands"
)

// scripted are scripts that write down what could differ between members. Each
// is run with a command behind its number of keys, 0.
var scripted = []string{
	"return redis.pcall(unpack(ARGV))",
	"redis.pcall(unpack(ARGV)) error('after it')",
	"redis.pcall(unpack(ARGV)) redis.call('set','random:1',math.random()) return redis.call('time')",
	"local t = {} for i = 1, 20 do t[ARGV[1]..math.random(1000)] = i end for k in pairs(t) do redis.pcall('rpush', 'list:1', k) end",
	"redis.call('set', 'text:1', tostring({})..tostring(print == nil)) return 1",
	"redis.pcall('rpush', 'list:2', tostring({}), tostring(redis.call), tostring(0/0), tostring(math.sin(#ARGV)), tostring(2^0.3))",
	"local r = redis.pcall(unpack(ARGV)) redis.call('set', 'reply:1', cmsgpack.pack(r)) redis.call('set', 'reply:2', string.format('%q', ARGV[1]))",
	"local m = redis.pcall('srandmember', 'set:1', 3) redis.call('set', 'chosen:1', cjson.encode(m)) redis.pcall('spop', 'set:1')",
	"local s = ARGV[1] while true do s = s..s end",
	"redis.call('set', 'before:1', 'the end') while true do end",
	"local ok, e = pcall(redis.call, unpack(ARGV)) redis.call('set', 'error:1', tostring(e)) redis.setresp(3) return redis.pcall(unpack(ARGV))",
	"redis.pcall('select', #ARGV % 3) redis.pcall(unpack(ARGV)) redis.pcall('copy', 'random:1', 'copied:1', 'DB', 1) return redis.pcall('select', ARGV[1])",
	"local co = coroutine.wrap(function(...) coroutine.yield(redis.pcall(...)) end) return co(unpack(ARGV))",
}

// caller is whose scripts they are: some of the commands are refused.
func caller(t *testing.T) *acl.Identity {
	t.Helper()
	id, err := acl.FromRules([]byte(`{"commands": ["@all", "-del", "-hset"], "keys": ["[!z]*"], "readKeys": ["*"], "source": "AccessToken default/t"}`))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// script is a call of a script that runs a random command, or what concerns the
// scripts that are known.
func (l *leader) script() [][]byte {
	words := func(words ...string) (argv [][]byte) {
		for _, w := range words {
			argv = append(argv, []byte(w))
		}
		return argv
	}
	text := scripted[l.r.IntN(len(scripted))]
	if l.r.IntN(8) > 0 { // the expensive ones are rare
		text = scripted[l.r.IntN(8)]
	}
	switch l.r.IntN(40) {
	case 0:
		return words("SCRIPT", "FLUSH")
	case 1:
		return words("SCRIPT", "LOAD", "return "+strconv.Itoa(l.r.IntN(9)))
	case 2: // more than are kept
		text = fmt.Sprintf("redis.call('incr', 'counter:%d') %s", l.r.IntN(9), text)
	}
	argv := l.g.Command()
	if l.r.IntN(3) == 0 {
		return append(words("EVALSHA", machine.ScriptSHA([]byte(text)), "0"), argv...)
	}
	return append(words("EVAL", text, "0"), argv...)
}

// TestCommandsKeepNothingOfAScript: the arguments that a script gives a command are
// those of the next one then.
func TestCommandsKeepNothingOfAScript(t *testing.T) {
	const (
		call      = "redis.pcall('echo', ('x'):rep(70000)) redis.pcall(unpack(ARGV))" // the first makes room for all
		overwrite = call + " redis.pcall('echo', ('\\255'):rep(70000))"
	)
	seed := setting(t, envSeed, rand.Uint64())
	t.Logf("%s=%d", envSeed, seed)
	r := rand.New(rand.NewPCG(seed, 0))
	all, err := acl.FromRules([]byte(`{"commands": ["@all"], "keys": ["*"]}`))
	if err != nil {
		t.Fatal(err)
	}
	l := &leader{t: t, r: r, g: &commands.Generator{Rand: r, Now: 1e12, Keys: 4}, now: 1e12, caller: all}
	machines := [2]*machine.Machine{machine.New(parse), machine.New(parse)}
	for index := range uint64(3000) {
		argv := l.g.Command()
		for i, text := range []string{call, overwrite} {
			items := l.item(append([][]byte{[]byte("EVAL"), []byte(text), []byte("0")}, argv...))
			items[0].Database = 0
			machines[i].Apply(index+1, items, l.now+int64(index), index)
		}
		if machines[0].Databases().Hash() != machines[1].Databases().Hash() {
			t.Fatalf("what %q did is changed by the next command", argv)
		}
	}
}
