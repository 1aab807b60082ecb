package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// TestAPausedLeaderShowsNothingOld: a leader that had no processor while another
// one was elected and wrote finds a read in its socket when it has one again. It
// believes to lead then, and what it has is old.
func TestAPausedLeaderShowsNothingOld(t *testing.T) {
	g := replicas.New(t, 3, replicas.Processes(t))
	g.Form()
	for round := range 2 {
		old := g.WaitLeader()
		ctx := context.Background()
		conn := g.Redis(old).Conn()
		if err := conn.Set(ctx, "k", "old", 0).Err(); err != nil {
			t.Fatal(err)
		}
		paused := g.Member(old).(*replicas.Process)
		paused.Pause()
		time.Sleep(100 * time.Millisecond) // until no thread of it runs
		got := make(chan string, 1)
		go func() {
			value, err := conn.Get(ctx, "k").Result()
			if err != nil && err != redis.Nil { //nolint:errorlint // it is never wrapped
				value = "no answer"
			}
			got <- value
		}()
		other := g.Redis((old + 1) % 3)
		g.Until("a write by another leader", func() bool {
			soon, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return other.Set(soon, "k", "new", 0).Err() == nil
		})
		paused.Resume()
		if value := <-got; value == "old" {
			t.Fatalf("round %d: a leader of yesterday answered %q", round, value)
		}
		g.Until("all of them again", func() bool { return g.Status(old).Ready && g.Leader() >= 0 })
	}
}

// TestAPausedMemberShowsNothingTooOld of its own state: what it had when it got
// no processor is older than is promised when it gets one again. It has so much to
// catch up with that a snapshot takes its state's place: who waits for a change of
// the former one is told, by the end of the connection.
func TestAPausedMemberShowsNothingTooOld(t *testing.T) {
	g := replicas.New(t, 3, replicas.Processes(t))
	g.Form()
	ctx := context.Background()
	leader := g.WaitLeader()
	left := (leader + 1) % 3
	w, conn := g.Redis(leader), g.Reads(left).Conn()
	if err := w.Set(ctx, "k", "old", 0).Err(); err != nil {
		t.Fatal(err)
	}
	g.Until("the value", func() bool { return conn.Get(ctx, "k").Val() == "old" })
	waited := make(chan error, 1)
	go func() {
		_, err := g.Reads(left).XRead(ctx, &redis.XReadArgs{Streams: []string{"never", "0"}, Block: time.Minute}).Result()
		waited <- err
	}()
	g.Until("a wait", func() bool { return strings.Contains(conn.Info(ctx, "clients").Val(), "blocked_clients:1") })
	paused := g.Member(left).(*replicas.Process)
	paused.Pause()
	time.Sleep(100 * time.Millisecond) // until no thread of it runs
	write := func(key, value string) { // again, when the others elect another leader meanwhile
		g.Until("a write", func() bool { return w.Set(ctx, key, value, 0).Err() == nil })
	}
	write("k", "new")
	replaced := time.Now()
	for n := range 40 {
		write(fmt.Sprint("fill", n), strings.Repeat(fmt.Sprintf("%08d", n), 128<<10))
	}
	time.Sleep(time.Until(replaced.Add(10*time.Second + 500*time.Millisecond)))
	got := make(chan string, 1)
	go func() {
		value, err := conn.Get(ctx, "k").Result()
		if err != nil {
			value = err.Error()
		}
		got <- value
	}()
	time.Sleep(100 * time.Millisecond)
	paused.Resume()
	if value := <-got; value == "old" {
		t.Error("a member showed what was replaced more than ten seconds before it was asked")
	}
	if err := <-waited; err == nil || errors.Is(err, redis.Nil) || strings.Contains(err.Error(), "timeout") {
		t.Errorf("who waits for what changes no more: %v", err)
	}
	c := g.Reads(left)
	g.Until("the new value", func() bool { return c.Get(ctx, "k").Val() == "new" })
}
