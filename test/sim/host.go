package sim

import (
	"bytes"
	"errors"
	"log/slog"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/member"
	"github.com/coffer-dev/coffer/engine/replica"
	"github.com/coffer-dev/coffer/engine/snapshot"
)

const (
	dataDir     = "/data"
	segmentSize = 16 << 10
	// tick is raft's, on a host whose clock is right.
	tick = 30 * millisecond
)

// host is a machine on which a member runs.
type host struct {
	w    *world
	id   uint64
	disk *disk

	member *member.Member // nil while the host is down
	epoch  int            // counts the starts: what was begun before a crash is void
	busy   bool           // the member waits for its disk
	inbox  []func()       // what has come meanwhile
	paused int64          // until when the process gets no processor
	seated bool           // has been a member of the group
	gone   bool           // removed from it and switched off for good

	boot    int  // counts the crashes
	crashed bool // since its member was opened last
	forgot  bool // its member is nobody any more: see lazy.go

	applied uint64 // the highest index seen applied, over all lives
	clock   int64  // ms by which its clock is wrong
	pace    int64  // of its ticks, percent
	latency int64  // of a sync
	ticks   int
}

func (w *world) addHost(id uint64) *host {
	h := &host{w: w, id: id, disk: newDisk(), pace: w.between(70, 140), latency: w.between(100, 2000), clock: w.between(-5000, 5000)}
	_ = h.disk.MkdirAll(dataDir, 0)
	w.hosts = append(w.hosts, h)
	return h
}

func (w *world) host(id uint64) *host {
	for _, h := range w.hosts {
		if h.id == id {
			return h
		}
	}
	return nil
}

// start opens the member.
func (h *host) start() {
	if h.member != nil || h.gone || h.forgot {
		return
	}
	h.epoch++
	if !h.remembers() {
		h.forgot = true
		h.w.stats["forgot"]++
		h.w.note("host %d may have forgotten", h.id)
		return
	}
	m, err := member.Open(member.Options{
		FS: h.disk, Dir: dataDir, ID: h.id, Voters: h.w.voters, Parse: parseLogged, Lazy: h.w.lazy, Unsynced: h.noteUnsynced,
		Log: slog.New(slog.DiscardHandler), Keys: h.w.keys, SegmentSize: segmentSize, Salt: h.w.rng.Uint64, Tail: h.w.tail,
	})
	if err == nil {
		err = h.unforgotten()
	}
	if errors.Is(err, errPower) {
		h.crash()
		h.later(h.w.between(millisecond, second), h.restart)
		return
	}
	if err != nil {
		h.w.fail("host %d cannot start: %v", h.id, err)
		return
	}
	h.member, h.busy, h.inbox, h.crashed = m, false, nil, false
	h.w.note("host %d starts at %d, term %d, torn %v", h.id, m.Machine().Index(), m.Term(), m.Torn() != nil)
	h.seen()
	epoch := h.epoch
	h.w.after(h.w.between(0, tick), func() { h.tick(epoch) })
	h.turn()
}

// later does something if the host lives no other life by then.
func (h *host) later(delay int64, do func()) {
	epoch := h.epoch
	h.w.after(delay, func() {
		if h.epoch == epoch {
			do()
		}
	})
}

// crash is a loss of power.
func (h *host) crash() {
	h.epoch++
	if h.member != nil {
		h.w.stats["crashes"]++
		h.w.note("host %d crashes at %d", h.id, h.member.Machine().Index())
	}
	h.member, h.inbox, h.paused = nil, nil, 0
	h.boot, h.crashed = h.boot+1, true
	h.disk.crash(h.w.rng)
}

func (h *host) restart() {
	if h.member == nil {
		h.start()
	}
}

// do hands the member an event, when it is between two turns and has the
// processor.
func (h *host) do(event func()) {
	if h.member == nil {
		return
	}
	if h.busy || h.paused > h.w.now || len(h.inbox) > 0 {
		h.inbox = append(h.inbox, event)
		return
	}
	event()
	h.turn()
}

// pause takes the processor away.
func (h *host) pause(d int64) {
	if h.member == nil {
		return
	}
	h.w.note("host %d is paused for %dms", h.id, d/millisecond)
	h.paused = h.w.now + d
	h.later(d, h.turn)
}

// turn lets the member work until it waits for its disk or has nothing to do.
func (h *host) turn() {
	if h.member == nil || h.busy || h.paused > h.w.now {
		return
	}
	inbox, epoch := h.inbox, h.epoch
	h.inbox = nil
	for _, event := range inbox {
		if event(); h.epoch != epoch {
			return
		}
	}
	work, err := h.member.Write()
	if h.failed(err) || !work {
		return
	}
	for _, m := range h.member.Early() {
		h.send(m)
	}
	h.busy = true
	h.later(h.latency+h.w.rng.Int64N(h.latency), h.sync)
}

// sync is when the disk is done.
func (h *host) sync() {
	if h.paused > h.w.now { // until heal may end it
		h.later(min(h.paused-h.w.now, 10*millisecond), h.sync)
		return
	}
	if h.failed(h.member.Sync()) {
		return
	}
	r, err := h.member.Finish()
	if h.failed(err) {
		return
	}
	h.busy = false
	for _, m := range r.Messages {
		h.send(m)
	}
	for _, p := range r.Proposals {
		h.w.answered(p.Items, p.Err)
	}
	for _, read := range r.Reads {
		h.w.answered(read.Items, read.Err)
	}
	h.seen()
	h.snapshots()
	h.turn()
}

