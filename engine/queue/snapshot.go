package queue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"slices"

	"github.com/tidwall/btree"
)

// SnapshotVersion is the version of the snapshot stream that is written and read.
const SnapshotVersion = 1

const snapshotMagic = "CFJS"

var (
	// ErrSnapshotRunning is returned by BeginSnapshot while another runs.
	ErrSnapshotRunning = errors.New("queue: a snapshot is already running")
	// ErrSnapshotCorrupt is returned when a snapshot stream makes no sense.
	ErrSnapshotCorrupt = errors.New("queue: snapshot is corrupt")
	// ErrSnapshotVersion is returned for a stream of another version.
	ErrSnapshotVersion = errors.New("queue: snapshot version not supported")
)

// Snapshot is the state at the moment it began, pulled in small steps while
// operations go on. Its methods need the group's lock, Next's result does not.
// It costs the memory of the jobs that change meanwhile and before their turn.
type Snapshot struct {
	queues    *Queues
	debounces *btree.Map[string, debounce] // as they were
	debounced string                       // the last one handed out
	next, end uint64                       // the job ids that are yet to come: from next to before end
	saved     btree.Map[uint64, []byte]    // jobs of them that have changed, as they were
	jobs      uint64                       // handed out
	buf       []byte                       // encoded, not handed out
	ended     bool                         // the end is in buf
	recorder  recorder
}

// BeginSnapshot starts a snapshot of the present state. One can run at a time;
// it runs until Next reports done or it is closed.
func (q *Queues) BeginSnapshot() (*Snapshot, error) {
	if q.snapshot != nil {
		return nil, ErrSnapshotRunning
	}
	q.snapshot = q.stream()
	return q.snapshot, nil
}

// stream is a snapshot that nothing is saved for.
func (q *Queues) stream() *Snapshot {
	s := &Snapshot{queues: q, debounces: q.debounces.Copy(), next: 1, end: q.lastID + 1}
	s.buf = binary.LittleEndian.AppendUint16(append(s.buf, snapshotMagic...), SnapshotVersion)
	c := &codec{}
	q.fields(c)
	s.buf = binary.LittleEndian.AppendUint64(s.buf, uint64(len(c.dst)))
	s.buf = append(s.buf, c.dst...)
	s.buf = binary.AppendUvarint(s.buf, uint64(s.debounces.Len()))
	return s
}

// save keeps a job as it is, if the snapshot has yet to write it.
func (s *Snapshot) save(j *job) {
	if j.id < s.next || j.id >= s.end {
		return
	}
	if _, ok := s.saved.Get(j.id); !ok {
		s.saved.Set(j.id, bytes.Clone(s.recorder.record(j)))
	}
}

// Next returns the stream's next bytes, at most limit of them, and whether they
// are the last. The caller owns the chunk.
func (s *Snapshot) Next(limit int) (chunk []byte, done bool) {
	s.buf = slices.Grow(s.buf, max(limit+limit/4-len(s.buf), 0)) // at once, rather than by doubling
	if len(s.buf) < limit && s.debounces != nil {
		s.appendDebounces(limit)
	}
	if len(s.buf) < limit && s.debounces == nil && s.next < s.end {
		s.appendJobs(limit)
	}
	if s.debounces == nil && s.next >= s.end && !s.ended {
		s.buf = binary.AppendUvarint(append(s.buf, 0), s.jobs)
		s.ended = true
	}
	n := min(limit, len(s.buf))
	chunk, s.buf = s.buf[:n:n], s.buf[n:]
	if done = s.ended && len(s.buf) == 0; done {
		s.Close()
	}
	return chunk, done
}

// Close ends the snapshot, finished or not; its memory is free then.
func (s *Snapshot) Close() {
	if s.queues != nil && s.queues.snapshot == s {
		s.queues.snapshot = nil
	}
	s.queues, s.debounces, s.saved, s.next, s.ended = nil, nil, btree.Map[uint64, []byte]{}, s.end, true
}

func (s *Snapshot) appendDebounces(limit int) {
	more := false
	c := &codec{dst: s.buf}
	s.debounces.Ascend(s.debounced, func(key string, d debounce) bool {
		if key == s.debounced {
			return true
		}
		if more = len(c.dst) >= limit; more {
			return false
		}
		c.string(&key, 2*MaxKey)
		c.uint(&d.id)
		c.int(&d.until)
		s.debounced = key
		return true
	})
	if s.buf = c.dst; !more {
		s.debounces = nil
	}
}

// appendJobs encodes jobs in the order of their ids, those that have changed
// as they were.
func (s *Snapshot) appendJobs(limit int) {
	saved := s.saved.Iter()
	left := saved.Seek(s.next)
	before := func(id uint64) { // the saved ones up to there
		for left && saved.Key() < id && len(s.buf) < limit {
			s.record(saved.Key(), saved.Value())
			left = saved.Next()
		}
	}
	s.queues.jobs.from(s.next, func(j *job) bool {
		before(j.id)
		if j.id >= s.end || len(s.buf) >= limit {
			return false
		}
		if left && saved.Key() == j.id {
			s.record(j.id, saved.Value())
			left = saved.Next()
		} else {
			s.record(j.id, nil)
		}
		return true
	})
	if before(s.end); len(s.buf) < limit {
		s.next = s.end
	}
	for id, _, ok := s.saved.Min(); ok && id < s.next; id, _, ok = s.saved.Min() {
		s.saved.Delete(id)
	}
}

// record appends one job, from its encoding or, without one, as it is now.
func (s *Snapshot) record(id uint64, encoded []byte) {
	if encoded == nil {
		encoded = s.recorder.record(s.queues.jobs.find(id))
	}
	s.buf = append(binary.AppendUvarint(s.buf, uint64(len(encoded))), encoded...)
	s.jobs++
	s.next = id + 1
}

// Hash is a digest of the state, equal for equal states. It costs a pass over
// all jobs.
func (q *Queues) Hash() uint64 {
	h := fnv.New64a()
	s := q.stream()
	for done := false; !done; {
		var chunk []byte
		chunk, done = s.Next(1 << 20)
		_, _ = h.Write(chunk) // never fails
	}
	return h.Sum64()
}
