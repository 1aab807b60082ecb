package member

import (
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/replica"
)

// Proposal is one entry on its way through the log: the writes among the
// items. The reads are evaluated at their place when it is applied.
type Proposal struct {
	Items []machine.Item // their replies are filled when Err is nil
	Now   int64          // the proposer's clock, ms
	Seed  uint64
	Bytes int64 // of the entry, about; Propose says exactly
	// Err is machine.ErrLost or nil, once it is among a Result's Proposals.
	Err error

	term  uint64
	index uint64 // once the replica has numbered it
}

// maxBatch is the largest buffer, in bytes, kept from one proposal to the next.
const maxBatch = 4 << 20

// Propose brings a proposal into the log. On an error nothing has happened:
// wal.ErrFull, wal.ErrTooLarge, replica.ErrNotLeader, replica.ErrDropped.
// Otherwise the proposal is among a later Result's.
func (m *Member) Propose(p *Proposal) error {
	if !m.replica.Leading() {
		return replica.ErrNotLeader
	}
	data := machine.AppendBatch(slices.Grow(m.batch[:0], int(p.Bytes)), p.Items, p.Now, p.Seed)
	if m.batch = data; cap(data) > maxBatch {
		m.batch = nil
	}
	p.Bytes = int64(len(data))
	if err := m.log.Reserve(1, p.Bytes); err != nil {
		return err
	}
	if err := m.replica.Propose(data); err != nil {
		return err
	}
	p.term = m.replica.CurrentTerm()
	m.pending = append(m.pending, p)
	return nil
}

// assign finds the proposals among the entries to be written. Of the term in
// which this member leads all batches are its own, in the order proposed.
func (m *Member) assign(entries []*raftpb.Entry) {
	for _, p := range m.pending {
		if p.index > 0 {
			continue
		}
		for len(entries) > 0 && p.index == 0 {
			e := entries[0]
			entries = entries[1:]
			if e.GetType() == raftpb.EntryNormal && len(e.GetData()) > 0 && e.GetTerm() == p.term {
				p.index = e.GetIndex()
			}
		}
	}
}

// apply applies a committed entry.
func (m *Member) apply(e *raftpb.Entry, r *Result) error {
	for len(m.pending) > 0 {
		p := m.pending[0]
		if p.index == 0 || p.index > e.GetIndex() {
			break
		}
		m.pending = m.pending[1:]
		r.Proposals = append(r.Proposals, p)
		if p.index == e.GetIndex() && p.term == e.GetTerm() {
			m.machine.Apply(p.index, p.Items, p.Now, p.Seed)
			return nil
		}
		p.Err = machine.ErrLost
	}
	return m.replay(e)
}

// Read is commands that write nothing, waiting for the proof that the state
// shows all that was acknowledged before.
type Read struct {
	Items []machine.Item // their replies are filled when Err is nil
	Now   int64          // the reader's clock, ms
	Err   error          // once it is among a Result's Reads; it can be asked again

	number uint64
	term   uint64
	index  uint64 // once it is known
	known  bool
}

// Read asks for a linearizable read: the replica has a majority confirm that
// this member leads, and the read is evaluated once the state holds what was
// committed when it was asked. It is among a later Result's Reads.
func (m *Member) Read(r *Read) error {
	m.number++
	if err := m.replica.ReadIndex(m.number); err != nil {
		return err
	}
	r.number, r.term = m.number, m.replica.CurrentTerm()
	m.reads = append(m.reads, r)
	return nil
}

// Ask asks the leader, whoever it is, up to where its log is committed. A state
// that has so much shows all that was acknowledged before the question. The
// answer, with the number returned, is among a later Result's Answers, or never
// comes.
func (m *Member) Ask() (number uint64) {
	m.number++
	m.replica.Ask(m.number)
	return m.number
}

// answer evaluates the reads whose time has come.
func (m *Member) answer(found []replica.Read, r *Result) {
	for _, f := range found {
		for _, read := range m.reads {
			if read.number == f.Number {
				read.index, read.known = f.Index, true
			}
		}
	}
	waiting := m.reads[:0]
	for _, read := range m.reads {
		if read.known && m.machine.Index() >= read.index {
			m.machine.Read(read.Items, read.Now)
			r.Reads = append(r.Reads, read)
		} else {
			waiting = append(waiting, read)
		}
	}
	clear(m.reads[len(waiting):])
	m.reads = waiting
}

// giveUp answers those who wait for what this member, which does not lead any
// more, will not learn.
func (m *Member) giveUp(r *Result) {
	if len(m.pending) == 0 && len(m.reads) == 0 {
		return
	}
	leading, term := m.replica.Leading(), m.replica.CurrentTerm()
	pending := m.pending[:0]
	for _, p := range m.pending {
		if leading && p.term == term {
			pending = append(pending, p)
			continue
		}
		p.Err = machine.ErrLost
		r.Proposals = append(r.Proposals, p)
	}
	clear(m.pending[len(pending):])
	m.pending = pending
	reads := m.reads[:0]
	for _, read := range m.reads {
		if read.known || leading && read.term == term {
			reads = append(reads, read)
			continue
		}
		read.Err = replica.ErrNotLeader
		r.Reads = append(r.Reads, read)
	}
	clear(m.reads[len(reads):])
	m.reads = reads
}
