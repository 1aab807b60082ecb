package member

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/snapshot"
	"github.com/coffer-dev/coffer/engine/wal"
)

var (
	// ErrNoState is returned for a snapshot's message without its bytes.
	ErrNoState = errors.New("a snapshot without its bytes")
	// ErrBusy is returned for a snapshot while another is being written.
	ErrBusy = errors.New("another snapshot is being written")
)

// Snapshot is one of the state as it was when it began.
type Snapshot struct {
	Meta   snapshot.Meta
	source *machine.Snapshot
	dir    snapshot.Dir // under the keys of when it began
	begun  int64        // the log's bytes then
	memory int64        // the state's then, about
	taken  atomic.Int64 // bytes of the state, by Write
	size   int64        // of the file, once it is written
}

// snapshotAfter is how much log there is at least before a snapshot. A database
// of less than about as much takes more than twice its size on the volume, for
// the sake of fewer snapshots.
const snapshotAfter = 8 << 20

// logWanted is how much log there may be before a snapshot is due. The newest
// snapshot and the log behind it take 1.4 times what a snapshot of the present
// state would, so that during one, which has the new file beside them, the
// volume holds 2.4 times as much and what is written meanwhile, see Outrun. Half
// as much log would cost a snapshot twice as often. While a database is being filled
// its log holds nothing that is void, and no snapshot is due.
//
// How large the present state's snapshot would be is told by the newest one
// and by how the memory of the state has grown since. A small one tells little.
func (m *Member) logWanted() int64 {
	state := m.size
	if m.size >= m.opts.SnapshotAfter && m.memory > 0 {
		state = int64(float64(m.size) * float64(m.machine.Bytes()) / float64(m.memory))
	}
	return max(m.opts.SnapshotAfter, state+state*2/5-m.size)
}

// SnapshotDue tells whether the log takes more space, and replaying it longer,
// than it should.
func (m *Member) SnapshotDue() bool { return m.logBytes > m.logWanted() }

// perLog is how many bytes of a snapshot are written at least for one of the log
// that grows beside it.
const perLog = 5

// Outrun tells that the log has grown faster than it may beside the snapshot
// that is being written. Until that has come on there should be no proposals:
// on a busy disk the log would otherwise grow to several times the data.
func (m *Member) Outrun() bool {
	s := m.writing
	return s != nil && m.logBytes-s.begun > m.opts.SnapshotAfter/8+s.taken.Load()/perLog
}

// SnapshotWanted tells that a follower lags behind the log in memory, and that
// no snapshot leads it there: one should begin.
func (m *Member) SnapshotWanted() bool { return m.writing == nil && m.replica.SnapshotWanted() }

// SnapshotSize is the size of the newest snapshot's file and of the entries
// since, bytes.
func (m *Member) SnapshotSize() (file, log int64) { return m.size, m.logBytes }

// BeginSnapshot begins a snapshot of the present state: ErrBusy while another
// or a digest is on its way.
func (m *Member) BeginSnapshot() (*Snapshot, error) {
	if m.writing != nil || m.incoming != nil || m.digest != nil {
		return nil, ErrBusy
	}
	source, err := m.machine.BeginSnapshot()
	if err != nil {
		return nil, err
	}
	index, term := m.replica.Applied()
	if index != source.Index {
		return nil, fmt.Errorf("snapshot of index %d while %d is applied", source.Index, index)
	}
	m.writing = &Snapshot{Meta: snapshot.Meta{Index: index, Term: term, ConfState: m.replica.ConfState()}, source: source, dir: m.snapshots(), begun: m.logBytes, memory: m.machine.Bytes()}
	return m.writing, nil
}

// Forget has nothing of what was written until now left in any file, but for
// what is in the state, once the snapshot that begins next is durable. An error
// of the log's that it is full leaves all as it was.
func (m *Member) Forget() error { return m.log.Forget() }

// Next returns the next bytes of the state, at most limit, and whether they are
// the last. It looks at the machine; the bytes hold until the next call.
func (s *Snapshot) Next(limit int) (chunk []byte, done bool) { return s.source.Next(limit) }

// Write writes a snapshot's file, whose bytes are what next gives: it
// calls Next. It touches nothing of the member, so that it can run beside it.
func (s *Snapshot) Write(next func() (chunk []byte, done bool, err error)) (err error) {
	s.size, err = s.dir.Write(s.Meta, func() ([]byte, bool, error) {
		chunk, done, err := next()
		s.taken.Add(int64(len(chunk)))
		return chunk, done, err
	})
	return err
}

