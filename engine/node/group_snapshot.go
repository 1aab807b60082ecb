package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/snapshot"
	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/engine/wal"
)

const (
	// snapshotAfter is how much log there is at least before a snapshot.
	snapshotAfter = 64 << 20
	// snapshotStep is how much of a snapshot is made under the lock at once.
	snapshotStep = 64 << 10
	// snapshotRetry is how long to wait after one found no space.
	snapshotRetry = 10 * time.Second
)

var errAbandoned = errors.New("the group stops")

// snapshotting is the loop's view of the snapshots: when the next is due, and
// the one being written by a goroutine of its own.
type snapshotting struct {
	size     int64 // of the last snapshot's file, bytes
	logBytes int64 // of entries since the last snapshot
	begun    int64 // logBytes when the running one began
	running  bool
	keys     *vault.Ring // that the running one is sealed under
	notUntil time.Time
	finished chan snapshotResult
}

type snapshotResult struct {
	mark wal.Mark
	size int64
	took time.Duration
	err  error
}

// snapshotDue tells whether replaying the log would take longer than it should:
// when it has grown as large as the state. On a full volume a snapshot is worth
// its while as soon as it would free a segment.
func (g *Group) snapshotDue() bool {
	s := &g.snapshot
	if s.running || time.Now().Before(s.notUntil) {
		return false
	}
	return s.logBytes > max(g.opts.SnapshotAfter, s.size) || g.full.Load() && s.logBytes > 0 && g.wal.Releasable()
}

// beginSnapshot starts to write the state as it is now, while writes go on.
func (g *Group) beginSnapshot() error {
	g.mu.Lock()
	source, err := g.machine.BeginSnapshot()
	g.mu.Unlock()
	if err != nil {
		return err
	}
	index, term := g.replica.Applied()
	if index != source.Index {
		return fmt.Errorf("snapshot of index %d while %d is applied", source.Index, index)
	}
	g.snapshot.running, g.snapshot.begun = true, g.snapshot.logBytes
	meta := snapshot.Meta{Index: index, Term: term, ConfState: g.replica.ConfState()}
	dir := g.snapshots()
	g.snapshot.keys = dir.Keys
	go func() {
		begin := time.Now()
		size, err := dir.Write(meta, func() ([]byte, bool, error) {
			return g.snapshotChunk(source)
		})
		if err != nil {
			g.mu.Lock()
			source.Close()
			g.mu.Unlock()
		}
		g.snapshot.finished <- snapshotResult{wal.Mark{Index: index, Term: term}, size, time.Since(begin), err}
	}()
	return nil
}

func (g *Group) snapshotChunk(source *machine.Snapshot) ([]byte, bool, error) {
	select {
	case <-g.stop:
		return nil, false, errAbandoned
	default:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	chunk, done := source.Next(snapshotStep)
	return chunk, done, nil
}

// endSnapshot lets go of what a durable snapshot replaces: older ones, and the
// log up to it.
func (g *Group) endSnapshot(r snapshotResult) error {
	s := &g.snapshot
	s.running = false
	switch {
	case errors.Is(r.err, errAbandoned):
		return nil
	case errors.Is(r.err, snapshot.ErrFull):
		g.opts.Log.Warn("no space for a snapshot: the log grows until there is", "error", r.err)
		s.notUntil = time.Now().Add(snapshotRetry)
		return nil
	case r.err != nil:
		return r.err
	}
	g.opts.Log.Info("snapshot written", "index", r.mark.Index, "bytes", r.size, "seconds", r.took.Seconds())
	s.size = r.size
	s.logBytes -= s.begun
	if err := g.snapshots().Prune(r.mark.Index); err != nil {
		return err
	}
	if err := g.wal.Release(r.mark.Index); err != nil {
		return err
	}
	if err := g.wal.MarkSnapshot(r.mark); err != nil && !errors.Is(err, wal.ErrFull) {
		return err
	}
	g.lookAtKeys() // they may have changed since it began
	return nil
}

// abandonSnapshot ends the goroutine that writes one.
func (g *Group) abandonSnapshot() {
	g.halt()
	if g.snapshot.running {
		<-g.snapshot.finished
	}
}
