package audit

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/vault"
)

const category = vfs.DiskWriteCategory("audit")

// file is one of the log's.
type file struct {
	name   string
	first  uint64       // index of its first record
	begun  int64        // Unix ms
	check  uint32       // of the header: seeds those of the blocks; 0 if it cannot be read
	slots  *vault.Slots // nil: not sealed, or the key is missing
	size   int64        // bytes
	next   uint64       // index behind its last record
	last   int64        // time of its last record, Unix ms
	ended  bool         // closed in order
	broken string       // why it cannot be read, or not in whole
	sealed bool         // its header says so, though its key may be missing
}

func fileName(first uint64) string { return fmt.Sprintf("%020d%s", first, suffix) }

// list returns the first indexes of the files in the directory, ascending.
func list(fs vfs.FS, dir string) (firsts []uint64, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list audit files: %w", err)
	}
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, suffix)
		if first, err := strconv.ParseUint(digits, 10, 64); ok && err == nil && name == fileName(first) {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return firsts, nil
}

// readFile reads a file whole; it is bounded.
func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	return data, err
}

// openFile reads the header of a file from before. That it cannot be read is
// noted, and is no error.
func (l *Log) openFile(first uint64) *file {
	f := &file{name: fileName(first), first: first, next: first}
	header, err := l.readHeader(f)
	if err == nil {
		f.sealed = header[6] != vault.None
		err = f.decodeHeader(header, l.opts.Keys)
	}
	if err != nil {
		f.broken, f.check = err.Error(), 0
		l.opts.Log.Error("an audit file cannot be read; it is kept", "file", f.name, "error", err)
	}
	return f
}

func (l *Log) readHeader(f *file) ([]byte, error) {
	in, err := l.opts.FS.Open(l.path(f.name))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if info, err := in.Stat(); err == nil {
		f.size = info.Size()
	}
	header := make([]byte, headerSize)
	_, err = io.ReadFull(in, header)
	return header, err
}

// verify reads a file whole and notes what is damaged.
func (l *Log) verify(f *file) {
	if f.broken != "" {
		return
	}
	data, err := readFile(l.opts.FS, l.path(f.name))
	blocks, rotten, torn := f.walk(data)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range blocks {
		f.next, f.last = b.first+uint64(b.records), int64(b.time)
		f.ended = b.records == 0
	}
	switch {
	case err != nil:
		f.broken = err.Error()
		l.opts.Log.Error("an audit file cannot be read; it is kept", "file", f.name, "error", err)
	case rotten > 0:
		f.broken = fmt.Sprintf("rotten at offset %d", rotten)
		l.opts.Log.Error("an audit file is damaged; it is kept, and read but for the damage", "file", f.name, "offset", rotten)
	case torn > 0:
		l.opts.Log.Info("an audit file ends where a crash tore it", "file", f.name, "offset", torn)
	}
}

// create begins a file. It is there, with its name, when this returns.
func (l *Log) create(first uint64, now int64) (*file, vfs.File, error) {
	header, slots, err := encodeHeader(first, now, l.keys)
	if err != nil {
		return nil, nil, err
	}
	f := &file{name: fileName(first), first: first, begun: now, slots: slots, sealed: slots != nil, next: first, last: now, size: headerSize}
	if err := f.decodeHeader(header, l.keys); err != nil {
		return nil, nil, err
	}
	w, err := l.opts.FS.Create(l.path(f.name), category)
	if err != nil {
		return nil, nil, fmt.Errorf("begin an audit file: %w", err)
	}
	if _, err = w.Write(header); err == nil {
		err = w.Sync()
	}
	if err == nil {
		err = syncDir(l.opts.FS, l.opts.Dir)
	}
	if err != nil {
		_ = w.Close()
		_ = l.opts.FS.Remove(l.path(f.name)) // there is nothing in it
		return nil, nil, fmt.Errorf("begin an audit file: %w", err)
	}
	return f, w, nil
}

func syncDir(fs vfs.FS, path string) error {
	dir, err := fs.OpenDir(path)
	if err == nil {
		err = dir.Sync()
		_ = dir.Close()
	}
	return err
}
