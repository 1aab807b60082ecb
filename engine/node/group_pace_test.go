package node

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/coffer-dev/coffer/engine/machine"
)

const outrunWrites = 1000

// outrun is a group that holds a writer back, since its snapshot stands still.
// goOn lets that go on; what comes of the writer is told by written.
func outrun(t *testing.T) (g *Group, acked *atomic.Int64, goOn func(), written chan error) {
	t.Helper()
	stuck := make(chan struct{})
	g = startGroup(t, groupOptions(errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, "snapshot/next.tmp") {
			<-stuck
		}
		return nil
	}))))
	acked, written = &atomic.Int64{}, make(chan error, 1)
	go func() {
		for i := range outrunWrites {
			if err := g.Do([]machine.Item{item("SET", fmt.Sprint("k", i), strings.Repeat("x", 1000))}); err != nil {
				written <- err
				return
			}
			acked.Add(1)
		}
		written <- nil
	}()
	waits := func() bool {
		g.queueMu.Lock()
		defer g.queueMu.Unlock()
		return g.snapshot.holding.Load() && len(g.queue) > 0
	}
	for !waits() {
		time.Sleep(time.Millisecond)
	}
	return g, acked, func() { close(stuck) }, written
}

// TestWritesWaitForASnapshotThatTheyOutrun: the log would otherwise grow beside it
// to any size.
func TestWritesWaitForASnapshotThatTheyOutrun(t *testing.T) {
	g, acked, goOn, written := outrun(t)
	defer g.Stop()
	if n := acked.Load(); n > outrunWrites/2 {
		t.Errorf("%d of %d writes were taken while the snapshot stood still", n, outrunWrites)
	}
	if get(t, g, "k0") == "" {
		t.Error("a read finds nothing while writes wait")
	}
	goOn()
	if err := <-written; err != nil || acked.Load() != outrunWrites {
		t.Fatalf("%d of %d writes were taken once the snapshot went on: %v", acked.Load(), outrunWrites, err)
	}
}

// TestStopFinishesWritesThatWaitForASnapshot, which is given up.
func TestStopFinishesWritesThatWaitForASnapshot(t *testing.T) {
	g, acked, goOn, written := outrun(t)
	before, stopped := acked.Load(), make(chan error, 1)
	go func() { stopped <- g.Stop() }()
	if err := <-written; !errors.Is(err, ErrStopped) || acked.Load() != before+1 {
		t.Errorf("%d writes were taken, then %d: %v", before, acked.Load(), err)
	}
	goOn()
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}
