package script

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/reply"
)

// echo is a host that answers with the arguments.
type echo struct{ calls int }

func (e *echo) Call(argv [][]byte) (reply.Reply, int64) {
	e.calls++
	if string(argv[0]) == "fail" {
		return reply.Error("ERR failed"), 0
	}
	items := make([]reply.Reply, 0, len(argv))
	for _, arg := range argv {
		items = append(items, reply.Bulk(arg))
	}
	if string(argv[0]) == "toil" {
		return reply.OK, 1_000_000
	}
	return reply.Array(items...), 0
}

func (*echo) Allows(argv [][]byte) (allowed, known bool) { return len(argv) == 1, len(argv) < 3 }

var plenty = Limits{Steps: DefaultSteps, Memory: DefaultMemory}

func execute(t testing.TB, text string, limits Limits, args ...string) reply.Reply {
	t.Helper()
	p, err := Compile(text)
	if err != nil {
		return reply.Error(err.Error())
	}
	values := make([][]byte, len(args))
	for i, arg := range args {
		values[i] = []byte(arg)
	}
	return p.Run(&echo{}, nil, values, 1, limits)
}

// endless are scripts that take all that they are given.
var endless = map[string]string{
	"loop":                   `while true do end`,
	"repeat":                 `repeat until false`,
	"for":                    `for i = 1, math.huge do end`,
	"for without step":       `for i = 2, 1, 0 do end`,
	"tail calls":             `local function f() return f() end return f()`,
	"protected loop":         `while true do pcall(function() while true do end end) end`,
	"protected by xpcall":    `xpcall(function() while true do end end, function() while true do end end)`,
	"coroutines":             `local f = coroutine.wrap(function() while true do coroutine.yield() end end) while true do f() end`,
	"loop in a coroutine":    `coroutine.wrap(function() while true do end end)() return 1`,
	"protected in coroutine": `while true do coroutine.resume(coroutine.create(function() while true do end end)) end`,
	"metatables":             `local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) return t[1]`,
	"iterator":               `for x in function() return 1 end do end`,
	"pattern":                `return ("a"):rep(30000):find((".-"):rep(9) .. "b")`,
	"gsub":                   `local s = ("a"):rep(1e6) while true do s:gsub(".", "%0") end`,
	"balance":                `local s = ("("):rep(1e6) for i = 1, 1e6 do s:find("%b()", i) end`,
	"sort":                   `local t = {} for i = 1, 2e5 do t[i] = i % 7 end while true do table.sort(t, function(a, b) return a < b end) end`,
	"insert":                 `local t = {} for i = 1, 1e5 do table.insert(t, 1, i) end`,
	"far insert":             `table.insert({}, -1e15, 1)`,
	"concat":                 `local s = "x" while true do s = s .. s end`,
	"concat function":        `local t = {} for i = 1, 1e4 do t[i] = ("x"):rep(1e4) end return #table.concat(t)`,
	"rep":                    `return ("x"):rep(1e9)`,
	"rep of much":            `return ("x"):rep(1e5):rep(1e15)`,
	"upper":                  `local s = ("x"):rep(1e7) while true do s = s:upper() end`,
	"format":                 `local s = ("x"):rep(1e7) while true do s = string.format("%s%s", s, s) end`,
	"table":                  `local t = {} for i = 1, 1e9 do t[i] = i end`,
	"far keys":               `local t = {} for i = 1, 1e9 do t[i * 1e6] = i end`,
	"tables":                 `local t = {} while true do t = {t} end`,
	"constructor":            `while true do local t = {1, 2, 3, 4, 5, 6, 7, 8, 9} end`,
	"varargs":                `local function f(...) return f(1, ...) end return f()`,
	"closures":               `local f while true do local g = f f = function() return g end end`,
	"many coroutines":        `local t = {} for i = 1, 1e9 do t[i] = coroutine.create(function() coroutine.yield() end) coroutine.resume(t[i]) end`,
	"deep coroutines": `local function deep(n) if n == 0 then coroutine.yield() end return 1 + deep(n - 1) end
		local t = {} for i = 1, 1e9 do t[i] = coroutine.create(deep) coroutine.resume(t[i], 9000) end`,
	"json":           `local t = {} for i = 1, 30 do t = {t, t} end return cjson.encode(t)`,
	"msgpack":        `local s = ("x"):rep(1e6) local t = {} for i = 1, 100 do t[i] = s end return cmsgpack.pack(t)`,
	"unpacked":       `return cmsgpack.unpack(cmsgpack.pack(("x"):rep(3e7)))`,
	"struct":         `return struct.pack(("i8"):rep(1e7), unpack({1, 2, 3}))`,
	"strings":        `local t = {} for i = 1, 1e9 do t[i] = tostring(i) .. "x" end`,
	"substrings":     `local s, t = ("x"):rep(1e6), {} for i = 1, 1e6 do t[i] = s:sub(2) end`,
	"wide reply":     `local t = {1} for i = 1, 40 do t = {t, t} end return t`,
	"loaded":         `while true do loadstring(("local a = 1 "):rep(100)) end`,
	"calls":          `while true do redis.call("x", ("y"):rep(100)) end`,
	"errors":         `while true do pcall(error, ("x"):rep(1e4)) end`,
	"numbered":       `while true do tostring({}) end`,
	"trigonometry":   `while true do math.sin(1e300) end`,
	"many arguments": `local t = {} for i = 1, 7000 do t[i] = i end while true do select("#", unpack(t)) math.max(unpack(t)) end`,
}

