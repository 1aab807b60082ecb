package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Reader is what a snapshot stream is read from. Nothing behind the stream is
// taken from it.
type Reader interface {
	io.Reader
	io.ByteReader
}

// maxHead bounds what the head of a stream may claim, in bytes, maxRecord what
// a job may.
const (
	maxHead   = 1 << 36
	maxRecord = 4 << 30
)

// Restore reads a snapshot stream into a new state.
func Restore(r Reader) (*Queues, error) {
	q, err := restore(r)
	if errors.Is(err, ErrSnapshotVersion) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshotCorrupt, err)
	}
	return q, nil
}

func restore(r Reader) (*Queues, error) {
	var fixed [6 + 8]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if string(fixed[:4]) != snapshotMagic {
		return nil, errors.New("no magic")
	}
	if v := binary.LittleEndian.Uint16(fixed[4:]); v != SnapshotVersion {
		return nil, fmt.Errorf("%w: snapshot has version %d, this engine reads %d", ErrSnapshotVersion, v, SnapshotVersion)
	}
	q := New()
	if err := q.readHead(r, binary.LittleEndian.Uint64(fixed[6:])); err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	if err := q.readDebounces(r); err != nil {
		return nil, fmt.Errorf("debounces: %w", err)
	}
	if err := q.readJobs(r); err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	for _, qu := range q.dirty {
		qu.dirty = false
	}
	q.dirty = nil
	return q, nil
}

// readSized allocates as bytes arrive, not by what is claimed.
func readSized(r io.Reader, buf []byte, size, limit uint64) ([]byte, error) {
	const step = 1 << 20
	if size > limit {
		return nil, fmt.Errorf("%d bytes", size)
	}
	buf = buf[:0]
	for uint64(len(buf)) < size {
		from := len(buf)
		buf = append(buf, make([]byte, min(size-uint64(from), step))...)
		if _, err := io.ReadFull(r, buf[from:]); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func (q *Queues) readHead(r Reader, size uint64) error {
	data, err := readSized(r, nil, size, maxHead)
	if err != nil {
		return err
	}
	c := &codec{reading: true, rest: data}
	if q.fields(c); c.err == nil && len(c.rest) > 0 {
		c.fail("bytes left over")
	}
	if c.err != nil {
		return c.err
	}
	if len(q.declared) > 0 {
		s, err := decodeSettings(q.declared)
		if err != nil {
			return err
		}
		q.settings = s
		for i := range s.Queues {
			if qu := q.named[s.Queues[i].Name]; qu != nil {
				qu.declared = &s.Queues[i]
			}
		}
	}
	q.queues.Scan(func(name string, qu *queue) bool {
		for kind, at := range qu.alarms {
			if at != 0 {
				q.alarms.Set(alarm{at, alarmKind(kind), name})
			}
		}
		return true
	})
	q.schedules.Scan(func(name string, s *schedule) bool {
		if s.next != 0 {
			q.alarms.Set(alarm{s.next, alarmSchedule, name})
		}
		return true
	})
	return nil
}

func (q *Queues) readDebounces(r Reader) error {
	n, err := binary.ReadUvarint(r)
	for ; err == nil && n > 0; n-- {
		var size, id uint64
		var until int64
		var key []byte
		if size, err = binary.ReadUvarint(r); err != nil {
			break
		}
		if key, err = readSized(r, nil, size, 2*MaxKey); err != nil {
			break
		}
		if id, err = binary.ReadUvarint(r); err != nil {
			break
		}
		if until, err = binary.ReadVarint(r); err == nil {
			q.setDebounce(string(key), debounce{id, until})
		}
	}
	return err
}

func (q *Queues) readJobs(r Reader) error {
	var buf []byte
	last := uint64(0)
	for {
		size, err := binary.ReadUvarint(r)
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		if buf, err = readSized(r, buf, size, maxRecord); err != nil {
			return err
		}
		id, err := q.readJob(buf)
		if err == nil && id <= last {
			err = fmt.Errorf("%d behind %d", id, last)
		}
		if err != nil {
			return err
		}
		last = id
	}
	n, err := binary.ReadUvarint(r)
	if err == nil && n != uint64(q.jobs.count) {
		err = fmt.Errorf("%d announced, %d read", n, q.jobs.count)
	}
	return err
}

func (q *Queues) readJob(data []byte) (id uint64, err error) {
	r, c := &recorded{}, &codec{reading: true, rest: data}
	if r.fields(c); c.err == nil && len(c.rest) > 0 {
		c.fail("bytes left over")
	}
	if c.err != nil {
		return 0, fmt.Errorf("job %d: %w", r.id, c.err)
	}
	qu := q.serials[r.serial]
	switch {
	case r.id == 0 || r.id > q.lastID || q.jobs.find(r.id) != nil:
		return 0, fmt.Errorf("job %d is out of range, or there twice", r.id)
	case qu == nil:
		return 0, fmt.Errorf("job %d: no queue %d", r.id, r.serial)
	case r.state == Active && r.run == nil, r.state == Blocked && len(r.marks.pending) == 0:
		return 0, fmt.Errorf("job %d: %s without what makes it so", r.id, r.state)
	}
	j := q.jobs.place(r.id)
	j.make(r.id, &r.given, qu, r.created)
	j.data, j.order, j.attempts, j.run = r.data, r.order, r.attempts, r.run
	if m := r.marks; j.marks != nil || m.parent != 0 || len(m.children) > 0 || len(m.pending) > 0 {
		if j.marks == nil {
			j.marks = &marks{}
		}
		j.marks.expires, j.marks.parent, j.marks.children, j.marks.pending = m.expires, m.parent, m.children, m.pending
	}
	if m := j.marks; m != nil {
		if m.custom != "" {
			q.custom[m.custom] = j
		}
		if m.unique != "" && r.state != Completed && r.state != Failed {
			qu.unique[m.unique] = j
		}
	}
	q.enter(j, r.state)
	return j.id, nil
}
