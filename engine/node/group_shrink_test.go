package node

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/adminapi"
)

// TestWhoIsLeftAloneLeadsAfterAPowerFailure: nothing was written since the other
// member left, and it does not come back to say that its leave was settled.
func TestWhoIsLeftAloneLeadsAfterAPowerFailure(t *testing.T) {
	w := &wires{held: make(chan *raftpb.Message, 10)}
	disk := vfs.NewCrashableMem()
	g := openMember(t, 1, disk, w)
	w.attach(g)
	eventually(t, "a leader", g.leading.Load)
	do(t, g, item("SET", "a", "1"))
	other := func() (found adminapi.GroupMember) {
		for _, m := range g.Members().Members {
			if m.ID != 1 {
				found = m
			}
		}
		return found
	}
	eventually(t, "a learner", func() bool { _ = g.Change(adminapi.GroupAdd, 1, 0); return other().ID != 0 })
	id := other().ID
	w.attach(openMember(t, id, vfs.NewMem(), w))
	eventually(t, "a voter", func() bool { _ = g.Change(adminapi.GroupPromote, 0, id); return other().Voter })
	eventually(t, "a member that left", func() bool { _ = g.Change(adminapi.GroupRemove, 0, id); return other().ID == 0 })
	again := openMember(t, 1, disk.CrashClone(vfs.CrashCloneCfg{}), &wires{})
	eventually(t, "who is left leads", again.leading.Load)
	do(t, again, item("SET", "a", "2"))
}