// TestBudgets: whatever a script does, it ends, and no pcall keeps it from that.
func TestBudgets(t *testing.T) {
	for name, text := range endless {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := execute(t, text, Limits{Steps: 5_000_000, Memory: 16 << 20})
			if !r.IsError() || !strings.HasPrefix(string(r.Str), "ERR the script has used up its ") && !strings.Contains(string(r.Str), "stack overflow") {
				t.Errorf("%.200q", r.Str)
			}
		})
	}
}

// TestDeepNesting: neither texts nor values nor calls are nested deeper than the
// stack has room for.
func TestDeepNesting(t *testing.T) {
	nested := func(open, middle, end string, n int) string {
		return strings.Repeat(open, n) + middle + strings.Repeat(end, n)
	}
	for text, want := range map[string]string{
		"return " + nested("(", "1", ")", 100_000):                              "too many syntax levels",
		"return " + nested("{", "", "}", 100_000):                               "too many syntax levels",
		"return " + nested("- ", "1", "", 100_000):                              "too many syntax levels",
		nested("do ", "", " end", 100_000):                                      "too many syntax levels",
		nested("if 1 then ", "", " end", 50_000):                                "too many syntax levels",
		"return " + nested("function() return ", "1", " end", 30_000):           "too many syntax levels",
		"return 1" + strings.Repeat(" .. 1", 100_000):                           "too many syntax levels",
		"return 1" + strings.Repeat(" + 1", 200_000):                            "stack overflow",
		"local a = {} return a" + strings.Repeat(".b", 400_000):                 "stack overflow",
		"local function f() return 1 + f() end return f()":                      "stack overflow",
		"local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x": "loop in gettable",
		"local t = {} for i = 1, 2000 do t = {t} end return t":                  "reached lua stack limit",
		"return cjson.decode(('['):rep(1e5))":                                   "too many nested data structures",
		"return cmsgpack.unpack(('\\145'):rep(1e5))":                            "stack overflow",
		"return ('x'):rep(1e5):match(('(x)'):rep(40))":                          "too many captures",
		"return ('x'):rep(1e5):match(('x?'):rep(9999) .. 'y')":                  "pattern too complex",
	} {
		r := execute(t, text, plenty)
		if !r.IsError() || !strings.Contains(string(r.Str), want) {
			t.Errorf("%.60q…: %.200q, want %q", text, r.Str, want)
		}
	}
	if r := execute(t, strings.Repeat(" ", MaxText+1), plenty); !strings.HasPrefix(string(r.Str), "ERR the script has 1048577 bytes, it must have at most 1048576") {
		t.Errorf("%q", r.Str)
	}
}

