// Package replica is the replicated log as a step function: events in, effects
// out. It decides what is written, sent and committed; writing, sending,
// applying and every goroutine are its caller's. It drives etcd's raft and
// reads no clock.
//
// The caller works in turns. It gives the replica events (Propose, Tick, Step,
// ReadIndex, Change …), takes its Effects, carries them out in this
// order: install a received snapshot, write and sync what must be, send the
// messages, apply what is committed; then says so with Done and looks for
// Effects again until there are none.
//
// A message says what the sender has on disk, so it leaves after the sync. Not so
// a leader's appends: what they bring counts when a majority has it on disk, with
// or without the leader. They are the Early ones, and the disks work side by side.
package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

const (
	electionTicks  = 7
	heartbeatTicks = 1
	// maxMessage is how many bytes of entries one message carries, about.
	maxMessage = 1 << 20
	// maxInflight is how many messages go to a follower that answers none.
	maxInflight = 256
	// maxInflightBytes is how much entries in them are, about.
	maxInflightBytes = 16 << 20
)

var (
	// ErrNotLeader is returned for what only a leader can do.
	ErrNotLeader = errors.New("not the leader")
	// ErrDropped is returned when a leader does not take a proposal now: it
	// hands its leadership over.
	ErrDropped = errors.New("the proposal was dropped")
	// ErrMessage is returned for a message that no peer sends to this member.
	ErrMessage = errors.New("not a message for this member")
)

// Config is what a replica starts from: the newest snapshot, and the log after
// it.
type Config struct {
	ID        uint64
	Applied   uint64 // the last entry that the state holds
	Term      uint64 // of that entry
	ConfState *raftpb.ConfState
	HardState *raftpb.HardState // nil at first
	Entries   []*raftpb.Entry   // those after Applied, without a gap
	Tail      int               // applied entries kept in memory for followers; 1024 when zero
	Logger    *slog.Logger
}

// Replica is one member's part in a group. It is not safe for concurrent use.
type Replica struct {
	id     uint64
	node   *raft.RawNode
	memory *memory
	conf   *raftpb.ConfState

	ready   *raft.Ready       // taken, not done
	commit  *raftpb.HardState // changed in nothing but its commit index: written with the next entries
	applied uint64
	term    uint64 // of the entry applied
	reads   []uint64
	silent  int // ticks during which nobody gets a vote
}

