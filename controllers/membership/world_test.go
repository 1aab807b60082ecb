package membership

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/coffer-dev/coffer/engine/adminapi"
)

// world plays an instance: a StatefulSet, claims, volumes and a group whose
// leader does what it is asked. What the design forbids fails the test.
type world struct {
	t       *testing.T
	wanted  int
	set     int // the StatefulSet's replicas
	pods    [MaxOrdinals]pod
	claims  [MaxOrdinals]*Claim
	volumes [MaxOrdinals]volume
	group   []adminapi.GroupMember // ID, Name and Voter
	leads   uint64
	applied uint64
	used    map[uint64]bool
	log     []string

	generation uint64
	recovered  *adminapi.Recovered // on the volume of who went on alone
	recover    string              // the annotation
	handled    string
	refused    string // why it was, the last time
}

// MaxOrdinals is how many pods the world has room for.
const MaxOrdinals = 5

// pod is a member's; lost is one whose node is, so that it does not answer, and
// does not go before the node is back.
type pod struct{ exists, outdated, alone, starting, lost, leaving bool }

// volume is a member's; forgot is one whose log may lack what it acknowledged.
type volume struct {
	id, has, generation uint64

	forgot bool
}

func name(i int) string { return fmt.Sprint("db-", i) }

func (w *world) say(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.log[max(0, len(w.log)-40):] {
		w.t.Log(line)
	}
	w.t.Fatalf(format, args...)
}

// holds says whether a member is up with all that it had.
func (w *world) holds(x adminapi.GroupMember) bool {
	i := int(x.ID&0xff) - 1
	return w.pods[i].exists && !w.pods[i].lost && w.volumes[i].id == x.ID && w.volumes[i].generation == w.generation && !w.volumes[i].forgot
}

// alive counts voters and those of them that are up with what they had.
func (w *world) alive() (voters, up int) {
	for _, x := range w.group {
		if x.Voter {
			voters++
			if w.holds(x) {
				up++
			}
		}
	}
	return voters, up
}

func (w *world) entry(id uint64) *adminapi.GroupMember {
	for i := range w.group {
		if w.group[i].ID == id {
			return &w.group[i]
		}
	}
	return nil
}

// round is time that passes: pods are made, a leader is elected, learners and
// followers catch up.
func (w *world) round() {
	for i := range MaxOrdinals {
		if i >= w.set {
			w.pods[i] = pod{}
		}
		if c := w.claims[i]; c != nil && c.Leaving && !w.pods[i].exists {
			w.claims[i], w.volumes[i] = nil, volume{}
		}
		if i >= w.set {
			continue
		}
		if w.pods[i].starting = false; !w.pods[i].exists {
			if c := w.claims[i]; c != nil && c.Leaving {
				continue // no pod is made for it
			}
			w.pods[i] = pod{exists: true, starting: w.volumes[i].id != 0}
			if w.claims[i] == nil {
				w.claims[i] = &Claim{Exists: true}
			}
		}
	}
	if voters, up := w.alive(); up <= voters/2 {
		w.leads = 0
		return
	}
	if l := w.entry(w.leads); l == nil || !w.holds(*l) {
		w.leads = 0
		for _, x := range w.group {
			if x.Voter && w.holds(x) && w.volumes[x.ID&0xff-1].has == w.applied {
				w.leads = x.ID
			}
		}
	}
	if w.leads == 0 {
		return
	}
	w.applied += 5
	for _, x := range w.group {
		v := &w.volumes[x.ID&0xff-1]
		nobody := v.id == 0 || v.forgot && v.id != x.ID
		if p := w.pods[x.ID&0xff-1]; p.exists && !p.lost && (v.id == x.ID && !v.forgot || nobody && !x.Voter) {
			*v = volume{id: x.ID, has: w.applied, generation: w.generation}
		}
	}
}

func (w *world) observe() Observed {
	o := Observed{Wanted: w.wanted, Pods: w.set, Object: "kvdb db"}
	if w.recover != w.handled {
		o.Recover = w.recover
	}
	for i := range MaxOrdinals {
		m := Member{Ordinal: i, Name: name(i), Pod: Pod{Exists: w.pods[i].exists, Outdated: w.pods[i].outdated, Leaving: w.pods[i].leaving}}
		if c := w.claims[i]; c != nil {
			m.Claim = *c
		}
		if w.pods[i].exists && !w.pods[i].lost {
			m.Status = w.status(i)
		}
		if i < w.wanted || m.Pod.Exists || m.Claim.Exists {
			o.Members = append(o.Members, m)
		}
	}
	return o
}

