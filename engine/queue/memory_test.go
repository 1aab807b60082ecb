package queue

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestMemoryThatIsNoJobs counts: schedules with their data, and debounces.
func TestMemoryThatIsNoJobs(t *testing.T) {
	b := newBench(t)
	before := b.q.Bytes()
	data := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
	at(b, Schedule{Name: "s", Queue: "q", Every: 1000, Data: data, Limit: 1})
	at(b, Schedule{Name: "s", Queue: "q", Every: 1000, Data: data, Limit: 1}) // in its place
	if n := b.q.Bytes() - before; n < 1<<20 || n > 1<<20+10_000 {
		t.Errorf("a schedule of 1 MB takes %d bytes", n)
	}
	ok(b, &DeleteSchedule{Name: "s"})
	before = b.q.Bytes()
	for i := range 100 {
		b.push(NewJob{DebounceID: fmt.Sprint(strings.Repeat("d", 400), i), DebounceTTL: 1000})
		ok(b, &Cancel{ID: b.q.lastID})
	}
	if n := b.q.Bytes() - before; n < 100*400 {
		t.Errorf("100 debounces of 400 bytes take %d bytes", n)
	}
	b.q = restored(t, b.q)
	if n := b.q.Bytes() - before; n < 100*400 {
		t.Errorf("once they are restored, %d bytes", n)
	}
	b.sleep(2000)
	if n := b.q.Bytes(); n != before {
		t.Errorf("%d bytes once they are over, %d before", n, before)
	}
}

// TestWhatATickAdds: the jobs of what is due, before they are there.
func TestWhatATickAdds(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"a", "b"} {
		at(b, Schedule{Name: name, Queue: "q", Every: 1000, Data: bytes.Repeat([]byte("7"), 1000)})
	}
	if n := b.q.Tick(b.now).Adds(b.q); n != 0 {
		t.Errorf("%d bytes of nothing that is due", n)
	}
	b.now = b.q.NextDue()
	op, before := b.q.Tick(b.now), b.q.bytes
	adds := op.Adds(b.q)
	if do(b, op); b.q.bytes-before != adds || adds < 2000 {
		t.Errorf("%d bytes were expected, %d have come", adds, b.q.bytes-before)
	}
}

// TestWhatEndsWorkGrows only with texts that are worth it.
func TestWhatEndsWorkGrows(t *testing.T) {
	short, long := strings.Repeat("x", smallText), strings.Repeat("x", smallText+1)
	for _, op := range []Op{
		&Ack{Jobs: []Finished{{}, {Result: []byte(short)}}}, &Fail{Error: short}, &Progress{Message: short}, &Release{}, &Pull{},
	} {
		if op.Grows() {
			t.Errorf("%T grows", op)
		}
	}
	for _, op := range []Op{&Ack{Jobs: []Finished{{}, {Result: []byte(long)}}}, &Fail{Error: long}, &Progress{Message: long}} {
		if !op.Grows() {
			t.Errorf("%T does not grow", op)
		}
	}
}

// TestDependenciesOfOnePush are bounded together.
func TestDependenciesOfOnePush(t *testing.T) {
	op := batchOf("q", 11)
	for i := range op.Jobs {
		op.Jobs[i].DependsOn = make([]uint64, MaxDepends)
	}
	if err := op.Check(0); err == nil || !strings.Contains(err.Error(), "10000 jobs together") {
		t.Error(err)
	}
	op.Jobs = op.Jobs[:10]
	if err := op.Check(0); err != nil {
		t.Error(err)
	}
}
