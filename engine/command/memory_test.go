package command

import (
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/store"
)

// TestWhatIsCopiedIsCounted: a short command that makes much of what is there
// must say so, or it escapes the limit on memory.
func TestWhatIsCopiedIsCounted(t *testing.T) {
	const size = 100_000
	long := strings.Repeat("x", size)
	tx := &machine.Tx{Store: store.New().At(0)}
	for _, call := range []string{"SET string ", "SADD set ", "ZADD zset 1 ", "RPUSH list ", "HSET hash f "} {
		op, err := Parse(argv(strings.Fields(call + long)...))
		if err != nil {
			t.Fatal(err)
		}
		op.Apply(tx)
	}
	for _, call := range []string{"COPY string c", "COPY list c", "COPY hash c", "SUNIONSTORE d set other", "SDIFFSTORE d set", "ZUNIONSTORE d 2 zset set", "ZINTERSTORE d 1 zset", "ZRANGESTORE d zset 0 -1",
		"SETBIT string 5 1", "SETBIT new 800000 1", "BITFIELD string SET u8 0 1", "BITFIELD new SET u8 800000 1", "BITOP NOT d string", "SETRANGE string 1 x", "APPEND string x"} {
		op, err := Parse(argv(strings.Fields(call)...))
		if err != nil {
			t.Fatal(err)
		}
		sizer, ok := op.(machine.Sizer)
		if !ok {
			t.Errorf("%s does not say what it copies", call)
			continue
		}
		if n := sizer.Needs(tx); n < size {
			t.Errorf("%s says that it needs %d bytes", call, n)
		}
	}
}

// TestWhatIsOverwrittenIsCountedOnce: bits that are set in one string need room for
// one more of it, however many there are: as much must be evicted, and no more.
func TestWhatIsOverwrittenIsCountedOnce(t *testing.T) {
	const size = 1 << 20
	m := machine.New(Parse)
	item := func(call ...string) machine.Item {
		op, err := Parse(argv(call...))
		if err != nil {
			t.Fatal(err)
		}
		return machine.Item{Op: op, Argv: argv(call...), Write: true, Grows: true}
	}
	m.Apply(1, []machine.Item{item("SET", "bits", strings.Repeat("x", size))}, 1, 1)
	for _, call := range [][]string{{"SETBIT", "bits", "5", "1"}, {"SETRANGE", "bits", "5", "x"}, {"APPEND", "bits", "x"}, {"BITFIELD", "bits", "SET", "u8", "0", "1"}} {
		var items []machine.Item
		for range 40 {
			items = append(items, item(call...))
		}
		if n := m.Needs(items, 1<<40, 2); n < size || n > 3*size {
			t.Errorf("40 of %s need %d bytes", call[0], n)
		}
		whole := machine.Transaction(items, nil)
		if n := m.Needs([]machine.Item{whole}, 1<<40, 2); n < size || n > 3*size {
			t.Errorf("40 of %s in a transaction need %d bytes", call[0], n)
		}
	}
}
