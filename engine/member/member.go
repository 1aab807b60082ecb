// Package member is one member of a group, without clock or randomness, and but
// for Open, which does not return before it has ended, without goroutines: it
// carries out what the replica decides on the log, the snapshots
// and the machine, in the order that makes an acknowledgement true.
//
// Events (Propose, Read, Step, Tick …) are taken between turns. A turn is
//
//	Write    append to the log what the replica wants written; install a snapshot
//	Early    messages that need not wait
//	Sync     make it durable
//	Finish   apply what is committed; hand out messages, answers
//
// and is repeated until Write says that there is nothing to do. That a turn has
// parts lets the caller wait for the disk where it likes: node's loop in
// a system call, a simulation in virtual time, where a crash may come between
// any two.
//
// An error of a turn is final: what is on disk is unknown then, and the member
// must be opened anew. But when Write says wal.ErrFull of what it wanted to
// append, nothing has changed, and it can be called again.
package member

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/replica"
	"github.com/coffer-dev/coffer/engine/snapshot"
	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/engine/wal"
)

// The directories that a member keeps in its own.
const (
	LogDir      = "wal"
	SnapshotDir = "snapshot"
)

// Options are what a member runs on.
type Options struct {
	FS  vfs.FS
	Dir string // exists; LogDir and SnapshotDir in it are the member's
	ID  uint64 // never used before by another member of the group
	// Voters are who the group began with: those of the log's first entry, the
	// same on every member for good. Who is a member now is in the log.
	Voters []uint64
	// Alone is the last index of a log that the member of that ID is to go on from
	// without the others of its group: see begin. 0 for none. It stays so: a log
	// that goes on behind it is left as it is.
	Alone uint64
	Parse machine.Parse
	Log   *slog.Logger
	Keys  *vault.Ring // that files are sealed under; nil: they are not sealed

	MaxReply int64 // bytes of what one command answers; no limit when zero
	// Lazy leaves it to the caller when entries become durable (SyncLog): see lazy.
	Lazy bool
	// Unsynced is called with true before a lazy member says to others that it has
	// what a crash of its host can take, and with false once all is durable. Between
	// the two a member must not be opened again after such a crash: what it said to
	// have was counted on. An error for want of space leaves it as it was. Nil: no
	// member among others is lazy.
	Unsynced      func(bool) error
	SnapshotAfter int64         // bytes of log, at least; 8 MiB when zero
	SegmentSize   int64         // of the log, bytes; by what the log is going to take when zero
	Salt          func() uint64 // of the log's segments; the runtime's generator when nil
	// DigestEvery is of how many entries one is followed by a Digest, at indexes
	// that it divides; 0 for none.
	DigestEvery uint64
	Tail        int // entries kept in memory for followers; replica's default when zero
	// Number is behind which questions to the leader are numbered: another one at
	// each start, so that no answer is taken for one to a later question.
	Number uint64
}

// Member is an open member. It is not safe for concurrent use, but for what
// Machine says.
type Member struct {
	opts    Options
	log     *wal.Log
	replica *replica.Replica
	machine *machine.Machine

	term     uint64      // of the hard state written last
	vote     uint64      // of that, too
	changed  uint64      // the last entry in the log that changes the members
	unsynced bool        // as Unsynced was told
	mark     wal.Mark    // of the newest durable snapshot
	size     int64       // of its file, bytes
	memory   int64       // that its state took, about
	logBytes int64       // that entries since take there, about
	writing  *Snapshot   // one of the own state, being written
	digest   *Digest     // of the own state, being taken
	incoming *incoming   // one that a message brought
	sealed   vault.Usage // of the snapshots, as of the last Rewrap
	turn     *turn       // written, not finished
	pending  []*Proposal // in the log's order
	batch    []byte      // the encoding of the latest, used again
	reads    []*Read     // in the order asked
	number   uint64      // of the last read
	torn     *wal.DamageError
}

// Open reads a member's state back, or begins it.
func Open(opts Options) (*Member, error) {
	if opts.SnapshotAfter == 0 {
		opts.SnapshotAfter = snapshotAfter
	}
	m := &Member{opts: opts, number: opts.Number}
	m.machine = m.empty()
	if err := m.makeDirs(); err != nil {
		return nil, err
	}
	c := replica.Config{ID: opts.ID, ConfState: &raftpb.ConfState{Voters: opts.Voters}, Tail: opts.Tail, Logger: opts.Log}
	held, err := m.restore(&c)
	if err != nil {
		return nil, err
	}
	var replayed int64
	ahead := m.replayAhead()
	log, state, err := wal.Open(wal.Options{FS: opts.FS, Dir: m.path(LogDir), Fit: m.logWanted(), SegmentSize: opts.SegmentSize, Salt: opts.Salt, Keys: opts.Keys}, m.mark,
		func(e *raftpb.Entry) (err error) {
			c.Applied, c.Term = e.GetIndex(), e.GetTerm()
			replayed += logBytes(e)
			if c.ConfState, err = replica.Members(c.ConfState, e); err != nil {
				return err
			}
			return ahead.entry(e)
		})
	ahead.finish()
	if err != nil {
		return nil, err
	}
	if opts.Alone != 0 {
		begun, err := m.begin(log, state, &c)
		if err != nil {
			return nil, errors.Join(err, log.Close())
		}
		if begun {
			return Open(opts)
		}
	}
	log.Fit(m.logWanted())
	// A crash may have come between a snapshot and the release of what it holds.
	// What was erased may be in it.
	log.ForgetReleased()
	if err := log.Release(m.mark.Index); err != nil {
		return nil, err
	}
	m.log, m.logBytes, m.torn = log, replayed, state.Torn
	for _, e := range state.Entries {
		m.logBytes += logBytes(e)
	}
	m.noteChanges(state.Entries)
	c.HardState, c.Entries = state.HardState, state.Entries
	m.term, m.vote = c.HardState.GetTerm(), c.HardState.GetVote()
	if m.replica, err = replica.New(c); err != nil {
		return nil, err
	}
	if m.mark.Index > 0 {
		m.replica.SetSnapshot(m.mark.Index, m.mark.Term, held)
	}
	return m, nil
}

