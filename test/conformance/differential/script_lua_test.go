package differential

import (
	"bytes"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/test/fixture/commands"
)

// luaScripts are scripts of one line each, in which \n is a line's end: the
// language, its libraries, and what is wrong with scripts.
//
// What differs from redis-server is not among them: what it answers at random or
// with an address in it, the order of a table's fields, the length of a list
// with holes, the sign of what is no number, string.dump, and what takes more
// than a script may.
//
//go:embed testdata/scripts.txt
var luaScripts string

func TestScripts(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		for line := range strings.Lines(luaScripts) {
			text := strings.ReplaceAll(strings.TrimSuffix(line, "\n"), `\n`, "\n")
			p.do(args("EVAL", text, "0"))
		}
		p.ours.checkReplay()
	})
}

// scriptCommands are what concerns scripts as wholes.
var scriptCommands = []string{
	`EVAL "return 1"`, `EVAL "return 1" x`, `EVAL "return 1" -1`, `EVAL "return 1" 2 a`, `EVAL "return {KEYS[1],ARGV[1],#KEYS,#ARGV}" 1 a b c`,
	`EVALSHA abc 0`, `EVALSHA aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0`, `EVALSHA aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -1`,
	`SCRIPT LOAD "return 42"`, `EVALSHA 1fa00e76656cc152ad327c13fe365858fd7be306 0`, `EVALSHA 1FA00E76656CC152AD327C13FE365858FD7BE306 0`,
	`EVALSHA_RO 1fa00e76656cc152ad327c13fe365858fd7be306 0`, `SCRIPT EXISTS 1fa00e76656cc152ad327c13fe365858fd7be306 x 1FA00E76656CC152AD327C13FE365858FD7BE306`,
	`EVAL "return 43" 0`, `EVALSHA 7a1d5ea37ba5ed7a3ff48a2de4ad4b1a9ba8a37d 0`, `SCRIPT LOAD "return ("`, `SCRIPT LOAD`, `SCRIPT`, `SCRIPT nonsense`, `SCRIPT KILL`, `SCRIPT KILL x`, `SCRIPT EXISTS`,
	`SCRIPT FLUSH x`, `SCRIPT FLUSH SYNC x`, `SCRIPT FLUSH async`, `SCRIPT EXISTS 1fa00e76656cc152ad327c13fe365858fd7be306`, `EVALSHA 1fa00e76656cc152ad327c13fe365858fd7be306 0`, `SCRIPT FLUSH`,
	`EVAL "#!lua" 0`, `EVAL "#!js\nreturn 1" 0`, `EVAL "#!lua x=y\nreturn 1" 0`, `EVAL "#!lua flags=x\nreturn 1" 0`, `EVAL "#!lua flags=no-writes\nreturn redis.call('set','a',1)" 0`,
	`EVAL "#!lua flags=no-writes\nreturn redis.call('get','a')" 0`, `EVAL "#!lua flags=allow-oom,allow-stale,no-cluster\nreturn redis.call('set','a',1)" 0`, `EVAL "#!lua\nreturn redis.call('get','a')" 0`,
	`EVAL_RO "#!lua\nreturn 1" 0`, `EVAL_RO "#!lua flags=no-writes\nreturn 1" 0`, `EVAL_RO "return redis.call('set','a',1)" 0`, `EVAL_RO "return redis.pcall('publish','a',1)" 0`, `EVAL_RO "return redis.call('get','a')" 0`,
	// What a script calls.
	`SET s x`, `RPUSH l a b c`, `HSET h f v`, `ZADD z 1.5 m`, `SADD one m`,
	`EVAL "return redis.call('foo')" 0`, `EVAL "return redis.call('get')" 0`, `EVAL "return redis.call('get','l')" 0`, `EVAL "return redis.call()" 0`, `EVAL "return redis.call('get',{})" 0`, `EVAL "return redis.call('get',nil)" 0`, `EVAL "return redis.call(1)" 0`,
	`EVAL "return redis.pcall('foo')" 0`, `EVAL "return redis.pcall('foo').err" 0`, `EVAL "return redis.pcall('get','l').err" 0`, `EVAL "return cjson.encode(redis.pcall('get','l'))" 0`, `EVAL "return redis.pcall()" 0`, `EVAL "return redis.pcall({})" 0`,
	`EVAL "local ok,e=pcall(redis.call,'get','l') return {tostring(ok),type(e),e}" 0`, `EVAL "local ok,e=pcall(function() return redis.call('get','l') end) return e" 0`, `EVAL "local ok,e=xpcall(function() return redis.call('get','l') end,function(e) return type(e) end) return e" 0`,
	`EVAL "\nreturn redis.call('get','l')" 0`, `EVAL "local function f()\n return redis.call('nonsense')\nend\nreturn f()" 0`,
	`EVAL "return redis.call('auth','x')" 0`, `EVAL "return redis.call('multi')" 0`, `EVAL "return redis.call('exec')" 0`, `EVAL "return redis.call('watch','x')" 0`, `EVAL "return redis.call('subscribe','x')" 0`, `EVAL "return redis.call('client','id')" 0`, `EVAL "return redis.call('client','nonsense')" 0`, `EVAL "return redis.call('client')" 0`, `EVAL "return redis.call('hello')" 0`, `EVAL "return redis.call('eval','return 1',0)" 0`, `EVAL "return redis.call('script','load','x')" 0`,
	`EVAL "return redis.call('ping')" 0`, `EVAL "return redis.call('ping','x')" 0`, `EVAL "return redis.call('ping','x','y')" 0`, `EVAL "return redis.call('select',0)" 0`, `EVAL "return redis.call('select','x')" 0`, `EVAL "return redis.call('publish','ch','m')" 0`, `EVAL "return redis.call('spublish','ch','m')" 0`, `EVAL "return redis.call('echo','x')" 0`,
	`EVAL "return redis.call('set','s',1.5)" 0`, `GET s`, `EVAL "return redis.call('set','s',1e20)" 0`, `GET s`, `EVAL "return redis.call('set','s',2^53)" 0`, `GET s`, `EVAL "return redis.call('set','s',0.1)" 0`, `GET s`,
	`EVAL "redis.call('set','s','first') error('then')" 0`, `GET s`, `EVAL "redis.call('set','s','second') return redis.call('incr','s')" 0`, `GET s`,
	`EVAL "redis.call('del','s') return redis.call('exists','s')" 0`, `EVAL "return redis.call('get','none')" 0`, `EVAL "return type(redis.call('get','none'))" 0`, `EVAL "redis.setresp(3) return type(redis.call('get','none'))" 0`,
	`EVAL "return redis.call('lrange','l',0,-1)" 0`, `EVAL "return redis.call('lrange','none',0,-1)" 0`, `EVAL "return redis.call('lpop','none')" 0`, `EVAL "return redis.call('lpop','none',2)" 0`, `EVAL "return redis.call('mget','none','l','none')" 0`, `EVAL "return redis.call('hgetall','h')" 0`, `EVAL "redis.setresp(3) return redis.call('hgetall','h')" 0`, `EVAL "redis.setresp(3) return redis.call('hgetall','h').map.f" 0`,
	`EVAL "return redis.call('smembers','one')" 0`, `EVAL "redis.setresp(3) return redis.call('smembers','one')" 0`, `EVAL "redis.setresp(3) return tostring(redis.call('smembers','one').set.m)" 0`,
	`EVAL "return redis.call('zscore','z','m')" 0`, `EVAL "redis.setresp(3) return redis.call('zscore','z','m')" 0`, `EVAL "redis.setresp(3) return redis.call('zscore','z','m').double*2" 0`, `EVAL "return redis.call('zrange','z',0,-1,'withscores')" 0`, `EVAL "redis.setresp(3) return redis.call('zrange','z',0,-1,'withscores')" 0`, `EVAL "return redis.call('zincrby','z',1,'m')" 0`, `EVAL "redis.setresp(3) return redis.call('zpopmin','z')" 0`,
	`EVAL "return redis.call('hscan','h',0)" 0`, `EVAL "return redis.call('set','s',1,'get')" 0`, `EVAL "return redis.call('type','s')" 0`, `EVAL "return redis.call('type','s').ok" 0`, `EVAL "return redis.call('object','encoding','s')" 0`, `EVAL "return redis.call('object','nonsense')" 0`,
	`EVAL "return {redis.acl_check_cmd('get','x'),redis.acl_check_cmd('set','x','y')}" 0`, `EVAL "return redis.acl_check_cmd('nonsense')" 0`, `EVAL "return redis.acl_check_cmd()" 0`,
	`EVAL "redis.setresp(3) return {double=1.5}" 0`, `EVAL "redis.setresp(3) return {map={a=1}}" 0`, `EVAL "redis.setresp(3) return {set={a=true}}" 0`, `EVAL "redis.setresp(3) return {big_number='123456789012345678901234567890'}" 0`, `EVAL "redis.setresp(3) return {verbatim_string={format='txt',string='x'}}" 0`, `EVAL "redis.setresp(3) return nil" 0`, `EVAL "redis.setresp(3) return {true,false}" 0`,
	`EVAL "return redis.call('xread','block',0,'streams','none','0')" 0`, `EVAL "return redis.call('blpop','l',0)" 0`, `COMMAND GETKEYS EVAL "return 1" 2 a b c`, `COMMAND GETKEYS EVALSHA x 1 a`, `COMMAND GETKEYS EVAL_RO "return 1" 0`,
}

