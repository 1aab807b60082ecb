package replica

import (
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3/confchange"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// Change is a change of the group's members. One member changes at a time, so
// that the majorities before and after it always share a member; a number is
// never used again for another one.
type Change uint8

// The changes.
const (
	// AddLearner adds a member that gets the log and has no vote.
	AddLearner Change = iota
	// Promote gives a learner its vote.
	Promote
	// Remove takes a member out.
	Remove
)

// Change proposes a change of the members. It is ignored while another one is
// on its way, and what came of it is seen in ConfState.
func (r *Replica) Change(what Change, id uint64) error {
	if !r.Leading() {
		return ErrNotLeader
	}
	learner, voter := slices.Contains(r.conf.GetLearners(), id), slices.Contains(r.conf.GetVoters(), id)
	var t raftpb.ConfChangeType
	switch {
	case what == AddLearner && !voter && !learner:
		t = raftpb.ConfChangeAddLearnerNode
	case what == Promote && learner:
		t = raftpb.ConfChangeAddNode
	case what == Remove && (learner || voter && len(r.conf.GetVoters()) > 1):
		t = raftpb.ConfChangeRemoveNode
	default:
		return fmt.Errorf("replica: change %d of member %d does not fit the voters %v and learners %v", what, id, r.conf.GetVoters(), r.conf.GetLearners())
	}
	change := &raftpb.ConfChangeV2{Changes: []*raftpb.ConfChangeSingle{{Type: &t, NodeId: &id}}}
	return proposed(r.node.ProposeConfChange(change))
}

// Alone returns the entries behind a log's last one, at index, that make a member
// the only one of a group of these: one change after the other, as any are. Their
// term is later than all in the log.
func Alone(conf *raftpb.ConfState, id, index, term uint64) (entries []*raftpb.Entry, err error) {
	add := func(t raftpb.ConfChangeType, id uint64) {
		change := &raftpb.ConfChangeV2{Changes: []*raftpb.ConfChangeSingle{{Type: &t, NodeId: &id}}}
		data, marshalErr := proto.Marshal(change)
		err = errors.Join(err, marshalErr)
		kind, at := raftpb.EntryConfChangeV2, index+uint64(len(entries))+1
		entries = append(entries, &raftpb.Entry{Type: &kind, Index: &at, Term: &term, Data: data})
	}
	add(raftpb.ConfChangeAddNode, id)
	for _, other := range slices.Concat(conf.GetVoters(), conf.GetLearners()) {
		add(raftpb.ConfChangeRemoveNode, other)
	}
	return entries, err
}

// ConfState is who the members are, as of the entry applied.
func (r *Replica) ConfState() *raftpb.ConfState { return r.conf }

// Match is up to where the leader knows that a member has the log.
func (r *Replica) Match(id uint64) uint64 {
	return r.node.Status().Progress[id].Match
}

// changeOf reads a change of the members; nil for other entries.
func changeOf(e *raftpb.Entry) (raftpb.ConfChangeI, error) {
	switch e.GetType() {
	case raftpb.EntryNormal:
		return nil, nil
	case raftpb.EntryConfChangeV2:
		var change raftpb.ConfChangeV2
		if err := proto.Unmarshal(e.GetData(), &change); err != nil {
			return nil, fmt.Errorf("replica: entry %d: %w", e.GetIndex(), err)
		}
		return &change, nil
	default:
		return nil, fmt.Errorf("entry %d is of type %s, which this engine does not know", e.GetIndex(), e.GetType())
	}
}

// Members returns who the members are after an entry, for the committed ones
// that the log hands out before there is a replica.
func Members(conf *raftpb.ConfState, e *raftpb.Entry) (*raftpb.ConfState, error) {
	change, err := changeOf(e)
	if err != nil || change == nil {
		return conf, err
	}
	t := tracker.MakeProgressTracker(1, 0)
	if t.Config, t.Progress, err = confchange.Restore(confchange.Changer{Tracker: t, LastIndex: e.GetIndex()}, conf); err != nil {
		return nil, fmt.Errorf("replica: members before entry %d: %w", e.GetIndex(), err)
	}
	c, v2 := confchange.Changer{Tracker: t, LastIndex: e.GetIndex()}, change.AsV2()
	if v2.LeaveJoint() {
		t.Config, t.Progress, err = c.LeaveJoint()
	} else if leave, joint := v2.EnterJoint(); joint {
		t.Config, t.Progress, err = c.EnterJoint(leave, v2.Changes...)
	} else {
		t.Config, t.Progress, err = c.Simple(v2.Changes...)
	}
	if err != nil {
		return nil, fmt.Errorf("replica: entry %d: %w", e.GetIndex(), err)
	}
	return t.ConfState(), nil
}