func (w *world) status(i int) *adminapi.Status {
	v := w.volumes[i]
	s := &adminapi.Status{Role: "follower", AppliedIndex: v.has, Group: &adminapi.Group{ID: v.id}}
	if w.pods[i].alone {
		return &adminapi.Status{Role: roleLeader, AppliedIndex: v.has, Ready: true}
	}
	if v.id == 0 {
		s.Role = roleBlank
		return s
	}
	if w.pods[i].starting {
		s.Role, s.Group.ID = roleStarting, 0
		return s
	}
	s.Group.Generation, s.Group.LastIndex, s.Group.LastTerm = v.generation, v.has, 1
	if v.forgot {
		s.Role, s.Group.ID, s.Group.Forgot = roleBlank, 0, v.id
		s.Group.Members = w.told()
		return s
	}
	if r := w.recovered; r != nil && int(r.ID&0xff) == i+1 {
		s.Group.Recovered = r
	}
	if l := w.entry(w.leads); l != nil {
		s.Group.Leader = l.Name
	}
	s.Ready = w.leads != 0
	s.Group.Members = w.told()
	if v.id != w.leads {
		return s
	}
	s.Role = roleLeader
	for j := range s.Group.Members {
		x := &s.Group.Members[j]
		at := int(x.ID&0xff) - 1
		x.Active = w.pods[at].exists && !w.pods[at].lost
		x.Blank = x.Active && (w.volumes[at].id == 0 || w.volumes[at].forgot)
		if x.Active && w.volumes[at].id == x.ID {
			x.Match = w.volumes[at].has
		}
	}
	return s
}

// told is what members say of the group.
func (w *world) told() (members []adminapi.GroupMember) {
	for _, x := range w.group {
		members = append(members, adminapi.GroupMember{ID: x.ID, Name: x.Name, Voter: x.Voter})
	}
	return members
}

// do carries an act out, and holds it to what may be done.
func (w *world) do(a *Act) {
	w.say("%s %s %d %+v", a.Kind, name(a.Ordinal), a.ID, a.Change)
	c := w.claims[a.Ordinal]
	voters, up := w.alive()
	lost := voters > 0 && up <= voters/2
	switch a.Kind {
	case Mark:
		c.Member, c.Removed = a.ID, 0
	case MarkRemoved:
		c.Member, c.Removed = a.ID, a.ID
	case DeleteClaim:
		if w.entry(w.volumes[a.Ordinal].id) != nil && (!lost || w.recover == w.handled) {
			w.fail("the volume of a member is deleted")
		}
		c.Leaving = true
	case Replace:
		if w.pods[a.Ordinal].leaving = true; !w.pods[a.Ordinal].lost {
			w.pods[a.Ordinal] = pod{}
		}
	case Ask:
		w.change(a)
	}
	voters, up = w.alive()
	if !lost && voters > 0 && up <= voters/2 && (voters > 1 || a.Kind != Replace) {
		w.fail("no quorum is left: %d of %d", up, voters)
	}
}

func (w *world) change(a *Act) {
	id := a.Change.ID
	if a.Change.Operation == adminapi.GroupRecover {
		w.goOn(a)
		return
	}
	if a.Change.Operation != adminapi.GroupBegin && w.volumes[a.Ordinal].id != w.leads {
		w.fail("%s is asked, and does not lead", name(a.Ordinal))
	}
	switch a.Change.Operation {
	case adminapi.GroupBegin:
		if len(w.group) > 0 {
			w.fail("a second group is begun")
		}
		w.group = []adminapi.GroupMember{{ID: w.fresh(0), Name: name(0), Voter: true}}
		w.leads, w.volumes[0] = w.group[0].ID, volume{id: w.group[0].ID, has: w.applied}
	case adminapi.GroupAdd:
		var i int
		if _, err := fmt.Sscanf(a.Change.Member, "db-%d", &i); err != nil {
			w.t.Fatal(err)
		}
		w.group = append(w.group, adminapi.GroupMember{ID: w.fresh(i), Name: name(i)})
	case adminapi.GroupPromote:
		w.entry(id).Voter = true
	case adminapi.GroupRemove:
		if id == w.leads {
			w.fail("the leader is removed")
		}
		var rest []adminapi.GroupMember
		for _, x := range w.group {
			if x.ID != id {
				rest = append(rest, x)
			}
		}
		w.group = rest
	case adminapi.GroupTransfer:
		w.leads = id
	}
}

// fresh is a number that was never used.
func (w *world) fresh(i int) uint64 {
	for n := uint64(0); ; n++ {
		if id := n<<8 | uint64(i+1); !w.used[id] { //nolint:gosec // a handful
			w.used[id] = true
			return id
		}
	}
}

