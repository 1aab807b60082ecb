package member

import (
	"errors"
	"slices"
	"syscall"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/replica"
)

// fewestLazy is how many voters there are at least where a member is lazy among
// others: of fewer, one that forgets cannot be spared.
const fewestLazy = 3

// A lazy member leaves it to the caller when entries become durable, and says to
// have them before: a process that is killed forgets nothing. What is waited for
// all the same are terms, votes, and changes of the members, so that a log which
// ends too early never tells of a group that is none any more.

// waits says whether the turn is over only when what it writes is durable. Of what
// is not waited for Unsynced is told first.
func (m *Member) waits(e replica.Effects) (bool, error) {
	m.noteChanges(e.Entries)
	hs := e.HardState
	elects := hs != nil && (hs.GetTerm() != m.term || hs.GetVote() != m.vote)
	if wait := e.Snapshot != nil || e.MustSync && (!m.lazy() || elects || len(e.Entries) == 0); wait || !m.lazyAmongOthers() {
		return wait, nil
	}
	err := m.tellUnsynced(true)
	return !m.unsynced, err
}

func (m *Member) lazy() bool { return m.lazyAlone() || m.lazyAmongOthers() }

// lazyAlone: nobody else has the log, or will before its end is durable.
func (m *Member) lazyAlone() bool {
	conf := m.Members()
	return m.opts.Lazy && slices.Equal(conf.GetVoters(), []uint64{m.opts.ID}) && len(conf.GetLearners()) == 0 && m.knowsMembers()
}

func (m *Member) lazyAmongOthers() bool {
	return m.opts.Lazy && m.opts.Unsynced != nil && len(m.Members().GetVoters()) >= fewestLazy && m.knowsMembers()
}

// knowsMembers: no entry in the log may change them.
func (m *Member) knowsMembers() bool {
	applied, _ := m.Applied()
	return m.changed <= applied
}

func (m *Member) noteChanges(entries []*raftpb.Entry) {
	for _, e := range entries {
		if e.GetType() != raftpb.EntryNormal {
			m.changed = e.GetIndex()
		}
	}
}

// tellUnsynced tells it if it is news. Without space it is not told, and who was
// to be lazy waits.
func (m *Member) tellUnsynced(is bool) error {
	if is == m.unsynced {
		return nil
	}
	err := m.opts.Unsynced(is)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil
	}
	if err == nil {
		m.unsynced = is
	}
	return err
}

// SyncLog makes durable what a lazy member has left to the caller.
func (m *Member) SyncLog() error { return m.log.Sync() }

// Rest is for a log to which nothing was added for a while: if all of it is
// durable, a crash of the host takes nothing.
func (m *Member) Rest() error {
	if !m.log.Durable() {
		return nil
	}
	return m.tellUnsynced(false)
}
