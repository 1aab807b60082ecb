package sim

import (
	"encoding/hex"
	"slices"

	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/test/linear"
)

const (
	// patience is how long a group that can go on may take to do so: it is many
	// election timeouts of its slowest clock.
	patience = 15 * second
	// enough is how many writes show that it goes on.
	enough = 5
)

// play is a seed's story: chaos; a group whole again; a minority that is away;
// whole again. At the end everything is compared.
func (w *world) play() {
	w.begin()
	w.runUntil(w.between(6*second, 12*second), nil)
	w.heal()
	if !w.goesOn("all faults are gone") {
		return
	}
	w.withoutMinority()
	w.heal()
	if !w.goesOn("the minority is back") {
		return
	}
	w.jobsEnd()
	for _, c := range w.clients {
		c.stopped = true
	}
	w.runUntil(w.now+2*w.patience, nil)
	if !w.runUntil(w.now+patience, w.agree) {
		w.fail("the members do not reach the same state: %s", w.describe())
		return
	}
	w.readAll()
	if w.err == nil {
		w.check()
	}
}

// begin starts the hosts and the clients.
func (w *world) begin() {
	w.net.heal()
	w.load = newWorkload()
	w.tail, w.snapshotAfter = linear.Pick(w.rng, 1, 6, 24), linear.Pick(w.rng, int64(1<<10), 6<<10)
	w.patience = linear.Pick(w.rng, 300*millisecond, 1500*millisecond)
	w.encrypt()
	for id := range linear.Pick(w.rng, uint64(3), 3, 3, 5, 5, 1) {
		w.voters = append(w.voters, id+1)
		w.addHost(id + 1)
	}
	w.nemesis.joined = uint64(len(w.voters))
	w.choose()
	for _, h := range w.hosts {
		w.after(w.between(0, 50*millisecond), h.start)
	}
	for i := range 3 + w.rng.IntN(4) {
		c := &client{w: w, id: i}
		w.clients = append(w.clients, c)
		w.after(w.between(0, second), c.next)
	}
	w.beginJobs()
	w.after(w.between(0, 2*second), w.strike)
	w.after(second/2, w.keepHouse)
}

// encrypt gives most seeds a key.
func (w *world) encrypt() {
	if w.chance(40) {
		return
	}
	key := make([]byte, vault.KeySize)
	for i := range key {
		key[i] = byte(w.rng.Uint32())
	}
	ring, err := vault.Parse(map[string][]byte{vault.PrimaryFile: []byte("k"), "k": []byte(hex.EncodeToString(key))})
	if err != nil {
		w.fail("make a key: %v", err)
	}
	w.keys = ring
}

// keepHouse does what an operator does now and then.
func (w *world) keepHouse() {
	w.retire()
	w.replace()
	w.after(second/2, w.keepHouse)
}

// heal ends all faults.
func (w *world) heal() {
	w.note("all faults end")
	w.nemesis.on = false
	w.net.heal()
	for _, h := range w.standing() {
		h.disk.fuse = -1
		h.latency, h.pace = w.between(100, 2000), w.between(80, 120)
		h.later(w.between(0, 20*millisecond), h.restart)
		if h.paused > w.now {
			h.paused = w.now
			h.later(0, h.turn)
		}
	}
}

// goesOn waits until writes are acknowledged and everybody is where the first
// one was.
func (w *world) goesOn(when string) bool {
	goal, acked := w.top, w.load.acked
	done := w.runUntil(w.now+patience, func() bool {
		if w.load.acked < acked+enough || !w.replaced() {
			return false
		}
		for _, h := range w.seated() {
			if h.member == nil || h.member.Machine().Index() < goal {
				return false
			}
		}
		return true
	})
	if !done {
		w.fail("no progress beyond %d within %ds when %s: %d writes, %s", goal, patience/second, when, w.load.acked-acked, w.describe())
	}
	return done
}

// withoutMinority takes a minority away from a group that is whole, and wants
// the rest to go on. One that was cut off must not depose anybody when it
// comes back.
func (w *world) withoutMinority() {
	leader := w.leader()
	hosts := w.seated()
	if leader == nil || len(leader.member.Members().GetVoters()) < 3 || !listed(leader.member.Members().GetVoters(), leader.id) || !sameVoters(hosts) {
		return
	}
	victim := leader
	if w.chance(50) {
		victim = linear.Pick(w.rng, hosts...)
	}
	term := leader.member.Term()
	how := w.rng.IntN(3)
	switch how {
	case 0:
		w.note("host %d is deaf, the rest is well", victim.id)
		w.deaf(victim)
	case 1:
		w.note("host %d is cut off, the rest is well", victim.id)
		w.deaf(victim)
		for _, other := range hosts {
			w.net.blocked[[2]uint64{victim.id, other.id}] = true
		}
	default:
		w.note("host %d is down, the rest is well", victim.id)
		victim.down()
	}
	acked := w.load.acked
	w.runUntil(w.now+3*second, nil)
	if !w.runUntil(w.now+patience, func() bool { return w.load.acked >= acked+enough }) {
		w.fail("no progress within %ds while host %d is away (%d) and a majority is well: %s", patience/second, victim.id, how, w.describe())
	}
	if victim == leader || w.err != nil {
		return
	}
	w.heal()
	w.runUntil(w.now+2*second, nil)
	if now := w.leader(); now == nil || now != leader || now.member.Term() != term {
		w.fail("host %d, a follower that was away (%d), has deposed the leader of term %d: %s", victim.id, how, term, w.describe())
	}
}

// sameVoters tells whether everybody knows the same voters. A leader may go with
// a change that it alone has applied: of two voters whose third was just made one
// the other cannot go on, although three were asked.
func sameVoters(hosts []*host) bool {
	for _, h := range hosts {
		if h.member == nil || !slices.Equal(h.member.Members().GetVoters(), hosts[0].member.Members().GetVoters()) {
			return false
		}
	}
	return true
}

// seated are the hosts whose members belong to the group now.
func (w *world) seated() []*host {
	var hosts []*host
	for _, h := range w.hosts {
		if listed(w.members.GetVoters(), h.id) || listed(w.members.GetLearners(), h.id) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// agree tells whether all members hold the same state.
func (w *world) agree() bool {
	hosts := w.seated()
	if len(hosts) == 0 {
		return false
	}
	first := hosts[0].member
	for _, h := range hosts {
		if h.member == nil || first == nil || h.member.Machine().Index() != first.Machine().Index() {
			return false
		}
	}
	for _, h := range hosts {
		if h.member.Machine().Hash() != first.Machine().Hash() {
			w.fail("hosts %d and %d hold other states at index %d", hosts[0].id, h.id, first.Machine().Index())
		}
	}
	return true
}

// readAll reads every key once more: what was acknowledged must be there.
func (w *world) readAll() {
	c := &client{w: w, id: len(w.clients)}
	request := func() *request {
		r := &request{client: c}
		for _, key := range w.history.Keys {
			r.add(key, linear.KindOf(key).All)
		}
		return r
	}
	c.stopped = true
	read := false
	for end := w.now + patience; !read && w.now < end && w.err == nil; {
		before := w.history.Operations(w.history.Keys[0])
		c.send(request())
		w.runUntil(w.now+2*w.patience, func() bool { return c.request == nil })
		read = w.history.Operations(w.history.Keys[0]) > before
	}
	if !read {
		w.fail("the keys cannot be read at the end: %s", w.describe())
	}
}
