package chaos

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/chaos/clients"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// TestNoJobIsLostWithALeader: producers and workers go on while leaders are
// killed. What was acknowledged to a producer is carried out, and nothing again
// after its own acknowledgement.
func TestNoJobIsLostWithALeader(t *testing.T) {
	g := replicas.New(t, 3, replicas.Processes(t))
	g.Form()
	seen := clients.NewJobs()
	pushing, enough := context.WithCancel(context.Background())
	defer enough()
	pulling, cancel := context.WithCancel(context.Background())
	defer cancel()
	var producing, working sync.WaitGroup
	for i := range 3 {
		producer, worker := g.Jobs(i), g.Jobs(i)
		producing.Go(func() { seen.Produce(pushing, producer, strconv.Itoa(i)) })
		for range 4 {
			working.Go(func() { seen.Work(pulling, worker) })
		}
	}
	for range 3 {
		leader := g.WaitLeader()
		time.Sleep(500 * time.Millisecond)
		g.Take(leader).(*replicas.Process).Kill()
		g.Until("another leader", func() bool { l := g.Leader(); return l >= 0 && l != leader })
		g.Start(leader)
		g.Until("the member back", func() bool { return g.Status(leader).Ready })
	}
	enough()
	producing.Wait()
	g.Until("all jobs carried out", func() bool { return seen.Left() == 0 })
	cancel()
	working.Wait()
	v := seen.Check()
	t.Logf("%d jobs, %d carried out more than once; instead of answers %v", v.Jobs, v.Twice, seen.Errors())
	if v.Jobs == 0 || len(v.Lost) > 0 || len(v.Again) > 0 {
		t.Errorf("%d jobs, lost %v, handed out after they had been acknowledged %v", v.Jobs, v.Lost, v.Again)
	}
}
