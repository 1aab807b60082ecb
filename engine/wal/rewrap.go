package wal

import (
	"fmt"

	"github.com/coffer-dev/coffer/engine/vault"
)

// Rewrap makes keys the ring that new segments are sealed under, and wraps the
// data key of one segment under its primary key: one call is at most two small
// writes and fsyncs. It says whether there are segments left for another call.
// Frames are not rewritten.
func (l *Log) Rewrap(keys *vault.Ring) (more bool, err error) {
	if l.err != nil {
		return false, l.err
	}
	if keys == nil {
		return false, nil
	}
	l.opts.Keys = keys
	for i := range l.segments {
		s := &l.segments[i]
		if s.slots == nil || s.slots.Wrapped(keys) {
			continue
		}
		if more {
			return true, nil
		}
		more = true
		if i == len(l.segments)-1 {
			err = s.slots.Rewrap(keys, l.file, slotsOffset)
		} else {
			err = l.rewrapSealed(s)
		}
		if err != nil {
			return false, l.fail(fmt.Errorf("wrap the key of %s: %w", s.name, err))
		}
	}
	return false, nil
}

// rewrapSealed wraps the key of a segment that is not written to.
func (l *Log) rewrapSealed(s *segment) error {
	file, err := l.opts.FS.OpenReadWrite(l.path(s.name), category)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return s.slots.Rewrap(l.opts.Keys, file, slotsOffset)
}

// Usage says which keys the log's segments need. Spare files need none: what
// is in them is never read.
func (l *Log) Usage() (u vault.Usage) {
	for i := range l.segments {
		u.Add(l.segments[i].slots)
	}
	return u
}
