package node

import (
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// lateFor is how much later than the leader others apply what no entry follows.
const lateFor = 2 * time.Millisecond

// late is what a leader says of entries that its receivers have: that they are
// committed. The next entries say that as well, so it waits for them for a moment:
// such a message is answered, and with its answer costs as much as entries do.
type late struct {
	messages map[uint64]*raftpb.Message // by receiver
	timer    *time.Timer
}

func (l *late) start() {
	l.messages, l.timer = map[uint64]*raftpb.Message{}, time.NewTimer(lateFor)
}

// send gives messages to the network, and the state with those that name a
// snapshot.
func (g *Group) send(messages []*raftpb.Message) {
	if len(messages) == 0 || g.peers.network == nil {
		return
	}
	now := make([]*raftpb.Message, 0, len(messages))
	for _, m := range messages {
		if m.GetType() == raftpb.MsgSnap {
			g.sendSnapshot(m)
		} else {
			now = g.late.add(now, m)
		}
	}
	if len(now) > 0 {
		g.peers.network.Send(g.opts.ID, now)
	}
}

func (g *Group) sendSnapshot(m *raftpb.Message) {
	state, err := g.member.OpenSnapshot(m)
	if err != nil {
		g.opts.Log.Error("a snapshot cannot be sent", "error", err)
		g.member.ReportSnapshot(m.GetTo(), false)
		return
	}
	g.peers.network.SendSnapshot(g.opts.ID, m, state)
}

// add adds a message to those that are sent now, or keeps it for later. What is kept
// for its receiver goes before it, unless it says the same.
func (l *late) add(now []*raftpb.Message, m *raftpb.Message) []*raftpb.Message {
	to := m.GetTo()
	kept := l.messages[to]
	delete(l.messages, to)
	if m.GetType() == raftpb.MsgApp && len(m.GetEntries()) == 0 {
		if kept == nil && len(l.messages) == 0 {
			l.timer.Reset(lateFor)
		}
		l.messages[to] = m
		return now
	}
	if kept != nil && !says(m, kept) {
		now = append(now, kept)
	}
	return append(now, m)
}

// says tells whether who takes m knows all that the empty append would say.
func says(m, empty *raftpb.Message) bool {
	return m.GetType() == raftpb.MsgApp && m.GetTerm() == empty.GetTerm() &&
		m.GetIndex() >= empty.GetIndex() && m.GetCommit() >= empty.GetCommit()
}

// sendLate sends what no entries have taken along.
func (g *Group) sendLate() error {
	if len(g.late.messages) == 0 {
		return nil
	}
	now := make([]*raftpb.Message, 0, len(g.late.messages))
	for _, m := range g.late.messages {
		now = append(now, m)
	}
	clear(g.late.messages)
	g.peers.network.Send(g.opts.ID, now)
	return nil
}
