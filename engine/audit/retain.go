package audit

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/vault"
)

const (
	// maxBytesDefault bounds all files together on a large volume, volumeShare
	// on a small one.
	maxBytesDefault = 256 << 20
	volumeShare     = 16
	// fileShare is how many files the log is made of, about, and the retention.
	fileShare = 16
	// maxAge of a file that is written to.
	maxAge = 24 * time.Hour
	// maxRetention is longer than any.
	maxRetention = 100 * 365 * 24 * time.Hour
)

// shareOf the volume is what the log may take.
func shareOf(fs vfs.FS, dir string) int64 {
	usage, err := fs.GetDiskUsage(dir)
	if err != nil || usage.TotalBytes == 0 {
		return maxBytesDefault
	}
	return min(maxBytesDefault, int64(usage.TotalBytes/volumeShare))
}

// ready sees to a file that may be written to.
func (l *Log) ready(now time.Time) error {
	if l.current != nil && (l.current.size >= l.maxBytes/fileShare || l.old(now)) {
		l.endFile()
	}
	if l.current != nil {
		return nil
	}
	if _, err := l.opts.FS.Stat(l.path(fileName(l.next))); err == nil {
		l.mu.Lock()
		l.next += crashLeap // somebody's file that could not be read
		l.mu.Unlock()
	}
	f, out, err := l.create(l.next, now.UnixMilli())
	if err != nil {
		return err
	}
	l.current, l.out, l.synced, l.unsynced = f, out, f.size, 0
	l.mu.Lock()
	l.files = append(l.files, f)
	l.mu.Unlock()
	l.tidy(now)
	return nil
}

// old tells whether the current file was begun so long ago that its records
// would be kept for too long past their retention.
func (l *Log) old(now time.Time) bool {
	age := min(maxAge, l.retention()/fileShare)
	return now.Sub(time.UnixMilli(l.current.begun)) >= max(age, tickInterval)
}

func (l *Log) retention() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.policy.RetentionSeconds == 0 {
		return maxRetention // nothing is recorded any more, and what was is kept
	}
	return time.Duration(l.policy.RetentionSeconds) * time.Second
}

// sync makes the current file durable.
func (l *Log) sync() {
	if l.current == nil || l.synced == l.current.size {
		return
	}
	if err := l.out.SyncData(); err != nil {
		// What the kernel could not write is gone, and it will not say so again.
		l.lose(fmt.Errorf("fsync an audit file: %w", err), l.unsynced)
		l.abandon()
		return
	}
	l.synced, l.unsynced = l.current.size, 0
}

// endFile closes the current file in order.
func (l *Log) endFile() {
	if l.current == nil {
		return
	}
	l.sync()
	if l.current == nil {
		return
	}
	end := l.current.appendBlock(nil, l.current.size, head{synced: uint64(l.synced), first: l.next, time: uint64(l.current.last)}, nil)
	_, err := l.out.Write(end)
	if err == nil {
		err = l.out.Sync()
	}
	if err != nil {
		l.lose(fmt.Errorf("close an audit file: %w", err), 0)
	}
	l.mu.Lock()
	l.current.size += int64(len(end))
	l.mu.Unlock()
	l.abandon()
}

// abandon lets go of the current file as it is.
func (l *Log) abandon() {
	if l.out != nil {
		_ = l.out.Close()
	}
	l.current, l.out = nil, nil
}

// tidy removes files past their retention, and the oldest while all together
// are too large: the bound wins. It closes a current file that is old.
func (l *Log) tidy(now time.Time) {
	if l.current != nil && l.old(now) {
		l.endFile()
	}
	oldest := now.Add(-l.retention()).UnixMilli()
	for {
		l.mu.Lock()
		total := int64(0)
		for _, f := range l.files {
			total += f.size
		}
		var gone *file
		if len(l.files) > 0 && l.files[0] != l.current && (l.files[0].last < oldest || total > l.maxBytes) {
			gone = l.files[0]
			l.files = l.files[1:]
		}
		l.mu.Unlock()
		if gone == nil {
			return
		}
		if err := l.opts.FS.Remove(l.path(gone.name)); err != nil {
			l.opts.Log.Error("removing an audit file", "file", gone.name, "error", err)
		}
	}
}

// overhead is what sealing adds to a block.
func (f *file) overhead() int {
	if f.slots == nil {
		return 0
	}
	return vault.Overhead
}