// failed turns the host off when its disk has lost power; any other error is a
// finding.
func (h *host) failed(err error) bool {
	if err == nil {
		return false
	}
	if !errors.Is(err, errPower) {
		h.w.fail("host %d: %v", h.id, err)
		return true
	}
	h.w.note("host %d loses power", h.id)
	h.crash()
	h.later(h.w.between(10*millisecond, second), h.restart)
	return true
}

// broken tells an error that ends the member from a refusal.
func (h *host) broken(err error) bool {
	if errors.Is(err, replica.ErrNotLeader) || errors.Is(err, replica.ErrDropped) {
		return false
	}
	return h.failed(err)
}

// seen compares what every member must agree on.
func (h *host) seen() {
	m := h.member
	index := m.Machine().Index()
	if m.Leading() {
		if other, ok := h.w.leaders[m.Term()]; ok && other != h.id {
			h.w.fail("hosts %d and %d both lead in term %d", other, h.id, m.Term())
		} else if !ok {
			h.w.leaders[m.Term()] = h.id
			h.w.stats["terms"]++
			h.w.note("host %d leads in term %d", h.id, m.Term())
		}
	}
	if index == h.applied {
		return
	}
	h.applied = index
	if index > h.w.top {
		h.w.top, h.w.members = index, m.Members()
	}
	known, ok := h.w.hashes[index]
	if !ok && index%8 != 0 {
		return
	}
	hash := m.Machine().Hash()
	if !ok {
		h.w.hashes[index] = hash
		h.w.mix(hash)
	} else if known != hash {
		h.w.fail("host %d has another state at index %d than those before it", h.id, index)
	} else {
		h.w.stats["hashes compared"]++
	}
}

// tick is the host's timer.
func (h *host) tick(epoch int) {
	if h.epoch != epoch || h.member == nil {
		return
	}
	if h.paused <= h.w.now && !h.busy { // a loop that is away misses ticks
		h.ticks++
		h.do(func() {
			h.member.Tick()
			h.tickJobs()
			h.syncs()
			if h.member == nil {
				return
			}
			if h.ticks%8 == 0 {
				h.sweep()
			}
		})
		if h.epoch != epoch {
			return
		}
	}
	h.w.after(tick*h.pace/100, func() { h.tick(epoch) })
}

// sweep proposes to remove what has expired, as a group's loop does.
func (h *host) sweep() {
	if m := h.member; m.Leading() && m.Machine().Due(h.wall()) {
		p := &member.Proposal{Items: []machine.Item{machine.Sweep(100)}, Now: h.wall(), Seed: h.w.rng.Uint64()}
		h.broken(m.Propose(p)) // one that is refused is made again
	}
}

// wall is the host's clock, ms.
func (h *host) wall() int64 { return 1_700_000_000_000 + h.w.now/millisecond + h.clock }

// snapshots begins one when it is due.
func (h *host) snapshots() {
	m := h.member
	if _, log := m.SnapshotSize(); log < h.w.snapshotAfter && !m.SnapshotWanted() {
		return
	}
	s, err := m.BeginSnapshot()
	if errors.Is(err, member.ErrBusy) {
		return
	}
	if h.failed(err) {
		return
	}
	h.w.stats["snapshots"]++
	h.later(h.w.between(millisecond, 50*millisecond), func() { h.writeSnapshot(m, s) })
}

func (h *host) writeSnapshot(m *member.Member, s *member.Snapshot) {
	err := s.Write(func() ([]byte, bool, error) {
		chunk, done := s.Next(4 << 10)
		return chunk, done, nil
	})
	if h.failed(err) {
		return
	}
	h.later(h.w.between(0, 20*millisecond), func() {
		h.do(func() { h.failed(m.EndSnapshot(s)) })
	})
}

// send gives a message to the network, and a snapshot's bytes with it.
func (h *host) send(m *raftpb.Message) {
	e := envelope{message: m}
	if m.GetType() == raftpb.MsgSnap {
		r, err := h.member.OpenSnapshot(m)
		if err == nil {
			e.state, err = readAll(r)
		}
		if h.failed(err) {
			return
		}
		h.w.stats["snapshots sent"]++
		h.w.note("host %d sends snapshot %d to %d", h.id, r.Meta.Index, m.GetTo())
	}
	h.w.net.send(h.w, e)
}

func readAll(r *snapshot.Reader) ([]byte, error) {
	defer func() { _ = r.Close() }()
	var b bytes.Buffer
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}

// receive takes a message from the network.
func (h *host) receive(e envelope) {
	h.do(func() {
		if e.message.GetType() != raftpb.MsgSnap {
			h.failed(h.member.Step(e.message))
			return
		}
		if h.w.nemesis.on && h.w.chance(20) && h.w.spares(h) { // what follows is done to the disk rarely
			h.disk.fuse = h.w.rng.IntN(12)
		}
		err := h.member.StepSnapshot(e.message, bytes.NewReader(e.state))
		if err != nil && !errors.Is(err, member.ErrBusy) {
			h.failed(err)
			return
		}
		h.w.net.reportSnapshot(h.w, e, err == nil)
	})
}