// EndSnapshot lets go of what a durable snapshot replaces: older ones, and the
// log up to it.
func (m *Member) EndSnapshot(s *Snapshot) error {
	m.writing = nil
	m.needs(s.dir.Keys)
	m.size, m.memory = s.size, s.memory
	m.logBytes -= s.begun
	m.log.Fit(m.logWanted())
	return m.hold(s.Meta)
}

// AbandonSnapshot gives up one that was not written: nothing has changed.
func (m *Member) AbandonSnapshot(s *Snapshot) {
	m.writing = nil
	s.source.Close()
}

// hold makes a durable snapshot the newest. The older ones go last: while two
// are there, the volume is known to hold more than it will.
func (m *Member) hold(meta snapshot.Meta) error {
	m.mark = wal.Mark{Index: meta.Index, Term: meta.Term}
	if err := m.log.Release(meta.Index); err != nil {
		return err
	}
	if err := m.log.MarkSnapshot(m.mark); err != nil && !errors.Is(err, wal.ErrFull) {
		return err
	}
	m.replica.SetSnapshot(meta.Index, meta.Term, meta.ConfState)
	return m.snapshots().Prune(meta.Index)
}

// sendable leaves out the messages that name a snapshot which a newer one has
// replaced since the replica wrote them; it will name that one.
func (m *Member) sendable(messages []*raftpb.Message) []*raftpb.Message {
	return slices.DeleteFunc(messages, func(message *raftpb.Message) bool {
		stale := message.GetType() == raftpb.MsgSnap && message.GetSnapshot().GetMetadata().GetIndex() != m.mark.Index
		if stale {
			m.replica.ReportSnapshot(message.GetTo(), false)
		}
		return stale
	})
}

// OpenSnapshot opens the snapshot that a Result's message names, before the
// next turn: its bytes go with the message.
func (m *Member) OpenSnapshot(message *raftpb.Message) (*snapshot.Reader, error) {
	return m.snapshots().At(message.GetSnapshot().GetMetadata().GetIndex())
}

// incoming is the state that comes with a message.
type incoming struct {
	index uint64
	bytes io.Reader
}

// StepSnapshot takes a message that brings a snapshot, and its bytes, which the
// next Write reads if the replica wants them.
func (m *Member) StepSnapshot(message *raftpb.Message, bytes io.Reader) error {
	if message.GetType() != raftpb.MsgSnap {
		return m.Step(message)
	}
	// The file being written has the name that this one would be written under.
	if m.writing != nil || m.incoming != nil {
		return ErrBusy
	}
	m.incoming = &incoming{message.GetSnapshot().GetMetadata().GetIndex(), bytes}
	return m.replica.Step(message)
}

// install writes a received snapshot and begins the log anew behind it. It
// returns the state. The term goes first: a snapshot of a term that its member
// has not heard of is damage. Then the file; when it is durable it counts,
// whatever the log holds. Last the log, whose entries may be of a history that
// the snapshot contradicts.
func (m *Member) install(s *raftpb.Snapshot, hs *raftpb.HardState) (*machine.Machine, error) {
	meta := snapshot.Meta{Index: s.GetMetadata().GetIndex(), Term: s.GetMetadata().GetTerm(), ConfState: s.GetMetadata().GetConfState()}
	if m.incoming == nil || m.incoming.index != meta.Index {
		return nil, fmt.Errorf("%w: at index %d", ErrNoState, meta.Index)
	}
	if hs != nil {
		term, vote, commit := hs.GetTerm(), hs.GetVote(), m.machine.Index()
		if err := m.log.Append(nil, &raftpb.HardState{Term: &term, Vote: &vote, Commit: &commit}); err != nil {
			return nil, err
		}
		if err := m.log.Sync(); err != nil {
			return nil, err
		}
	}
	if _, err := m.snapshots().Write(meta, snapshot.Chunks(m.incoming.bytes)); err != nil {
		return nil, err
	}
	m.needs(m.opts.Keys)
	state := m.empty()
	read, size, err := m.read(state)
	if err != nil {
		return nil, err
	}
	if read.Index != meta.Index {
		return nil, fmt.Errorf("snapshot at index %d installed, the newest is at %d", meta.Index, read.Index)
	}
	m.size, m.memory, m.logBytes = size, state.Bytes(), 0
	return state, m.log.Restart(wal.Mark{Index: meta.Index, Term: meta.Term})
}

// installed makes a snapshot that is installed the newest.
func (m *Member) installed(meta *raftpb.SnapshotMetadata) error {
	return m.hold(snapshot.Meta{Index: meta.GetIndex(), Term: meta.GetTerm(), ConfState: meta.GetConfState()})
}
