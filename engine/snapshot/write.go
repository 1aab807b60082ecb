package snapshot

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// writer is a snapshot file in the making.
type writer struct {
	file   vfs.File
	check  uint32 // the header's
	chunks uint64
	bytes  uint64
	size   int64
	buf    []byte
}

// Write writes a snapshot from the chunks that next returns until it says
// done, and makes it durable under its name. It returns the file's size in
// bytes. The snapshots before it stay: see Prune.
func Write(fs vfs.FS, dir string, meta Meta, next func() (chunk []byte, done bool, err error)) (int64, error) {
	temp := fs.PathJoin(dir, tempName)
	size, err := writeFile(fs, temp, meta, next)
	if err == nil {
		err = publish(fs, dir, temp, fileName(meta.Index))
	}
	if err != nil {
		_ = fs.Remove(temp)
		if noSpace(err) {
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
		return 0, fmt.Errorf("snapshot at index %d: %w", meta.Index, err)
	}
	return size, nil
}

// publish gives a durable file its name, durably.
func publish(fs vfs.FS, dir, temp, name string) error {
	if err := fs.Rename(temp, fs.PathJoin(dir, name)); err != nil {
		return err
	}
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

func writeFile(fs vfs.FS, path string, meta Meta, next func() ([]byte, bool, error)) (size int64, err error) {
	head, err := meta.encode()
	if err != nil {
		return 0, err
	}
	file, err := fs.Create(path, category)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	w := &writer{file: file, check: binary.LittleEndian.Uint32(head[len(head)-4:])}
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
	if err := w.write(footer(w.check, w.chunks, w.bytes)); err != nil {
		return 0, err
	}
	return w.size, file.Sync()
}

func (w *writer) chunk(data []byte) error {
	b := binary.LittleEndian.AppendUint32(w.buf[:0], uint32(len(data)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Update(seed(w.check, w.chunks), castagnoli, data))
	w.buf = append(b, data...)
	w.chunks++
	w.bytes += uint64(len(data))
	return w.write(w.buf)
}

func (w *writer) write(b []byte) error {
	n, err := w.file.Write(b)
	w.size += int64(n)
	return err
}

func footer(headerCheck uint32, chunks, bytes uint64) []byte {
	b := make([]byte, 4, footerSize)
	b = binary.LittleEndian.AppendUint64(b, chunks)
	b = binary.LittleEndian.AppendUint64(b, bytes)
	return binary.LittleEndian.AppendUint32(b, crc32.Update(seed(headerCheck, chunks), castagnoli, b[4:20]))
}

// Prune removes the snapshots before the one at index, which is durable, and
// what an interrupted Write left. Should a crash undo it, the next one removes
// them again.
func Prune(fs vfs.FS, dir string, index uint64) error {
	names := []string{tempName}
	indexes, err := list(fs, dir)
	if err != nil {
		return err
	}
	for _, i := range indexes {
		if i < index {
			names = append(names, fileName(i))
		}
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		if _, err := fs.Stat(path); err != nil && name == tempName {
			continue // nothing was interrupted
		}
		if err := fs.Remove(path); err != nil {
			return fmt.Errorf("remove old snapshot: %w", err)
		}
	}
	return nil
}
