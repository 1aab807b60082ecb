package replica

import (
	"math"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

const (
	// tailEntries and tailBytes are how much of the applied log stays in
	// memory for followers; a member alone needs none of it.
	tailEntries = 1024
	tailBytes   = 4 << 20
	// patience is how many times as much stays while a follower is on its way:
	// a snapshot that arrives when the log behind it is gone was sent in vain.
	patience = 16
)

// memory is the end of the log, from which raft serves followers. Who needs
// what is before it gets a snapshot.
type memory struct {
	*raft.MemoryStorage
	tail     uint64
	kept     int64            // bytes of applied entries
	snapshot *raftpb.Snapshot // the newest durable one, by name; nil when there is none
	wanted   bool             // raft asked for one and there was none that fits
}

func newMemory(c Config, hs *raftpb.HardState) (*memory, error) {
	m := &memory{MemoryStorage: raft.NewMemoryStorage(), tail: uint64(c.Tail)}
	if c.Tail == 0 {
		m.tail = tailEntries
	}
	if err := m.ApplySnapshot(name(c.Applied, c.Term, c.ConfState)); err != nil {
		return nil, err
	}
	if err := m.Append(c.Entries); err != nil {
		return nil, err
	}
	if hs == nil {
		return m, nil
	}
	return m, m.SetHardState(hs)
}

func name(index, term uint64, conf *raftpb.ConfState) *raftpb.Snapshot {
	return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{ConfState: conf, Index: &index, Term: &term}}
}

// Snapshot implements raft.Storage. A snapshot fits when the log in memory
// goes on where it ends.
func (m *memory) Snapshot() (*raftpb.Snapshot, error) {
	first, err := m.FirstIndex()
	if err != nil {
		return nil, err
	}
	if m.snapshot == nil || m.snapshot.GetMetadata().GetIndex()+1 < first {
		m.wanted = true
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return m.snapshot, nil
}

// take keeps what was written.
func (m *memory) take(ready *raft.Ready) error {
	if !raft.IsEmptySnap(ready.Snapshot) {
		if err := m.ApplySnapshot(ready.Snapshot); err != nil {
			return err
		}
		m.kept = 0
	}
	if ready.HardState != nil {
		if err := m.SetHardState(ready.HardState); err != nil {
			return err
		}
	}
	return m.Append(ready.Entries)
}

// compact drops applied entries: the log has them. needed is the last one that
// some follower on its way does not need any more.
func (m *memory) compact(applied uint64, alone bool, needed uint64) error {
	first, err := m.FirstIndex()
	if err != nil || applied < first {
		return err
	}
	tail, bytes := m.tail, int64(tailBytes)
	if !alone && needed < applied {
		tail, bytes = min(tail*patience, max(tail, applied-needed)), bytes*patience
	}
	if applied+1-first < 2*tail && m.kept < 2*bytes {
		return nil
	}
	if alone {
		m.kept = 0
		return m.Compact(applied)
	}
	entries, err := m.Entries(first, applied+1, math.MaxUint64)
	if err != nil {
		return err
	}
	to, left := first-1, m.kept
	for _, e := range entries {
		if applied-to <= tail && left <= bytes {
			break
		}
		to = e.GetIndex()
		left -= int64(len(e.GetData()))
	}
	if to < first {
		return nil
	}
	m.kept = left
	return m.Compact(to)
}

// SetSnapshot tells of a newer durable snapshot, which followers that lag may
// be sent: unless one was added since, who would not find itself in it and
// refuse it.
func (r *Replica) SetSnapshot(index, term uint64, conf *raftpb.ConfState) {
	if !holdsAll(conf, r.conf) {
		r.memory.snapshot = nil
		return
	}
	r.memory.snapshot, r.memory.wanted = name(index, term, conf), false
}

// holdsAll tells whether all who are in a group now were when it had that conf.
func holdsAll(conf, now *raftpb.ConfState) bool {
	then := slices.Concat(conf.GetVoters(), conf.GetLearners())
	return !slices.ContainsFunc(slices.Concat(now.GetVoters(), now.GetLearners()), func(id uint64) bool { return !slices.Contains(then, id) })
}

// SnapshotWanted tells that a follower needs a snapshot and there is none from
// which the log in memory goes on: a new one should be made.
func (r *Replica) SnapshotWanted() bool { return r.memory.wanted && r.Leading() }

// needed is the entry from which on the log is needed by the slowest follower
// that is being served.
func (r *Replica) needed() uint64 {
	needed := r.applied
	if !r.Leading() {
		return needed
	}
	r.node.WithProgress(func(id uint64, _ raft.ProgressType, p tracker.Progress) {
		if id != r.id && p.RecentActive {
			needed = min(needed, max(p.Match, p.PendingSnapshot))
		}
	})
	return needed
}

// alone tells whether nobody else is in the group.
func (r *Replica) alone() bool {
	c := r.conf
	return len(c.GetVoters()) <= 1 && len(c.GetLearners()) == 0 && len(c.GetVotersOutgoing()) == 0
}
