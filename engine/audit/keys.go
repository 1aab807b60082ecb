package audit

import (
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/vault"
)

// Usage says which keys the files need. Only what can be read counts.
func (l *Log) Usage() (u vault.Usage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.files {
		if f.check != 0 {
			u.Add(f.slots)
		}
	}
	return u
}

// takeKeys takes up another key ring.
func (l *Log) takeKeys() {
	l.mu.Lock()
	changed := l.ring != l.keys
	l.keys = l.ring
	l.mu.Unlock()
	if changed {
		l.wrapFiles()
	}
}

// wrapFiles wraps the files' data keys under the ring's primary key, and has
// what was written before there were keys sealed.
func (l *Log) wrapFiles() {
	if l.keys == nil {
		return
	}
	l.mu.Lock()
	files := slices.Clone(l.files)
	l.mu.Unlock()
	for _, f := range files {
		var err error
		switch {
		case f.check == 0: // it cannot be read
		case f.slots == nil:
			err = l.seal(f)
		case !f.slots.Wrapped(l.keys):
			err = l.rewrap(f)
		}
		if err != nil {
			l.opts.Log.Error("an audit file is not under the new key", "file", f.name, "error", err)
			l.mu.Lock()
			f.broken = err.Error()
			l.mu.Unlock()
		}
	}
}

func (l *Log) rewrap(f *file) error {
	out, err := l.opts.FS.OpenReadWrite(l.path(f.name), category)
	if err != nil {
		return fmt.Errorf("wrap the data key: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err = f.slots.Rewrap(l.keys, out, slotsOffset)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return err
}

// seal writes a file that is not sealed anew. It is complete before it takes the
// place of the other.
func (l *Log) seal(f *file) error {
	if f == l.current {
		l.endFile()
	}
	data, err := readFile(l.opts.FS, l.path(f.name))
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	header, slots, err := encodeHeader(f.first, f.begun, l.keys)
	if err != nil {
		return err
	}
	next := &file{name: f.name, first: f.first}
	if err := next.decodeHeader(header, l.keys); err != nil {
		return err
	}
	blocks, _, _ := f.walk(data[:min(int64(len(data)), f.size)])
	for _, b := range blocks {
		b.synced = uint64(len(header))
		header = next.appendBlock(header, int64(len(header)), b.head, b.bytes)
	}
	temp := l.path("next.tmp")
	if err := replace(l.opts.FS, temp, l.path(f.name), header); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	l.mu.Lock()
	f.slots, f.sealed, f.check, f.size = slots, true, next.check, int64(len(header))
	l.mu.Unlock()
	return syncDir(l.opts.FS, l.opts.Dir)
}

func replace(fs vfs.FS, temp, path string, data []byte) error {
	out, err := fs.Create(temp, category)
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	if err == nil {
		err = out.Sync()
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = fs.Rename(temp, path)
	}
	return err
}
