package node

import (
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/guard"
	"github.com/coffer-dev/coffer/engine/job"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/vault"
)

// encryption is the group's view of the key ring: the one that it was told of,
// and the loop's own, which its files are under or on the way to.
type encryption struct {
	told    atomic.Pointer[vault.Ring]
	changed chan struct{}
	status  atomic.Pointer[adminapi.Encryption]

	// The loop's alone.
	keys  *vault.Ring
	plain bool // a file is not sealed and should be
	stale bool // a queue's key is not under the primary key
}

// SetKeys makes a key ring the one in force: new files are sealed under its
// primary key, and those that are there are wrapped again in the background.
// It says nothing about when; Stats does.
func (g *Group) SetKeys(keys *vault.Ring) {
	if keys == nil || g.encryption.told.Swap(keys) == keys {
		return
	}
	g.lookAtKeys()
}

// lookAtKeys has the loop call rewrap.
func (g *Group) lookAtKeys() {
	select {
	case g.encryption.changed <- struct{}{}:
	default: // it will
	}
}

// rewrap wraps a file's data key under the primary key: one file a call, so
// that writes wait for no more than that.
func (g *Group) rewrap() error {
	e := &g.encryption
	if keys := e.told.Load(); keys != e.keys {
		e.keys = keys
		g.opts.Log.Info("encryption keys in force", "primary", keys.Primary().String())
	}
	more, err := g.member.Rewrap(e.keys)
	if err != nil {
		return err
	}
	if more {
		g.lookAtKeys()
	} else if err := g.rewrapQueues(); err != nil {
		return err
	}
	g.tellKeys()
	return nil
}

// rewrapQueues wraps the keys of queues under the primary key: through the log,
// which is durable before anybody is told that the old key is not needed.
func (g *Group) rewrapQueues() error {
	if g.encryption.keys == nil || !g.leading.Load() {
		return nil
	}
	if g.flight != nil {
		g.encryption.stale = true // sealPlain has it tried again
		return nil
	}
	ops, err := guard.Rewrap(g.encryption.keys, g.queueKeys())
	if err != nil {
		g.opts.Log.Error("keys of queues stay under the key that they are under", "error", err)
		return nil //nolint:nilerr // it is told, and tried again with the next keys
	}
	if len(ops) == 0 {
		return nil
	}
	bytes := int64(0)
	items := make([]machine.Item, len(ops))
	for i, op := range ops {
		items[i] = job.Item(op)
		bytes += int64(len(items[i].Argv[1])) + 64
	}
	if err := g.propose(items, bytes, func(error) {}); err != nil {
		return err
	}
	return g.member.Log().Sync()
}

func (g *Group) queueKeys() []queue.Key {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.member.Machine().Queues().Keys()
}

// tellKeys publishes which keys the files need, and what is in them.
func (g *Group) tellKeys() {
	e := &g.encryption
	usage := g.member.Usage()
	e.plain, e.stale = e.keys != nil && usage.Plain > 0, false
	for _, k := range g.queueKeys() {
		id := vault.WrappedUnder(k.Wrapped)
		usage.Need(id)
		e.stale = e.stale || e.keys != nil && id != e.keys.Primary()
	}
	s := &adminapi.Encryption{PlainFiles: usage.Plain}
	if e.keys != nil {
		s.Primary = e.keys.Primary().String()
	}
	for _, id := range usage.IDs {
		s.InUse = append(s.InUse, id.String())
	}
	e.status.Store(s)
}

// sealPlain takes a snapshot when there are files from before there were keys:
// with it they go.
func (g *Group) sealPlain() error {
	if g.encryption.status.Load() == nil {
		return nil // nobody has looked at the snapshots yet
	}
	g.tellKeys()
	if g.encryption.stale {
		g.lookAtKeys() // there was no space for it
	}
	if !g.encryption.plain || g.snapshot.running != nil || time.Now().Before(g.snapshot.notUntil) {
		return nil
	}
	g.opts.Log.Info("a snapshot replaces files that are not encrypted")
	g.snapshot.notUntil = time.Now().Add(snapshotRetry)
	return g.beginSnapshot()
}
