package script

import (
	"runtime"
	"strings"
	"testing"
)

// TestCoroutinesKeepWhatPcallHandsOn: the arguments that it was called with are used
// again for other calls.
func TestCoroutinesKeepWhatPcallHandsOn(t *testing.T) {
	for text, want := range map[string]string{
		`local co = coroutine.wrap(function(...) coroutine.yield() return ... end)
		 pcall(co, 'a', 'b')
		 return string.format('%s %s %s', 'p', 'q', co())`: "p q a",
		`local co = coroutine.create(function(...) coroutine.yield() return ... end)
		 pcall(coroutine.resume, co, 'a', 'b')
		 local _, a, b = coroutine.resume(co)
		 return tostring(a) .. tostring(b)`: "ab",
	} {
		if got := execute(t, text, plenty); string(got.Str) != want {
			t.Errorf("%s\nanswered %q, want %q", text, got.Str, want)
		}
	}
}

// TestRoomIsCharged: what is allocated for values that may come is little beside what
// a script is charged for, so that its limit is one of memory.
func TestRoomIsCharged(t *testing.T) {
	for name, text := range map[string]string{
		"nothing in a table": `local k = {} for i = 1, 600 do k[i] = {` + strings.Repeat("a=nil,", 20_000) + `} end`,
		"one thing again":    `local k = {} for i = 1, 300 do k[i] = {` + strings.Repeat("a=1,", 20_000) + `} end`,
		"maps of nothing":    `local k, m = {}, ('\143' .. ('\1\192'):rep(15)):rep(1500) for i = 1, 180 do k[i] = {cmsgpack.unpack(m)} end`,
		"arrays of nothing":  `local k, m = {}, ('\159' .. ('\192'):rep(15)):rep(1500) for i = 1, 180 do k[i] = {cmsgpack.unpack(m)} end`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answer := execute(t, text, plenty)
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 2*DefaultMemory {
			t.Errorf("%s: %d MiB were allocated: %s", name, taken>>20, answer.Str)
		}
	}
}

// TestLongKeysAreHashed: nobody is charged for a comparison with each of a few keys.
func TestLongKeysAreHashed(t *testing.T) {
	r := newRun(&echo{}, 1, plenty)
	table := r.newTable()
	table.set(r, "short", 1.0)
	if table.index != nil {
		t.Error("a short key is hashed")
	}
	if table.set(r, strings.Repeat("x", shortKey+1), 1.0); table.index == nil {
		t.Error("a long key is compared with each")
	}
}
