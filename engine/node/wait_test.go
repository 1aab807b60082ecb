package node_test

import (
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// TestWaitCountsMembers: a majority has what was acknowledged; for the others WAIT
// waits.
func TestWaitCountsMembers(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	ctx := t.Context()
	c := r.Redis(r.WaitLeader()) // it may ask for more than there are
	if err := c.Set(ctx, "a", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Wait(ctx, 0, time.Second).Result(); err != nil || n < 1 || n > 2 {
		t.Errorf("at once: %d, %v", n, err)
	}
	if n, err := c.Wait(ctx, 2, 20*time.Second).Result(); err != nil || n != 2 {
		t.Errorf("for all: %d, %v", n, err)
	}
	stopped := (r.WaitLeader() + 1) % 3
	r.Stop(stopped)
	if err := c.Set(ctx, "a", "2", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Wait(ctx, 2, 300*time.Millisecond).Result(); err != nil || n != 1 {
		t.Errorf("without one: %d, %v", n, err)
	}
}
