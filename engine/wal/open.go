package wal

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/vault"
)

// State is what a log held when it was opened.
type State struct {
	HardState *raftpb.HardState // nil when there was none
	// Entries that are not known to be committed. They follow the last one
	// handed out.
	Entries []*raftpb.Entry
	// Torn is where the log was cut, nil when it ended cleanly. What was cut
	// off had never been acknowledged.
	Torn *DamageError
}

// Open opens the log in a directory, or begins one. Entries above the
// snapshot that are known to be committed are handed to committed in their
// order. A torn tail is repaired; other damage is refused and nothing is
// changed.
func Open(opts Options, snapshot Mark, committed func(*raftpb.Entry) error) (*Log, *State, error) {
	if opts.Fit == 0 {
		opts.Fit = perLog * max(maxSegment, opts.SegmentSize)
	}
	if opts.Salt == nil {
		opts.Salt = rand.Uint64
	}
	l := &Log{opts: opts, fit: opts.Fit}
	if err := l.list(); err != nil {
		return nil, nil, err
	}
	if len(l.segments) == 0 {
		if snapshot.Index > 0 {
			return nil, nil, fmt.Errorf("%w: there is a snapshot at index %d and no log in %s", ErrGap, snapshot.Index, opts.Dir)
		}
		return l, &State{}, l.next(0)
	}
	r := &replay{log: l, snapshot: snapshot, last: snapshot.Index, committed: committed}
	if err := r.run(); err != nil {
		return nil, nil, err
	}
	if err := l.repair(r); err != nil {
		return nil, nil, err
	}
	if r.void {
		if err := l.Restart(snapshot); err != nil {
			return nil, nil, err
		}
	}
	return l, &r.state, nil
}

// list finds the segments and the spare files and removes what is neither.
func (l *Log) list() error {
	names, err := l.opts.FS.List(l.opts.Dir)
	if err != nil {
		return fmt.Errorf("list log: %w", err)
	}
	slices.Sort(names)
	for _, name := range names {
		path := l.path(name)
		info, err := l.opts.FS.Stat(path)
		if err != nil {
			return fmt.Errorf("list log: %w", err)
		}
		number, isSegment := parseName(name, segmentSuffix)
		_, isSpare := parseName(name, spareSuffix)
		switch {
		case isSegment && info.Size() > max(l.opts.SegmentSize, largestSegment):
			return &DamageError{path, largestSegment, fmt.Sprintf("a segment of %d bytes, they have at most %d", info.Size(), int64(largestSegment))}
		case isSegment:
			l.segments = append(l.segments, segment{header: header{number: number}, name: name, size: info.Size()})
		case isSpare && l.keeps(info.Size()) && l.hidden(path):
			l.spares = append(l.spares, spare{name, info.Size()})
		case isSpare || name == tempName:
			if err := l.opts.FS.Remove(path); err != nil {
				return fmt.Errorf("remove %s: %w", path, err)
			}
		}
	}
	return l.trim() // those of higher numbers were not counted yet
}

// hidden tells whether a spare file may stay. With keys, what it holds must be
// sealed.
func (l *Log) hidden(path string) bool {
	if l.opts.Keys == nil {
		return true
	}
	file, err := l.opts.FS.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	b := make([]byte, headerSize)
	if _, err := file.ReadAt(b, 0); err != nil {
		return false
	}
	h, err := decodeHeader(path, b)
	return err == nil && h.cipher != vault.None
}

// replay reads a log from its first segment to its end.
type replay struct {
	log       *Log
	snapshot  Mark
	committed func(*raftpb.Entry) error
	state     State
	last      uint64 // the last entry read, or the snapshot's
	handed    uint64 // the last entry handed out
	void      bool   // what follows is of another log than the snapshot

	tail tail // of the last segment
}

// tail is what was found at the end of the last segment.
type tail struct {
	data  []byte
	end   int64 // of the good frames
	mark  int64 // the highest durable mark
	stale int64 // end of the last frame behind a torn one
}

func (r *replay) run() error {
	segments := r.log.segments
	var data []byte
	for i := range segments {
		next, err := r.log.load(&segments[i])
		if err != nil {
			return err
		}
		s := segments[i]
		switch {
		case i == 0 && s.prevIndex > r.snapshot.Index:
			return fmt.Errorf("%w: it begins after index %d, the newest snapshot is at %d", ErrGap, s.prevIndex, r.snapshot.Index)
		case i > 0 && s.number != segments[i-1].number+1:
			return fmt.Errorf("%w: segment %d is missing", ErrGap, segments[i-1].number+1)
		case i > 0:
			if err := r.sealed(&segments[i-1], data, s.prevEnd); err != nil {
				return err
			}
		}
		data = next
	}
	return r.open(&segments[len(segments)-1], data)
}

// load reads a segment's file and fills in its header.
func (l *Log) load(s *segment) ([]byte, error) {
	path := l.path(s.name)
	file, err := l.opts.FS.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = file.Close() }()
	data := make([]byte, s.size)
	if _, err := file.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	h, err := decodeHeader(path, data)
	if err != nil {
		return nil, err
	}
	if h.number != s.number {
		return nil, &DamageError{path, 8, fmt.Sprintf("is segment %d", h.number)}
	}
	if s.slots, err = openSlots(path, h, data, l.opts.Keys); err != nil {
		return nil, err
	}
	s.header, s.last = h, h.prevIndex
	return data, nil
}

