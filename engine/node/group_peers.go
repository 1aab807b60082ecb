package node

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/member"
	"github.com/coffer-dev/coffer/engine/peer"
	"github.com/coffer-dev/coffer/engine/replica"
	"github.com/coffer-dev/coffer/engine/snapshot"
	"github.com/coffer-dev/coffer/engine/wal"
)

// incomingDir is where a snapshot of another member is until it is whole.
const incomingDir = "incoming"

// spareForSnapshot is what must be left beside a snapshot that is taken up, for
// the log that begins behind it.
const spareForSnapshot = 32 << 20

const (
	// maxEvents is how much of what other members say waits for the loop; then
	// they wait.
	maxEvents = 256
	// eventsTurn is how many of them one turn takes: each may be a message of
	// replica's largest.
	eventsTurn = 16
	// leaseTime is how long a leader may read its own state after it began to ask
	// a majority whether it leads. A member that has heard of a leader elects
	// nobody else for seven ticks, of which the first and one that came late may be
	// short: for 500 ms of its clock, and one that was started again for as long.
	// So clocks may differ in their rate by a quarter.
	leaseTime = 400 * time.Millisecond
)

// Network reaches the other members of a group.
type Network interface {
	// Send sends messages of a member, each to whom it says, soon or never.
	Send(from uint64, messages []*raftpb.Message)
	// SendSnapshot sends a message that names a snapshot, and its state, which it
	// closes.
	SendSnapshot(from uint64, m *raftpb.Message, state io.ReadCloser)
	// SendDigest tells another member what this one's state was.
	SendDigest(from, to uint64, d peer.Digest)
	// Keep is told who the members are.
	Keep(members map[uint64]bool)
}

// peers is what a group has of the other members.
type peers struct {
	network Network           // nil: it is alone
	events  chan func() error // for the loop
	status  atomic.Pointer[adminapi.Group]

	// The loop's alone.
	conf     *raftpb.ConfState // as of the last look
	heard    map[uint64]uint64 // of a leader: the tick at which a member was last known to be there
	led      uint64            // the tick at which the leader was last heard
	changing uint64            // ticks left to a change of the members; 0 for none
}

// lease says until when a leader may read its own state.
type lease struct {
	until atomic.Int64 // ns of monotonic
	asked *member.Read // the loop's alone; nil when no answer is awaited
	// over is the last term in which the leadership was to be handed over: whoever
	// was told to take it may do so late, and is voted for at once.
	over  uint64
	begun time.Duration
}

// epoch is when monotonic began.
var epoch = time.Now()

// monotonic is a clock that nobody sets.
func monotonic() time.Duration { return time.Since(epoch) }

func (l *lease) holds() bool { return int64(monotonic()) < l.until.Load() }

func (l *lease) end() {
	l.until.Store(math.MinInt64)
	l.asked = nil
}

// renewLease asks a majority whether this member leads.
func (g *Group) renewLease() error {
	if g.peers.network == nil || !g.leading.Load() {
		return nil
	}
	if g.member.Transferring() || g.lease.over == g.member.Term() {
		g.lease.end() // who takes over does not wait for its end
		return nil
	}
	if g.lease.asked != nil {
		return nil
	}
	read, begun := &member.Read{}, monotonic()
	if err := g.member.Read(read); err != nil {
		return nil //nolint:nilerr // it does not lead any more
	}
	g.lease.asked, g.lease.begun = read, begun
	return g.turnUnlessFull()
}

// proven takes the answer to a read.
func (g *Group) proven(read *member.Read) {
	if f := g.flight; f != nil && f.read == read {
		g.flight = nil
		err := read.Err
		if err != nil {
			err = machine.ErrLost
		}
		f.done(err)
	}
	if l := &g.lease; l.asked == read {
		l.asked = nil
		if read.Err == nil && !g.member.Transferring() && l.over != g.member.Term() {
			l.until.Store(int64(l.begun + leaseTime))
		}
	}
}

// prove evaluates items that write nothing.
func (g *Group) prove(items []machine.Item, done func(error)) error {
	err := g.Read(items)
	if !errors.Is(err, machine.ErrUnproven) {
		done(err)
		return err
	}
	read := &member.Read{Items: items, Now: g.clock()}
	if err := g.member.Read(read); err != nil {
		done(machine.ErrLost)
		return nil //nolint:nilerr // it does not lead any more
	}
	g.flight = &flight{read: read, done: done}
	return g.turn()
}

