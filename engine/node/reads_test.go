package node_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// reads asks a member for a key's value until it is that.
func reads(r *replicas.Group, c *redis.Client, key, want string) {
	r.Until(key+" to be "+want, func() bool { return c.Get(context.Background(), key).Val() == want })
}

// TestAnyMemberShowsItsOwnState to go-redis, and takes no writes; what comes in
// a stream reaches who waits for it.
func TestAnyMemberShowsItsOwnState(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	ctx := t.Context()
	leader := r.WaitLeader()
	w := r.Redis(leader)
	if err := w.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c := r.Reads(i)
		reads(r, c, "k", "v")
		if err := c.Set(ctx, "k", "w", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "READONLY ") {
			t.Errorf("member %d, a write: %v", i, err)
		}
		if err := c.Eval(ctx, "return redis.call('set', KEYS[1], 'w')", []string{"k"}).Err(); err == nil || !strings.Contains(err.Error(), "READONLY ") {
			t.Errorf("member %d, a script that writes: %v", i, err)
		}
		if err := redis.NewScript("return redis.call('get', KEYS[1])").Run(ctx, c, []string{"k"}).Err(); err != nil {
			t.Errorf("member %d, a script that reads: %v", i, err)
		}
		if role := c.Do(ctx, "role").String(); !strings.Contains(role, fmt.Sprintf("slave 127.0.0.%d %s connected", 10+leader, port(r.Configs[leader].Listen.Keys))) {
			t.Errorf("member %d: %s", i, role)
		}
		_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error { p.Get(ctx, "k"); p.StrLen(ctx, "k"); return nil })
		if err != nil {
			t.Errorf("member %d, a transaction: %v", i, err)
		}
	}
	got := make(chan string, 3)
	for i := range 3 {
		go func() {
			streams, err := r.Reads(i).XRead(ctx, &redis.XReadArgs{Streams: []string{"s", "0"}, Block: 8 * time.Second}).Result()
			got <- fmt.Sprint(streams, err)
		}()
	}
	r.Until("three that wait", func() bool {
		n := 0
		for i := range 3 {
			n += strings.Count(r.Reads(i).Info(ctx, "clients").Val(), "blocked_clients:1")
		}
		return n == 3
	})
	if err := w.XAdd(ctx, &redis.XAddArgs{Stream: "s", ID: "1-1", Values: []string{"f", "v"}}).Err(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if s := <-got; !strings.Contains(s, "1-1") {
			t.Errorf("a wait on a stream: %s", s)
		}
	}
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// TestReadsNeverGoBack on one connection, whichever members die and lead. They
// are not held up by who leads either.
func TestReadsNeverGoBack(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var readers sync.WaitGroup
	for i := range 3 {
		readers.Go(func() { onlyForward(ctx, t, r, i) })
	}
	count := func() (n int64) {
		r.Until("a write", func() bool {
			var err error
			soon, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			n, err = r.Redis(0).Incr(soon, "n").Result()
			return err == nil
		})
		return n
	}
	for range 3 {
		for range 50 {
			count()
		}
		id, _ := r.ID((r.WaitLeader() + 1) % 3)
		r.Change(adminapi.GroupChange{Operation: adminapi.GroupTransfer, ID: id})
	}
	last := count()
	for i := range 3 {
		reads(r, r.Reads(i), "n", strconv.FormatInt(last, 10))
	}
	stop()
	readers.Wait()
}

// onlyForward reads a counter on one connection after the other.
func onlyForward(ctx context.Context, t *testing.T, r *replicas.Group, i int) {
	for ctx.Err() == nil {
		conn := r.Reads(i).Conn()
		seen := int64(0)
		for ctx.Err() == nil {
			n, err := conn.Get(ctx, "n").Int64()
			if err != nil && !errors.Is(err, redis.Nil) {
				break // the connection ended
			}
			if n < seen {
				t.Errorf("member %d: %d after %d", i, n, seen)
			}
			seen = n
		}
		_ = conn.Close()
	}
}

// TestReadsEndWhereTheLeaderIsNotHeard for too long: until then a member shows
// what it has, without a leader, too.
func TestReadsEndWhereTheLeaderIsNotHeard(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	ctx := t.Context()
	leader := r.WaitLeader()
	left := (leader + 1) % 3
	if err := r.Redis(leader).Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	c := r.Reads(left)
	reads(r, c, "k", "v")
	begun := time.Now()
	r.Stop((leader + 2) % 3)
	r.Stop(leader)
	if got, err := c.Get(ctx, "k").Result(); got != "v" {
		t.Errorf("a member without a leader: %q, %v", got, err)
	}
	r.Until("no leader", func() bool { return !r.Status(left).Ready })
	if got, err := c.Get(ctx, "k").Result(); got != "v" {
		t.Errorf("a member that knows that there is no leader: %q, %v", got, err)
	}
	var err error
	r.Until("an end of it", func() bool { err = c.Get(ctx, "k").Err(); return err != nil })
	if took := time.Since(begun); !strings.HasPrefix(err.Error(), "MASTERDOWN ") || took > 12*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	if err := c.Ping(ctx).Err(); err == nil || !strings.HasPrefix(err.Error(), "MASTERDOWN ") {
		t.Errorf("PING: %v", err)
	}
	if info := c.Info(ctx, "replication").Val(); !strings.Contains(info, "master_link_status:down") {
		t.Errorf("INFO: %s", info)
	}
	r.Start(leader)
	reads(r, c, "k", "v")
}

// TestReadsWaitForALearnersState: a member that has a part of the data says so.
func TestReadsWaitForALearnersState(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	lag := (r.WaitLeader() + 1) % 3
	watching := r.Reads(lag).Conn()
	defer func() { _ = watching.Close() }()
	ctx := t.Context()
	if err := watching.Do(ctx, "watch", "k").Err(); err != nil {
		t.Fatal(err)
	}
	r.Stop(lag)
	fill(t, r.Redis(r.WaitLeader()), 30<<20)
	if err := r.Redis(r.WaitLeader()).Set(ctx, "end", "there", 0).Err(); err != nil {
		t.Fatal(err)
	}
	r.Start(lag)
	c := r.Reads(lag)
	r.Until("all of the data", func() bool {
		got, err := c.Get(ctx, "end").Result()
		if errors.Is(err, redis.Nil) {
			t.Fatal("a member showed a state that it had caught up from")
		}
		return got == "there"
	})
}
