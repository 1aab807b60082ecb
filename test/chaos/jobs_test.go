package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/client/jobs"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// TestNoJobIsLostWithALeader: producers and workers go on while leaders are
// killed. What was acknowledged to a producer is carried out, and nothing again
// after its own acknowledgement.
func TestNoJobIsLostWithALeader(t *testing.T) {
	g := replicas.New(t, 3, replicas.Processes(t))
	g.Form()
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	pushed, done := map[string]bool{}, map[string]int{}
	var producing, working sync.WaitGroup
	stop := make(chan struct{})
	for i := range 3 {
		client := g.Jobs(i)
		producing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				id := fmt.Sprintf("%d-%d", i, n)
				for {
					_, err := client.Push(context.Background(), "q", id, jobs.PushOptions{JobID: id})
					if err == nil {
						break
					}
					if !errors.Is(err, jobs.ErrDisconnected) {
						t.Errorf("push %s: %v", id, err)
						return
					}
				}
				mu.Lock()
				pushed[id] = true
				mu.Unlock()
			}
		})
		working.Go(func() {
			worker := jobs.Worker{Queue: "q", Concurrency: 4, Lease: 5 * time.Second, Handle: func(_ context.Context, job *jobs.Job) (any, error) {
				var id string
				if err := job.Decode(&id); err != nil {
					return nil, err
				}
				mu.Lock()
				done[id]++
				mu.Unlock()
				return nil, nil
			}}
			if err := worker.Run(ctx, g.Jobs(i)); err != nil {
				t.Errorf("worker %d: %v", i, err)
			}
		})
	}
	for range 3 {
		leader := g.WaitLeader()
		time.Sleep(500 * time.Millisecond)
		g.Take(leader).(*replicas.Process).Kill()
		g.Until("another leader", func() bool { l := g.Leader(); return l >= 0 && l != leader })
		g.Start(leader)
		g.Until("the member back", func() bool { return g.Status(leader).Ready })
	}
	close(stop)
	producing.Wait()
	g.Until("all jobs carried out", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for id := range pushed {
			if done[id] == 0 {
				return false
			}
		}
		return true
	})
	cancel()
	working.Wait()
	again := 0
	for _, n := range done {
		again += n - 1
	}
	t.Logf("%d jobs, %d carried out more than once", len(pushed), again)
	if len(pushed) == 0 {
		t.Error("nothing was pushed")
	}
}
