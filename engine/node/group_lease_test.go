package node

import (
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/peer"
)

// wires carry messages between groups of one process, in order.
type wires struct {
	inbox sync.Map             // of chan *raftpb.Message, by member
	held  chan *raftpb.Message // those that tell a member to take the leadership over
}

// attach has a group hear what is sent to it.
func (w *wires) attach(g *Group) {
	inbox := make(chan *raftpb.Message, 1000)
	w.inbox.Store(g.opts.ID, inbox)
	go func() {
		for m := range inbox {
			_ = g.Receive(m) // it may have stopped
		}
	}()
}

// Send implements Network.
func (w *wires) Send(_ uint64, messages []*raftpb.Message) {
	for _, m := range messages {
		if m.GetType() == raftpb.MsgTimeoutNow {
			w.held <- m
			continue
		}
		if inbox, ok := w.inbox.Load(m.GetTo()); ok { // else it is lost
			select {
			case inbox.(chan *raftpb.Message) <- m:
			default: // is lost
			}
		}
	}
}

// SendSnapshot implements Network; nobody needs one here.
func (w *wires) SendSnapshot(_ uint64, _ *raftpb.Message, state io.ReadCloser) { _ = state.Close() }

// SendDigest implements Network; nobody compares here.
func (w *wires) SendDigest(uint64, uint64, peer.Digest) {}

// Keep implements Network.
func (w *wires) Keep(map[uint64]bool) {}

// openMember opens a member of a group of this process, and starts it.
func openMember(t *testing.T, id uint64, fs vfs.FS, network Network) *Group {
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

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestNoLeaseAfterATransferThatFailed: who was told to take the leadership over
// may do so late, and is voted for at once: whatever the leader hears, it does not
// know by the clock that it leads.
func TestNoLeaseAfterATransferThatFailed(t *testing.T) {
	w := &wires{held: make(chan *raftpb.Message, 10)}
	open := func(id uint64) *Group {
		t.Helper()
		g := openMember(t, id, vfs.NewMem(), w)
		w.attach(g)
		return g
	}
	g := open(1)
	reads := func() bool { return !errors.Is(g.Read([]machine.Item{item("GET", "a")}), machine.ErrUnproven) }
	eventually(t, "a leader alone that reads", reads)
	do(t, g, item("SET", "a", "1"))
	var id uint64
	eventually(t, "a learner", func() bool {
		_ = g.Change(adminapi.GroupAdd, 1, 0) // once
		for _, m := range g.Members().Members {
			if m.ID != 1 {
				id = m.ID
			}
		}
		return id != 0
	})
	open(id)
	eventually(t, "a voter", func() bool {
		_ = g.Change(adminapi.GroupPromote, 0, id)
		for _, m := range g.Members().Members {
			if m.ID == id {
				return m.Voter
			}
		}
		return false
	})
	eventually(t, "a lease", reads)
	eventually(t, "a transfer", func() bool { return g.Change(adminapi.GroupTransfer, 0, id) == nil })
	<-w.held // it is late
	eventually(t, "the transfer to be given up", func() bool { return !g.Members().Changing })
	for end := time.Now().Add(2 * leaseTime); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if g.leading.Load() && reads() {
			t.Fatal("a leader that was to hand the leadership over reads by its lease")
		}
	}
	do(t, g, item("SET", "a", "2")) // it serves all the same
}
