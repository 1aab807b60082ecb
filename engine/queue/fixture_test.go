package queue

import (
	"bytes"
	"encoding/json"
	"testing"
)

// bench is a state that a test drives. Every Op goes through the log's format.
type bench struct {
	t    testing.TB
	q    *Queues
	now  int64
	seed uint64
}

func newBench(t testing.TB) *bench { return &bench{t: t, q: New(), now: 1_700_000_000_000} }

// do applies an Op, as it is read back from the log.
func do[T Op](b *bench, op T) T {
	b.t.Helper()
	if err := op.Check(b.now); err != nil {
		b.t.Fatalf("%T: %v", op, err)
	}
	if op.Writes() {
		data := op.Append(nil)
		parsed, err := ParseOp(data)
		if err != nil {
			b.t.Fatalf("%T: %v", op, err)
		}
		if again := parsed.Append(nil); !bytes.Equal(again, data) {
			b.t.Fatalf("%T: reads back as another", op)
		}
		op = parsed.(T)
	}
	b.seed++
	op.Apply(b.q, b.now, b.seed)
	return op
}

// ok is do of what must succeed.
func ok[T Op](b *bench, op T) T {
	b.t.Helper()
	op = do(b, op)
	if err := op.Failed(); err != nil {
		b.t.Fatalf("%T: %v", op, err)
	}
	return op
}

// refused is do of what must not, and why.
func refused[T Op](b *bench, op T, code string) *Error {
	b.t.Helper()
	op = do(b, op)
	if err := op.Failed(); err == nil || err.Code != code {
		b.t.Fatalf("%T: %v, want %s", op, err, code)
	}
	return op.Failed()
}

func (b *bench) push(n NewJob) uint64 {
	b.t.Helper()
	if n.Queue == "" {
		n.Queue = "q"
	}
	if n.Data == nil {
		n.Data = []byte(`{}`)
	}
	return ok(b, &Push{Jobs: []NewJob{n}}).Result[0].ID
}

// pull is up to n jobs of a queue, with leases of nobody in particular.
func (b *bench) pull(queue string, n int) []Job {
	b.t.Helper()
	return ok(b, &Pull{Queue: queue, Count: n}).Result
}

// one is the next job, which must be there.
func (b *bench) one(queue string) Job {
	b.t.Helper()
	jobs := b.pull(queue, 1)
	if len(jobs) != 1 {
		b.t.Fatalf("nothing to pull of %s", queue)
	}
	return jobs[0]
}

func ids(jobs []Job) (ids []uint64) {
	for _, j := range jobs {
		ids = append(ids, j.ID)
	}
	return ids
}

func holder(j Job) Holder { return Holder{ID: j.ID, Token: j.Lease.Token} }

func (b *bench) ack(j Job) { b.t.Helper(); ok(b, &Ack{Jobs: []Finished{{Holder: holder(j)}}}) }

func (b *bench) fail(j Job) *Fail {
	b.t.Helper()
	return ok(b, &Fail{Holder: holder(j), Error: "no luck"})
}

// sleep lets time pass, and does what becomes due as a leader would.
func (b *bench) sleep(ms int64) {
	b.t.Helper()
	end := b.now + ms
	for due := b.q.NextDue(); due != 0 && due <= end; due = b.q.NextDue() {
		b.now = max(b.now, due)
		do(b, b.q.Tick(b.now))
	}
	b.now = end
}

func (b *bench) state(id uint64) State {
	b.t.Helper()
	if j := b.job(id); j != nil {
		return j.State
	}
	return 0
}

func (b *bench) job(id uint64) *Job {
	b.t.Helper()
	return ok(b, &Get{IDs: []uint64{id}}).Result[0]
}

func (b *bench) counts(queue string) Counts {
	b.t.Helper()
	return ok(b, &Count{Queue: queue}).Result
}

func stream(t testing.TB, q *Queues, step int) (data []byte) {
	t.Helper()
	s, err := q.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	for {
		chunk, done := s.Next(step)
		if data = append(data, chunk...); done {
			return data
		}
	}
}

// restored is a state read back from its snapshot, and equal to it.
func restored(t testing.TB, q *Queues) *Queues {
	t.Helper()
	data := stream(t, q, 1000)
	r := bytes.NewReader(data)
	back, err := Restore(r)
	if err != nil {
		t.Fatal(err)
	}
	if r.Len() > 0 {
		t.Fatalf("%d bytes are left of the stream", r.Len())
	}
	if back.Hash() != q.Hash() || !bytes.Equal(stream(t, back, 1<<20), data) {
		t.Fatal("what was restored is another state")
	}
	return back
}

func (b *bench) configure(s Settings) *Configure {
	b.t.Helper()
	s.Version = SettingsVersion
	data, err := json.Marshal(s)
	if err != nil {
		b.t.Fatal(err)
	}
	return ok(b, &Configure{Settings: data})
}
