package node

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/member"
	"github.com/coffer-dev/coffer/engine/replica"
	"github.com/coffer-dev/coffer/engine/wal"
)

const (
	// tick is raft's, and how often expired keys are looked for.
	tick = 100 * time.Millisecond
	// ticksPerSecond counts to EverySecond's fsync and to the next try when
	// the volume is full.
	ticksPerSecond = 10
	// quietSeconds is for how long nothing was written when it is noted that all is
	// durable, which costs the next write as much as an fsync.
	quietSeconds = 2
	// sweepKeys is how many expired keys one entry removes.
	sweepKeys = 1000
)

// loop runs the group until it is stopped or fails.
func (g *Group) loop() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var err error
	for running := true; running && err == nil; {
		var handle func() error // nil for the queue alone
		select {
		case <-g.stop:
			running = false
		case <-g.wake:
		case result := <-g.snapshot.finished:
			handle = func() error { return g.endSnapshot(result) }
		case abandoned := <-g.digests.finished:
			handle = func() error { return g.endDigest(abandoned) }
		case <-g.encryption.changed:
			handle = g.rewrap
		case synced := <-g.synced:
			handle = func() error { return g.endSync(synced) }
		case <-ticker.C:
			handle = g.onTick
		case <-g.jobs.due:
			handle = g.tickJobs
		case event := <-g.peers.events:
			handle = func() error { return g.onEvents(event) }
		case <-g.late.timer.C:
			handle = g.sendLate
		}
		err = g.work(handle)
	}
	g.working.Lock()
	defer g.working.Unlock()
	g.finish(cmp.Or(err, g.broken))
}

// work does something that is the worker's alone, then works off the queue.
func (g *Group) work(handle func() error) error {
	g.working.Lock()
	defer g.working.Unlock()
	if handle != nil {
		if err := handle(); err != nil {
			return err
		}
	}
	defer g.armJobs()
	return g.drain()
}

// workNow works off the queue in the goroutine of who filled it, unless another
// one works: with EverySecond nobody waits for the disk, and handing a batch to
// another thread and back costs more than carrying it out.
func (g *Group) workNow() bool {
	if g.opts.Durability != config.EverySecond || !g.working.TryLock() {
		return false
	}
	defer g.working.Unlock()
	if isClosed(g.done) {
		return false
	}
	defer g.armJobs()
	if err := g.drain(); err != nil {
		g.broken = cmp.Or(g.broken, err)
		g.halt() // which ends the loop
	}
	return true
}

// finish gives everything free. Whoever still waits is told.
func (g *Group) finish(err error) {
	g.leading.Store(false)
	g.leader.Store(0)
	if err != nil && !errors.Is(err, ErrRecovered) {
		g.noteLost(g.member.SyncLog()) // whatever ended it: a disk tells of what it lost once
	}
	g.abandonSnapshot()
	g.abandonDigest()
	g.jobs.timer.Stop()
	if err == nil || errors.Is(err, ErrRecovered) {
		err = cmp.Or(g.member.Close(), err)
	}
	g.noteLost(err)
	if errors.Is(err, ErrRecovered) {
		g.opts.Log.Warn("a majority is given up", "outcome", err)
	} else if err != nil {
		g.opts.Log.Error("the group stops: nothing more is acknowledged", "error", err)
		err = fmt.Errorf("%w: %w", ErrFailed, err)
	} else {
		err = ErrStopped
	}
	_ = g.release.Close()
	g.err = err
	close(g.done)
	if f := g.flight; f != nil {
		g.flight = nil
		f.done(err)
	}
	g.queueMu.Lock()
	queue := g.queue
	g.queue = nil
	g.queueMu.Unlock()
	tell(queue, err)
	g.endReload(err)
}

// tell says that requests are carried out, or why not.
func tell(requests []*request, err error) {
	for _, r := range requests {
		if r.done != nil {
			r.done(err)
		}
	}
}

// ErrFailed is returned by Stop, Read and Write when the group stopped because its disk
// failed.
var ErrFailed = errors.New("the group has failed")