// TestNothingStays: a script finds nothing that another one has left.
func TestNothingStays(t *testing.T) {
	for _, spoil := range []string{
		`x = 1`, `rawset(_G, "x", 1)`, `_G.x = 1`, `string.x = 1`, `string.rep = nil`, `rawset(string, "rep", nil)`, `table.insert(string, 1)`, `table.remove(redis)`,
		`table.sort(redis)`, `setmetatable(string, {})`, `setmetatable(_G, nil)`, `getmetatable("").__index = {}`, `rawset(getmetatable(""), "__index", {})`, `getmetatable(_G).__index = nil`,
		`redis.call = nil`, `cjson.null = 1`, `KEYS = nil`, `function string.rep() end`, `for k in pairs(string) do string[k] = nil end`,
	} {
		if r := execute(t, spoil, plenty); !r.IsError() {
			t.Errorf("%s was let do it", spoil)
		}
	}
	for _, harmless := range []string{`KEYS[1] = "x" ARGV.x = 1`, `cjson.encode_max_depth(1) cjson.decode_max_depth(1) cjson.encode_number_precision(1)`, `math.randomseed(99)`, `redis.setresp(3)`, `cjson.new().encode = 1`} {
		if r := execute(t, harmless, plenty); r.IsError() {
			t.Errorf("%s: %q", harmless, r.Str)
		}
	}
	r := execute(t, `local n = 0 for k in pairs(_G) do n = n + 1 end
		assert(#KEYS == 0 and #ARGV == 0 and ("x"):rep(2) == "xx" and cjson.encode({{{0.12}}}) == "[[[0.12]]]" and redis.call("x")[1] == "x")
		return n`, plenty)
	if r.Int < 25 {
		t.Errorf("globals: %d, %q", r.Int, r.Str)
	}
}

// TestSandbox: what reaches outside is not there.
func TestSandbox(t *testing.T) {
	for _, name := range strings.Fields("os io debug package require module dofile loadfile print newproxy setfenv getfenv") {
		r := execute(t, "return "+name, plenty)
		if !r.IsError() || !strings.Contains(string(r.Str), "nonexistent global variable '"+name+"'") {
			t.Errorf("%s: %q", name, r.Str)
		}
	}
	if r := execute(t, `return loadstring("\27Lua")`, plenty); r.Kind != reply.KindNull {
		t.Errorf("binary code was loaded: %v", r)
	}
}

// TestSame: a script does the same each time, down to its budgets.
func TestSame(t *testing.T) {
	text := `local t = {} for i = 1, 50 do t[tostring({}) .. math.random(1000)] = i end
		local s = "" for k, v in pairs(t) do s = s .. k .. v .. " " end
		for k in pairs(_G) do s = s .. k .. " " end
		return {s, tostring(redis.call), collectgarbage("count"), math.random() * 1e9, tostring(math.sin(1) ^ 0.3), string.format("%.17g", math.exp(1.1))}`
	first := fmt.Sprint(execute(t, text, plenty))
	for range 20 {
		if again := fmt.Sprint(execute(t, text, plenty)); again != first {
			t.Fatalf("%s\n%s", first, again)
		}
	}
	// The last step and byte that are enough.
	low := func(enough func(n int64) bool) int64 {
		least, most := int64(0), int64(1<<30)
		for least < most {
			if middle := (least + most) / 2; enough(middle) {
				most = middle
			} else {
				least = middle + 1
			}
		}
		return least
	}
	steps := low(func(n int64) bool { return !execute(t, text, Limits{n, DefaultMemory}).IsError() })
	memory := low(func(n int64) bool { return !execute(t, text, Limits{DefaultSteps, n}).IsError() })
	// Members must agree on them: a change of either is one of the machine's
	// semantics.
	if steps != wantSteps || memory != wantMemory {
		t.Errorf("the script takes %d steps and %d bytes, want %d and %d", steps, memory, wantSteps, wantMemory)
	}
}

