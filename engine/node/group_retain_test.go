package node

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/machine"
)

func retainingGroup(t *testing.T, fs vfs.FS) *Group {
	t.Helper()
	return startGroup(t, groupOptions(fs, func(o *GroupOptions) { o.Parse = command.Parse }))
}

// expiring is how many keys have an expiry.
func expiring(g *Group) (n int64) {
	for _, d := range g.Stats().Databases {
		n += d.Expiring
	}
	return n
}

// awaitTTL waits until a key's time to live is within these, in s.
func awaitTTL(t *testing.T, g *Group, key string, least, most int64) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ttl := do(t, g, call(t, "TTL", key))[0].Int
		if least <= ttl && ttl <= most {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: TTL is %d, want from %d to %d", key, ttl, least, most)
		}
	}
}

// TestKeysGetAnExpiryByRule: those from before the rule, new ones, and those whose
// expiry was taken away; an expiry of their users' own stays, and who matches no rule
// gets none. A crash changes nothing of it.
func TestKeysGetAnExpiryByRule(t *testing.T) {
	fs := vfs.NewCrashableMem()
	g := retainingGroup(t, fs)
	do(t, g, call(t, "SET", "user:1", "v"), call(t, "SET", "user:2", "v", "EX", "99999"), call(t, "SET", "other", "v"), call(t, "RPUSH", "log:1", "v"))
	g.SetRetention([]config.RetentionRule{{Match: "user:*", MaxAgeSeconds: 3600}, {Match: "log:*", MaxAgeSeconds: 60}})
	awaitTTL(t, g, "user:1", 3500, 3600)
	awaitTTL(t, g, "log:1", 50, 60)
	do(t, g, call(t, "HSET", "user:3", "f", "v"), call(t, "PERSIST", "user:2"), call(t, "SET", "user:1", "anew"), call(t, "PERSIST", "log:1"), call(t, "EXPIRE", "log:1", "7200"))
	for _, key := range []string{"user:1", "user:2", "user:3"} {
		awaitTTL(t, g, key, 3500, 3600)
	}
	awaitTTL(t, g, "log:1", 7100, 7200)
	if got := do(t, g, call(t, "TTL", "other"))[0].Int; got != -1 {
		t.Errorf("TTL of a key that no rule matches: %d", got)
	}
	if got := g.Stats().Retained; got["user:*"] != 4 || got["log:*"] != 1 || len(got) != 2 {
		t.Errorf("given by rule: %v", got)
	}
	again := retainingGroup(t, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 2))}))
	for _, key := range []string{"user:1", "user:2", "user:3", "log:1", "other"} {
		if before, after := do(t, g, call(t, "PEXPIRETIME", key))[0].Int, do(t, again, call(t, "PEXPIRETIME", key))[0].Int; before != after {
			t.Errorf("%s ended at %d before a crash, and does at %d", key, before, after)
		}
	}
	g.SetRetention(nil)
	do(t, g, call(t, "SET", "user:4", "v"))
	time.Sleep(3 * tick)
	if got := do(t, g, call(t, "TTL", "user:4"))[0].Int; got != -1 || len(g.Stats().Retained) != 0 {
		t.Errorf("without a rule: TTL %d, %v", got, g.Stats().Retained)
	}
	awaitTTL(t, g, "user:1", 3400, 3600)
	for _, g := range []*Group{g, again} {
		if err := g.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNothingToRetainWritesNothing: where every key has what it is to have the log
// does not grow, whatever is read and however often what no rule matches is written.
func TestNothingToRetainWritesNothing(t *testing.T) {
	g := retainingGroup(t, vfs.NewMem())
	defer g.Stop()
	g.SetRetention([]config.RetentionRule{{Match: "user:*", MaxAgeSeconds: 3600}})
	var items []machine.Item
	for i := range 5000 {
		items = append(items, call(t, "SET", fmt.Sprint("other:", i), "v"), call(t, "SET", fmt.Sprint("user:", i), "v"))
	}
	do(t, g, items...)
	for end := time.Now().Add(20 * time.Second); expiring(g) != 5000; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of 5000 keys have an expiry", expiring(g))
		}
	}
	time.Sleep(3 * tick) // the walk ends
	before := g.Stats().AppliedIndex
	for range 5 {
		do(t, g, call(t, "SET", "other:1", "v"))
		time.Sleep(2 * tick)
	}
	if got := g.Stats().AppliedIndex; got != before+5 {
		t.Errorf("%d entries of five writes", got-before)
	}
}

