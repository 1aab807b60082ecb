package member

import (
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/replica"
	"github.com/coffer-dev/coffer/engine/wal"
)

// turn is what the replica wants, on its way.
type turn struct {
	replica.Effects
	sync  bool
	state *machine.Machine // out of the snapshot installed
}

// Result is what a turn leaves to the caller.
type Result struct {
	// Messages to other members. What one says is on this member's disk. With
	// one that names a snapshot go the bytes of OpenSnapshot.
	Messages []*raftpb.Message
	// Proposals and Reads that are answered, or failed: their Err says.
	Proposals []*Proposal
	Reads     []*Read
	// Answers to Ask, and others.
	Answers []replica.Read
	// Digest is one that began, if not nil: the caller takes and ends it.
	Digest *Digest
	// Replaced: the machine is another one, out of a snapshot.
	Replaced bool
}

// Write begins a turn: it takes what the replica wants and writes it to the
// log. It says whether there is anything: Sync and Finish follow then.
func (m *Member) Write() (bool, error) {
	e, ok := m.replica.Effects()
	if !ok {
		m.incoming = nil // the replica had no use for it
		return false, nil
	}
	t := &turn{Effects: e}
	m.assign(e.Entries)
	if e.Snapshot != nil {
		var err error
		if t.state, err = m.install(e.Snapshot, e.HardState); err != nil {
			return false, err
		}
		m.incoming = nil
	}
	if len(e.Entries) == 0 && e.HardState == nil {
		m.turn = t
		return true, nil
	}
	var err error
	if t.sync, err = m.waits(e); err != nil {
		return false, err
	}
	m.log.Fit(m.logWanted())
	if err := m.log.Append(e.Entries, e.HardState); err != nil {
		return false, err
	}
	m.turn = t
	for _, entry := range e.Entries {
		m.logBytes += logBytes(entry)
	}
	return true, nil
}

// Early are messages to other members that need not wait for Sync: they are sent
// before it.
func (m *Member) Early() []*raftpb.Message { return m.turn.Early }

// Sync makes what Write has written durable.
func (m *Member) Sync() error {
	if m.turn.sync {
		if err := m.log.Sync(); err != nil {
			return err
		}
		if !m.lazyAmongOthers() {
			if err := m.tellUnsynced(false); err != nil {
				return err
			}
		}
	}
	if hs := m.turn.HardState; hs != nil {
		m.term, m.vote = hs.GetTerm(), hs.GetVote()
	}
	return nil
}

// Finish ends the turn: it applies what is committed and says what there is to
// send and to answer.
func (m *Member) Finish() (Result, error) {
	t := m.turn
	m.turn = nil
	r := Result{Answers: t.Reads, Replaced: t.state != nil}
	if t.state != nil {
		m.machine = t.state
	}
	for _, e := range t.Committed {
		if err := m.apply(e, &r); err != nil {
			return r, err
		}
		if err := m.beginDigest(&r); err != nil {
			return r, err
		}
	}
	if err := m.replica.Done(); err != nil {
		return r, err
	}
	r.Messages = m.sendable(t.Messages)
	if t.state != nil {
		if err := m.installed(t.Snapshot.GetMetadata()); err != nil {
			return r, err
		}
	}
	m.answer(t.Reads, &r)
	m.giveUp(&r)
	return r, nil
}

// Tick tells that time has passed: an election timeout has seven ticks.
func (m *Member) Tick() { m.replica.Tick() }

// Campaign makes the member stand for election at once.
func (m *Member) Campaign() error { return m.replica.Campaign() }

// Transfer hands the leadership to another member.
func (m *Member) Transfer(to uint64) error { return m.replica.Transfer(to) }

// Change proposes a change of the members.
func (m *Member) Change(what replica.Change, id uint64) error {
	if err := m.log.Reserve(1, entryOverhead); err != nil {
		return err
	}
	return m.replica.Change(what, id)
}

// ReportUnreachable tells that messages to a member are lost.
func (m *Member) ReportUnreachable(id uint64) { m.replica.ReportUnreachable(id) }

// ReportSnapshot tells whether a snapshot that was to be sent has arrived.
func (m *Member) ReportSnapshot(id uint64, arrived bool) { m.replica.ReportSnapshot(id, arrived) }

// Step takes a message from another member. With a wal.ErrFull it is dropped:
// room is made before raft hears of entries, as it cannot take back what it
// has accepted.
func (m *Member) Step(message *raftpb.Message) error {
	if message.GetType() == raftpb.MsgSnap {
		return ErrNoState
	}
	if n := len(message.GetEntries()); n > 0 {
		bytes := int64(0)
		for _, e := range message.GetEntries() {
			bytes += int64(len(e.GetData()))
		}
		if err := m.log.Reserve(n, bytes); err != nil {
			return err
		}
	}
	return m.replica.Step(message)
}

// Log is the member's log, for what the caller wants to know of its space.
func (m *Member) Log() *wal.Log { return m.log }
