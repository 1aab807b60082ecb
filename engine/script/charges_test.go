package script

import (
	_ "embed"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/reply"
)

var update = flag.Bool("update", false, "write what scripts are charged into a golden file: of semantics that nobody has, for members of two versions judge alike")

//go:embed testdata/push.lua
var pushText string

// pushArgs are what pushText is called with: for a job, one that is delayed, and
// one that is unique.
var pushArgs = [][]string{
	{"\x95\xa2q:\xa0\xa3job\xcbBz!\xe8\xce\np\x00\xc0", strings.Repeat("x", 200), "\x82\xa8attempts\x03\xb0removeOnComplete\xc3"},
	{"\x95\xa2q:\xa2id\xa3job\xcbBz!\xe8\xce\np\x00\xa1p", strings.Repeat("x", 200), "\x82\xa5delay\xcd\x03\xe8\xa2de\x81\xa2id\xa1u"},
	{"\x95\xa2q:\xa0\xa3job\xcbBz!\xe8\xce\np\x00\xc0", "", "\x81\xa2de\x81\xa2id\xa1u"},
}

// charged are scripts beside those of the differential suite and of TestBudgets.
var charged = []string{
	`local a, b, c = 1, 2 a, b = b, a local t = {} t.x, t[1], a = 1, 2, 3, redis.call("incr", "x") return {a, b, t.x, t[1], tostring(c)}`,
	`local fs = {} for i = 1, 5 do local j = i * 2 fs[i] = function(d) j = j + d return i, j end end local s = "" for k, f in ipairs(fs) do local a, b = f(k) s = s .. a .. b a, b = f(1) s = s .. b end return s`,
	`local function f(...) local a, b = ... return select("#", ...), b, a, ... end return {f(1, 2, 3)}`,
	`local function f(n, ...) if n == 0 then return ... end return f(n - 1, n, ...) end return {f(20)}`,
	`local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end return f(500)`,
	`local function down(n) if n == 0 then return redis.call("get", "x") end return down(n - 1) end return down(1000)`,
	`local function f(a, b, c) a = a or 1 b = b or 2 return function() a = a + 1 return a, b, c end end local g, h = f(), f(5, 6, 7) g() h() return {g(), h(), h()}`,
	`local o = {n = 0} function o:add(k) self.n = self.n + k return self end function o.get(x) return x.n end return o:add(1):add(2):get()`,
	`local m = {} m.__index = function(t, k) return k .. "!" end m.__newindex = function(t, k, v) rawset(t, k, v * 2) end m.__call = function(self, a, b) return a + b end m.__add = function(a, b) return 7 end m.__concat = function(a, b) return "c" end m.__eq = function() return true end m.__lt = function() return true end m.__le = function() return false end m.__unm = function() return 9 end m.__tostring = function() return "T" end
		local t, u = setmetatable({}, m), setmetatable({}, m) t.a = 4 return {t.a, t.b, t(1, 2), t + 1, t .. "x", t == u, t < u, t <= u, -t, tostring(t)}`,
	`local t = setmetatable({}, {__index = setmetatable({a = 1}, {__index = {b = 2}})}) return {t.a, t.b, t.c == nil}`,
	`local c = coroutine.wrap(function(a, b) local x = coroutine.yield(a + b) local y, z = coroutine.yield(x * 2) error("end " .. y .. z) end) local r = {c(1, 2), c(5)} local ok, e = pcall(c, "y", "z") return {r[1], r[2], e}`,
	`local s = 0 for i = 10, 1, -3 do s = s + i end for i = 1, 3 do for j = 1, 3 do if j == 2 then break end s = s + i * j end end local n = 0 while true do n = n + 1 if n > 5 then break end end repeat local k = n n = n - 1 until k < 3 return {s, n}`,
	`local t = {1, 2, nil, 4, x = 1, ["y z"] = 2, [3] = 3, f = function() return 1 end, redis.call("lrange", "a", "b")} local n = 0 for k, v in pairs(t) do n = n + 1 end t[1] = nil t.x = nil return {#t, n, next({}), t[3]}`,
	`local t = {} for i = 1, 100 do t["k" .. i] = i end for i = 1, 90 do t["k" .. i] = nil end for i = 1, 30 do t["n" .. i] = i end local s = "" for k, v in pairs(t) do s = s .. k end return s`,
	`local t = {} t[3] = 3 t[2] = 2 t[1] = 1 t[4] = 4 t[6] = 6 t[5] = 5 t[7.5] = 1 return {#t, t[6], t[7.5]}`,
	`local r = redis.call("hmget", "h", "a", "b") if r[1] then return 1 end return {r[2], #r, tostring(r[1])}`,
	`local ok, e = pcall(redis.call, "fail") local t = redis.pcall("fail") local u = redis.call("ok") return {e, t.err, u.ok, 1.5, tostring(1e100), 2^53 .. "", -0 .. ""}`,
	`redis.setresp(3) local t = redis.call("hgetall", "h") local u = redis.call("null") return {tostring(u), t}`,
	`local a = {} for w in ("one two  three"):gmatch("%a+") do a[#a + 1] = w end return table.concat(a, ",") .. ("x-y"):gsub("%w", {x = "1"}) .. ("abc"):sub(-2) .. ("%d %s"):format(3, "z") .. #a`,
	`local t = {5, 3, 9, 1} table.sort(t, function(a, b) return a > b end) table.insert(t, 1, 7) table.insert(t, 8) local x = table.remove(t, 2) return {x, t[1], #t, unpack(t, 2, 4)}`,
	`return cjson.encode({a = {1, 2, {b = "c\n"}}, n = 1.5, e = {}, t = true}) .. cmsgpack.pack({1, -1, 300, 1.5, "s", {a = 1}}, nil, true):len()`,
	`local t = cjson.decode('{"a":[1,2.5,null,{"b":"c"}],"n":-3e5}') return {t.a[2], t.a[4].b, t.n, tostring(t.a[3])}`,
	`local a = "10" + 5 local b = 10 .. 20 local c = "3" * "4" local d = -"2" local e = 7 % 3 + -7 % 3 + 2 ^ 10 + 7 / 2 local f = not nil and 1 or 2 return {a, b, c, d, e, f, 1 < 2, "a" < "b", "a" <= "a", 2 >= 3, 1 ~= 2}`,
	`local x = 5 do local x = x + 1 redis.call("set", "x", x) end local function g() return x end x = 6 return {x, g(), (g())}`,
	`local function r(...) return ... end local t = {r(1, 2), r(3, 4)} local u = {(r(1, 2))} return {#t, #u, (select(2, r(5, 6, 7)))}`,
	`local t = {n = 1} t.n = t.n + 1 t.s = "a" .. t.n .. "b" .. 1.5 t[t.n] = t t[t.n].m = 3 return {t.m, t.s, t.n}`,
	`error({err = "CODE text"})`, `error("with a position")`, `local t = nil return t.x.y`, `return nope`, `nope = 1`, `local x = 1 x()`, `return 1 + {}`, `return #5`, `return {} .. "x"`, `return {} < {}`, `return redis.call(1, {})`, `string.rep()`, `return ("x"):nope()`,
	`for i = 1, 300 do redis.call("set", "key:" .. i, i, "EX", i * 10) end for i = 1, 300 do if redis.call("get", i) == "1" then redis.call("incr", "n") end end return redis.status_reply("DONE")`,
	`local n = 0 for i = 1, 5000 do n = n + i % 7 * 2 - 1 if n > 1000 then n = n - 1000 end end return n`,
	`return pcall(pcall, error, "x") and xpcall(function() error("y") end, function(e) return e .. "z" end)`,
	`return loadstring("local a = ... return a, a + 1")(4)`,
	`local g = _G.tostring return {g(1), _G.KEYS == KEYS, type(_G), tostring(_G), tostring({}), rawequal(g, tostring)}`,
}

