package sim

import "github.com/coffer-dev/coffer/test/linear"

// nemesis decides what goes wrong, and how much of it in this seed.
type nemesis struct {
	on     bool
	pause  int64 // between two faults, about
	faults []func(w *world)
	joined uint64 // the highest number given to a member
}

// choose draws a seed's faults: some seeds have few kinds, so that one kind is
// not always hidden behind another.
func (w *world) choose() {
	w.nemesis = nemesis{on: true, pause: w.between(60*millisecond, 900*millisecond), joined: w.nemesis.joined}
	all := []func(w *world){
		(*world).crashOne, (*world).crashOne, (*world).crashAll, (*world).powerFails, (*world).partition, (*world).partition,
		(*world).deafen, (*world).weather, (*world).slowDisk, (*world).pauseOne, (*world).setClock,
		(*world).transfer, (*world).changeMembers, (*world).changeMembers, (*world).flood, (*world).calm,
	}
	for _, f := range all {
		if w.chance(65) {
			w.nemesis.faults = append(w.nemesis.faults, f)
		}
	}
}

// strike lets one thing go wrong, and the next one later.
func (w *world) strike() {
	if !w.nemesis.on {
		return
	}
	if n := len(w.nemesis.faults); n > 0 {
		w.nemesis.faults[w.rng.IntN(n)](w)
	}
	w.after(w.nemesis.pause/2+w.rng.Int64N(w.nemesis.pause), w.strike)
}

// standing are the hosts that are not switched off for good.
func (w *world) standing() []*host {
	var hosts []*host
	for _, h := range w.hosts {
		if !h.gone {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// anyHost returns one, the leader rather than another.
func (w *world) anyHost() *host {
	if l := w.leader(); l != nil && w.chance(50) {
		return l
	}
	return linear.Pick(w.rng, w.standing()...)
}

// leading are those who take themselves for the leader.
func (w *world) leading() []*host {
	var hosts []*host
	for _, h := range w.hosts {
		if h.member != nil && h.member.Leading() {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// leader is who leads in the highest term.
func (w *world) leader() *host {
	var leader *host
	for _, h := range w.leading() {
		if leader == nil || h.member.Term() > leader.member.Term() {
			leader = h
		}
	}
	return leader
}

func (w *world) crashOne() {
	h := w.anyHost()
	if h.member == nil {
		return
	}
	h.down()
	h.later(w.between(10*millisecond, 2*second), h.restart)
}

// crashAll is a loss of power of the whole room.
func (w *world) crashAll() {
	if !w.chance(40) {
		return
	}
	w.note("the power fails")
	back := w.between(10*millisecond, second)
	for _, h := range w.standing() {
		if h.member != nil {
			h.down()
		}
		h.later(back+w.between(0, 300*millisecond), h.restart)
	}
}

// powerFails lets a host lose power in the middle of what it does to its disk.
func (w *world) powerFails() {
	if h := w.anyHost(); h.member != nil && w.spares(h) {
		h.disk.fuse = w.rng.IntN(40)
	}
}

// partition cuts the hosts into two groups, sometimes in one direction only.
func (w *world) partition() {
	w.net.blocked = map[[2]uint64]bool{}
	oneWay := w.chance(30)
	side := map[uint64]bool{}
	for _, h := range w.standing() {
		side[h.id] = w.chance(50)
	}
	if l := w.leader(); l != nil && w.chance(40) { // the leader alone
		for id := range side {
			side[id] = id == l.id
		}
		w.after(w.between(0, 200*millisecond), w.flood)
	}
	w.note("partition %v, one way %v", side, oneWay)
	for _, a := range w.standing() {
		for _, b := range w.standing() {
			if side[a.id] != side[b.id] && (!oneWay || side[a.id]) {
				w.net.blocked[[2]uint64{a.id, b.id}] = true
			}
		}
	}
	w.after(w.between(100*millisecond, 3*second), w.reconnect)
}

func (w *world) reconnect() {
	if w.nemesis.on {
		w.net.blocked = map[[2]uint64]bool{}
	}
}

// deafen keeps everything from one host, which is heard as before.
func (w *world) deafen() {
	h := w.anyHost()
	w.note("host %d is deaf", h.id)
	w.deaf(h)
	w.after(w.between(100*millisecond, 2*second), w.reconnect)
}

func (w *world) deaf(h *host) {
	for _, other := range w.hosts {
		if other != h {
			w.net.blocked[[2]uint64{other.id, h.id}] = true
		}
	}
}

// weather changes how bad the network is.
func (w *world) weather() {
	w.net.loss = linear.Pick(w.rng, 0, 0, 2, 10, 30)
	w.net.repeat = linear.Pick(w.rng, 0, 2, 20)
	w.net.spikes = linear.Pick(w.rng, 0, 1, 5)
	w.net.delay = linear.Pick(w.rng, millisecond, 4*millisecond, 20*millisecond, 80*millisecond)
}

func (w *world) slowDisk() {
	h := w.anyHost()
	h.latency = linear.Pick(w.rng, 200, 2*millisecond, 30*millisecond, 200*millisecond)
	w.note("host %d: disk takes %dus", h.id, h.latency)
	w.after(w.between(200*millisecond, 3*second), func() { h.latency = w.between(100, 2000) })
}

func (w *world) pauseOne() {
	w.anyHost().pause(w.between(50*millisecond, 1500*millisecond))
}

func (w *world) setClock() {
	h := w.anyHost()
	h.clock, h.pace = w.between(-5000, 5000), w.between(60, 160)
}

func (w *world) transfer() {
	if l := w.leader(); l != nil {
		to := linear.Pick(w.rng, w.standing()...).id
		l.do(func() { _ = l.member.Transfer(to) })
	}
}

// flood gives whoever takes itself for the leader more than clients that wait
// for answers would: a log that nobody else has.
func (w *world) flood() {
	for _, h := range w.leading() {
		for range w.rng.IntN(60) {
			h.do(func() { h.broken(h.member.Propose(w.unwatched(h))) })
		}
	}
}

// calm ends all faults for a while.
func (w *world) calm() {
	w.net.heal()
	for _, h := range w.standing() {
		h.latency = w.between(100, 2000)
	}
}
