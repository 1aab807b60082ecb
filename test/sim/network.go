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
	message  *raftpb.Message
	state    []byte // of a snapshot
	reported *bool  // whether its sender was told what became of it
}

func (n *network) heal() {
	*n = network{delay: 2 * millisecond, blocked: map[[2]uint64]bool{}}
}

// transferTime is how long a sender waits for a snapshot's arrival.
const transferTime = second

// send loses, delays and repeats. What arrives has been through the encoding,
// so that no two members share memory.
func (n *network) send(w *world, e envelope) {
	from, to := e.message.GetFrom(), e.message.GetTo()
	w.stats["messages"]++
	if e.message.GetType() == raftpb.MsgSnap {
		e.reported = new(bool)
		w.after(transferTime, func() { n.reportSnapshot(w, e, false) })
	}
	if n.blocked[[2]uint64{from, to}] || w.chance(n.loss) {
		w.stats["messages lost"]++
		n.lost(w, e)
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
		w.after(delay, func() { n.deliver(w, data, e) })
	}
}

func (n *network) deliver(w *world, data []byte, e envelope) {
	var m raftpb.Message
	if err := proto.Unmarshal(data, &m); err != nil {
		w.fail("decode a message: %v", err)
		return
	}
	to := w.host(m.GetTo())
	if to == nil || to.member == nil {
		n.lost(w, e)
		return
	}
	w.mix(uint64(m.GetType())<<48 ^ m.GetFrom()<<40 ^ m.GetTo()<<32 ^ m.GetIndex() ^ m.GetTerm()<<16)
	to.receive(envelope{&m, e.state, e.reported})
}

// lost tells the sender sometimes, as a broken connection does; of a snapshot
// always, as its transport waits for the end.
func (n *network) lost(w *world, e envelope) {
	m := e.message
	if m.GetType() == raftpb.MsgSnap {
		n.reportSnapshot(w, e, false)
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

// reportSnapshot tells the sender of a snapshot once what became of it, as the
// transport must: raft sends nothing more before.
func (n *network) reportSnapshot(w *world, e envelope, arrived bool) {
	if *e.reported {
		return
	}
	*e.reported = true
	if arrived {
		w.stats["snapshots arrived"]++
	}
	from, to := w.host(e.message.GetFrom()), e.message.GetTo()
	from.later(w.between(millisecond, 100*millisecond), func() {
		from.do(func() { from.member.ReportSnapshot(to, arrived) })
	})
}
