package node

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/evict"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

const oom = "OOM command not allowed"

// evictingGroup starts a group with that much memory and that policy.
func evictingGroup(t *testing.T, fs vfs.FS, policy config.EvictionPolicy, limit int64) *Group {
	t.Helper()
	return startGroup(t, groupOptions(fs, func(o *GroupOptions) { o.Parse, o.MaxData, o.Eviction = command.Parse, limit, policy }))
}

// sets are writes of new keys, of 1000 bytes each.
func sets(t *testing.T, from, to int, more ...string) (items []machine.Item) {
	t.Helper()
	for i := from; i < to; i++ {
		items = append(items, call(t, append([]string{"SET", fmt.Sprint("key:", i), strings.Repeat("v", 1000)}, more...)...))
	}
	return items
}

// callScript is call of an EVAL by who may do everything, where all is known.
func callScript(t *testing.T, words ...string) machine.Item {
	t.Helper()
	who, err := acl.FromRules([]byte(`{"commands": ["@all"], "keys": ["*"]}`))
	if err != nil {
		t.Fatal(err)
	}
	script := call(t, append([]string{"EVAL"}, words...)...)
	script.Argv = script.Op.(command.Called).As(who, func(*command.Command) bool { return false })
	script.Since = machine.Semantics
	return script
}

// refusedOf counts errors, which are all for want of memory.
func refusedOf(t *testing.T, replies []reply.Reply) (n int) {
	t.Helper()
	for _, r := range replies {
		if r.IsError() {
			if n++; !strings.HasPrefix(string(r.Str), oom) {
				t.Fatalf("%.100s", r.Str)
			}
		}
	}
	return n
}

// TestWhatDoesNotFitEvicts: writes go on, alone and many together, within the
// limit; what a crash leaves is the same state.
func TestWhatDoesNotFitEvicts(t *testing.T) {
	const limit = 1 << 20
	for _, policy := range []config.EvictionPolicy{config.AllKeysLRU, config.VolatileTTL} {
		fs := vfs.NewCrashableMem()
		g := evictingGroup(t, fs, policy, limit)
		for n := 0; n < 2500; {
			together := 1 + n%700
			if refused := refusedOf(t, do(t, g, sets(t, n, n+together, "EX", "1000")...)); refused > 0 {
				t.Errorf("%s: %d of %d writes were refused", policy, refused, together)
			}
			n += together
			if got := g.Stats().Bytes; got > limit {
				t.Fatalf("%s: %d bytes, the limit is %d", policy, got, limit)
			}
		}
		s := g.Stats()
		if s.Keys < 400 || s.Evicted == 0 || s.Keys+s.Evicted < 2500 {
			t.Errorf("%s: %d keys are left, %d were evicted", policy, s.Keys, s.Evicted)
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 2))})
		again := evictingGroup(t, crashed, policy, limit)
		if again.Stats().Evicted != 0 {
			t.Error("a start counts what was evicted before it")
		}
		for _, g := range []*Group{g, again} {
			if err := g.Stop(); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(stateOf(t, g), stateOf(t, again)) {
			t.Errorf("%s: a crash leaves another state", policy)
		}
	}
}

