package node

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/adminapi"
)

// TestWhoIsLeftAloneLeadsAfterAPowerFailure: nothing was written since the other
// member left, and it does not come back to say that its leave was settled.
func TestWhoIsLeftAloneLeadsAfterAPowerFailure(t *testing.T) {
	w := &wires{held: make(chan *raftpb.Message, 10)}
	disk := vfs.NewCrashableMem()
	open := func(id uint64, fs vfs.FS, network Network) *Group {
		t.Helper()
		opts := groupOptions(fs)
		opts.ID, opts.Network = id, network
		g, err := OpenGroup(opts)
		if err == nil {
			err = g.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = g.Stop() })
		return g
	}
	until := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never: %s", what)
			}
		}
	}
	g := open(1, disk, w)
	w.attach(g)
	until("a leader", g.leading.Load)
	do(t, g, item("SET", "a", "1"))
	other := func() (found adminapi.GroupMember) {
		for _, m := range g.Members().Members {
			if m.ID != 1 {
				found = m
			}
		}
		return found
	}
	until("a learner", func() bool { _ = g.Change(adminapi.GroupAdd, 1, 0); return other().ID != 0 })
	id := other().ID
	w.attach(open(id, vfs.NewMem(), w))
	until("a voter", func() bool { _ = g.Change(adminapi.GroupPromote, 0, id); return other().Voter })
	until("a member that left", func() bool { _ = g.Change(adminapi.GroupRemove, 0, id); return other().ID == 0 })
	again := open(1, disk.CrashClone(vfs.CrashCloneCfg{}), &wires{})
	until("who is left leads", again.leading.Load)
	do(t, again, item("SET", "a", "2"))
}
