package server

import (
	"slices"
	"testing"

	"github.com/coffer-dev/coffer/engine/machine"
)

// TestEntriesSayWhatTheyNeed: what a client sends is logged with the semantics of
// its commands, also where a transaction or a script has them.
func TestEntriesSayWhatTheyNeed(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	for _, step := range [][2]string{
		{"SET a 1\r\n", "+OK\r\n"},
		{"EVAL \"return redis.call('set', 'a', 'b')\" 0\r\n", "+OK\r\n"},
		{"XACK s g 1-1\r\n", ":0\r\n"},
		{"SET a 2\r\n", "+OK\r\n"},
		{"EVAL \"return redis.call('xack', 's', 'g', '1-1')\" 0\r\n", ":0\r\n"},
		{"MULTI\r\n", "+OK\r\n"}, {"XACK s g 1-1\r\n", "+QUEUED\r\n"}, {"EXEC\r\n", "*1\r\n:0\r\n"},
	} {
		exchange(t, c, r, step[0], step[1])
	}
	exchange(t, c, r, "SELECT 1\r\nSET a 1\r\n", "+OK\r\n+OK\r\n")
	f.executor.mu.Lock()
	defer f.executor.mu.Unlock()
	const old, now = machine.BaseSemantics, 7
	if want := []uint16{old, old, now, old, now, now, machine.SinceDatabases}; !slices.Equal(f.executor.needs, want) {
		t.Errorf("entries need %d, want %d", f.executor.needs, want)
	}
}