// TestRefusedWhereNothingCanGo, and only there: what has no expiry stays under a
// volatile policy, and nothing goes for a write that does not fit alone.
func TestRefusedWhereNothingCanGo(t *testing.T) {
	const limit = 1 << 20
	for _, policy := range []config.EvictionPolicy{config.NoEviction, config.VolatileLRU, config.VolatileLFU, config.VolatileRandom, config.VolatileTTL} {
		g := evictingGroup(t, vfs.NewMem(), policy, limit)
		do(t, g, call(t, "SET", "session", strings.Repeat("v", 20_000), "EX", "1000"))
		for n := range 2000 {
			if refusedOf(t, do(t, g, sets(t, n, n+1)...)) > 0 {
				break
			}
		}
		if left := do(t, g, call(t, "EXISTS", "session"))[0].Int; left != 1 && policy == config.NoEviction || left != 0 && policy != config.NoEviction {
			t.Errorf("%s: %d keys with an expiry are left where there is no room", policy, left)
		}
		keys := g.Stats().Keys
		if refusedOf(t, do(t, g, sets(t, 5000, 5010)...)) != 10 || g.Stats().Keys != keys {
			t.Errorf("%s: %d keys, %d before a write that was to be refused", policy, g.Stats().Keys, keys)
		}
		if policy != config.NoEviction {
			do(t, g, call(t, "EXPIRE", "key:1", "1000"), call(t, "EXPIRE", "key:2", "1000"))
			if refusedOf(t, do(t, g, sets(t, 6000, 6001)...)) != 0 {
				t.Errorf("%s: refused although keys with an expiry could go", policy)
			}
		}
		if err := g.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	g := evictingGroup(t, vfs.NewMem(), config.AllKeysLRU, limit)
	defer g.Stop()
	do(t, g, sets(t, 0, 100)...)
	if r := do(t, g, call(t, "SETRANGE", "huge", "536870000", "x"))[0]; !strings.HasPrefix(string(r.Str), oom) || g.Stats().Keys != 100 {
		t.Errorf("%.60q, and %d keys of 100 are left", r.Str, g.Stats().Keys)
	}
}

// TestATransactionIsWhole: nothing goes while it is carried out, and what it
// watched and was evicted has changed.
func TestATransactionIsWhole(t *testing.T) {
	const limit = 1 << 20
	g := evictingGroup(t, vfs.NewMem(), config.AllKeysLRU, limit)
	defer g.Stop()
	for n := 0; n < 3000; n += 200 {
		all := append(sets(t, n, n+200), call(t, "EXISTS", fmt.Sprint("key:", n), fmt.Sprint("key:", n+100), fmt.Sprint("key:", n+199)))
		r := do(t, g, machine.Transaction(all, nil))[0]
		if len(r.Items) != 201 || r.Items[200].Int != 3 {
			t.Fatalf("of what it wrote a transaction found %v", r.Items[len(r.Items)-1])
		}
	}
	h := evictingGroup(t, vfs.NewMem(), config.VolatileTTL, limit)
	defer h.Stop()
	do(t, h, call(t, "SET", "watched", "v", "EX", "10"))
	do(t, h, sets(t, 0, 600, "EX", "1000")...)
	if got := do(t, h, call(t, "EXISTS", "watched"))[0].Int; got != 1 {
		t.Fatal("the key is evicted before it is watched")
	}
	watch := &store.Watch{}
	h.mu.Lock()
	h.member.Machine().Databases().At(0).Watch(watch, []byte("watched"), h.clock())
	h.mu.Unlock()
	for n := 1000; n < 1400; n++ { // the watched one goes in the entry of one of them
		do(t, h, sets(t, n, n+1, "EX", "1000")...)
	}
	if got := do(t, h, call(t, "EXISTS", "watched"))[0].Int; got != 0 {
		t.Fatal("the watched key was not evicted: the test shows nothing")
	}
	if r := do(t, h, machine.Transaction(sets(t, 0, 1), watch))[0]; r.Kind != reply.KindNullArray {
		t.Errorf("a transaction that watched an evicted key answers %v", r.Kind)
	}
}

// TestFullMemoryAsRedis: what redis-server does not refuse for want of memory is
// carried out where nothing can be evicted, and scripts have room where it can.
func TestFullMemoryAsRedis(t *testing.T) {
	const limit = 1 << 20
	g := evictingGroup(t, vfs.NewMem(), config.NoEviction, limit)
	defer g.Stop()
	do(t, g, call(t, "XADD", "stream", "1-1", "field", "value"), call(t, "XGROUP", "CREATE", "stream", "group", "0"))
	for n := 0; refusedOf(t, do(t, g, sets(t, n, n+1)...)) == 0; n++ {
	}
	for n := 0; refusedOf(t, do(t, g, call(t, "SET", fmt.Sprint("rest:", n), "v"))) == 0; n++ {
	}
	for _, words := range []string{"XREADGROUP GROUP group consumer STREAMS stream >", "XCLAIM stream group other 0 1-1", "XAUTOCLAIM stream group consumer 0 0", "RENAME rest:1 other"} {
		if r := do(t, g, call(t, strings.Fields(words)...))[0]; r.IsError() || r.Kind == reply.KindNullArray {
			t.Errorf("%s: %.100q", words, r.Str)
		}
	}
	h := evictingGroup(t, vfs.NewMem(), config.AllKeysLFU, limit)
	defer h.Stop()
	for n := range 300 {
		if r := do(t, h, callScript(t, "return redis.call('set', KEYS[1], ARGV[1])", "1", fmt.Sprint("key:", n), strings.Repeat("v", 10_000)))[0]; r.IsError() {
			t.Fatalf("script %d: %.200s", n, r.Str)
		}
	}
}

// TestALowerLimit is reached although nobody writes; who writes meanwhile does not
// wait until then.
func TestALowerLimit(t *testing.T) {
	const limit = 8 << 20
	fs := vfs.NewMem()
	g := evictingGroup(t, fs, config.AllKeysRandom, limit)
	for n := 0; n < 30_000; n += 2000 {
		var items []machine.Item
		for i := n; i < n+2000; i++ {
			items = append(items, call(t, "SET", fmt.Sprint("key:", i), "value"))
		}
		do(t, g, items...)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = evictingGroup(t, fs, config.AllKeysRandom, 1<<20)
	defer g.Stop()
	before := g.Stats()
	do(t, g, call(t, "SET", "another", "value"))
	if after := g.Stats(); after.Bytes < 1<<20 || after.Keys > before.Keys {
		t.Errorf("one write among %d keys, %d bytes: then there are %d, of %d", before.Keys, before.Bytes, after.Keys, after.Bytes)
	}
	for end := time.Now().Add(20 * time.Second); g.Stats().Bytes > 1<<20; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still %d bytes", g.Stats().Bytes)
		}
	}
}