// recorder is a host that notes what is asked of it, and what the run has left by then.
type recorder struct {
	run *run
	log io.Writer
}

func (h *recorder) Call(argv [][]byte) (reply.Reply, int64) {
	fmt.Fprintf(h.log, "%q %d %d\n", argv, h.run.steps, h.run.memory)
	last := argv[len(argv)-1]
	switch strings.ToLower(string(argv[0])) {
	case "get", "hget":
		return reply.Bulk(last), 0
	case "incr", "llen", "zadd", "lpush", "exists":
		return reply.Integer(int64(len(argv))), 3
	case "hmget":
		return reply.Array(reply.Null, reply.Bulk(last)), 1
	case "hgetall":
		return reply.Map(reply.Bulk(last), reply.Double(1.5)), 1
	case "lrange", "zrange":
		body, texts := []byte(nil), int64(0)
		for _, arg := range argv {
			body, texts = reply.AppendBulk(body, arg), texts+int64(len(arg))
		}
		return reply.Strings(reply.KindArray, uint32(len(argv)), texts, body), 5
	case "fail":
		return reply.Error("ERR failed"), 0
	case "null":
		return reply.Null, 0
	case "toil":
		return reply.OK, 1_000_000
	case "set", "xadd", "hset", "hmset", "ok":
		return reply.OK, 0
	}
	return (&echo{}).Call(argv)
}