// entryOverhead is about what an entry takes in the log beside its data: the
// frame's header, its seal, the hard state. Small batches are mostly this.
const entryOverhead = 96

// logBytes is about what an entry takes in the log.
func logBytes(e *raftpb.Entry) int64 { return int64(len(e.GetData())) + entryOverhead }

func (m *Member) path(name string) string { return m.opts.FS.PathJoin(m.opts.Dir, name) }

func (m *Member) makeDirs() error {
	fs := m.opts.FS
	for _, dir := range []string{LogDir, SnapshotDir} {
		if err := fs.MkdirAll(m.path(dir), 0o700); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
	}
	dir, err := fs.OpenDir(m.opts.Dir)
	if err == nil {
		err = dir.Sync()
		_ = dir.Close()
	}
	if err != nil {
		return fmt.Errorf("fsync directory %s: %w", m.opts.Dir, err)
	}
	return nil
}

func (m *Member) empty() *machine.Machine {
	state := machine.New(m.opts.Parse)
	state.MaxReply = m.opts.MaxReply
	return state
}

// restore reads the newest snapshot and returns who the members were.
func (m *Member) restore(c *replica.Config) (*raftpb.ConfState, error) {
	meta, size, err := m.read(m.machine)
	if err != nil || meta == nil {
		return nil, err
	}
	c.Applied, c.Term, c.ConfState = meta.Index, meta.Term, meta.ConfState
	m.mark, m.size, m.memory = wal.Mark{Index: meta.Index, Term: meta.Term}, size, m.machine.Bytes()
	return meta.ConfState, m.snapshots().Prune(meta.Index)
}

// read reads the newest snapshot into a machine; meta is nil when there is none.
func (m *Member) read(into *machine.Machine) (meta *snapshot.Meta, size int64, err error) {
	r, err := m.snapshots().Newest()
	if err != nil || r == nil {
		return nil, 0, err
	}
	defer func() { _ = r.Close() }()
	if err := into.Restore(r); err != nil {
		return nil, 0, err
	}
	// The state ends before the file's footer, which has the last word.
	if n, err := io.Copy(io.Discard, r); err != nil || n > 0 {
		return nil, 0, fmt.Errorf("snapshot at index %d: %d bytes behind the state: %w", r.Meta.Index, n, errors.Join(err, snapshot.ErrDamaged))
	}
	if into.Index() != r.Meta.Index {
		return nil, 0, fmt.Errorf("%w: state of index %d in the snapshot at %d", snapshot.ErrDamaged, into.Index(), r.Meta.Index)
	}
	return &r.Meta, r.Size, nil
}

// replay applies an entry that nobody here waits for. Those of raft and changes
// of the members only move the index.
func (m *Member) replay(e *raftpb.Entry) error {
	return m.machine.Replay(e.GetIndex(), batch(e))
}

// batch is what an entry brings to the machine.
func batch(e *raftpb.Entry) []byte {
	if e.GetType() != raftpb.EntryNormal {
		return nil
	}
	return e.GetData()
}

// Machine is the state. Finish changes it, or replaces it; a caller with more
// than one goroutine keeps readers out meanwhile.
func (m *Member) Machine() *machine.Machine { return m.machine }

// Torn is where the log was cut at the start, nil when it ended cleanly.
func (m *Member) Torn() *wal.DamageError { return m.torn }

// Term is the one that is on disk.
func (m *Member) Term() uint64 { return m.term }

// Settled tells whether the member leads the group, as far as it knows, and its
// state has all that was acknowledged before.
func (m *Member) Settled() bool { return m.replica.Settled() }

// Transferring tells whether the member hands its leadership over: proposals are
// dropped meanwhile.
func (m *Member) Transferring() bool { return m.replica.Transferring() }

// Active tells whether a leader has heard of a member within an election timeout.
func (m *Member) Active(id uint64) bool { return m.replica.Active(id) }

// Leading tells whether the member leads the group, as far as it knows.
func (m *Member) Leading() bool { return m.replica.Leading() }

// Leader is who leads, as far as the member knows; 0 for nobody.
func (m *Member) Leader() uint64 { return m.replica.Leader() }

// Members are those of the group, as of the entry applied.
func (m *Member) Members() *raftpb.ConfState { return m.replica.ConfState() }

// Applied is the last entry applied, and its term.
func (m *Member) Applied() (index, term uint64) { return m.replica.Applied() }

// Last is the last entry of the log, and its term.
func (m *Member) Last() (index, term uint64) { return m.replica.Last() }

// Match is up to where the leader knows that a member has the log.
func (m *Member) Match(id uint64) uint64 { return m.replica.Match(id) }

// Close makes the log durable and closes it.
func (m *Member) Close() error {
	if err := m.log.Close(); err != nil {
		return err
	}
	return m.tellUnsynced(false)
}
