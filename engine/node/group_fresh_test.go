package node

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/replica"
)

// TestWhatAnAnswerProves: that the state is as recent as the question, if it has
// what the answer asks for.
func TestWhatAnAnswerProves(t *testing.T) {
	g := startGroup(t, groupOptions(vfs.NewMem(), func(o *GroupOptions) {
		o.Network, o.Stale = &wires{held: make(chan *raftpb.Message, 1)}, true
	}))
	defer func() { _ = g.Stop() }()
	for end := time.Now().Add(10 * time.Second); !g.fresh.holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a member alone does not know that its state is the latest")
		}
	}
	g.working.Lock()
	defer g.working.Unlock()
	const number = 1
	index := g.member.Machine().Index()
	for _, c := range []struct {
		name   string
		age    time.Duration
		answer replica.Read
		proves bool
	}{
		{"at once", 0, replica.Read{Number: number, Index: index}, true},
		{"late", staleBound - time.Second, replica.Read{Number: number, Index: index}, true},
		{"too late", staleBound, replica.Read{Number: number, Index: index}, false},
		{"of more than there is", 0, replica.Read{Number: number, Index: index + 1}, false},
		{"to another question", 0, replica.Read{Number: number + 1, Index: index}, false},
	} {
		g.fresh.until.Store(math.MinInt64)
		g.fresh.asked = []question{{number: number, begun: monotonic() - c.age}}
		g.freshen([]replica.Read{c.answer})
		if got := g.fresh.holds(); got != c.proves {
			t.Errorf("an answer %s proves: %v", c.name, got)
		}
	}
}

// TestStaleReadsWriteNothing, although the server has refused it before.
func TestStaleReadsWriteNothing(t *testing.T) {
	g := startGroup(t, groupOptions(vfs.NewMem()))
	defer func() { _ = g.Stop() }()
	g.fresh.until.Store(math.MaxInt64)
	items := []machine.Item{item("SET", "k", "v"), item("GET", "k")}
	staleReads{g}.Write(items, func(err error) {
		if err != nil || string(items[0].Reply.Str) != string(replyReadOnly.Str) || items[1].Reply.IsError() {
			t.Errorf("%v, %v", items, err)
		}
	})
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := (staleReads{g}).Read(items[1:]); !errors.Is(err, ErrStopped) {
		t.Errorf("after the end: %v", err)
	}
}