// take removes from the queue what goes into the next entry.
func (g *Group) take() (batch []*request) {
	g.queueMu.Lock()
	defer g.queueMu.Unlock()
	maxItems, maxBytes := portions(g.opts)
	items, bytes, n := 0, int64(0), 0
	for _, r := range g.queue {
		if n > 0 && (items+len(r.items) > maxItems || bytes+r.bytes > maxBytes) {
			break
		}
		items += len(r.items)
		bytes += r.bytes
		n++
	}
	batch = append(batch, g.queue[:n]...)
	left := copy(g.queue, g.queue[n:])
	clear(g.queue[left:])
	g.queue = g.queue[:left]
	return batch
}

// drain works off the queue, entry by entry, until one is on its way, but for
// what has to wait for a snapshot.
func (g *Group) drain() error {
	for g.flight == nil {
		if more, err := g.chores(); err != nil {
			return err
		} else if more {
			continue
		}
		if g.holdsBack() || g.peers.network != nil && !g.mayPropose() {
			return nil
		}
		batch := g.take()
		if len(batch) == 0 {
			return nil
		}
		if err := g.execute(batch); err != nil {
			return err
		}
	}
	return nil
}

// flight is what is on its way through the log, or to the proof that it can be
// read: one at a time. What depends on the state can be decided before it is
// logged, since all before it is applied then.
type flight struct {
	proposal *member.Proposal // one of the two
	read     *member.Read
	done     func(error)
}

// execute carries out the requests as one entry, fills their replies and tells.
func (g *Group) execute(batch []*request) error {
	items := batch[0].items
	if len(batch) > 1 {
		items = g.gather(batch, nil)
	}
	bytes := int64(64)
	for _, r := range batch {
		bytes += r.bytes + int64(len(r.items))*4
	}
	victims, enough := g.makeRoom(items)
	if !enough {
		return g.evict(victims, func(err error) {
			if err != nil {
				tell(batch, err)
			} else {
				g.putBack(batch)
			}
		})
	}
	first := 0
	if len(victims) > 0 {
		items, first, bytes = g.gather(batch, []machine.Item{g.deletion(victims)}), 1, bytes+deletionBytes(victims)
	}
	err := g.propose(items, bytes, func(err error) {
		if first > 0 {
			g.evicted(items[0], err)
		}
		if len(batch)+first > 1 {
			rest := items[first:]
			for _, r := range batch {
				copy(r.items, rest)
				rest = rest[len(r.items):]
			}
			clear(items) // lets go of the arguments
		}
		tell(batch, err)
	})
	g.evicting.room = machine.Room{Limit: g.opts.MaxData} // what was freed is the entry's
	if err == nil && g.snapshotDue() {
		err = g.beginSnapshot()
	}
	return err
}

// gather puts the items of all requests behind others.
func (g *Group) gather(batch []*request, before []machine.Item) []machine.Item {
	g.items = append(g.items[:0], before...)
	for _, r := range batch {
		g.items = append(g.items, r.items...)
	}
	return g.items
}

// putBack has requests be the next to be taken.
func (g *Group) putBack(batch []*request) {
	g.queueMu.Lock()
	defer g.queueMu.Unlock()
	g.queue = append(batch, g.queue...)
}

// propose brings the items through the log as one entry, or evaluates them if
// nothing is left to be logged. It calls done once, with nil when their replies
// are filled: before it returns, or when the flight that it leaves has landed.
// Its own error is the group's end. Room for the entry is made before raft hears
// of it: what raft has accepted cannot be taken back.
func (g *Group) propose(items []machine.Item, bytes int64, done func(error)) error {
	if g.full.Load() {
		done(g.refuse(items, replyFull))
		return nil
	}
	now, seed := g.clock(), rand.Uint64()
	if !slices.ContainsFunc(items, isWrite) || !g.admit(items, now) {
		return g.prove(items, done)
	}
	p := &member.Proposal{Items: items, Now: now, Seed: seed, Bytes: bytes}
	switch err := g.member.Propose(p); {
	case errors.Is(err, wal.ErrFull):
		g.setFull(err, p.Bytes)
		done(g.refuse(items, replyFull))
		return nil
	case errors.Is(err, wal.ErrTooLarge):
		done(g.refuse(items, replySize))
		return nil
	case errors.Is(err, replica.ErrNotLeader), errors.Is(err, replica.ErrDropped):
		done(machine.ErrLost)
		return nil
	case err != nil:
		done(err)
		return err
	}
	g.flight = &flight{proposal: p, done: done}
	return g.turn()
}

