package member

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/replica"
	"github.com/coffer-dev/coffer/engine/wal"
)

// ErrNotWhole is returned for a log that ends before the place at which a group
// is to begin from it.
var ErrNotWhole = errors.New("the log lacks entries from which a group is to begin")

// begin makes a group of this member alone out of the log, if that ends where
// Options.Alone says, and tells whether it did; the member is to be opened again
// then. It is one append, so a crash leaves all of it or nothing.
//
// All that is in the log counts as committed from then on. What was may be any of
// it: a leader that is lost can have heard of a majority, acknowledged, and died
// before it told anybody. What was not is a command whose client got no answer,
// which may have been carried out as well as not.
func (m *Member) begin(log *wal.Log, state *wal.State, c *replica.Config) (bool, error) {
	last, term, conf := c.Applied, state.HardState.GetTerm()+1, c.ConfState
	var err error
	for _, e := range state.Entries {
		last = e.GetIndex()
		if conf, err = replica.Members(conf, e); err != nil {
			return false, err
		}
	}
	switch {
	case last > m.opts.Alone:
		return false, nil
	case last < m.opts.Alone:
		return false, fmt.Errorf("%w: it ends at %d, they at %d: bring back the volume as it was when the member was told to go on alone", ErrNotWhole, last, m.opts.Alone)
	}
	entries, err := replica.Alone(conf, m.opts.ID, last, term)
	if err != nil {
		return false, err
	}
	commit := last + uint64(len(entries))
	if err := log.Append(entries, &raftpb.HardState{Term: &term, Commit: &commit}); err != nil {
		return false, err
	}
	return true, log.Close()
}

// ReserveAlone makes room in the log for what begin appends.
func (m *Member) ReserveAlone() error {
	n := len(m.Members().GetVoters()) + len(m.Members().GetLearners()) + 1
	return m.log.Reserve(n, int64(n)*entryOverhead)
}