// TestCallsShareNothing: what a call was given and what it answered with is not
// changed by the next one.
func TestCallsShareNothing(t *testing.T) {
	for text, want := range map[string]string{
		`local c = coroutine.wrap(function(...) coroutine.yield() return ... end) c(1, 2, 3) math.max(7, 8, 9) return table.concat({c()}, " ")`:                                             "1 2 3",
		`local c = coroutine.create(function(...) coroutine.yield() return ... end) coroutine.resume(c, 1, 2) math.max(7, 8, 9) return table.concat({select(2, coroutine.resume(c))}, " ")`: "1 2",
		`local c = coroutine.wrap(function() return math.max(1, coroutine.yield(), 3) end) c() math.max(9, 9, 9) return c(2)`:                                                               "3",
		`local c = coroutine.wrap(function() local function f(a, b, d) return a .. b .. d end return f(1, coroutine.yield(), 3) end) c() ;(function(a, b, c) end)(9, 9, 9) return c(2)`:     "123",
		`local function f(...) math.max(7, 8, 9) return ... end return table.concat({f(1, f(2, 3))}, " ")`:                                                                                  "1 2 3",
		`local function two() return 1, 2 end local function f(a, b, c) two() return c, b, a end return table.concat({two(), f(0, two())}, " ")`:                                            "1 2 1 0",
		`local function f(a, b) return b, a end local x, y = f(f(1, 2)) return x .. y .. table.concat({f(3, 4), f(5, f(6, 7))}, " ")`:                                                       "124 7 5",
		`local function f(...) return select(2, ...) end local function g() math.max(7, 8, 9) return 4 end return table.concat({g(), f(1, 2, 3)}, " ")`:                                     "4 2 3",
		`local function f(...) return assert(...) end return table.concat({f(1, 2, f(3, 4))}, " ")`:                                                                                         "1 2 3 4",
		`local function f(n) if n == 0 then return "end" end local x = n return f(n - 1), x end return table.concat({f(4)}, " ")`:                                                           "end 4",
		`local t = {} for i, v in (function(s, i) if i < 3 then return i + 1, s .. i end end), "s", 0 do t[#t + 1] = v end return table.concat(t)`:                                          "s0s1s2",
		`local t = {} for v in coroutine.wrap(function(...) for i = 1, 3 do coroutine.yield(i) end end) do t[#t + 1] = v math.max(7, 8) end return table.concat(t)`:                         "123",
		`local function f(a, b) return tostring(b) end f(1, 2) return f(3)`:                                                                                                                 "nil",
		`local a = {} for i = 1, 3 do local ok, e = pcall(function(x) local y = x if x == 2 then error({}) end a[#a + 1] = y end, i) end return table.concat(a)`:                            "13",
	} {
		if r := execute(t, text, plenty); string(r.Str) != want {
			if r.Kind != reply.KindInteger || fmt.Sprint(r.Int) != want {
				t.Errorf("%s is %s, want %s", text, r.Str, want)
			}
		}
	}
}

// TestWhatACommandTakesIsSpent, beside what each call takes.
func TestWhatACommandTakesIsSpent(t *testing.T) {
	const text = "for i = 1, tonumber(ARGV[1]) do redis.call('toil') end return 'done'"
	for calls, ends := range map[string]bool{"4": false, "6": true} {
		if r := execute(t, text, Limits{Steps: 5_000_000, Memory: 16 << 20}, calls); r.IsError() != ends {
			t.Errorf("%s calls of a million steps: %s", calls, r.Str)
		}
	}
}

const wantSteps, wantMemory = 3315, 116878

// TestPrecise compares with values of higher precision, correctly rounded.
func TestPrecise(t *testing.T) {
	for expression, want := range map[string]string{
		"math.sin(1)": "0.8414709848078965", "math.sin(1e22)": "-0.85220084976718879", "math.cos(1e308)": "-0.89130893768703345", "math.tan(0.5)": "0.54630248984379048",
		"math.exp(1)": "2.7182818284590451", "math.exp(-700)": "9.8596765437597708e-305", "math.log(10)": "2.3025850929940459", "math.log10(1000)": "3", "math.log10(2)": "0.3010299956639812",
		"math.asin(0.5)": "0.52359877559829893", "math.acos(0.5)": "1.0471975511965979", "math.atan(0.5)": "0.46364760900080609", "math.atan2(-1, -2)": "-2.677945044588987",
		"math.sinh(1)": "1.1752011936438014", "math.cosh(1)": "1.5430806348152437", "math.tanh(1)": "0.76159415595576485", "2 ^ 0.5": "1.4142135623730951", "2 ^ -1074": "4.9406564584124654e-324",
		"10 ^ 308": "1e+308", "10 ^ -5": "1.0000000000000001e-05", "2 ^ 32": "4294967296", "(-2) ^ 3": "-8", "(-8) ^ (1 / 3)": "-nan", "0 ^ -1": "inf", "2 ^ 2000": "inf", "7 ^ 20": "79792266297612000", "math.exp(1000)": "inf", "math.exp(-1000)": "0",
	} {
		if r := execute(t, `return string.format("%.17g", `+expression+`)`, plenty); string(r.Str) != want {
			t.Errorf("%s is %s, want %s", expression, r.Str, want)
		}
	}
}

// TestFaultsOfTheHostAreNotTheScripts: what panics outside goes on.
func TestFaultsOfTheHostAreNotTheScripts(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the panic was taken for the script's")
		}
	}()
	p, err := Compile(`pcall(redis.call, "x")`)
	if err != nil {
		t.Fatal(err)
	}
	p.Run(broken{}, nil, nil, 1, plenty)
}

type broken struct{ *echo }

func (broken) Call([][]byte) (reply.Reply, int64) { panic("broken") }
