package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestRestoreOfManyPortions: what is decoded side by side is one state, and one
// bad byte far into the stream is found.
func TestRestoreOfManyPortions(t *testing.T) {
	s := New().At(0)
	for i := range 40_000 {
		s.Put(fmt.Appendf(nil, "key:%d", i), String(bytes.Clone(bytes.Repeat([]byte{byte(i)}, 60))), int64(i%3)*1000)
	}
	stream := encode(t, s)
	if len(stream) < 8*portionBytes {
		t.Fatalf("%d bytes make too few portions", len(stream))
	}
	restored, err := Restore(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	if restored.Hash() != s.all.Hash() || restored.Len() != s.Len() || restored.Bytes() != s.Bytes() || restored.Expiring() != s.Expiring() {
		t.Error("restored another state")
	}
	if restored.Sweep(1000, 100_000) != s.all.Sweep(1000, 100_000) {
		t.Error("other keys are due")
	}
	for _, part := range []int{1, 4, 7} {
		bad := bytes.Clone(stream)
		at := bytes.Index(bad[part*portionBytes:], []byte("key:")) + part*portionBytes
		bad[at+3] = 'x' // a key of another slot
		if _, err := Restore(bytes.NewReader(bad)); !errors.Is(err, ErrSnapshotCorrupt) {
			t.Errorf("damage in portion %d: %v", part, err)
		}
	}
}

func BenchmarkRestore(b *testing.B) {
	s := New().At(0)
	for i := range 200_000 {
		s.Put(fmt.Appendf(nil, "%010d", i), String(bytes.Repeat([]byte{byte(i)}, 32)), 0)
	}
	stream := encode(b, s)
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		if _, err := Restore(bytes.NewReader(stream)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSnapshotKeepsWhatIsWritten: not whole slots, of which a few writes would
// reach all.
func TestSnapshotKeepsWhatIsWritten(t *testing.T) {
	s := New().At(0)
	key := func(i int) []byte { return fmt.Appendf(nil, "%d", i) }
	for i := range 100_000 {
		s.Put(key(i), String("value"), 0)
	}
	n, err := s.all.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for i := range 2 * 500 {
		s.Put(key(i%500), String("other"), 0)
	}
	kept := 0
	for _, values := range n.parts[0].saved {
		kept += len(values)
	}
	if kept != 500 {
		t.Errorf("%d values kept for 500 keys written to", kept)
	}
}

// BenchmarkWriteDuringSnapshot is a write to a key that the snapshot has yet to
// write, the first one to its slot.
func BenchmarkWriteDuringSnapshot(b *testing.B) {
	const keys = 200_000
	s := New().At(0)
	key := func(i int) []byte { return fmt.Appendf(nil, "%010d", i) }
	for i := range keys {
		s.Put(key(i), String(make([]byte, 1024)), 0)
	}
	n, err := s.all.BeginSnapshot()
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s.Put(key(i%keys), String("other"), 0)
		i++
	}
}

func BenchmarkSnapshot(b *testing.B) {
	const keys = 500_000
	s := New()
	for i := range keys {
		s.At(0).Put(fmt.Appendf(nil, "key:%012d", i), String(strings.Repeat("v", 100)), 0)
		s.At(0).Put(fmt.Appendf(nil, "counter:%012d", i), String("12"), 0)
	}
	for b.Loop() {
		n, err := s.BeginSnapshot()
		if err != nil {
			b.Fatal(err)
		}
		for done := false; !done; {
			_, done = n.Next(64 << 10)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(2*keys), "ns/key")
}
