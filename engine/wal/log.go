package wal

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/vault"
)

// Options of a log.
type Options struct {
	FS          vfs.FS
	Dir         string        // exists, and holds nothing else
	Fit         int64         // bytes that the log is going to take, until Fit says otherwise; 128 MiB when zero
	SegmentSize int64         // bytes; by what the log is going to take when zero
	Salt        func() uint64 // random; the runtime's generator when nil
	Keys        *vault.Ring   // that new segments are sealed under; nil: they are not sealed
}

// Mark is a place in the log.
type Mark struct {
	Index uint64
	Term  uint64
}

// segment is a file of the log.
type segment struct {
	header
	name  string
	size  int64 // of the file
	last  uint64
	slots *vault.Slots // nil when it is not sealed
}

// Log is an open log. The last of its segments is the one written to.
type Log struct {
	opts     Options
	segments []segment
	spares   []spare
	fit      int64      // see Fit
	file     vfs.File   // of the last segment
	beside   sync.Mutex // held while SyncBeside is at it
	lost     error      // what came of that; guarded by beside
	seed     uint32     // of the last segment
	end      int64      // where the next frame goes
	durable  int64      // up to where the last segment is
	syncs    int64      // of the last segment, since it was made or opened
	state    lastState  // of raft
	buf      []byte
	sealed   []byte // a frame as it is written
	forget   bool   // see Forget
	err      error  // ErrFailed, once it happened
}

// Reserve makes sure that a batch whose entries hold that many bytes of data
// can be appended without space being needed. It returns ErrFull when there is
// none, and then nothing has changed.
func (l *Log) Reserve(entries int, data int64) error {
	if l.err != nil {
		return l.err
	}
	payload := hardStateMax + entryMax*int64(entries) + data
	if payload > MaxPayload {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, payload, MaxPayload)
	}
	return l.room(frameSize(payload+vault.Overhead) + slack)
}

// hardStateMax and entryMax bound what the encoding adds.
const (
	hardStateMax = 4 * 10
	entryMax     = 1 + 2*10
)

// room makes the last segment have that many bytes left. One that is not sealed
// and should be has none.
func (l *Log) room(n int64) error {
	active := l.segments[len(l.segments)-1]
	if l.end+n <= active.size && (l.opts.Keys == nil || active.slots != nil) {
		return nil
	}
	// The next segment's header says where this one ends: it must be true.
	if err := l.Sync(); err != nil {
		return err
	}
	return l.next(n)
}

// Append writes one batch: entries that follow each other and the hard state
// that goes with them, either of which may be missing. It is durable after the
// next Sync. ErrFull means that nothing was written; after Reserve it does not
// happen.
func (l *Log) Append(entries []*raftpb.Entry, hs *raftpb.HardState) error {
	if l.err != nil {
		return l.err
	}
	if hs == nil {
		hs = &raftpb.HardState{}
	}
	f := frame{kind: typeHardState, term: hs.GetTerm()}
	b := append(l.buf[:0], make([]byte, frameHeader)...)
	b = appendHardState(b, hs)
	if n := len(entries); n > 0 {
		f = frame{kind: typeEntries, term: entries[n-1].GetTerm(), index: entries[n-1].GetIndex()}
		b = appendEntries(b, entries)
	}
	if err := l.write(b, f); err != nil {
		return err
	}
	l.noteState(hs)
	return nil
}

// MarkSnapshot notes that a snapshot at that place is durable: the log is not
// opened again without one at least as new.
func (l *Log) MarkSnapshot(m Mark) error {
	if l.err != nil {
		return l.err
	}
	b := append(l.buf[:0], make([]byte, frameHeader)...)
	return l.write(b, frame{kind: typeSnapshot, term: m.Term, index: m.Index})
}

