package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/vault"
)

// readSize is how much Chunks reads at once, bytes.
const readSize = 64 << 10

// writer is a snapshot file in the making.
type writer struct {
	file   vfs.File
	check  uint32 // the header's
	chunks uint64
	bytes  uint64
	size   int64
	queued int64        // up to where it is on its way to the disk
	slots  *vault.Slots // nil when it is not sealed
	buf    []byte
	sealed []byte
}

// Write writes a snapshot from the chunks that next returns until it says
// done, each of which holds until the next, and makes it durable under its name. It returns the file's size in
// bytes. The snapshots before it stay: see Prune.
func (d Dir) Write(meta Meta, next func() (chunk []byte, done bool, err error)) (int64, error) {
	temp := d.join(tempName)
	size, err := d.writeFile(temp, meta, next)
	if err == nil {
		err = d.publish(temp, fileName(meta.Index))
	}
	if err != nil {
		_ = d.FS.Remove(temp)
		if noSpace(err) {
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
		return 0, fmt.Errorf("snapshot at index %d: %w", meta.Index, err)
	}
	return size, nil
}

// Chunks reads what Write writes out of a stream.
func Chunks(r io.Reader) (next func() (chunk []byte, done bool, err error)) {
	return func() ([]byte, bool, error) {
		chunk := make([]byte, readSize)
		n, err := io.ReadFull(r, chunk)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return chunk[:n], true, nil
		}
		return chunk[:n], false, err
	}
}

// publish gives a durable file its name, durably.
func (d Dir) publish(temp, name string) error {
	if err := d.FS.Rename(temp, d.join(name)); err != nil {
		return err
	}
	return d.sync()
}

// sync makes the directory's names durable.
func (d Dir) sync() error {
	dir, err := d.FS.OpenDir(d.Path)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return dir.Sync()
}

func (d Dir) writeFile(path string, meta Meta, next func() ([]byte, bool, error)) (size int64, err error) {
	head, slots, err := meta.encode(d.Keys)
	if err != nil {
		return 0, err
	}
	file, err := d.FS.Create(path, category)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	w := &writer{file: file, check: binary.LittleEndian.Uint32(head[len(head)-4:]), slots: slots}
	if err := w.write(head); err != nil {
		return 0, err
	}
	for done := false; !done; {
		var data []byte
		if data, done, err = next(); err != nil {
			return 0, err
		}
		for len(data) > 0 {
			n := min(len(data), MaxChunk)
			if err := w.chunk(data[:n]); err != nil {
				return 0, err
			}
			data = data[n:]
		}
	}
	if err := w.footer(); err != nil {
		return 0, err
	}
	return w.size, file.Sync()
}

func (w *writer) chunk(data []byte) error {
	stored := data
	if w.slots != nil {
		w.sealed = w.slots.Seal(w.sealed[:0], data, place(w.chunks))
		stored = w.sealed
	}
	b := binary.LittleEndian.AppendUint32(w.buf[:0], uint32(len(stored)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Update(seed(w.check, w.chunks), castagnoli, stored))
	w.buf = append(b, stored...)
	w.chunks++
	w.bytes += uint64(len(data))
	return w.write(w.buf)
}

func (w *writer) footer() error {
	b := footer(w.chunks, w.bytes)
	if w.slots != nil {
		b = append(b, w.slots.Seal(nil, nil, b)...)
	}
	return w.write(binary.LittleEndian.AppendUint32(b, footerCheck(w.check, w.chunks, b)))
}

// writeBehind is how much of a snapshot gathers in the page cache. All of it at
// the end would stand in the disk's queue before the log's next fsync.
const writeBehind = 4 << 20

func (w *writer) write(b []byte) error {
	n, err := w.file.Write(b)
	w.size += int64(n)
	if err == nil && w.size-w.queued >= writeBehind {
		w.queued = w.size
		_, err = w.file.SyncTo(w.size) // makes nothing durable: the end does
	}
	return err
}

// footer is the footer up to its seal.
func footer(chunks, bytes uint64) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 4, footerSize), chunks)
	return binary.LittleEndian.AppendUint64(b, bytes)
}

func footerCheck(headerCheck uint32, chunks uint64, b []byte) uint32 {
	return crc32.Update(seed(headerCheck, chunks), castagnoli, b[4:])
}

// Prune removes the snapshots before the one at index, which is durable, and
// what an interrupted Write left, durably: what was erased is not to come back
// with one of them.
func (d Dir) Prune(index uint64) error {
	names := []string{tempName}
	indexes, err := d.list()
	if err != nil {
		return err
	}
	for _, i := range indexes {
		if i < index {
			names = append(names, fileName(i))
		}
	}
	removed := false
	for _, name := range names {
		path := d.join(name)
		if _, err := d.FS.Stat(path); err != nil && name == tempName {
			continue // nothing was interrupted
		}
		if err := d.FS.Remove(path); err != nil {
			return fmt.Errorf("remove old snapshot: %w", err)
		}
		removed = true
	}
	if !removed {
		return nil
	}
	if err := d.sync(); err != nil {
		return fmt.Errorf("remove old snapshot: %w", err)
	}
	return nil
}

// Rewrap wraps the data keys of the directory's snapshots under the ring's
// primary key, unless they are already, and says which keys the files need
// then. It does not rewrite them. Its error is final: see vault.Slots.Rewrap.
func (d Dir) Rewrap() (u vault.Usage, err error) {
	indexes, err := d.list()
	if err != nil {
		return u, err
	}
	for _, index := range indexes {
		path := d.join(fileName(index))
		r, err := d.Open(path)
		if err != nil {
			return u, err
		}
		_ = r.Close()
		if r.slots != nil && d.Keys != nil && !r.slots.Wrapped(d.Keys) {
			if err := d.rewrap(path, r.slots); err != nil {
				return u, fmt.Errorf("wrap the key of %s: %w", path, err)
			}
		}
		u.Add(r.slots)
	}
	return u, nil
}

func (d Dir) rewrap(path string, slots *vault.Slots) error {
	file, err := d.FS.OpenReadWrite(path, category)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return slots.Rewrap(d.Keys, file, slotsOffset)
}
