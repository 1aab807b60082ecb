package wal

import (
	"errors"

	"go.etcd.io/raft/v3/raftpb"
)

// lastState is the newest hard state, and the segment that it was written to. It goes
// with entries, and a segment can be without: one that follows must hold it
// before those up to that one are given up, or the member forgets its vote.
type lastState struct {
	*raftpb.HardState
	segment uint64
}

// noteState remembers a hard state that was written.
func (l *Log) noteState(hs *raftpb.HardState) {
	if hs.GetTerm() > 0 {
		l.state = lastState{hs, l.segments[len(l.segments)-1].number}
	}
}

// keepState makes the hard state durable behind the segments that are to be
// released, of which first is the first to stay. It says whether it is: not
// when there is no space for it.
func (l *Log) keepState(first uint64) (bool, error) {
	if l.state.HardState == nil {
		return true, nil
	}
	if l.state.segment < first {
		err := l.Append(nil, l.state.HardState)
		if errors.Is(err, ErrFull) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, l.Sync()
}