// sealed reads a segment that another follows: it was durable up to its end.
func (r *replay) sealed(s *segment, data []byte, end int64) error {
	if end < s.start() || end > int64(len(data)) {
		return &DamageError{r.log.path(s.name), 0, fmt.Sprintf("has %d bytes and should end at %d", len(data), end)}
	}
	at, err := r.frames(s, data[:end])
	if err != nil {
		return err
	}
	if at != end {
		return &DamageError{r.log.path(s.name), at, "a frame that was durable is damaged"}
	}
	return nil
}

// open reads the last segment and decides whether what follows its good
// frames is a torn tail or rot.
func (r *replay) open(s *segment, data []byte) error {
	t := &r.tail
	t.mark = 0 // those read so far are of other segments
	at, err := r.frames(s, data)
	if err != nil {
		return err
	}
	t.data, t.end = data, at
	seed := s.seed()
	for next := at; next+frameHeader <= int64(len(data)); next += frameAlign {
		if f, ok := decodeFrame(data, seed, next); ok {
			t.mark = max(t.mark, f.durable)
			t.stale = max(t.stale, next+f.size())
		}
	}
	path := r.log.path(s.name)
	if t.mark > at {
		return &DamageError{path, at, fmt.Sprintf("a frame is damaged that was durable: the segment was up to offset %d", t.mark)}
	}
	if t.stale > 0 {
		r.state.Torn = &DamageError{path, at, "torn by a crash before it was durable"}
	}
	return nil
}

// frames reads frames up to the first that is not good and returns its offset.
func (r *replay) frames(s *segment, data []byte) (int64, error) {
	seed, at := s.seed(), s.start()
	for {
		f, ok := decodeFrame(data, seed, at)
		if !ok {
			return at, nil
		}
		payload, ok := f.payload(data, seed, at)
		if !ok {
			return at, nil
		}
		if s.slots != nil {
			var err error // the copy: the segment's bytes may be needed as they are
			if payload, err = s.slots.Open(nil, payload, about(data[at:], at)); err != nil {
				return at, &DamageError{r.log.path(s.name), at, "the frame " + err.Error()}
			}
		}
		before := r.state.HardState
		if err := r.frame(f, payload); err != nil {
			var damage *DamageError
			if errors.As(err, &damage) {
				damage.File, damage.Offset = r.log.path(s.name), at
			}
			return at, err
		}
		if r.state.HardState != before {
			r.log.state = lastState{r.state.HardState, s.number}
		}
		if f.kind == typeEntries {
			s.last = max(s.last, f.index)
		}
		r.tail.mark = max(r.tail.mark, f.durable)
		at += f.size()
	}
}

func (r *replay) frame(f frame, payload []byte) error {
	d := decoder{rest: payload}
	switch f.kind {
	case typeSnapshot:
		if f.index > r.snapshot.Index {
			return fmt.Errorf("%w: a snapshot at index %d was taken, the newest is at %d", ErrGap, f.index, r.snapshot.Index)
		}
		return nil
	case typeRestart:
		return r.restart(f)
	case typeHardState, typeEntries:
		if hs := d.hardState(); hs.GetTerm() > 0 {
			r.state.HardState = hs
		}
		var entries []*raftpb.Entry
		if f.kind == typeEntries {
			entries = d.entries(f.index)
		}
		if d.bad || len(d.rest) > 0 {
			return &DamageError{Reason: "a frame with a good checksum does not parse"}
		}
		for _, e := range entries {
			if err := r.entry(e); err != nil {
				return err
			}
		}
		return r.handOut()
	default:
		return &DamageError{Reason: fmt.Sprintf("unknown frame type %d", f.kind)}
	}
}

// entry takes an entry up, which replaces what the log held from its index on.
func (r *replay) entry(e *raftpb.Entry) error {
	index := e.GetIndex()
	switch {
	case index <= r.handed:
		return &DamageError{Reason: fmt.Sprintf("replaces entry %d, which was committed", index)}
	case index <= r.snapshot.Index:
		r.cut(index == r.snapshot.Index && e.GetTerm() != r.snapshot.Term)
		return nil
	case r.void:
		return nil
	case index > r.last+1:
		return fmt.Errorf("%w: entry %d follows entry %d", ErrGap, index, r.last)
	case index <= r.last:
		r.state.Entries = r.state.Entries[:uint64(len(r.state.Entries))-(r.last-index+1)]
	}
	r.state.Entries = append(r.state.Entries, e)
	r.last = index
	return nil
}

// handOut passes on the entries that are known to be committed.
func (r *replay) handOut() error {
	commit := r.state.HardState.GetCommit()
	for len(r.state.Entries) > 0 && r.state.Entries[0].GetIndex() <= commit {
		e := r.state.Entries[0]
		r.state.Entries = r.state.Entries[1:]
		r.handed = e.GetIndex()
		if err := r.committed(e); err != nil {
			return err
		}
	}
	return nil
}

// repair makes the last segment ready to be written to: what was read from it
// becomes durable, and no frame is left behind its end.
func (l *Log) repair(r *replay) error {
	s, t := l.segments[len(l.segments)-1], r.tail
	path := l.path(s.name)
	file, err := l.opts.FS.OpenReadWrite(path, category)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	from := max(t.mark, s.start())
	// What no mark covers may be in the page cache alone, there even marked as
	// written after a failed fsync: it is written again before it counts.
	rewrite := append([]byte(nil), t.data[from:t.end]...)
	if t.stale > t.end {
		rewrite = append(rewrite, make([]byte, t.stale-t.end)...)
	}
	if len(rewrite) > 0 {
		if _, err = file.WriteAt(rewrite, from); err == nil {
			err = file.SyncData()
		}
	}
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("%w: repair %s: %w", ErrFailed, path, err)
	}
	l.file, l.seed, l.end, l.durable = file, s.seed(), t.end, t.end
	return nil
}
