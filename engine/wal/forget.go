package wal

import "fmt"

// Forget has nothing of what was appended until now left in any file once the
// next Release has given it up: spare files, in which there is still what was in
// them, are removed, the log goes on in a new segment, and that Release removes
// what it gives up. ErrFull means that there was no space for the segment.
func (l *Log) Forget() error {
	if l.err != nil {
		return l.err
	}
	for _, s := range l.spares {
		if err := l.opts.FS.Remove(l.path(s.name)); err != nil {
			return l.fail(fmt.Errorf("remove %s: %w", s.name, err))
		}
	}
	l.spares = nil
	if err := l.syncDir(); err != nil {
		return err
	}
	if active := l.segments[len(l.segments)-1]; l.end > active.start() {
		if err := l.Sync(); err != nil {
			return err
		}
		if err := l.next(frameHeader + hardStateMax); err != nil {
			return err
		}
	}
	l.forget = true
	return nil
}

// ForgetReleased has the next Release remove what it gives up.
func (l *Log) ForgetReleased() { l.forget = true }
