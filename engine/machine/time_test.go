package machine

import (
	"testing"

	"github.com/coffer-dev/coffer/engine/reply"
)

// TestAWriteNeverSeesAnOlderTime: a new leader's clock may be behind.
func TestAWriteNeverSeesAnOlderTime(t *testing.T) {
	m := New(parsePut)
	m.Apply(1, []Item{putItem("a", 2500)}, 2400, 1)
	m.Apply(2, []Item{putItem("b", 0)}, 3000, 1)
	if err := m.Replay(3, AppendBatch(nil, []Item{putItem("c", 0)}, 1000, 1)); err != nil {
		t.Fatal(err)
	}
	items := []Item{readItem("a"), putItem("d", 0)}
	m.Apply(4, items, 2000, 1)
	if items[0].Reply.Kind != reply.KindNull {
		t.Error("an expired key came back with an older clock")
	}
	if got := string(items[1].Reply.Str[:4]); got != "3000" {
		t.Errorf("a write at %s, after one at 3000", got)
	}
}
