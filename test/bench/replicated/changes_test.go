package replicated

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/test/bench/harness"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// settle is how long writes go on undisturbed before the next change, and how
// long after one a pause is looked for.
const settle = 2 * time.Second

// writers are 50 clients that write without end; who has no answer connects
// again, to the next member, and asks once more.
type writers struct {
	acknowledged atomic.Int64 // when the last write was, in ns since the epoch
	failedTwice  atomic.Int64 // commands that had no answer at the second try either

	mu   sync.Mutex
	gap  time.Duration // the longest without an acknowledgement, since it was set to 0
	stop chan struct{}
	all  sync.WaitGroup
}

func startWriters(endpoints []endpoint) *writers {
	w := &writers{stop: make(chan struct{})}
	w.acknowledged.Store(time.Now().UnixNano())
	for i := range 50 {
		w.all.Go(func() { w.write(endpoints, i) })
	}
	return w
}

func (w *writers) write(endpoints []endpoint, i int) {
	one := writer{form: set, depth: 1}
	c, err := endpoints[i%len(endpoints)].dial()
	for failures := 0; ; {
		select {
		case <-w.stop:
			if err == nil {
				_ = c.Close()
			}
			return
		default:
		}
		if err == nil {
			err = one.batch(c)
		}
		if err == nil {
			failures = 0
			w.note(time.Now())
			continue
		}
		if failures++; failures == 2 {
			w.failedTwice.Add(1)
		}
		if c != nil {
			_ = c.Close()
		}
		i++
		c, err = endpoints[i%len(endpoints)].dial()
	}
}

// note records an acknowledgement, and the gap before it.
func (w *writers) note(now time.Time) {
	gap := time.Duration(now.UnixNano() - w.acknowledged.Swap(now.UnixNano()))
	if gap < time.Millisecond {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gap = max(w.gap, gap)
}

// pause is the longest time without an acknowledged write in the time after what
// is done.
func (w *writers) pause(do func()) time.Duration {
	w.mu.Lock()
	w.gap = 0
	w.mu.Unlock()
	do()
	time.Sleep(settle)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gap
}

// measureChanges is how long nobody can write when the leader is killed and when
// it hands over.
func measureChanges(b *testing.B, c *coffer) string {
	w := startWriters(c.endpoints())
	rows := [][]string{{"", "n", "median ms", "p90 ms", "longest ms", "commands without an answer at the second try"}}
	for _, change := range []struct {
		name string
		do   func()
	}{
		{"nothing", func() {}},
		{"switchover", func() { c.transfer() }},
		{"`kill -9` of the leader", func() { c.kill() }},
	} {
		before := w.failedTwice.Load()
		var pauses []time.Duration
		for range *changes {
			time.Sleep(settle)
			pauses = append(pauses, w.pause(change.do))
			c.heal()
		}
		slices.Sort(pauses)
		ms := func(q float64) string {
			return fmt.Sprintf("%.0f", pauses[int(q*float64(len(pauses)-1))].Seconds()*1000)
		}
		rows = append(rows, []string{change.name, fmt.Sprint(len(pauses)), ms(0.5), ms(0.9), ms(1), fmt.Sprint(w.failedTwice.Load() - before)})
	}
	close(w.stop)
	w.all.Wait()
	return harness.Table("Longest time without an acknowledged write",
		"50 clients, spread over the members, one write at a time each; a client whose connection ends connects to the next member at once and asks again. "+
			"That may be the one that was killed, whose address refuses connections.", rows)
}

// transfer has the leader hand over to the next member.
func (c *coffer) transfer() {
	leader := c.WaitLeader()
	id, _ := c.ID((leader + 1) % len(c.Configs))
	admin := c.Admin(leader)
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), settle)
	defer cancel()
	if err := admin.Change(ctx, adminapi.GroupChange{Operation: adminapi.GroupTransfer, ID: id}); err != nil {
		c.b.Errorf("switchover: %v", err)
	}
}

func (c *coffer) kill() {
	c.Take(c.WaitLeader()).(*replicas.Process).Kill()
}

// heal starts who is down, and waits until all are ready.
func (c *coffer) heal() {
	for i := range c.Configs {
		if c.Member(i) == nil {
			c.Start(i)
		}
	}
	c.Until("members that are ready", func() bool {
		for i := range c.Configs {
			if !c.Status(i).Ready {
				return false
			}
		}
		return true
	})
}