// TestManyKeysGetTheirExpiryInTurns: an entry gives a bounded number, and writes are
// served in between.
func TestManyKeysGetTheirExpiryInTurns(t *testing.T) {
	const keys = 10_000
	g := retainingGroup(t, vfs.NewMem())
	defer g.Stop()
	for n := 0; n < keys; n += 1000 {
		var items []machine.Item
		for i := n; i < n+1000; i++ {
			item := call(t, "SET", fmt.Sprint("key:", i), "v")
			item.Database = uint8(i % 2)
			items = append(items, item)
		}
		do(t, g, items...)
	}
	g.SetRetention([]config.RetentionRule{{Match: "*", MaxAgeSeconds: 60}})
	seen := map[int64]bool{}
	for end := time.Now().Add(30 * time.Second); expiring(g) < keys; {
		if time.Now().After(end) {
			t.Fatalf("%d of %d keys have an expiry", expiring(g), keys)
		}
		do(t, g, call(t, "SET", "written", "meanwhile", "EX", "60"))
		seen[expiring(g)] = true
	}
	if len(seen) < 4 {
		t.Errorf("%d keys had their expiry in %d turns", keys, len(seen))
	}
}

// TestRulesAfterAFullVolume: what was refused for want of space is given afterwards.
func TestRulesAfterAFullVolume(t *testing.T) {
	g := retainingGroup(t, vfs.NewMem())
	defer g.Stop()
	do(t, g, call(t, "SET", "user:1", "v"))
	g.working.Lock() // the loop does not look
	g.SetRetention([]config.RetentionRule{{Match: "user:*", MaxAgeSeconds: 60}})
	g.full.Store(true)
	proposed, err := g.retain()
	g.full.Store(false)
	g.working.Unlock()
	if err != nil || !proposed || g.Stats().Retained["user:*"] != 0 {
		t.Fatalf("%v, %v: the test shows nothing", err, g.Stats().Retained)
	}
	awaitTTL(t, g, "user:1", 50, 60)
}

// TestWhoLeadsAgainLooksAtEveryKey: what was written while another member led was not
// noted.
func TestWhoLeadsAgainLooksAtEveryKey(t *testing.T) {
	g := retainingGroup(t, vfs.NewMem())
	defer g.Stop()
	g.SetRetention([]config.RetentionRule{{Match: "user:*", MaxAgeSeconds: 60}})
	do(t, g, call(t, "SET", "user:1", "v"))
	awaitTTL(t, g, "user:1", 50, 60)
	time.Sleep(2 * tick) // the walk ends
	leads := func(leads bool) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.leads = leads
		g.retainWhileLeading()
	}
	leads(false)
	do(t, g, call(t, "SET", "user:2", "v"))
	leads(true)
	awaitTTL(t, g, "user:2", 50, 60)
}

// TestRulesWaitForMemory: what is in the log is applied whatever it takes, so rules
// give nothing where that would be more than the data may take.
func TestRulesWaitForMemory(t *testing.T) {
	const limit = 4 << 20
	g := startGroup(t, groupOptions(vfs.NewMem(), func(o *GroupOptions) { o.Parse, o.MaxData = command.Parse, limit }))
	defer g.Stop()
	filled := 0
	for i := 0; ; i++ {
		filled = i
		if r := do(t, g, call(t, "SET", fmt.Sprint("key:", i), strings.Repeat("v", 1000)))[0]; r.IsError() {
			break
		}
	}
	// The share beyond the limit is the rules' too: it is taken by what has no limit.
	for i := 0; g.Stats().Bytes < limit+limit/machine.ReserveShare-100_000; i++ {
		do(t, g, call(t, "EXPIRE", fmt.Sprint("key:", i), "1000"))
		do(t, g, call(t, "RENAME", fmt.Sprint("key:", i), fmt.Sprint("key:", i, strings.Repeat("k", 1000))))
	}
	given := expiring(g)
	g.SetRetention([]config.RetentionRule{{Match: "key:*", MaxAgeSeconds: 60}})
	for range 20 {
		time.Sleep(10 * time.Millisecond)
		if n := expiring(g); n != given {
			t.Fatalf("%d keys of %d got an expiry without room for it", n-given, filled)
		}
	}
	for i := range filled { // makes room
		do(t, g, call(t, "DEL", fmt.Sprint("key:", i)))
		if i == filled*9/10 {
			break
		}
	}
	awaitTTL(t, g, fmt.Sprint("key:", filled-1), 50, 60)
}