// New starts a replica where its snapshot and log end.
func New(c Config) (*Replica, error) {
	hs, err := c.hardState()
	if err != nil {
		return nil, err
	}
	memory, err := newMemory(c, hs)
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	node, err := raft.NewRawNode(&raft.Config{
		ID:              c.ID,
		ElectionTick:    electionTicks,
		HeartbeatTick:   heartbeatTicks,
		Storage:         memory,
		Applied:         c.Applied,
		MaxSizePerMsg:   maxMessage,
		MaxInflightMsgs: maxInflight, MaxInflightBytes: maxInflightBytes,
		CheckQuorum: true,
		PreVote:     true,
		// The proposer stamps its clock and answers its clients: it leads.
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
		Logger:                    logger{c.Logger},
	})
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	r := &Replica{id: c.ID, node: node, memory: memory, conf: c.ConfState, applied: c.Applied, term: c.Term}
	if c.HardState != nil && !r.alone() {
		r.silent = electionTicks
	}
	return r, nil
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

// Tick tells that time has passed: an election timeout has seven ticks.
func (r *Replica) Tick() {
	r.silent = max(r.silent-1, 0)
	r.node.Tick()
}

// Propose asks for an entry: among the next Effects' Entries, and among the
// Committed of later ones if a majority takes it. raft copies the data, which
// the caller may overwrite.
func (r *Replica) Propose(data []byte) error {
	if !r.Leading() {
		return ErrNotLeader
	}
	return proposed(r.node.Propose(data))
}

func proposed(err error) error {
	if errors.Is(err, raft.ErrProposalDropped) {
		return ErrDropped
	}
	if err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	return nil
}

// Step takes a message from another member.
func (r *Replica) Step(m *raftpb.Message) error {
	if m.GetTo() != r.id || m.GetFrom() == r.id || raft.IsLocalMsg(m.GetType()) || m.GetType() == raftpb.MsgProp {
		return fmt.Errorf("%w: %s from %d to %d", ErrMessage, m.GetType(), m.GetFrom(), m.GetTo())
	}
	if m.GetType() == raftpb.MsgReadIndex && !r.Settled() {
		// A leader of one voter would answer with what it knew to be committed when
		// it started; who does not lead would hand it on under another's name.
		return nil
	}
	if t := m.GetType(); r.silent > 0 && (t == raftpb.MsgVote || t == raftpb.MsgPreVote) {
		// It may have answered a leader right before it was started again, and does
		// not remember: that leader counts on it for an election timeout.
		return nil
	}
	err := r.node.Step(m)
	if errors.Is(err, raft.ErrStepPeerNotFound) {
		return nil // it has been removed and does not know
	}
	if err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	return nil
}

// ReadIndex asks up to where the state must be applied so that it shows all
// that was acknowledged before now. The answer is among a later Effects' Reads,
// under the same number. It never comes when the leadership is lost before.
func (r *Replica) ReadIndex(number uint64) error {
	if !r.Leading() {
		return ErrNotLeader
	}
	r.reads = append(r.reads, number)
	r.askReads()
	return nil
}

// Ask is ReadIndex for any member: the leader is asked, whoever it is. The answer
// may never come.
func (r *Replica) Ask(number uint64) {
	if r.Leader() != 0 && (r.Settled() || !r.Leading()) {
		r.node.ReadIndex(binary.LittleEndian.AppendUint64(nil, number))
	}
}

// askReads asks raft, once the leader has applied an entry of its own term:
// before, it does not know what its predecessors have acknowledged. raft waits
// for that itself, but not in a group of one, which it answers at once with
// what was known to be committed when the log was read back.
func (r *Replica) askReads() {
	if !r.Leading() {
		r.reads = nil
	}
	if len(r.reads) == 0 || r.term != r.CurrentTerm() {
		return
	}
	for _, number := range r.reads {
		r.node.ReadIndex(binary.LittleEndian.AppendUint64(nil, number))
	}
	r.reads = nil
}

// Transfer hands the leadership to another member, if it catches up within an
// election timeout. Proposals are dropped meanwhile.
func (r *Replica) Transfer(to uint64) error {
	if !r.Leading() {
		return ErrNotLeader
	}
	r.node.TransferLeader(to)
	return nil
}

// ReportUnreachable tells that messages to a member are lost: appends to it
// wait for an answer from then on.
func (r *Replica) ReportUnreachable(id uint64) { r.node.ReportUnreachable(id) }

// ReportSnapshot tells whether a snapshot that was to be sent has arrived.
// Without the report its receiver gets nothing more.
func (r *Replica) ReportSnapshot(id uint64, arrived bool) {
	status := raft.SnapshotFailure
	if arrived {
		status = raft.SnapshotFinish
	}
	r.node.ReportSnapshot(id, status)
}

// Applied is the last entry of which Done was told, and its term.
func (r *Replica) Applied() (index, term uint64) { return r.applied, r.term }

// Last is the last entry of the log that is written, and its term.
func (r *Replica) Last() (index, term uint64) {
	index, _ = r.memory.LastIndex() // neither fails of what is in memory
	term, _ = r.memory.Term(index)
	return index, term
}

// Settled tells whether the replica leads its group, as far as it knows, and its
// state has all that its predecessors have acknowledged.
func (r *Replica) Settled() bool { return r.Leading() && r.term == r.CurrentTerm() }

// Transferring tells whether the replica hands its leadership over.
func (r *Replica) Transferring() bool { return r.node.BasicStatus().LeadTransferee != 0 }

// Active tells whether a leader has heard of a member within an election timeout.
func (r *Replica) Active(id uint64) bool {
	return id == r.id || r.node.Status().Progress[id].RecentActive
}

// Leading tells whether the replica leads its group, as far as it knows.
func (r *Replica) Leading() bool { return r.node.BasicStatus().RaftState == raft.StateLeader }

// Leader is who leads, as far as the replica knows; 0 for nobody.
func (r *Replica) Leader() uint64 { return r.node.BasicStatus().Lead }

// CurrentTerm is raft's term.
func (r *Replica) CurrentTerm() uint64 { return r.node.BasicStatus().GetTerm() }
