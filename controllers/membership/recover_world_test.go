package membership

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// goOn is what an engine does that is told to go on alone, and what must be true
// then: nobody of the old group is left who could speak.
func (w *world) goOn(a *Act) {
	i := a.Ordinal
	if r := w.recovered; r != nil && r.ID == a.Change.ID && r.Index == a.Change.Index {
		return
	}
	if v := w.volumes[i]; v.id != a.Change.ID || v.has != a.Change.Index || w.leads != 0 {
		w.fail("%s is to go on from %d of member %d, has %+v, and %d leads", name(i), a.Change.Index, a.Change.ID, v, w.leads)
	}
	for j, v := range w.volumes {
		if j != i && v.id != 0 {
			w.fail("%s goes on alone, and %s has a volume of the same group", name(i), name(j))
		}
	}
	w.recovered = &adminapi.Recovered{ID: a.Change.ID, Index: a.Change.Index}
	w.generation++
	w.group = []adminapi.GroupMember{{ID: w.fresh(i), Name: name(i), Voter: true}}
	w.leads, w.applied = w.group[0].ID, w.volumes[i].has
	w.volumes[i] = volume{id: w.leads, has: w.applied, generation: w.generation}
	w.pods[i].starting = true
}

// lose takes a member: its volume and claim, its claim's volume only, its node,
// which may come back, or what was in that node's memory.
func (w *world) lose(i, how int) {
	w.say("%s is lost: %d", name(i), how)
	switch how {
	case 0:
		w.pods[i], w.volumes[i], w.claims[i] = pod{}, volume{}, nil
	case 1:
		w.pods[i], w.volumes[i] = pod{}, volume{}
	case 2:
		w.pods[i].lost = true
	case 3:
		w.pods[i].starting, w.volumes[i].forgot = true, w.volumes[i].id != 0
	}
}

// back is a node that is there again: what was to go there goes, the rest goes on.
func (w *world) back(i int) {
	if w.pods[i].lost {
		w.say("the node of %s is back", name(i))
		if w.pods[i].lost = false; w.pods[i].leaving {
			w.pods[i] = pod{}
		}
	}
}

// command is what the condition says to do.
var command = regexp.MustCompile(regexp.QuoteMeta(v1alpha1.AnnotationRecoverFrom) + `=(\S+) --overwrite`)

// ask has the user do as the condition says; an annotation is set anew.
func (w *world) ask() bool {
	d := Next(w.observe())
	found := command.FindStringSubmatch(d.Message)
	if d.Reason != v1alpha1.ReasonQuorumLost || found == nil {
		return false
	}
	w.recover, w.handled, w.refused = found[1], "", ""
	w.say("recover from %s", w.recover)
	return true
}

// TestRecovery: a majority is lost in each way, and the operator dies before each
// of its writes; it ends with all members, and no two groups.
func TestRecovery(t *testing.T) {
	for how := range 9 {
		for at := range 30 {
			w := newWorld(t, 3)
			w.settle(100, never)
			one := w.volumes[2].id
			w.lose(0, how%3)
			w.lose(1, how/3)
			w.round()
			if how == 8 && w.leads != 0 {
				w.fail("a group of three goes on with one")
			}
			if !w.ask() {
				w.fail("the condition says nothing to do")
			}
			writes := 0
			for range 12 {
				w.pass(func() bool { writes++; return writes == at })
				w.round()
			}
			w.back(0) // nodes must be back, or be deleted, before their pods are gone
			for range 6 {
				w.pass(never)
				w.round()
			}
			w.back(1)
			w.settle(100, never)
			if w.refused != "" {
				w.fail("refused: %s", w.refused)
			}
			if w.generation != 1 || w.recovered.ID != one {
				w.fail("it went on %d times", w.generation)
			}
		}
	}
}

// TestAMajorityThatComesBack while another member is to go on: it does, if it is
// one by itself; at no time is there a group beside it.
func TestAMajorityThatComesBack(t *testing.T) {
	wentOn, refused := 0, 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 7))
		n := []int{3, 5}[r.IntN(2)]
		w := newWorld(t, n)
		w.settle(100, never)
		for _, i := range r.Perm(n)[:n/2+1] {
			w.lose(i, []int{2, 2, 0, 1, 3}[r.IntN(5)])
		}
		w.round()
		w.ask()
		for range 40 {
			if i := r.IntN(n); r.IntN(6) == 0 {
				w.back(i)
			}
			if r.IntN(10) == 0 {
				w.ask()
			}
			w.pass(func() bool { return r.IntN(8) == 0 })
			w.round()
		}
		for i := range n {
			w.back(i)
		}
		for range 100 { // whoever has lost too much must ask
			if w.done() {
				break
			}
			if w.leads == 0 && w.recover == w.handled {
				w.ask()
			}
			w.pass(func() bool { return r.IntN(8) == 0 })
			w.round()
		}
		if w.settle(200, never); w.generation > 0 {
			wentOn++
		}
		if w.refused != "" && strings.Contains(w.refused, "majority") {
			refused++
		}
	}
	if wentOn < 100 || refused < 50 {
		t.Errorf("%d went on, %d were refused: too few to tell", wentOn, refused)
	}
}
