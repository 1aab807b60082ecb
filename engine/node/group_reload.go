package node

import (
	"errors"
	"fmt"

	"github.com/coffer-dev/coffer/engine/member"
	"github.com/coffer-dev/coffer/engine/wal"
)

// Why a group's state is not read back from its files.
var (
	errReloadAlone = errors.New("only a member alone takes its state from its files again: others of a group would elect another leader meanwhile")
	errReloadFull  = errors.New("the volume is full")
	errReloadTwice = errors.New("the state is being read back already")
)

// reload is a wish of DEBUG's: that the state be read back from the files, as at a
// start. queueMu guards the group's; the rest is the worker's.
type reload struct {
	save  bool   // a snapshot goes first
	saved uint64 // it is of no earlier index; 0 until it began
	done  func(error)
}

// Reload has the state read back from the newest snapshot and the log, with a new
// snapshot if save is set, and calls done when that is what is served: nobody is
// served meanwhile. An error tells that all is as before, or that the group has
// stopped, as it does when the state is another one than it was.
func (g *Group) Reload(save bool, done func(error)) {
	g.queueMu.Lock()
	var err error
	switch {
	case g.closed:
		err = ErrStopped
	case g.opts.Network != nil:
		err = errReloadAlone
	case g.reload != nil:
		err = errReloadTwice
	default:
		g.reload = &reload{save: save, done: done}
	}
	g.queueMu.Unlock()
	if err != nil {
		done(err)
		return
	}
	g.wakeLoop()
}

// SetActiveExpiry says whether the member, while it leads, removes keys that have
// expired. To commands they are absent all the same.
func (g *Group) SetActiveExpiry(on bool) { g.unswept.Store(!on) }

func (g *Group) asked() *reload {
	g.queueMu.Lock()
	defer g.queueMu.Unlock()
	return g.reload
}

// endReload tells how it went.
func (g *Group) endReload(err error) {
	g.queueMu.Lock()
	r := g.reload
	g.reload = nil
	g.queueMu.Unlock()
	if r != nil {
		r.done(err)
	}
}

// readBack does what Reload was asked for, if it was and nothing is on its way that
// has to end before: whose end has it looked for again. Its error is the group's end.
func (g *Group) readBack() error {
	r := g.asked()
	switch {
	case r == nil || g.snapshot.running != nil || g.digests.running != nil || g.syncing:
		return nil
	case !g.leading.Load():
		g.endReload(member.ErrNotAlone)
		return nil
	case g.full.Load():
		g.endReload(errReloadFull)
		return nil
	case r.save && r.saved == 0:
		r.saved, _ = g.member.Applied()
		return g.beginSnapshot()
	case r.save && g.member.SnapshotIndex() < r.saved:
		g.endReload(errReloadFull)
		return nil
	}
	switch err := g.replace(); {
	case errors.Is(err, member.ErrNotAlone), errors.Is(err, wal.ErrFull):
		g.endReload(err)
		return nil
	case errors.Is(err, member.ErrBusy):
		return nil
	case err != nil:
		return fmt.Errorf("read the state back: %w", err)
	}
	g.term.Store(g.member.Term())
	g.followLead()
	g.lookAtKeys()
	g.opts.Log.Info("the state was read back from the files", "snapshot", g.member.SnapshotIndex())
	g.endReload(nil)
	return nil
}

// replace puts the member that was read back in the place of the one that was.
func (g *Group) replace() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	again, err := g.member.Reload()
	if err != nil {
		return err
	}
	again.Machine().Databases().Succeed(g.member.Machine().Databases())
	g.member = again
	g.serveState(true)
	return nil
}