func TestScriptCommands(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		p.script(scriptCommands...)
		p.compareState()
		p.ours.checkReplay()
	})
}

// runAll runs the commands that it is given, each behind the number of its
// arguments, and answers what they answer.
const runAll = `local out, i = {}, 1
while i <= #ARGV do
	local n = tonumber(ARGV[i])
	out[#out + 1] = redis.pcall(unpack(ARGV, i + 1, i + n))
	i = i + n + 1
end
return out`

// ordered tells whether what a command answers, and does, is the same wherever
// it runs.
func ordered(argv [][]byte) bool {
	c := command.Lookup(argv[0])
	if c == nil || c.Flags&command.NoScript != 0 || c.Parse == nil || c.Subcommands != nil {
		return false
	}
	switch c.Name {
	case "smembers", "keys", "hkeys", "hvals", "sunion", "sinter", "sdiff", "spop", "hgetall", "hscan", "zscan", "sscan", "scan", "hrandfield", "zrandmember",
		"srandmember", "randomkey", "ttl", "pttl", "expiretime", "pexpiretime", "object", "dbsize", "time":
		return false
	}
	return !bytes.Contains(bytes.Join(argv, nil), []byte("*")) // of the time
}

// TestGeneratedScripts compares scripts that run random commands.
func TestGeneratedScripts(t *testing.T) {
	const scripts = 3000
	both(t, func(t *testing.T, p *pair) {
		r := rand.New(rand.NewPCG(1, 2))
		g := &commands.Generator{Rand: r, Keys: generatedKeys}
		for i := range scripts {
			run := args("EVAL", runAll, "0")
			if i%2 == 1 {
				run[1] = append([]byte("redis.setresp(3) "), run[1]...)
			}
			for n := 1 + r.IntN(8); n > 0; {
				if argv := g.Command(); ordered(argv) {
					run = append(append(run, []byte(strconv.Itoa(len(argv)))), argv...)
					n--
				}
			}
			p.do(run)
			if i%1000 == 999 {
				p.compareState()
			}
		}
		p.ours.checkReplay()
	})
}

// TestScriptsOfTheWholeEngine: over TLS, through the log, in transactions too.
func TestScriptsOfTheWholeEngine(t *testing.T) {
	p := &pair{t: t, theirs: startRedis(t, 3), ours: startEngine(t, 3)}
	p.script(scriptCommands...)
	load := `EVAL "return redis.call('incrby',KEYS[1],ARGV[1])" 1 n 5`
	p.script("FLUSHALL", load, "MULTI", load, `EVAL "redis.call('set','m',1) error('then')" 0`, `EVAL_RO "return redis.call('get','n')" 0`, "GET n", "SCRIPT FLUSH", "EXEC", "GET n", "GET m")
	p.script("WATCH n", load, "MULTI", load, "EXEC", "GET n", "MULTI", `SCRIPT LOAD "return 1"`, "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0", "EXEC")
	for i := range 50 {
		p.script(fmt.Sprintf(`EVAL "return redis.call('rpush',KEYS[1],unpack(ARGV))" 1 list a b %d`, i))
	}
	p.compareState()
}
