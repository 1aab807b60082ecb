package queue

import (
	"os"
	"runtime"
	"strconv"
	"testing"
)

func pad(n int) []byte {
	b := append([]byte(`{"pad":"`), make([]byte, n-10)...)
	for i := 8; i < len(b); i++ {
		b[i] = 'x'
	}
	return append(b, `"}`...)
}

func batch(n int, data []byte) *Push {
	op := &Push{}
	for range n {
		op.Jobs = append(op.Jobs, NewJob{Queue: "emails", Data: data})
	}
	return op
}

// BenchmarkPush is one job of 200 bytes per iteration, in batches, beside as
// many waiting ones as there are iterations.
func BenchmarkPush(b *testing.B) {
	for _, size := range []int{1, 1000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			q, data := New(), batch(size, pad(200)).Append(nil)
			b.ReportAllocs()
			for n := 0; n < b.N; n += size {
				op, err := ParseOp(data)
				if err != nil {
					b.Fatal(err)
				}
				op.Apply(q, int64(n), uint64(n))
			}
		})
	}
}

// BenchmarkAppendPush is what the log's format takes per job.
func BenchmarkAppendPush(b *testing.B) {
	op := batch(1000, pad(200))
	var buf []byte
	for n := 0; n < b.N; n += 1000 {
		buf = op.Append(buf[:0])
	}
}

// BenchmarkPullAck is a job pulled, processed and acknowledged, in batches, out
// of a backlog.
func BenchmarkPullAck(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			q := New()
			fill(q, b.N+size)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += size {
				pullAck(b, q, size, int64(n))
			}
		})
	}
}

// BenchmarkLimitedPullAck is BenchmarkPullAck of one job at a time, of a queue
// with both limits.
func BenchmarkLimitedPullAck(b *testing.B) {
	q := New()
	fill(q, b.N+1)
	(&SetConcurrency{Queue: "emails", Limit: 3}).Apply(q, 0, 0)
	(&SetRateLimit{Queue: "emails", RateLimit: RateLimit{Max: MaxRate, Per: 1000}}).Apply(q, 0, 0)
	b.ResetTimer()
	for n := range b.N {
		pullAck(b, q, 1, int64(n))
	}
}

func fill(q *Queues, n int) {
	op := batch(1000, pad(200))
	for ; n > 0; n -= 1000 {
		op.Apply(q, 0, 0)
	}
}

func pullAck(b testing.TB, q *Queues, size int, now int64) {
	pull := &Pull{Queue: "emails", Count: size, Owner: 1}
	pull.Apply(q, now, uint64(now))
	if len(pull.Result) != size {
		b.Fatalf("%d jobs", len(pull.Result))
	}
	ack := &Ack{}
	for i := range pull.Result {
		ack.Jobs = append(ack.Jobs, Finished{Holder: Holder{ID: pull.Result[i].ID, Token: pull.Result[i].Lease.Token}})
	}
	if ack.Apply(q, now, 0); ack.ResultErrs != nil {
		b.Fatal(ack.ResultErrs)
	}
}

// envBacklog is how many jobs BenchmarkBacklog has waiting.
const envBacklog = "COFFER_QUEUE_BACKLOG"

// BenchmarkBacklog pushes and pulls beside a backlog, 10 million jobs unless
// the environment says: neither may take longer than with an empty queue. It
// tells what a waiting job takes.
func BenchmarkBacklog(b *testing.B) {
	jobs, err := strconv.Atoi(os.Getenv(envBacklog))
	if err != nil {
		b.Skipf("%s says how many jobs: 10000000 takes 4 GiB", envBacklog)
	}
	q := New()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	fill(q, jobs)
	runtime.GC()
	runtime.ReadMemStats(&after)
	perJob := float64(after.HeapAlloc-before.HeapAlloc) / float64(jobs)
	one := batch(1, pad(200))
	b.Run("push", func(b *testing.B) {
		for n := range b.N {
			one.Apply(q, int64(n), 0)
		}
		b.ReportMetric(perJob, "B/job")
		b.ReportMetric(float64(q.Bytes())/float64(q.Len()), "counted-B/job")
	})
	b.Run("pull-ack", func(b *testing.B) {
		for n := range b.N {
			pullAck(b, q, 1, int64(n))
		}
	})
	b.Run("priorities", func(b *testing.B) {
		op := batch(1, pad(200))
		for n := range b.N {
			op.Jobs[0].Priority = int32(n * 7919 % 1000)
			op.Apply(q, int64(n), 0)
		}
	})
}