// pass is one of the operator's. It dies before a write where dies says so.
func (w *world) pass(dies func() bool) {
	o := w.observe()
	d := Next(o)
	if dies() {
		return
	}
	if d.Recover != "" {
		w.say("used up: %s", d.Refused)
		w.handled, w.refused = d.Recover, d.Refused
	}
	if d.Pods < w.set {
		for _, x := range w.group {
			if int(x.ID&0xff) > d.Pods {
				w.fail("the pod of %s goes, and it is a member", x.Name)
			}
		}
	}
	if w.set != d.Pods {
		w.say("pods %d", d.Pods)
	}
	w.set = d.Pods
	act := d.Act
	if act == nil {
		act = NextToReplace(o)
	}
	if act == nil || dies() {
		return
	}
	w.do(act)
	if act.Recover != "" && !dies() {
		w.handled, w.refused = act.Recover, ""
	}
}

// done says whether all is as wanted.
func (w *world) done() bool {
	voters, up := w.alive()
	if voters != w.wanted || up != w.wanted || len(w.group) != w.wanted || w.set != w.wanted {
		return false
	}
	for i := range MaxOrdinals {
		c := w.claims[i]
		// A claim that never had a member's data is nobody's to delete.
		if w.pods[i].outdated || i >= w.wanted && c != nil && c.Member != 0 {
			return false
		}
		if c != nil && (c.Removed != 0 || c.Member != w.volumes[i].id) {
			return false
		}
	}
	return true
}

func (w *world) settle(passes int, dies func() bool) {
	w.t.Helper()
	for range passes {
		w.pass(dies)
		w.round()
		if w.done() {
			return
		}
	}
	w.fail("it does not end: %+v %+v of %d", w.group, w.volumes, w.wanted)
}

func newWorld(t *testing.T, wanted int) *world {
	return &world{t: t, wanted: wanted, used: map[uint64]bool{}, applied: 10}
}

func never() bool { return false }

// TestScaling: up and down, the operator dying before any of its writes; there
// is a quorum all the time, and what is deleted nobody needs.
func TestScaling(t *testing.T) {
	for at := range 40 {
		w := newWorld(t, 3)
		writes := 0
		dies := func() bool { writes++; return writes == at }
		for _, wanted := range []int{3, 5, 1, 3, 1, 5, 3} {
			w.say("wanted %d", wanted)
			w.wanted = wanted
			w.settle(100, dies)
		}
	}
}

// TestFromAlone: a database of one member becomes a group, and keeps its data.
func TestFromAlone(t *testing.T) {
	w := newWorld(t, 3)
	w.set, w.pods[0], w.claims[0], w.volumes[0] = 1, pod{exists: true, outdated: true, alone: true}, &Claim{Exists: true}, volume{id: 1, has: 10}
	w.group, w.leads, w.used[1] = []adminapi.GroupMember{{ID: 1, Name: name(0), Voter: true}}, 1, true
	w.settle(100, never)
	if w.entry(1) == nil {
		t.Error("the first member is another one")
	}
}

// TestStorm: everything at once. Faults leave a majority, as those do that are
// to be survived.
func TestStorm(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 6))
		w := newWorld(t, 3)
		w.settle(100, never)
		for range 150 {
			w.fault(r)
			w.pass(func() bool { return r.IntN(8) == 0 })
			w.round()
		}
		w.settle(300, never)
	}
}

func (w *world) fault(r *rand.Rand) {
	i := r.IntN(MaxOrdinals)
	switch r.IntN(12) {
	case 0:
		w.wanted = []int{1, 3, 5}[r.IntN(3)]
		w.say("wanted %d", w.wanted)
	case 1, 2: // a pod goes, with or without its volume
		if !w.spares(i) {
			return
		}
		w.say("%s dies", name(i))
		w.pods[i] = pod{}
		if r.IntN(2) == 0 && w.safe(i) {
			w.say("%s loses its volume", name(i))
			w.volumes[i] = volume{}
			if c := w.claims[i]; c != nil && r.IntN(2) == 0 {
				*c = Claim{Exists: true}
			}
		}
	case 3:
		w.say("rolls")
		for j := range w.pods {
			w.pods[j].outdated = w.pods[j].exists
		}
	}
}

// spares: a majority is up without it.
func (w *world) spares(i int) bool {
	before := w.pods[i]
	w.pods[i] = pod{}
	voters, up := w.alive()
	w.pods[i] = before
	return up > voters/2
}

// safe: others have all that is acknowledged.
func (w *world) safe(i int) bool {
	voters, whole := 0, 0
	for _, x := range w.group {
		if !x.Voter {
			continue
		}
		voters++
		if at := int(x.ID&0xff) - 1; at != i && w.volumes[at].id == x.ID && w.volumes[at].has == w.applied {
			whole++
		}
	}
	return whole > voters/2
}
