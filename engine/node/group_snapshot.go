package node

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/member"
	"github.com/coffer-dev/coffer/engine/snapshot"
	"github.com/coffer-dev/coffer/engine/wal"
)

const (
	// snapshotStep is how much of a snapshot is made under the lock at once: a
	// quarter of a millisecond for small keys. A busy lock is waited for longer
	// than that, and what is written until the end stays in the log beside the
	// new file.
	snapshotStep = 64 << 10
	// snapshotPause is how long a snapshot waits at most between two steps: as
	// long as the one before took. A lock that is given up and taken again at
	// once is never free to others; they had it after a millisecond of starving.
	snapshotPause = 5 * time.Millisecond
	// snapshotRetry is how long to wait after one found no space.
	snapshotRetry = 10 * time.Second
	// erasePause is between two snapshots that take away what was erased: each
	// writes the whole state.
	erasePause = time.Minute
)

var errAbandoned = errors.New("the group stops")

// snapshotting is the loop's view of the snapshots: when the next is due, and
// the one being written by a goroutine of its own.
type snapshotting struct {
	running  *member.Snapshot
	notUntil time.Time
	finished chan snapshotResult
	holding  atomic.Bool  // writes back, until more of it is written
	last     atomic.Int64 // when one was taken, in s since the epoch

	erasing      uint64 // what was erased up to that index goes with the one that runs
	erased       uint64 // what was erased up to that index is in no file any more
	eraseNotTill time.Time
}

type snapshotResult struct {
	took time.Duration
	err  error
}

// snapshotDue tells whether a snapshot should begin: when the member says so, for
// itself or for one that lags, and on a full volume as soon as it would free a
// segment.
func (g *Group) snapshotDue() bool {
	s := &g.snapshot
	if s.running != nil || g.digests.running != nil || time.Now().Before(s.notUntil) {
		return false
	}
	_, log := g.member.SnapshotSize()
	return g.member.SnapshotDue() || g.member.SnapshotWanted() || g.full.Load() && log > 0 && g.member.Log().Releasable()
}

// eraseFiles begins a snapshot when files have what was erased.
func (g *Group) eraseFiles() error {
	s := &g.snapshot
	now := time.Now()
	if g.erasedIndex() <= s.erased || s.running != nil || g.digests.running != nil || now.Before(s.notUntil) || now.Before(s.eraseNotTill) {
		return nil
	}
	s.eraseNotTill = now.Add(erasePause)
	g.opts.Log.Info("a snapshot takes the place of files that have what was erased")
	return g.beginSnapshot()
}

func (g *Group) erasedIndex() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.member.Machine().Erased()
}

// forget sees to it that what was erased goes with the snapshot that begins.
func (g *Group) forget() error {
	index := g.erasedIndex()
	if index <= g.snapshot.erased {
		return nil
	}
	err := g.member.Forget()
	if errors.Is(err, wal.ErrFull) {
		g.opts.Log.Warn("no space for a new segment: files keep what was erased until there is", "error", err)
		g.snapshot.eraseNotTill = time.Now().Add(snapshotRetry)
		return nil
	}
	g.snapshot.erasing = index
	return err
}

// beginSnapshot starts to write the state as it is now, while writes go on.
func (g *Group) beginSnapshot() error {
	if err := g.forget(); err != nil {
		return err
	}
	g.mu.Lock()
	s, err := g.member.BeginSnapshot()
	g.mu.Unlock()
	if err != nil {
		return err
	}
	g.snapshot.running = s
	go func() {
		begin := time.Now()
		err := s.Write(func() ([]byte, bool, error) { return g.snapshotChunk(s) })
		g.snapshot.finished <- snapshotResult{time.Since(begin), err}
	}()
	return nil
}

func (g *Group) snapshotChunk(s *member.Snapshot) ([]byte, bool, error) {
	select {
	case <-g.stop:
		return nil, false, errAbandoned
	default:
	}
	chunk, done, pause := g.stateChunk(s.Next)
	if g.snapshot.holding.Load() {
		g.wakeLoop()
	} else {
		time.Sleep(pause)
	}
	return chunk, done, nil
}

// stateChunk takes the next bytes of the state, under the lock, and says for how
// long to leave it to others then.
func (g *Group) stateChunk(next func(limit int) ([]byte, bool)) (chunk []byte, done bool, pause time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	begin := time.Now()
	chunk, done = next(snapshotStep)
	return chunk, done, min(time.Since(begin), snapshotPause)
}

// holdsBack tells that writes wait for the snapshot that is being written, since
// the log would otherwise take more than its share of the volume.
func (g *Group) holdsBack() bool {
	holding := g.member.Outrun() && !g.full.Load() && !isClosed(g.stop)
	g.snapshot.holding.Store(holding)
	return holding
}

// endSnapshot lets go of what a durable snapshot replaces: older ones, and the
// log up to it.
func (g *Group) endSnapshot(r snapshotResult) error {
	s := g.snapshot.running
	g.snapshot.running = nil
	if r.err != nil {
		g.snapshot.erasing = 0
		g.mu.Lock()
		g.member.AbandonSnapshot(s)
		g.mu.Unlock()
	}
	switch {
	case errors.Is(r.err, errAbandoned):
		return nil
	case errors.Is(r.err, snapshot.ErrFull):
		g.opts.Log.Warn("no space for a snapshot: the log grows until there is", "error", r.err)
		g.snapshot.notUntil = time.Now().Add(snapshotRetry)
		return nil
	case r.err != nil:
		return r.err
	}
	if err := g.member.EndSnapshot(s); err != nil {
		return err
	}
	g.snapshot.last.Store(time.Now().Unix())
	g.snapshot.erased = max(g.snapshot.erased, g.snapshot.erasing)
	size, _ := g.member.SnapshotSize()
	g.opts.Log.Info("snapshot written", "index", s.Meta.Index, "bytes", size, "seconds", r.took.Seconds())
	g.lookAtKeys() // they may have changed since it began
	return nil
}

// abandonSnapshot ends the goroutine that writes one.
func (g *Group) abandonSnapshot() {
	g.halt()
	if s := g.snapshot.running; s != nil {
		<-g.snapshot.finished
		g.mu.Lock()
		g.member.AbandonSnapshot(s)
		g.mu.Unlock()
	}
}
