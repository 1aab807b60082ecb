package node

import (
	"slices"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
)

// sending is messages that are given to send, what of them leaves at once, and what
// is left to be sent later.
type sending struct{ given, sent, left []*raftpb.Message }

// TestWhatIsCommittedIsToldOnce: an append without entries waits for one with
// entries that says the same; nothing else overtakes it, and none is lost.
func TestWhatIsCommittedIsToldOnce(t *testing.T) {
	message := func(kind raftpb.MessageType, to, term, index, commit uint64, entries int) *raftpb.Message {
		m := &raftpb.Message{Type: &kind, To: &to, Term: &term, Index: &index, Commit: &commit}
		for range entries {
			m.Entries = append(m.Entries, &raftpb.Entry{})
		}
		return m
	}
	empty := message(raftpb.MsgApp, 2, 5, 10, 10, 0)
	newer := message(raftpb.MsgApp, 2, 5, 11, 11, 0)
	next := message(raftpb.MsgApp, 2, 5, 10, 10, 1)
	other := message(raftpb.MsgApp, 3, 5, 10, 10, 1)
	both := func(m *raftpb.Message) sending {
		return sending{given: []*raftpb.Message{empty, m}, sent: []*raftpb.Message{empty, m}}
	}
	for name, c := range map[string]sending{
		"nothing follows":           {given: []*raftpb.Message{empty}, left: []*raftpb.Message{empty}},
		"entries that say it":       {given: []*raftpb.Message{empty, next}, sent: []*raftpb.Message{next}},
		"a newer one":               {given: []*raftpb.Message{empty, newer}, left: []*raftpb.Message{newer}},
		"entries of less commit":    both(message(raftpb.MsgApp, 2, 5, 10, 9, 1)),
		"entries of before":         both(message(raftpb.MsgApp, 2, 5, 9, 10, 1)),
		"entries of another term":   both(message(raftpb.MsgApp, 2, 6, 10, 10, 1)),
		"a heartbeat":               both(message(raftpb.MsgHeartbeat, 2, 5, 0, 10, 0)),
		"entries of another member": {given: []*raftpb.Message{empty, other}, sent: []*raftpb.Message{other}, left: []*raftpb.Message{empty}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &wires{}
			inbox := make(chan *raftpb.Message, 10)
			w.inbox.Store(uint64(2), inbox)
			w.inbox.Store(uint64(3), inbox)
			g := &Group{peers: peers{network: w}}
			g.late.start()
			g.send(c.given)
			same := func(what string, want []*raftpb.Message) {
				t.Helper()
				var got []*raftpb.Message
				for len(inbox) > 0 {
					got = append(got, <-inbox)
				}
				if !slices.EqualFunc(got, want, func(a, b *raftpb.Message) bool { return a.String() == b.String() }) {
					t.Errorf("%s: %v, want %v", what, got, want)
				}
			}
			same("at once", c.sent)
			for range 2 { // once
				if err := g.sendLate(); err != nil {
					t.Fatal(err)
				}
				same("later", c.left)
				c.left = nil
			}
		})
	}
}