func isWrite(item machine.Item) bool { return item.Write }

// admit answers the writes that are not to be logged, since there is no memory
// for them or a key changed that they depend on, and says whether a write is
// left. All entries before this one are applied: nothing changes in between.
func (g *Group) admit(items []machine.Item, now int64) (left bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.member.Machine()
	m.Decide(items, now)
	if g.opts.MaxData == 0 {
		return slices.ContainsFunc(items, isWrite)
	}
	return m.Bound(items, g.evicting.room, now, replyOOM)
}

// turn lets the member work until there is nothing to do. While it waits for
// the disk, reads go on. What a member alone proposed is answered when turn is
// through.
func (g *Group) turn() error {
	for {
		if work, err := g.member.Write(); err != nil || !work {
			return err
		}
		g.send(g.member.Early())
		if err := g.member.Sync(); err != nil {
			return err
		}
		g.term.Store(g.member.Term())
		g.mu.Lock()
		r, err := g.member.Finish()
		happened := g.takeHappened()
		g.mu.Unlock()
		if err != nil {
			return err
		}
		g.send(r.Messages)
		g.followLead() // who is told that an answer is lost may come again at once
		happened.tell()
		g.land(r)
		g.freshen(r.Answers)
		if r.Digest != nil {
			g.beginDigest(r.Digest)
		}
		if r.Replaced {
			g.replaced.Add(1)
			g.tellLead()
		}
	}
}

// land ends the flight if it is answered.
func (g *Group) land(r member.Result) {
	for _, p := range r.Proposals {
		if f := g.flight; f != nil && f.proposal == p {
			g.flight = nil
			f.done(p.Err)
		}
	}
	for _, read := range r.Reads {
		g.proven(read)
	}
}

// onTick does what recurs.
func (g *Group) onTick() error {
	g.ticks++
	second := g.ticks%ticksPerSecond == 0
	g.member.Tick()
	g.yields.Store(g.member.Transferring()) // a transfer can fail by time alone
	if second && g.full.Load() {
		if err := g.heal(); err != nil {
			return err
		}
	}
	if g.full.Load() && g.peers.network == nil {
		return nil
	}
	g.ask()
	if err := g.turnUnlessFull(); err != nil {
		return err
	}
	if err := g.renewLease(); err != nil {
		return err
	}
	g.followLead() // a leader may have fallen silent
	g.peers.changing = max(g.peers.changing, 1) - 1
	g.tellGroup()
	if g.peers.network != nil && g.snapshotDue() { // what came from others makes the log grow, too
		if err := g.beginSnapshot(); err != nil {
			return err
		}
	}
	if second {
		if err := g.beginSync(); err != nil {
			return err
		}
		if err := g.sealPlain(); err != nil {
			return err
		}
		if err := g.eraseFiles(); err != nil {
			return err
		}
	}
	g.sweeps, g.evicting.due, g.retaining.due = true, g.evicting.evictor != nil, true
	return nil
}

// chores does what the leader has to do by itself, one entry of it: expired keys
// and what is due of jobs do not wait until no client wants anything. It says
// whether it has done something.
func (g *Group) chores() (bool, error) {
	if err := g.readBack(); err != nil {
		return false, err
	}
	if !g.leading.Load() || g.full.Load() {
		return false, nil
	}
	if g.sweeps && !g.unswept.Load() {
		if swept, err := g.sweep(); swept || err != nil {
			return swept, err
		}
	}
	if g.evicting.due {
		if trimmed, err := g.trim(); trimmed || err != nil {
			return trimmed, err
		}
	}
	if g.retaining.due && !g.holdsBack() {
		return g.retain()
	}
	return false, nil
}

