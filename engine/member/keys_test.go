package member

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/test/fixture/keyring"
)

// TestAKeyIsNeededByTheSnapshotThatWasBegunUnderIt, from its beginning until
// its file is wrapped again.
func TestAKeyIsNeededByTheSnapshotThatWasBegunUnderIt(t *testing.T) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("data", 0o700); err != nil {
		t.Fatal(err)
	}
	m, err := Open(Options{
		FS: fs, Dir: "data", ID: 1, Voters: []uint64{1}, Parse: command.Parse, Log: slog.New(slog.DiscardHandler), Keys: keyring.New(t, 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	lead(t, m)
	set(t, m, "a", "1")
	rewrap := func() {
		t.Helper()
		for more := true; more; {
			if more, err = m.Rewrap(keyring.New(t, 2, 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	needs := func(when string, want ...byte) {
		t.Helper()
		var ids []vault.ID
		for _, n := range want {
			ids = append(ids, keyring.New(t, n).Primary())
		}
		if got := m.Usage(); len(got.IDs) != len(ids) || slices.ContainsFunc(ids, func(id vault.ID) bool { return !slices.Contains(got.IDs, id) }) {
			t.Errorf("%s: keys %v are needed, want %v", when, got.IDs, ids)
		}
	}
	s, err := m.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	rewrap()
	needs("begun", 1, 2)
	if err := s.Write(func() ([]byte, bool, error) { chunk, done := s.Next(100); return chunk, done, nil }); err != nil {
		t.Fatal(err)
	}
	needs("written", 1, 2)
	if err := m.EndSnapshot(s); err != nil {
		t.Fatal(err)
	}
	needs("ended", 1, 2)
	rewrap()
	needs("wrapped again", 2)
}
