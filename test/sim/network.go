package sim

import (
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// network is what lies between the hosts.
type network struct {
	loss, repeat int // percent
	delay        int64
	spikes       int // percent of messages that are much later
	blocked      map[[2]uint64]bool
}

// envelope is a message on its way.
type envelope struct {
	message *raftpb.Message
	state   []byte // of a snapshot
}

func (n *network) heal() {
	*n = network{delay: 2 * millisecond, blocked: map[[2]uint64]bool{}}
}

// send loses, delays and repeats. What arrives has been through the encoding,
// so that no two members share memory.
func (n *network) send(w *world, e envelope) {
	from, to := e.message.GetFrom(), e.message.GetTo()
	w.stats["messages"]++
	if n.blocked[[2]uint64{from, to}] || w.chance(n.loss) {
		w.stats["messages lost"]++
		n.lost(w, e.message)
		return
	}
	data, err := proto.Marshal(e.message)
	if err != nil {
		w.fail("encode a message: %v", err)
		return
	}
	copies := 1
	if w.chance(n.repeat) {
		copies = 2
	}
	for range copies {
		delay := n.delay/4 + w.rng.Int64N(n.delay)
		if w.chance(n.spikes) {
			delay *= w.between(5, 200)
		}
		w.after(delay, func() { n.deliver(w, data, e.state) })
	}
}

func (n *network) deliver(w *world, data, state []byte) {
	var m raftpb.Message
	if err := proto.Unmarshal(data, &m); err != nil {
		w.fail("decode a message: %v", err)
		return
	}
	to := w.host(m.GetTo())
	if to == nil || to.member == nil {
		n.lost(w, &m)
		return
	}
	w.mix(uint64(m.GetType())<<48 ^ m.GetFrom()<<40 ^ m.GetTo()<<32 ^ m.GetIndex() ^ m.GetTerm()<<16)
	to.receive(envelope{&m, state})
}

// lost tells the sender sometimes, as a broken connection does; of a snapshot
// always, as its transport waits for the end.
func (n *network) lost(w *world, m *raftpb.Message) {
	if m.GetType() == raftpb.MsgSnap {
		n.reportSnapshot(w, m, false)
		return
	}
	if !w.chance(10) {
		return
	}
	if from := w.host(m.GetFrom()); from != nil {
		from.later(n.delay, func() {
			from.do(func() { from.member.ReportUnreachable(m.GetTo()) })
		})
	}
}

func (n *network) reportSnapshot(w *world, m *raftpb.Message, arrived bool) {
	w.stats["snapshots arrived"] += map[bool]int{true: 1}[arrived]
	from, to := w.host(m.GetFrom()), m.GetTo()
	from.later(w.between(millisecond, 100*millisecond), func() {
		from.do(func() { from.member.ReportSnapshot(to, arrived) })
	})
}
