package command

import (
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/store"
)

// TestHyperLogLogsAreBounded: what anybody may store is no HyperLogLog because
// it begins as one, and nobody copies half a GiB to find that out.
func TestHyperLogLogsAreBounded(t *testing.T) {
	header := "HYLL\x01\x00\x00\x00" + strings.Repeat("\x00", 7) + "\x80"
	tx := &machine.Tx{Store: store.New().At(0)}
	apply(t, tx, "SET", "long", header+strings.Repeat("\x00", 1<<20))
	apply(t, tx, "SET", "cut", header+"\x7f") // a run of two bytes that has one
	for _, key := range []string{"long", "cut"} {
		before := string(apply(t, tx, "GET", key).Str)
		for _, call := range []string{"PFADD " + key + " a", "PFCOUNT " + key, "PFCOUNT other " + key, "PFMERGE other " + key, "PFMERGE " + key + " other"} {
			if got := string(apply(t, tx, strings.Fields(call)...).Str); got != string(errCorrupt) {
				t.Errorf("%s answers %q", call, got)
			}
		}
		if string(apply(t, tx, "GET", key).Str) != before {
			t.Errorf("%s was written to", key)
		}
	}
}
