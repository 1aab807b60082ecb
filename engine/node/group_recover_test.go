package node

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/coffer-dev/coffer/engine/adminapi"
)

// TestAMemberThatMayBeAnotherOneEnds: what its volume says is not known after its
// identity could not be written, so it says nothing more as the one that it was. It is
// a learner here, which must notice by itself that nobody leads any more.
func TestAMemberThatMayBeAnotherOneEnds(t *testing.T) {
	w := &wires{}
	var broken atomic.Bool
	bad := errors.New("the disk is bad")
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind == errorfs.OpRename && strings.Contains(op.Path, identityName) {
			return bad
		}
		return nil
	}))
	until := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never: %s", what)
			}
		}
	}
	open := func(id uint64, fs vfs.FS) *Group {
		t.Helper()
		g := startGroup(t, groupOptions(fs, func(o *GroupOptions) { o.ID, o.Network = id, w }))
		t.Cleanup(func() { _ = g.Stop() })
		w.attach(g)
		return g
	}
	leader := open(1, vfs.NewMem())
	var id uint64
	until("a learner", func() bool {
		_ = leader.Change(adminapi.GroupAdd, 1, 0) // once
		for _, m := range leader.Members().Members {
			if m.ID != 1 {
				id = m.ID
			}
		}
		return id != 0
	})
	g := open(id, fs)
	until("a member that knows of itself", func() bool { return g.Members() != nil && len(g.Members().Members) == 2 })
	if err := leader.Stop(); err != nil {
		t.Fatal(err)
	}
	until("nobody to lead", func() bool { return g.leader.Load() == 0 })

	last := g.Members().LastIndex
	broken.Store(true)
	if err := g.Recover(id, last); !errors.Is(err, bad) || errors.Is(err, ErrNotNow) {
		t.Fatalf("the identity could not be written: %v", err)
	}
	select {
	case <-g.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on as who it was")
	}
	if err := g.Stop(); !errors.Is(err, ErrFailed) {
		t.Errorf("it ended with %v", err)
	}

	broken.Store(false)
	g = open(id, fs)
	until("its members", func() bool { return g.Members() != nil && g.Members().LastIndex == last })
	if err := g.Recover(id, last); err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(); !errors.Is(err, ErrRecovered) {
		t.Errorf("a member that is another one from now on ended with %v", err)
	}
	g = open(0, fs)
	until("it to lead", func() bool { return g.leading.Load() })
	if s := g.Members(); len(s.Members) != 1 || s.ID == id || s.Recovered == nil {
		t.Errorf("%+v", s)
	}
}
