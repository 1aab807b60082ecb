package wal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	segmentSuffix = ".wal"
	spareSuffix   = ".spare"
	tempName      = "next.tmp"
	category      = vfs.DiskWriteCategory("wal")
)

func fileName(number uint64, suffix string) string {
	return fmt.Sprintf("%020d%s", number, suffix)
}

// parseName returns the number in a file's name.
func parseName(name, suffix string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

func (l *Log) path(name string) string { return l.opts.FS.PathJoin(l.opts.Dir, name) }

// next makes the next segment and writes to it from now on. It has room for
// at least n bytes of frames. On ErrFull nothing has changed.
func (l *Log) next(n int64) error {
	h := header{number: 1, salt: l.opts.Salt()}
	if len(l.segments) > 0 {
		active := l.segments[len(l.segments)-1]
		h.number, h.prevEnd, h.prevIndex = active.number+1, l.end, active.last
	}
	slots, encoded, err := newHeader(&h, l.opts.Keys)
	if err != nil {
		return err
	}
	file, size, err := l.makeSegment(h.number, encoded, (headerSize+n+4095)&^4095)
	if err != nil {
		return err
	}
	if l.file != nil {
		l.closeFile() // it is durable already
	}
	l.segments = append(l.segments, segment{h, fileName(h.number, segmentSuffix), size, h.prevIndex, slots})
	l.file, l.seed, l.end, l.durable, l.syncs = file, h.seed(), h.start(), h.start(), 0
	return nil
}

// makeSegment gives a file with that header and its size, out of a spare one if
// it can, with room for that many bytes. The file gets its name when its content
// is durable: what has a segment's name is a segment.
func (l *Log) makeSegment(number uint64, header []byte, room int64) (file vfs.File, size int64, err error) {
	from, size := tempName, max(l.SegmentSize(), room)
	used := l.takeSpare(room)
	if used >= 0 {
		from, size = l.spares[used].name, l.spares[used].size
	}
	file, err = l.opts.FS.OpenReadWrite(l.path(from), category)
	if err == nil {
		if err = l.fill(file, header, size, from == tempName); err == nil {
			err = file.Sync()
		}
		if err == nil {
			err = l.opts.FS.Rename(l.path(from), l.path(fileName(number, segmentSuffix)))
		}
		if err != nil {
			_ = file.Close()
		}
	}
	if err != nil {
		return nil, 0, l.notMade(number, from, err)
	}
	if used >= 0 {
		l.spares = slices.Delete(l.spares, used, used+1)
	}
	if err := l.syncDir(); err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	return file, size, nil
}

// notMade tells a full volume, which leaves the log as it was, from a broken
// one.
func (l *Log) notMade(number uint64, from string, err error) error {
	if !noSpace(err) {
		return l.fail(fmt.Errorf("make segment %d: %w", number, err))
	}
	// Give back what a half-made file took. A spare keeps its name: nothing in
	// it passes as a segment of the log.
	if from == tempName {
		_ = l.opts.FS.Remove(l.path(tempName))
	}
	return fmt.Errorf("%w: segment %d: %w", ErrFull, number, err)
}

// fill writes the header, into a fresh file once that has its blocks and its size.
func (l *Log) fill(file vfs.File, header []byte, size int64, fresh bool) error {
	if fresh {
		if err := l.allocate(file, size); err != nil {
			return err
		}
	}
	_, err := file.WriteAt(header, 0)
	return err
}

// zerosPerSync is how many bytes of zeros an fsync is worth. Into a file that has
// them it writes data alone; into one whose blocks are only set aside it also
// notes which of them have been written to, which takes about as long as writing
// that many bytes does.
const zerosPerSync = 16 << 10

// allocate gives a fresh file its blocks and its size. Zeros are written where
// fsyncs are frequent, as in the last segment; elsewhere they would double what
// goes to the disk.
func (l *Log) allocate(file vfs.File, size int64) error {
	if l.end > l.syncs*zerosPerSync {
		err := file.Preallocate(0, size)
		if err == nil {
			_, err = file.WriteAt([]byte{0}, size-1)
		}
		if err == nil || noSpace(err) {
			return err
		}
		// Not every file system can.
	}
	block := make([]byte, min(size, 1<<20))
	for at := int64(0); at < size; at += int64(len(block)) {
		if _, err := file.WriteAt(block[:min(int64(len(block)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// Release gives up the segments whose entries are all at or below index,
// which a durable snapshot holds; the one written to stays. They are kept as
// spare ones, as far as they are needed, but for those whose bytes could be read.
func (l *Log) Release(index uint64) error {
	if l.err != nil {
		return l.err
	}
	released := 0
	for released < len(l.segments)-1 && l.segments[released].last <= index {
		released++
	}
	if released == 0 {
		l.forget = false
		return nil
	}
	if kept, err := l.keepState(l.segments[released].number); !kept || err != nil {
		return err
	}
	forget := l.forget
	l.forget = false
	given := l.segments[:released]
	l.segments = append([]segment(nil), l.segments[released:]...)
	for _, s := range given {
		var err error
		if !forget && l.keeps(s.size) && (l.opts.Keys == nil || s.slots != nil) {
			name := fileName(s.number, spareSuffix)
			err = l.opts.FS.Rename(l.path(s.name), l.path(name))
			l.spares = append(l.spares, spare{name, s.size})
		} else {
			err = l.opts.FS.Remove(l.path(s.name))
		}
		if err != nil {
			return l.fail(fmt.Errorf("release %s: %w", s.name, err))
		}
	}
	if err := l.trim(); err != nil {
		return l.fail(err)
	}
	// Before a spare is written to, its old name must be gone for good.
	return l.syncDir()
}

func (l *Log) syncDir() error {
	dir, err := l.opts.FS.OpenDir(l.opts.Dir)
	if err == nil {
		err = dir.Sync()
		_ = dir.Close()
	}
	if err != nil {
		return l.fail(fmt.Errorf("fsync directory %s: %w", l.opts.Dir, err))
	}
	return nil
}
