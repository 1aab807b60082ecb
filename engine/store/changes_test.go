package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestChangesAreKept of every kind, and by whom, while somebody wants them.
func TestChangesAreKept(t *testing.T) {
	d := New()
	s := d.At(0)
	s.PutString([]byte("before"), []byte("v"), 0)
	d.KeepChanges(true)
	d.By(7)
	s.PutString([]byte("k"), []byte("v"), 0)
	s.PutString([]byte("k"), []byte("w"), 0)
	d.By(0)
	s.PutString([]byte("k"), []byte("v"), 10)
	s.SetDeadline([]byte("before"), 30)
	d.Sweep(20, 9)
	s.Rename([]byte("before"), []byte("after"))
	s.Delete([]byte("after"), 0)
	s.Delete([]byte("none"), 0)
	s.Flush()
	s.Flush()
	want := []Change{{"k", 7, false}, {"k", 0, false}, {"before", 0, false}, {"k", 0, false}, {"before", 0, false}, {"after", 0, false}, {All: true}}
	if got := d.Changes(); !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	d.At(3).PutString([]byte("elsewhere"), []byte("v"), 0)
	d.Swap(0, 3, 20)
	if got := d.Changes(); len(got) < 2 || got[0] != (Change{Key: "elsewhere"}) || !slices.Contains(got, Change{All: true}) {
		t.Errorf("of other databases: %v", got)
	}
	d.KeepChanges(false)
	s.PutString([]byte("k"), []byte("v"), 0)
	s.Flush()
	if got := d.Changes(); got != nil {
		t.Errorf("kept for nobody: %v", got)
	}
}

// TestChangesAreBounded: beyond the bound every key counts as changed.
func TestChangesAreBounded(t *testing.T) {
	d := New()
	s := d.At(0)
	d.KeepChanges(true)
	for i := range 100 {
		s.note(fmt.Appendf(nil, "%d%s", i, strings.Repeat("k", 1<<20)))
	}
	if got := d.Changes(); !slices.Equal(got, []Change{{All: true}}) {
		t.Errorf("%d changes", len(got))
	}
	s.note([]byte("k"))
	if got := d.Changes(); !slices.Equal(got, []Change{{Key: "k"}}) {
		t.Errorf("of the next entry: %v", got)
	}
}
