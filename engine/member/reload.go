package member

import (
	"errors"
	"fmt"
	"slices"
)

var (
	// ErrNotAlone is returned where others would go on while the state is read back.
	ErrNotAlone = errors.New("the member is not alone in its group, or does not lead it")
	// ErrReread is returned when the files have another state than the member had.
	ErrReread = errors.New("the state that is read back from the files is not what it was")
)

// Reload has a member that is alone begin again from its files, as at a start, and
// returns the one that takes its place, which leads. With ErrNotAlone, ErrBusy,
// which is of what has to come to its end before, and wal.ErrFull nothing has
// changed; any other error is final.
func (m *Member) Reload() (*Member, error) {
	switch conf := m.Members(); {
	case !slices.Equal(conf.GetVoters(), []uint64{m.opts.ID}) || len(conf.GetLearners()) > 0 || !m.Settled():
		return nil, ErrNotAlone
	case m.turn != nil || len(m.pending)+len(m.reads) > 0 || m.writing != nil || m.incoming != nil || m.digest != nil:
		return nil, ErrBusy
	}
	if err := m.log.Reserve(1, entryOverhead); err != nil {
		return nil, err
	}
	// The election has an entry in the log, which moves the index and nothing else.
	index, _ := m.Applied()
	if err := m.machine.Replay(index+1, nil); err != nil {
		return nil, err
	}
	before := m.machine.Hash()
	if err := m.Close(); err != nil {
		return nil, err
	}
	opts := m.opts
	opts.Number = m.number
	again, err := Open(opts)
	if err != nil {
		return nil, err
	}
	if err := again.elect(); err != nil {
		return nil, errors.Join(err, again.Close())
	}
	if again.machine.Hash() != before {
		return nil, errors.Join(fmt.Errorf("%w, at index %d of the log", ErrReread, index), again.Close())
	}
	return again, nil
}

// elect makes a member that is alone the leader, and applies all of its log.
func (m *Member) elect() error {
	if err := m.Campaign(); err != nil {
		return err
	}
	for {
		if work, err := m.Write(); err != nil || !work {
			return err
		}
		if err := m.Sync(); err != nil {
			return err
		}
		if _, err := m.Finish(); err != nil {
			return err
		}
	}
}

// SnapshotIndex is of the newest durable snapshot; 0 for none.
func (m *Member) SnapshotIndex() uint64 { return m.mark.Index }
