package replica

import (
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Effects is what the caller has to do, in the order of the fields.
type Effects struct {
	// Snapshot replaces the state and the whole log; nil mostly. It is durable
	// before anything else is done.
	Snapshot *raftpb.Snapshot
	// HardState and Entries are to be written together. Entries whose first
	// index is not above the last one's replace the log from there on.
	HardState *raftpb.HardState
	Entries   []*raftpb.Entry
	// MustSync says that they must be durable before anything else is done.
	MustSync bool
	// Early messages may be sent before anything else is done.
	Early []*raftpb.Message
	// Messages are to be sent to who their To says. They may be lost. One that
	// carries a snapshot names it only: the caller adds the bytes.
	Messages []*raftpb.Message
	// Committed entries are to be applied in their order. Changes of the
	// members among them are the replica's business: Done carries them out.
	Committed []*raftpb.Entry
	// Reads are answers to ReadIndex.
	Reads []Read
}

// Read says that the state as of Index, or later, may be shown to the reads of
// that number.
type Read struct {
	Number uint64
	Index  uint64
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
	e = Effects{
		Entries: r.ready.Entries, MustSync: r.ready.MustSync,
		Committed: r.ready.CommittedEntries,
	}
	leads := r.Leading()
	for _, m := range r.ready.Messages {
		if t := m.GetType(); leads && (t == raftpb.MsgApp || t == raftpb.MsgHeartbeat) {
			e.Early = append(e.Early, m)
		} else {
			e.Messages = append(e.Messages, m)
		}
	}
	if !raft.IsEmptySnap(r.ready.Snapshot) {
		e.Snapshot = r.ready.Snapshot
	}
	if r.commit != nil && changesMembers(e.Committed) {
		// Who starts again must know that the change is committed: those whose votes
		// it would need for that may be gone by then.
		e.MustSync = true
	}
	if len(e.Entries) > 0 || e.MustSync || e.Snapshot != nil {
		e.HardState = r.commit
	}
	for _, s := range r.ready.ReadStates {
		e.Reads = append(e.Reads, Read{Number: binary.LittleEndian.Uint64(s.RequestCtx), Index: s.Index})
	}
	return e, true
}

func changesMembers(entries []*raftpb.Entry) bool {
	return slices.ContainsFunc(entries, func(e *raftpb.Entry) bool { return e.GetType() != raftpb.EntryNormal })
}

// Done says that the last Effects were carried out.
func (r *Replica) Done() error {
	ready := r.ready
	r.ready = nil
	if len(ready.Entries) > 0 || ready.MustSync || !raft.IsEmptySnap(ready.Snapshot) || changesMembers(ready.CommittedEntries) {
		r.commit = nil
	}
	if err := r.memory.take(ready); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	if !raft.IsEmptySnap(ready.Snapshot) {
		meta := ready.Snapshot.GetMetadata()
		r.applied, r.term, r.conf = meta.GetIndex(), meta.GetTerm(), meta.GetConfState()
	}
	for _, e := range ready.CommittedEntries {
		change, err := changeOf(e)
		if err != nil {
			return err
		}
		if change != nil {
			r.conf = r.node.ApplyConfChange(change)
			if s := r.memory.snapshot; s != nil && !holdsAll(s.GetMetadata().GetConfState(), r.conf) {
				r.memory.snapshot = nil
			}
		}
		r.applied, r.term = e.GetIndex(), e.GetTerm()
		r.memory.kept += int64(len(e.GetData()))
	}
	r.node.Advance(*ready)
	r.askReads()
	if err := r.memory.compact(r.applied, r.alone(), r.needed()); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	return nil
}
