package chaos

import (
	"context"
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