// mayPropose tells whether requests can be taken up. Those of a member that does
// not lead are answered; those that come while it hands the leadership over wait
// until it has, or has not.
func (g *Group) mayPropose() bool {
	if g.leading.Load() {
		return !g.member.Transferring()
	}
	for batch := g.take(); len(batch) > 0; batch = g.take() {
		tell(batch, machine.ErrLost)
	}
	return false
}

// post has the loop do something for another member; false when it has stopped.
func (g *Group) post(event func() error) bool {
	select {
	case g.peers.events <- event:
		return true
	case <-g.done:
		return false
	}
}

// Unreachable is told that messages to a member were lost. Raft notices by itself
// when the loop has no time for it.
func (g *Group) Unreachable(id uint64) {
	select {
	case g.peers.events <- func() error { g.member.ReportUnreachable(id); return nil }:
	default:
	}
}

// keep has the network know who the members are.
func (g *Group) keep(conf *raftpb.ConfState) {
	if g.peers.network == nil {
		return
	}
	members := map[uint64]bool{}
	for _, id := range slices.Concat(conf.GetVoters(), conf.GetLearners()) {
		members[id] = true
	}
	g.peers.network.Keep(members)
}

// onEvents carries out what has come from others, much of it in one turn.
func (g *Group) onEvents(event func() error) error {
	for n := 0; ; {
		if err := event(); err != nil {
			return err
		}
		if n++; n == eventsTurn {
			return g.turnUnlessFull()
		}
		select {
		case event = <-g.peers.events:
		default:
			return g.turnUnlessFull()
		}
	}
}

// turnUnlessFull is turn for what others make a member write.
func (g *Group) turnUnlessFull() error {
	err := g.turn()
	if errors.Is(err, wal.ErrFull) {
		g.setFull(err, 0)
		return nil
	}
	return err
}

// Receive takes a message from another member. Its error means that the group
// has stopped.
func (g *Group) Receive(m *raftpb.Message) error {
	if g.post(func() error { return g.step(m) }) {
		return nil
	}
	return ErrStopped
}

func (g *Group) step(m *raftpb.Message) error {
	err := g.member.Step(m)
	if m.GetFrom() == g.member.Leader() {
		g.peers.led = g.ticks
	}
	switch {
	case errors.Is(err, wal.ErrFull):
		g.setFull(err, 0)
		return nil
	case errors.Is(err, replica.ErrMessage), errors.Is(err, member.ErrNoState):
		g.opts.Log.Warn("a message of another member is not taken", "error", err)
		return nil
	}
	return err
}

// ReceiveSnapshot takes a message that names a snapshot, and the state. It is
// kept in a file of its own until it has arrived: the loop does not wait for the
// network. It returns when the state is taken up, or why it was not.
func (g *Group) ReceiveSnapshot(m *raftpb.Message, state io.Reader) error {
	dir := snapshot.Dir{FS: g.opts.FS, Path: g.path(incomingDir), Keys: g.encryption.told.Load()}
	index := m.GetSnapshot().GetMetadata().GetIndex()
	g.receiving.Lock() // one at a time
	defer g.receiving.Unlock()
	g.fresh.proven.Store(false)
	if err := g.opts.FS.RemoveAll(dir.Path); err != nil {
		return fmt.Errorf("make room for a snapshot: %w", err)
	}
	if err := g.opts.FS.MkdirAll(dir.Path, 0o700); err != nil {
		return fmt.Errorf("make room for a snapshot: %w", err)
	}
	defer func() { _ = g.opts.FS.RemoveAll(dir.Path) }()
	meta := snapshot.Meta{Index: index, Term: m.GetSnapshot().GetMetadata().GetTerm(), ConfState: m.GetSnapshot().GetMetadata().GetConfState()}
	size, err := dir.Write(meta, snapshot.Chunks(state))
	if err != nil {
		return err
	}
	// It is written once more when it is taken up, which cannot be broken off.
	if usage, err := g.opts.FS.GetDiskUsage(g.opts.Dir); err == nil && int64(usage.AvailBytes) < size+spareForSnapshot {
		return fmt.Errorf("%w: it takes %d bytes more, there are %d", snapshot.ErrFull, size, usage.AvailBytes)
	}
	file, err := dir.At(index)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	done := make(chan error, 1)
	if !g.post(func() error {
		err := g.member.StepSnapshot(m, file)
		if err == nil {
			err = g.turn()
		}
		done <- err
		if errors.Is(err, member.ErrBusy) || errors.Is(err, replica.ErrMessage) {
			return nil
		}
		return err
	}) {
		return ErrStopped
	}
	select {
	case err := <-done:
		return err
	case <-g.done:
		return ErrStopped
	}
}
