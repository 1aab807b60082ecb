package member

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestAMemberAloneReadsItsStateBack(t *testing.T) {
	m := open(t, vfs.NewMem(), 1, 1)
	lead(t, m)
	for _, save := range []bool{false, true} {
		set(t, m, "a", "1")
		if save {
			snapshotOf(t, m)
		}
		set(t, m, "b", "2")
		index, _ := m.Applied()
		again, err := m.Reload()
		if err != nil {
			t.Fatal(err)
		}
		if applied, _ := again.Applied(); again == m || !again.Settled() || applied != index+1 {
			t.Fatalf("it leads: %v, and has applied %d, it had %d", again.Settled(), applied, index)
		}
		m = again
		get(t, m, "a", "1")
		get(t, m, "b", "2")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAReloadWaitsForWhatIsOnItsWay(t *testing.T) {
	m := open(t, vfs.NewMem(), 1, 1)
	if _, err := m.Reload(); !errors.Is(err, ErrNotAlone) {
		t.Fatalf("who does not lead: %v", err)
	}
	lead(t, m)
	p := &Proposal{Items: items(t, true, "SET", "a", "1"), Now: 1}
	if err := m.Propose(p); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Reload(); !errors.Is(err, ErrBusy) {
		t.Fatalf("with a proposal on its way: %v", err)
	}
	turns(t, m)
	s := beginAnother(t, m)
	if _, err := m.Reload(); !errors.Is(err, ErrBusy) {
		t.Fatalf("with a snapshot on its way: %v", err)
	}
	m.AbandonSnapshot(s)
	if _, err := m.Reload(); err != nil {
		t.Fatal(err)
	}
	several := open(t, vfs.NewMem(), 1, 1, 2, 3)
	if _, err := several.Reload(); !errors.Is(err, ErrNotAlone) {
		t.Fatalf("one of three: %v", err)
	}
}