func (*recorder) Allows(argv [][]byte) (allowed, known bool) { return (&echo{}).Allows(argv) }

// charge runs a script; what it did, answered and took is appended to log.
func charge(p *Program, log io.Writer, limits Limits, args []string) (steps, memory int64) {
	h := &recorder{log: log}
	h.run = newRun(h, 1, limits)
	keys, values := make([][]byte, 9), make([][]byte, len(args))
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "q:key%d", i)
	}
	for i, arg := range args {
		values[i] = []byte(arg)
	}
	answer := h.run.execute(p, keys, values)
	fmt.Fprintf(log, "%d %q %v %d %d\n", answer.Kind, answer.Str, answer, h.run.steps, h.run.memory)
	return limits.Steps - h.run.steps, limits.Memory - h.run.memory
}

// chargedAs is what a script takes, and a sum over all that it did: with enough,
// and with budgets that end before it does.
func chargedAs(text string, limits Limits, args []string) string {
	p, err := Compile(text)
	if err != nil {
		return err.Error()
	}
	sum := fnv.New64a()
	steps, memory := charge(p, sum, limits, args)
	for i := int64(1); i < 4; i++ {
		charge(p, sum, Limits{steps * i / 4, limits.Memory}, args)
		charge(p, sum, Limits{limits.Steps, memory * i / 4}, args)
		charge(p, sum, Limits{steps * i / 4, memory * i / 4}, args)
	}
	return fmt.Sprintf("%d %d %016x", steps, memory, sum.Sum64())
}

// TestCharges: what a script takes, and what it has left with each command that it
// calls, is what it was with every version of these semantics: members of two
// versions end a script at the same place.
func TestCharges(t *testing.T) {
	data, err := os.ReadFile("../../test/conformance/differential/testdata/scripts.txt")
	if err != nil {
		t.Fatal(err)
	}
	var now strings.Builder
	note := func(text string, limits Limits, args ...string) {
		fmt.Fprintf(&now, "%s %s\n", SHA(text + strings.Join(args, " "))[:12], chargedAs(text, limits, args))
	}
	for line := range strings.Lines(string(data)) {
		note(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), `\n`, "\n"), plenty)
	}
	for _, text := range charged {
		note(text, plenty, "argument", "2")
	}
	for _, args := range pushArgs {
		note(pushText, plenty, args...)
	}
	for _, name := range sorted(endless) {
		note(endless[name], Limits{Steps: 200_000, Memory: 2 << 20})
	}
	golden := filepath.Join("testdata", "charges.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(now.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for line := range strings.Lines(string(want)) {
		known[line] = true
	}
	for line := range strings.Lines(now.String()) {
		if !known[line] {
			t.Errorf("SHA, steps, memory and sum are not among those of testdata/charges.txt: %s", line)
		}
	}
}

// BenchmarkPush runs a script of the shape that job libraries have, on a host that
// does nothing.
func BenchmarkPush(b *testing.B) {
	p, err := Compile(pushText)
	if err != nil {
		b.Fatal(err)
	}
	keys := make([][]byte, 9)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "queue:key%d", i)
	}
	var args [][]byte
	for _, arg := range pushArgs[0] {
		args = append(args, []byte(arg))
	}
	b.ReportAllocs()
	for b.Loop() {
		if r := p.Run(idle{}, keys, args, 1, plenty); r.Kind != reply.KindBulk {
			b.Fatalf("%q", r.Str)
		}
	}
}

// idle is a host with an empty queue.
type idle struct{}

var (
	aNumber = reply.Integer(1)
	aLimit  = reply.BulkString("10000")
	nothing = reply.Array(reply.Null, reply.Null)
	anEvent = reply.BulkString("1700000000000-0")
)

func (idle) Call(argv [][]byte) (reply.Reply, int64) {
	switch string(argv[0]) {
	case "HGET":
		return aLimit, 0
	case "HMGET":
		return nothing, 0
	case "INCR", "LPUSH", "ZADD":
		return aNumber, 0
	case "XADD":
		return anEvent, 0
	}
	return reply.OK, 0
}

func (idle) Allows([][]byte) (allowed, known bool) { return true, true }
