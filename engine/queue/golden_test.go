package queue

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write golden files of the present version that are missing")

// everything is an Op of every kind, with every field set, in an order in which
// most of them succeed.
func everything() []Op {
	full := NewJob{
		Queue: "a:b", Data: []byte(`{"x":1}`), Priority: -3, Delay: 5, TTL: 1 << 40, Timeout: 9000, StallTimeout: 8000, MaxAttempts: None, Backoff: 77,
		UniqueKey: "u", DebounceID: "d", DebounceTTL: 50, CustomID: "c", GroupID: "g", Tags: []string{"t", ""}, LIFO: true,
		RemoveOnFail: true, KeepAge: 1 << 30, KeepCount: 4,
	}
	plain := NewJob{Queue: "q", Data: []byte("1")}
	depends := NewJob{Queue: "q", Data: []byte("[]"), DependsOn: []uint64{1, 2}, RemoveOnComplete: true}
	owned := func(id uint64) Holder { return Holder{ID: id, Owner: 9} }
	return []Op{
		&Configure{
			Settings: []byte(`{"version":1,"revision":"r","queues":[{"name":"a:b","concurrency":5,"deadLetter":"dead"}],"schedules":[{"name":"s","queue":"q","everyMilliseconds":1000}]}`),
			Nexts:    []Run{{"s", 3000}},
		},
		&Push{Jobs: []NewJob{full, plain, plain}},
		&Push{Jobs: []NewJob{depends, plain, plain, plain, plain}},
		&Flow{Parent: plain, Children: []NewJob{plain, {Queue: "a:b", Data: []byte("2")}}},
		&Pull{Queue: "q", Count: 5, Owner: 9, Lease: 7000},
		&Ack{Jobs: []Finished{{Holder: owned(2), Result: []byte(`"done"`)}, {Holder: Holder{ID: 99, Token: Token{1, 2}}}}},
		&Progress{Holder: owned(3), Progress: 50, Message: "half"},
		&Log{Holder: owned(3), Level: "warn", Message: "line"},
		&Partial{Holder: owned(3), Index: 6, Data: []byte("[6]")},
		&Renew{Owners: []uint64{9, 10}, Jobs: []Holder{owned(3)}, Lease: 9999},
		&Fail{Holder: owned(5), Error: "why", Final: true},
		&Release{Owners: []uint64{10}},
		&MoveToDelayed{Holder: owned(6), Delay: 60},
		&Promote{ID: 6},
		&SetPriority{ID: 7, Priority: 8},
		&Update{ID: 7, Data: []byte(`{"user":"u1","mail":"m"}`)},
		&Erase{Queue: "q*", Path: "user", Value: []byte(`"u1"`), Redact: []string{"mail"}, From: 2},
		&Cancel{ID: 8},
		&Discard{ID: 7},
		&SetRateLimit{Queue: "q", RateLimit: RateLimit{3, 2000}},
		&SetConcurrency{Queue: "q", Limit: 6},
		&Pause{Queue: "paused", Paused: true},
		&Pull{Queue: "q", Count: 1},
		&Retry{Queue: "q", ID: 7, Step: Step{Before: 100}},
		&Drain{Queue: "paused", Step: Step{Before: 100}},
		&Obliterate{Queue: "none", Step: Step{Before: 100}},
		&Clean{Queues: []string{"q", "r"}, State: Completed, Grace: 1 << 40, Limit: 9},
		&Purge{Queue: "q", Step: Step{Before: 100}},
		&SetSchedule{Schedule: Schedule{Name: "n", Queue: "q", Cron: "* * * * *", TimeZone: "Europe/Berlin", Data: []byte("3"), Priority: 1, Limit: 2}, Next: 5000},
		&SetSchedule{Schedule: Schedule{Name: "m", Queue: "q", Every: 100}, Next: 1100},
		&DeleteSchedule{Name: "m"},
		&Tick{Runs: []Run{{"s", 4000}, {"n", 0}}},
		&Tick{Runs: []Run{{"s", 5000}}, Full: true},
		&SetKey{Key: Key{ID: [8]byte{1, 2}, Queue: "q", Wrapped: []byte("wrapped")}},
	}
}

// TestGolden applies operations as every version wrote them, and reads its
// snapshots: both lead to the same state, and are written again as they were.
func TestGolden(t *testing.T) {
	dir := filepath.Join("testdata", "v1")
	if _, err := os.Stat(dir); err != nil && *update {
		writeGolden(t, dir)
	}
	read := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	q, codes := New(), map[byte]bool{}
	for rest, i := read("ops"), 0; len(rest) > 0; i++ {
		n, size := binary.Uvarint(rest)
		data := rest[size : size+int(n)]
		op, err := ParseOp(data)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(op.Append(nil), data) {
			t.Errorf("operation %d: %T is written in another way", i, op)
		}
		apply(q, op, i)
		codes[data[0]] = true
		rest = rest[size+int(n):]
	}
	for code := byte(1); newOp(code) != nil; code++ {
		if !codes[code] {
			t.Errorf("no operation of code %d, %T", code, newOp(code))
		}
	}
	back, err := Restore(bytes.NewReader(read("snapshot")))
	if err != nil {
		t.Fatal(err)
	}
	if back.Hash() != q.Hash() || !bytes.Equal(stream(t, back, 1000), read("snapshot")) {
		t.Error("operations and snapshot lead to different states")
	}
}

// apply carries out the nth operation of the golden file.
func apply(q *Queues, op Op, n int) { op.Apply(q, 1000+int64(n)*100, uint64(n)) }

func writeGolden(t *testing.T, dir string) {
	t.Helper()
	_ = os.MkdirAll(dir, 0o755)
	q, ops := New(), []byte(nil)
	for i, op := range everything() {
		data := op.Append(nil)
		ops = append(binary.AppendUvarint(ops, uint64(len(data))), data...)
		parsed, err := ParseOp(data)
		if err != nil {
			t.Fatalf("%T: %v", op, err)
		}
		if apply(q, parsed, i); parsed.Failed() != nil {
			t.Logf("%T: %v", op, parsed.Failed())
		}
	}
	for name, data := range map[string][]byte{"ops": ops, "snapshot": stream(t, q, 1000)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzParseOp: whatever the log holds, reading it neither fails badly nor takes
// more memory than it is long, and what is read is written as it was, and can
// be applied.
func FuzzParseOp(f *testing.F) {
	for _, op := range everything() {
		f.Add(op.Append(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		op, err := ParseOp(data)
		if err != nil {
			return
		}
		again, err := ParseOp(op.Append(nil))
		if err != nil || !bytes.Equal(again.Append(nil), op.Append(nil)) {
			t.Fatalf("%T reads back as another: %v", op, err)
		}
		if op.Check(1000) != nil { // the leader logs no such thing
			return
		}
		q := New()
		for i, before := range everything()[:4] {
			apply(q, before, i)
		}
		apply(q, op, 4)
		restored(t, q)
	})
}

// FuzzRestore: a stream that is damaged is refused, or is a state that can be
// written.
func FuzzRestore(f *testing.F) {
	q := New()
	for i, op := range everything() {
		apply(q, op, i)
	}
	f.Add(stream(f, q, 1000))
	f.Add(stream(f, New(), 1000))
	f.Fuzz(func(t *testing.T, data []byte) {
		q, err := Restore(bytes.NewReader(data))
		if err == nil {
			stream(t, q, 1000)
			apply(q, q.Tick(1<<50), 0)
		}
	})
}
