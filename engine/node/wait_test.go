package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// TestAdministrationThroughAnyMember: whichever member a client came to, it is the
// leader that it asks, and the client's own address that is shown.
func TestAdministrationThroughAnyMember(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	ctx := t.Context()
	for i := range 3 {
		c := r.Redis(i)
		if who, err := c.Do(ctx, "ACL", "WHOAMI").Text(); err != nil || who != "default" {
			t.Errorf("member %d: %q, %v", i, who, err)
		}
		if policy, err := c.ConfigGet(ctx, "maxmemory-policy").Result(); err != nil || policy["maxmemory-policy"] != "noeviction" {
			t.Errorf("member %d: %v, %v", i, policy, err)
		}
	}
	list, err := r.Redis(0).ClientList(ctx).Result()
	if n := strings.Count(list, "user=default"); err != nil || n < 3 {
		t.Errorf("%d clients, %v: %s", n, err, list)
	}
	if _, err := r.Redis(1).ClientKillByFilter(ctx, "USER", "default", "SKIPME", "yes").Result(); err != nil {
		t.Error(err)
	}
	r.Until("the others again", func() bool { return r.Redis(2).Ping(ctx).Err() == nil })
}

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