func (l *Log) write(b []byte, f frame) error {
	if len(b)-frameHeader > MaxPayload {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(b)-frameHeader, MaxPayload)
	}
	if err := l.room(frameSize(int64(len(b) - frameHeader + vault.Overhead))); err != nil {
		return err
	}
	f.durable = l.durable
	active := &l.segments[len(l.segments)-1]
	if l.buf = b; active.slots == nil {
		b = encodeFrame(b, l.seed, l.end, f)
		l.buf = b
	} else {
		b = sealFrame(l.sealed, b, l.seed, l.end, f, active.slots)
		l.sealed = b
	}
	if cap(l.buf) > maxBuffer {
		l.buf, l.sealed = nil, nil
	}
	if _, err := l.file.WriteAt(b, l.end); err != nil {
		return l.fail(fmt.Errorf("write %s at offset %d: %w", active.name, l.end, err))
	}
	l.end += int64(len(b))
	if f.kind == typeEntries {
		active.last = max(active.last, f.index)
	}
	return nil
}

// maxBuffer is the largest buffer kept from one append to the next.
const maxBuffer = 4 << 20

// Sync makes all that was appended durable. It waits for SyncBeside and for what
// came of that: the kernel tells of what it could not write only once, to one of
// the two.
func (l *Log) Sync() error {
	if l.err != nil {
		return l.err
	}
	if l.durable == l.end {
		return nil
	}
	l.beside.Lock()
	defer l.beside.Unlock()
	err := l.lost
	if err == nil {
		l.syncs++
		err = l.file.SyncData()
	}
	if err != nil {
		return l.fail(fmt.Errorf("fsync %s: %w", l.segments[len(l.segments)-1].name, err))
	}
	l.durable = l.end
	return nil
}

// Durable tells whether all that was appended is.
func (l *Log) Durable() bool { return l.err == nil && l.durable == l.end }

// SyncBeside returns what makes durable all that was appended until now, to be
// called by another goroutine while the log goes on; nil when it is. What it
// returns is to be handed to Synced.
func (l *Log) SyncBeside() (sync func() Synced) {
	if l.err != nil || l.durable == l.end {
		return nil
	}
	s := Synced{segment: l.segments[len(l.segments)-1].number, name: l.segments[len(l.segments)-1].name, end: l.end}
	file := l.file
	l.syncs++
	l.beside.Lock() // the file stays open
	return func() Synced {
		defer l.beside.Unlock()
		s.err = file.SyncData()
		l.lost = s.err
		return s
	}
}

// Synced is how far SyncBeside came.
type Synced struct {
	segment uint64
	name    string
	end     int64
	err     error
}

// Synced takes note of what was made durable beside the log.
func (l *Log) Synced(s Synced) error {
	if l.err != nil {
		return l.err
	}
	if s.err != nil {
		return l.fail(fmt.Errorf("fsync %s: %w", s.name, s.err))
	}
	if s.segment == l.segments[len(l.segments)-1].number {
		l.durable = max(l.durable, s.end)
	}
	return nil
}

// closeFile closes the last segment's file, once nobody makes it durable.
func (l *Log) closeFile() {
	l.beside.Lock()
	defer l.beside.Unlock()
	_ = l.file.Close()
}

// fail ends the log.
func (l *Log) fail(err error) error {
	l.err = fmt.Errorf("%w: %w", ErrFailed, err)
	return l.err
}

// HasSpare tells whether the next segment needs no space.
func (l *Log) HasSpare() bool { return len(l.spares) > 0 }

// Releasable tells whether a snapshot of all that was appended would let
// Release give up a segment.
func (l *Log) Releasable() bool { return len(l.segments) > 1 }

// Close makes the log durable and closes it. Its last frame carries the mark
// that what was written before is durable: damage to it will be told from a
// torn tail.
func (l *Log) Close() error {
	defer l.closeFile()
	if err := l.Sync(); err != nil {
		return err
	}
	if l.room(frameHeader+hardStateMax+vault.Overhead) == nil {
		if err := l.Append(nil, nil); err != nil {
			return err
		}
	}
	err := l.Sync()
	l.err = fmt.Errorf("%w: it is closed", ErrFailed)
	return err
}

// noSpace tells a full volume or quota from a broken one.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
