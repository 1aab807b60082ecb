package queue

import (
	"crypto/sha256"
	"encoding/binary"
)

// Check implements Op.
func (op *Pull) Check(int64) *Error {
	return first(
		checkQueue("queue", op.Queue),
		checkNumbers(number{"count", int64(op.Count), 1, MaxBatch, ""}, number{"lease", op.Lease, 0, MaxDuration, " ms"}),
	)
}

// Apply implements Op.
func (op *Pull) Apply(q *Queues, now int64, seed uint64) {
	qu := q.named[op.Queue]
	if qu == nil {
		return
	}
	limit := qu.rateLimit()
	if limit.Max > 0 {
		qu.window.expire(now, limit.Per)
	}
	var pulled []*job
	for n := qu.pullable(now, op.Count); len(pulled) < n; {
		j, ok := qu.ready.Min()
		if !ok { // the others were of the same groups
			break
		}
		if at := j.expires(); at != 0 && at <= now {
			q.remove(j, now, "expired")
			continue
		}
		q.lend(j, op, now, seed)
		pulled = append(pulled, j)
	}
	if len(pulled) > 0 {
		if limit.Max > 0 {
			qu.window.take(now, int64(len(pulled)), limit.Per)
		}
		op.Result = make([]Job, len(pulled))
		for i, j := range pulled {
			j.viewInto(&op.Result[i])
			q.emit(EventActive, j, now, "", false)
		}
	}
	q.settle(now)
}

// lend makes a job active and leases it.
func (q *Queues) lend(j *job, op *Pull, now int64, seed uint64) {
	q.start(j)
	r := j.ran()
	r.token, r.owner, r.started, r.progress = newToken(seed, j.id), op.Owner, now, 0
	r.lease = j.queue().lease(j, op.Lease)
	r.deadline = now + r.lease
	q.enter(j, Active)
}

// newToken is a token that nobody can guess who does not know the seed, which
// is in the log alone; whoever has other tokens of the same seed cannot either.
func newToken(seed, id uint64) (t Token) {
	var of [16]byte
	binary.LittleEndian.PutUint64(of[:8], seed)
	binary.LittleEndian.PutUint64(of[8:], id)
	sum := sha256.Sum256(of[:])
	copy(t[:], sum[:])
	t[0] |= 1 // never the zero token, which is none
	return t
}
