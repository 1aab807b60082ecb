package node_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// TestSyncsAreCounted: a write that is acknowledged one by one has cost a wait
// for the disk, and the figure says so.
func TestSyncsAreCounted(t *testing.T) {
	m := newMember(t)
	c := m.redis(t)
	before := logSyncs(t, c)
	const writes = 5
	for range writes {
		if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if n := logSyncs(t, c) - before; n < writes {
		t.Errorf("%d fsyncs counted for %d writes", n, writes)
	}
}

func logSyncs(t *testing.T, c *redis.Client) int64 {
	t.Helper()
	info, err := c.Info(t.Context(), "persistence").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(info, "coffer_log_syncs:")
	n, err := strconv.ParseInt(strings.SplitN(rest, "\r\n", 2)[0], 10, 64)
	if err != nil {
		t.Fatalf("INFO persistence: %q: %v", info, err)
	}
	return n
}