// beginSync makes the log durable while writes go on.
func (g *Group) beginSync() error {
	if g.syncing {
		return nil
	}
	if sync := g.member.Log().SyncBeside(); sync != nil {
		g.syncing, g.quiet = true, 0
		go func() { g.synced <- sync() }()
		return nil
	}
	if g.quiet++; g.quiet < quietSeconds {
		return nil
	}
	return g.member.Rest()
}

func (g *Group) endSync(s wal.Synced) error {
	g.syncing = false
	return g.member.Log().Synced(s)
}

// sweep proposes to remove what has expired, if there is any.
func (g *Group) sweep() (bool, error) {
	g.mu.Lock()
	g.sweeps = g.member.Machine().Due(g.clock())
	g.mu.Unlock()
	if !g.sweeps {
		return false, nil
	}
	items := []machine.Item{machine.Sweep(sweepKeys)}
	return true, g.propose(items, 64, func(err error) {
		g.sweeps = err == nil && items[0].Reply.Int == sweepKeys
	})
}

func (g *Group) setFull(err error, wanted int64) {
	g.wanted = wanted
	if !g.full.Swap(true) {
		g.opts.Log.Error("the volume is full: writes are refused until there is space", "error", err)
	}
}

// heal looks whether there is space again, and takes up what was left undone.
// A snapshot may make some.
func (g *Group) heal() error {
	if g.snapshotDue() {
		return g.beginSnapshot()
	}
	usage, err := g.opts.FS.GetDiskUsage(g.opts.Dir)
	if err == nil && int64(usage.AvailBytes) < g.member.Log().SegmentSize() && !g.member.Log().HasSpare() {
		return nil // do not take the last of it from a snapshot, only to give it back
	}
	err = g.member.Log().Reserve(1, g.wanted)
	if err == nil && !g.leading.Load() {
		err = g.lead()
	}
	if errors.Is(err, wal.ErrFull) {
		return nil
	}
	if err != nil {
		return err
	}
	g.full.Store(false)
	g.opts.Log.Info("there is space on the volume again: writes are accepted")
	return nil
}

// lead takes the group over: a member alone elects itself. Entries that were
// acknowledged before the start are applied by it. One of several waits.
func (g *Group) lead() error {
	if err := g.turn(); err != nil {
		return err
	}
	if g.member.Leading() || !g.alone() {
		return nil
	}
	if err := g.member.Campaign(); err != nil {
		return err
	}
	return g.turn()
}

// followLead takes note of a leadership won or lost.
func (g *Group) followLead() {
	if conf := g.member.Members(); conf != g.peers.conf {
		g.peers.conf, g.peers.changing = conf, 0
		g.keep(conf)
		g.lease.end() // who could be elected before is another majority
	}
	g.yields.Store(g.member.Transferring())
	leader, settled := g.leaderHeard(), g.member.Settled()
	if g.leader.Swap(leader) != leader {
		defer g.tellLead()
	}
	if settled == g.leading.Load() {
		return
	}
	if !settled {
		g.lost.Add(1)
	}
	g.mu.Lock()
	g.serveState(settled)
	g.mu.Unlock()
	g.lease.end()
	g.leading.Store(settled)
	g.tellLead()
}

// serveState has the state note what a leader's does, or a follower's: the group's
// lock is held.
func (g *Group) serveState(leads bool) {
	queues := g.member.Machine().Queues()
	queues.OnReady, queues.OnEvent = nil, nil
	if leads {
		queues.OnReady, queues.OnEvent = g.opts.OnReady, g.opts.OnEvent
	}
	g.leads = leads
	g.track()
	g.retainWhileLeading()
	g.listen()
}

func (g *Group) tellLead() {
	g.tellGroup()
	if g.opts.OnLead != nil {
		g.opts.OnLead()
	}
}

// alone tells whether nobody else is in the group.
func (g *Group) alone() bool {
	c := g.member.Members()
	return len(c.GetVoters())+len(c.GetLearners()) <= 1
}
