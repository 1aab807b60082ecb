package machine

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/store"
)

// SnapshotFormat is the version of the snapshot's header that is written and read.
const SnapshotFormat = 3

const (
	snapshotMagic  = "CFMS"
	snapshotHeader = 4 + 2 + 2 + 8 + 8
)

// Format tells apart engines that write the same state differently.
func Format() string {
	return fmt.Sprintf("%d.%d.%d.%d", SnapshotFormat, Semantics, store.SnapshotVersion, queue.SnapshotVersion)
}

var (
	// ErrSnapshotCorrupt is returned when a snapshot's header makes no sense.
	ErrSnapshotCorrupt = errors.New("machine: snapshot is corrupt")
	// ErrSnapshotVersion is returned for the snapshot of a newer engine.
	ErrSnapshotVersion = errors.New("machine: snapshot is of a newer engine")
)

// Snapshot is the machine's state as of Index, pulled in small steps while
// writes go on. Its methods need the group's lock; the chunks do not.
type Snapshot struct {
	Index  uint64
	header []byte
	store  *store.Snapshot
	stored bool // all of it is handed out
	queues *queue.Snapshot
}

// BeginSnapshot starts a snapshot of the present state. One can run at a time:
// store.ErrSnapshotRunning.
func (m *Machine) BeginSnapshot() (*Snapshot, error) {
	s, err := m.databases.BeginSnapshot()
	if err != nil {
		return nil, err
	}
	q, err := m.queues.BeginSnapshot()
	if err != nil {
		s.Close()
		return nil, err
	}
	h := append(make([]byte, 0, snapshotHeader), snapshotMagic...)
	h = binary.LittleEndian.AppendUint16(h, SnapshotFormat)
	h = binary.LittleEndian.AppendUint16(h, m.semantics)
	h = binary.LittleEndian.AppendUint64(h, m.index)
	h = binary.LittleEndian.AppendUint64(h, uint64(m.lastNow))
	return &Snapshot{Index: m.index, header: m.scripts.appendTo(h), store: s, queues: q}, nil
}

// Next returns the snapshot's next bytes, at most limit, and whether they are
// the last. The chunk holds until the next call.
func (s *Snapshot) Next(limit int) (chunk []byte, done bool) {
	if n := min(limit, len(s.header)); n > 0 {
		chunk, s.header = s.header[:n:n], s.header[n:]
		return chunk, false
	}
	if !s.stored {
		chunk, s.stored = s.store.Next(limit)
		return chunk, false
	}
	return s.queues.Next(limit)
}

// Close abandons the snapshot; after the last chunk it does nothing.
func (s *Snapshot) Close() {
	s.store.Close()
	s.queues.Close()
}

// Restore replaces the machine's state by a snapshot's. On an error the state
// stays as it was.
func (m *Machine) Restore(r io.Reader) error {
	var h [snapshotHeader]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return fmt.Errorf("%w: header: %w", ErrSnapshotCorrupt, err)
	}
	if string(h[:4]) != snapshotMagic {
		return fmt.Errorf("%w: no magic", ErrSnapshotCorrupt)
	}
	format, semantics := binary.LittleEndian.Uint16(h[4:]), binary.LittleEndian.Uint16(h[6:])
	if format > SnapshotFormat || semantics > m.known {
		return fmt.Errorf("%w: format %d and semantics %d, this engine reads up to %d and %d",
			ErrSnapshotVersion, format, semantics, SnapshotFormat, m.known)
	}
	scripts, queues, buffered := newScripts(), queue.New(), bufio.NewReader(r)
	if format > 1 {
		if err := scripts.read(buffered); err != nil {
			return err
		}
	}
	s, err := store.Restore(buffered)
	if err == nil && format > 2 {
		queues, err = queue.Restore(buffered)
	}
	if err != nil {
		return fmt.Errorf("machine: %w", err)
	}
	queues.OnReady, queues.OnEvent = m.queues.OnReady, m.queues.OnEvent
	m.databases, m.queues, m.scripts = s, queues, scripts
	m.semantics = max(semantics, BaseSemantics)
	m.index = binary.LittleEndian.Uint64(h[8:])
	m.lastNow = int64(binary.LittleEndian.Uint64(h[16:]))
	return nil
}

// Hash is a digest of the state that is equal on members that applied the same
// log. It covers all that a later reply can depend on, the time that passed
// and the place in the log included. It costs a pass over all keys and
// jobs.
func (m *Machine) Hash() uint64 {
	h := mix(step(m.databases.Hash()))
	h = mix(step(h ^ m.scripts.hash()))
	h = mix(step(h ^ m.queues.Hash()))
	h = mix(step(h ^ uint64(m.lastNow)))
	if m.semantics > BaseSemantics { // an older member's has none
		h = mix(step(h ^ uint64(m.semantics)))
	}
	return mix(step(h ^ m.index))
}
