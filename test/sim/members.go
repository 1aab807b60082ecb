package sim

import (
	"fmt"
	"strings"

	"github.com/coffer-dev/coffer/engine/replica"
	"github.com/coffer-dev/coffer/test/linear"
)

const (
	fewestVoters = 3
	mostVoters   = 5
)

// changeMembers does one step of what an operator would do: promote a learner
// that has caught up, replace or remove a member, add one. Numbers are never
// used twice.
func (w *world) changeMembers() {
	l := w.leader()
	if l == nil {
		return
	}
	l.do(func() {
		conf := l.member.Members()
		voters, learners := conf.GetVoters(), conf.GetLearners()
		switch {
		case len(learners) > 0 && w.chance(80):
			id := linear.Pick(w.rng, learners...)
			if l.member.Match(id)+8 >= l.member.Machine().Index() && len(voters) < mostVoters {
				w.change(l, replica.Promote, id)
			}
		case len(voters) > fewestVoters && w.chance(60):
			w.change(l, replica.Remove, linear.Pick(w.rng, voters...))
		case len(voters)+len(learners) < mostVoters+1:
			w.nemesis.joined++
			h := w.addHost(w.nemesis.joined)
			w.change(l, replica.AddLearner, h.id)
			h.start()
		case len(learners) > 0:
			w.change(l, replica.Remove, linear.Pick(w.rng, learners...))
		}
	})
}

func (w *world) change(l *host, what replica.Change, id uint64) {
	if err := l.member.Change(what, id); err == nil {
		w.stats["members "+[]string{"added", "promoted", "removal asked for"}[what]]++
		w.note("host %d: change %d of %d in %v", l.id, what, id, l.member.Members())
	}
}

// retire switches off for good whoever was in the newest list of members and is
// not any more.
func (w *world) retire() {
	conf := w.members
	for _, h := range w.standing() {
		if listed(conf.GetVoters(), h.id) || listed(conf.GetLearners(), h.id) {
			h.seated = true
		} else if h.seated && w.settled(h) {
			w.note("host %d is removed", h.id)
			w.stats["members removed"]++
			h.epoch++
			h.member, h.gone = nil, true
		}
	}
}

func listed(ids []uint64, id uint64) bool {
	for _, i := range ids {
		if i == id {
			return true
		}
	}
	return false
}

// describe says where everybody is.
func (w *world) describe() string {
	var b strings.Builder
	for _, h := range w.standing() {
		if h.member == nil {
			fmt.Fprintf(&b, "[%d down] ", h.id)
			continue
		}
		m := h.member
		fmt.Fprintf(&b, "[%d term %d leader %d applied %d members %v %v busy %v] ",
			h.id, m.Term(), m.Leader(), m.Machine().Index(), m.Members().GetVoters(), m.Members().GetLearners(), h.busy)
	}
	return b.String()
}