// TestObjectTellsUsage by the policy, with redis-server's errors.
func TestObjectTellsUsage(t *testing.T) {
	const lru, lfu = "ERR An LFU maxmemory policy is selected", "ERR An LFU maxmemory policy is not selected"
	for _, tt := range []struct {
		policy     config.EvictionPolicy
		idle, freq string // the beginning of an error; "" for a number
	}{
		{config.AllKeysLRU, "", lfu}, {config.VolatileLFU, lru, ""}, {config.NoEviction, "ERR idle times are noted under", lfu},
	} {
		g := evictingGroup(t, vfs.NewMem(), tt.policy, 1<<20)
		do(t, g, call(t, "SET", "key", "value"))
		for command, want := range map[string]string{"IDLETIME": tt.idle, "FREQ": tt.freq} {
			r := do(t, g, call(t, "OBJECT", command, "key"))[0]
			if r.IsError() != (want != "") || !strings.HasPrefix(string(r.Str), want) {
				t.Errorf("%s: OBJECT %s answers %.200q, want %q", tt.policy, command, r.Str, want)
			}
			if r := do(t, g, call(t, "OBJECT", command, "nothing"))[0]; r.Kind != reply.KindNull {
				t.Errorf("%s: OBJECT %s of nothing answers %v", tt.policy, command, r.Kind)
			}
			// All members carry out a script, and one alone knows.
			r = do(t, g, callScript(t, "redis.call('set', 'x', 1) return redis.pcall('object', '"+command+"', 'key')", "0"))[0]
			if !r.IsError() || strings.Contains(string(r.Str), "permission") || strings.Contains(string(r.Str), "can't run") {
				t.Errorf("%s: OBJECT %s answers %.200q to a script that writes", tt.policy, command, r.Str)
			}
		}
		if err := g.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEvictionOnAFullVolume: a write for which more keys would have to go than an
// entry deletes is refused, like any other.
func TestEvictionOnAFullVolume(t *testing.T) {
	const limit = 2 << 20
	g := evictingGroup(t, vfs.NewMem(), config.AllKeysRandom, limit)
	defer g.Stop()
	for n := 0; n < 28_000; n += 2000 {
		var items []machine.Item
		for i := n; i < n+2000; i++ {
			items = append(items, call(t, "SET", fmt.Sprint("key:", i), "value"))
		}
		do(t, g, items...)
	}
	large := call(t, "SET", "large", strings.Repeat("v", limit/4))
	before := g.Stats().Evicted
	g.full.Store(true) // until the next second
	if r := do(t, g, large)[0]; !strings.HasPrefix(string(r.Str), "MISCONF") {
		t.Errorf("%.100q", r.Str)
	}
	g.full.Store(false)
	index := g.Stats().AppliedIndex
	if r := do(t, g, large)[0]; r.IsError() {
		t.Errorf("%.100q", r.Str)
	}
	if s := g.Stats(); s.AppliedIndex < index+2 || s.Evicted < before+evict.MaxKeys {
		t.Errorf("%d keys went in %d entries: the test shows nothing", s.Evicted-before, s.AppliedIndex-index)
	}
}
