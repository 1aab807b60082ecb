// Package replica is the replicated log as a step function: events in, effects
// out. It decides what is written and what is committed; writing, applying and
// every goroutine are its caller's. It drives etcd's raft and reads no clock.
//
// The caller works in turns. It gives the replica events (Propose, Tick), takes
// its Effects, carries them out in this order: write and sync what must be,
// apply what is committed; then says so with Done and looks for Effects again
// until there are none.
package replica

import (
	"errors"
	"fmt"
	"log/slog"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

const (
	electionTicks  = 10
	heartbeatTicks = 1
	// compactEntries is how many applied entries are kept in memory at most.
	compactEntries = 1024
	// compactBytes is how many bytes of them.
	compactBytes = 4 << 20
)

// ErrNotLeader is returned by Propose on a member that does not lead.
var ErrNotLeader = errors.New("not the leader")

// Config is what a replica starts from: the newest snapshot, and the log after
// it.
type Config struct {
	ID        uint64
	Applied   uint64 // the last entry that the state holds
	Term      uint64 // of that entry
	ConfState *raftpb.ConfState
	HardState *raftpb.HardState // nil at first
	Entries   []*raftpb.Entry   // those after Applied, without a gap
	Logger    *slog.Logger
}

// Effects is what the caller has to do. Entries and HardState are to be
// written together; with MustSync they must be durable before anything
// else is done. Committed entries are to be applied in their order.
type Effects struct {
	HardState *raftpb.HardState
	Entries   []*raftpb.Entry
	MustSync  bool
	Committed []*raftpb.Entry
}

// Replica is one member's part in a group. It is not safe for concurrent use.
type Replica struct {
	node    *raft.RawNode
	storage *raft.MemoryStorage
	conf    *raftpb.ConfState

	ready   *raft.Ready       // taken, not done
	commit  *raftpb.HardState // changed in nothing but its commit index: written with the next entries
	applied uint64
	term    uint64 // of the entry applied
	kept    int64  // bytes of applied entries in memory
}

// New starts a replica where its snapshot and log end.
func New(c Config) (*Replica, error) {
	storage := raft.NewMemoryStorage()
	if err := storage.ApplySnapshot(&raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		ConfState: c.ConfState, Index: &c.Applied, Term: &c.Term,
	}}); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	if err := storage.Append(c.Entries); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	hs, err := c.hardState()
	if err != nil {
		return nil, err
	}
	if hs != nil {
		if err := storage.SetHardState(hs); err != nil {
			return nil, fmt.Errorf("replica: %w", err)
		}
	}
	node, err := raft.NewRawNode(&raft.Config{
		ID:              c.ID,
		ElectionTick:    electionTicks,
		HeartbeatTick:   heartbeatTicks,
		Storage:         storage,
		Applied:         c.Applied,
		MaxSizePerMsg:   1 << 20,
		MaxInflightMsgs: 256,
		CheckQuorum:     true,
		PreVote:         true,
		Logger:          logger{c.Logger},
	})
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	return &Replica{node: node, storage: storage, conf: c.ConfState, applied: c.Applied, term: c.Term}, nil
}

// hardState brings the stored one up to the state: a commit index is written
// with the entries after it, so that the log may know of fewer committed
// entries than were applied.
func (c Config) hardState() (*raftpb.HardState, error) {
	if c.HardState == nil {
		if c.Applied > 0 {
			return nil, fmt.Errorf("replica: state at index %d without a hard state", c.Applied)
		}
		return nil, nil
	}
	term, vote, commit := c.HardState.GetTerm(), c.HardState.GetVote(), c.HardState.GetCommit()
	last := c.Applied + uint64(len(c.Entries))
	if term < c.Term || commit > last {
		return nil, fmt.Errorf("replica: hard state with term %d and commit %d, the log ends at %d with term %d", term, commit, last, c.Term)
	}
	commit = max(commit, c.Applied)
	return &raftpb.HardState{Term: &term, Vote: &vote, Commit: &commit}, nil
}

// Campaign makes the replica stand for election at once.
func (r *Replica) Campaign() error {
	if err := r.node.Campaign(); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	return nil
}

// Tick tells that a tenth of an election timeout has passed.
func (r *Replica) Tick() { r.node.Tick() }

// Propose asks for an entry: the last of the next Effects' Entries, and among
// the Committed of later ones. The replica keeps data.
func (r *Replica) Propose(data []byte) error {
	if !r.Leading() {
		return ErrNotLeader
	}
	if err := r.node.Propose(data); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	return nil
}

// Effects returns what is to be done; ok is false when there is nothing. Until
// Done is called it returns the same.
func (r *Replica) Effects() (e Effects, ok bool) {
	if r.ready == nil {
		if !r.node.HasReady() {
			return Effects{}, false
		}
		ready := r.node.Ready()
		r.ready = &ready
		if ready.HardState != nil {
			r.commit = ready.HardState
		}
	}
	e = Effects{Entries: r.ready.Entries, MustSync: r.ready.MustSync, Committed: r.ready.CommittedEntries}
	if len(e.Entries) > 0 || e.MustSync {
		e.HardState = r.commit
	}
	return e, true
}

// Done says that the last Effects were carried out.
func (r *Replica) Done() error {
	ready := r.ready
	r.ready = nil
	if len(ready.Entries) > 0 || ready.MustSync {
		r.commit = nil
	}
	if ready.HardState != nil {
		if err := r.storage.SetHardState(ready.HardState); err != nil {
			return fmt.Errorf("replica: %w", err)
		}
	}
	if err := r.storage.Append(ready.Entries); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	r.node.Advance(*ready)
	for _, e := range ready.CommittedEntries {
		r.applied, r.term = e.GetIndex(), e.GetTerm()
		r.kept += int64(len(e.GetData()))
	}
	return r.compact()
}

// compact drops applied entries from memory: the log has them.
func (r *Replica) compact() error {
	first, err := r.storage.FirstIndex()
	if err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	if r.applied < first || (r.applied-first < compactEntries && r.kept < compactBytes) {
		return nil
	}
	r.kept = 0
	if err := r.storage.Compact(r.applied); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	return nil
}

// Applied is the last entry of which Done was told, and its term.
func (r *Replica) Applied() (index, term uint64) { return r.applied, r.term }

// ConfState is who the members are.
func (r *Replica) ConfState() *raftpb.ConfState { return r.conf }

// Leading tells whether the replica leads its group.
func (r *Replica) Leading() bool { return r.node.BasicStatus().RaftState == raft.StateLeader }
