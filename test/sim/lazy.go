package sim

import (
	"strconv"

	"github.com/coffer-dev/coffer/engine/replica"
)

// In some seeds members are lazy (EverySecond): a process that is killed keeps
// what is in its host's memory, a host that crashes loses it. Then its member is
// nobody, and another one takes its place. At most one forgets at a time, or what
// was acknowledged may be lost; of all others that crash the process is killed.

const (
	unsyncedName = "unsynced"
	// syncEvery is how many ticks there are between two fsyncs, about a second.
	syncEvery = 33
)

// noteUnsynced is what node's identity is for.
func (h *host) noteUnsynced(is bool) error {
	path := dataDir + "/" + unsyncedName
	if !is {
		if err := h.disk.Remove(path); err != nil {
			return err
		}
		return h.syncDir()
	}
	f, err := h.disk.Create(path, "")
	if err != nil {
		return err
	}
	if _, err := f.Write([]byte(strconv.Itoa(h.boot))); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return h.syncDir()
}

func (h *host) syncDir() error {
	dir, err := h.disk.OpenDir(dataDir)
	if err != nil {
		return err
	}
	return dir.Sync()
}

// remembers tells whether the member may be opened.
func (h *host) remembers() bool {
	f, err := h.disk.Open(dataDir + "/" + unsyncedName)
	if err != nil {
		return true
	}
	boot := make([]byte, 20)
	n, _ := f.Read(boot)
	return string(boot[:n]) == strconv.Itoa(h.boot)
}

// unforgotten has a member that was opened begin without the mark: its log is durable.
func (h *host) unforgotten() error {
	if _, err := h.disk.Open(dataDir + "/" + unsyncedName); err != nil {
		return nil //nolint:nilerr // there is none
	}
	return h.noteUnsynced(false)
}

// down ends a host's member by a crash, or by the end of its process where it must
// not forget.
func (h *host) down() {
	if !h.w.lazy || h.w.spares(h) {
		h.crash()
		return
	}
	h.w.stats["kills"]++
	h.w.note("host %d is killed", h.id)
	h.epoch++
	h.member, h.inbox, h.paused = nil, nil, 0
}

// spares tells whether all others remember, are enough, and know it: who forgets a
// promotion that it alone has applied leaves two voters of whom it was one.
func (w *world) spares(h *host) bool {
	if !w.lazy {
		return true
	}
	for _, other := range w.standing() {
		if other != h && (other.crashed || other.disk.fuse >= 0) {
			return false
		}
	}
	return w.members != nil && len(w.members.GetVoters()) >= fewestVoters && sameVoters(w.seated())
}

// syncs is what a loop does each second.
func (h *host) syncs() {
	if !h.w.lazy || h.ticks%syncEvery != 0 {
		return
	}
	if h.failed(h.member.SyncLog()) || h.w.chance(50) {
		return
	}
	h.failed(h.member.Rest())
}

// replace has the leader take out who forgot, and another one in.
func (w *world) replace() {
	l := w.leader()
	if !w.lazy || l == nil {
		return
	}
	l.do(func() {
		conf := l.member.Members()
		voters, learners := conf.GetVoters(), conf.GetLearners()
		for _, h := range w.standing() {
			if !h.forgot {
				continue
			}
			if listed(voters, h.id) || listed(learners, h.id) {
				w.change(l, replica.Remove, h.id)
				return
			}
		}
		switch {
		case len(voters) >= w.wanted():
		case len(learners) == 0:
			w.nemesis.joined++
			h := w.addHost(w.nemesis.joined)
			w.change(l, replica.AddLearner, h.id)
			h.start()
		case l.member.Match(learners[0])+8 >= l.member.Machine().Index():
			w.change(l, replica.Promote, learners[0])
		}
	})
}

// replaced tells whether another one is in the place of whoever forgot.
func (w *world) replaced() bool {
	if !w.lazy {
		return true
	}
	for _, h := range w.seated() {
		if h.forgot {
			return false
		}
	}
	return len(w.members.GetVoters()) >= w.wanted()
}

// wanted is how many voters there are to be at least.
func (w *world) wanted() int { return min(len(w.voters), fewestVoters) }

// settled tells whether the others can do without a member that is removed: where
// one may forget, a majority must know that it is.
func (w *world) settled(removed *host) bool {
	know := 0
	for _, h := range w.seated() {
		if m := h.member; m != nil && listed(w.members.GetVoters(), h.id) && !listed(m.Members().GetVoters(), removed.id) && !listed(m.Members().GetLearners(), removed.id) {
			know++
		}
	}
	return !w.lazy || know > len(w.members.GetVoters())/2
}
