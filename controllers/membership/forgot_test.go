package membership

import (
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// forgets has a member say that its log, which ends there, may lack what it had
// acknowledged; the leader, if there is one, that it is nobody.
func forgets(i int, index uint64) func(*Observed) {
	return func(o *Observed) {
		g := *o.Members[i].Status.Group
		g.Forgot, g.ID, g.Leader, g.LastIndex, g.LastTerm = g.ID, 0, "", index, 4
		o.Members[i].Status = &adminapi.Status{Role: roleBlank, Group: &g}
		if leader := o.Members[0].Status; leader != nil && leader.Role == roleLeader {
			of(o, i).Blank = true
		}
	}
}

func unledBy(o *Observed) {
	for i := range o.Members {
		o.Members[i].Status.Role, o.Members[i].Status.Group.Leader, o.Members[i].Status.Ready = "follower", "", false
	}
}

// TestWhoForgotJoinsAnew as who has lost the volume; and a majority that forgot is
// one that is lost.
func TestWhoForgotJoinsAnew(t *testing.T) {
	three := func(modify ...func(*Observed)) Observed {
		o := three(modify...)
		o.Object = "kvdb db"
		return o
	}
	all := []func(*Observed){unledBy, forgets(0, 4000), forgets(1, 4002), forgets(2, 4001)}
	for name, c := range map[string]struct {
		o      Observed
		act    string
		reason string
		words  string
		not    string
	}{
		"one":              {o: three(forgets(2, 4000)), act: "MarkRemoved 2 3", reason: v1alpha1.ReasonMembersChanging},
		"one, noted":       {o: three(forgets(2, 4000), claim(2, Claim{Exists: true, Member: 3, Removed: 3})), act: "ask 0: remove 3", reason: v1alpha1.ReasonMembersChanging},
		"one, another out": {o: three(forgets(2, 4000), silent(1)), act: "nothing", reason: v1alpha1.ReasonMembersHeld, words: "db-2 may have forgotten writes of its last second"},
		"a learner of which a new leader knows nothing": {o: three(forgets(2, 4000), learner(2, 0)), act: "MarkRemoved 2 3", reason: v1alpha1.ReasonMembersChanging},
		"one that is out": {o: three(forgets(2, 4000), func(o *Observed) { o.Members[0].Status.Group.Members = o.Members[0].Status.Group.Members[:2] }), act: "ask 0: add db-20", reason: v1alpha1.ReasonMembersChanging},
		"all":             {o: three(all...), act: "nothing", reason: v1alpha1.ReasonQuorumLost, words: "coffer.dev/recover-from=db-1@4002 --overwrite` goes on from db-1 alone", not: "never come back"},
		"all, as told":    {o: three(append(all, func(o *Observed) { o.Recover = "db-1@4002" })...), act: "MarkRemoved 0 1", reason: v1alpha1.ReasonQuorumLost},
		"all, not noted":  {o: three(append(all, claim(0, Claim{Exists: true}), claim(1, Claim{Exists: true}), claim(2, Claim{Exists: true}))...), act: "nothing", reason: v1alpha1.ReasonQuorumLost},
		"two":             {o: three(unledBy, forgets(0, 4000), forgets(1, 4002)), act: "nothing", reason: v1alpha1.ReasonQuorumLost, words: "nodes or disks failed under db-0 and db-1", not: "never come back"},
		"one, and one may come back": {o: three(unledBy, forgets(0, 4000), func(o *Observed) { o.Members[1].Status = nil }), act: "nothing", reason: v1alpha1.ReasonQuorumLost,
			words: "until enough of db-1 are back with their volumes"},
		"one, and others elect": {o: three(unledBy, forgets(0, 4000)), act: "nothing", reason: v1alpha1.ReasonElecting},
		"all, unreadable": {o: three(append(all, func(o *Observed) {
			for i := range o.Members {
				o.Members[i].Status.Group.Members = nil
			}
		})...), act: "nothing", reason: v1alpha1.ReasonQuorumLost, words: "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			d := Next(c.o)
			if told(d.Act) != c.act || d.Reason != c.reason || !strings.Contains(d.Message, c.words) || c.not != "" && strings.Contains(d.Message, c.not) {
				t.Errorf("%s, %s: %s, refused %q", told(d.Act), d.Reason, d.Message, d.Refused)
			}
		})
	}
}

// TestMembersForget one after the other, and all at once, and the operator dies
// before each of its writes: who forgot joins anew, and a group that has no majority
// left goes on from the latest log when it is told to.
func TestMembersForget(t *testing.T) {
	for at := range 30 {
		w := newWorld(t, 3)
		w.settle(100, never)
		before := w.group
		w.lose(1, 3)
		writes := 0
		for range 12 {
			w.round()
			w.pass(func() bool { writes++; return writes == at })
		}
		w.settle(100, never)
		if w.generation != 0 || len(w.group) != 3 || w.entry(before[1].ID) != nil {
			w.fail("one forgot: generation %d, %+v", w.generation, w.group)
		}
		for i := range 3 {
			w.lose(i, 3)
		}
		w.round()
		if !w.ask() {
			w.fail("the condition says nothing to do")
		}
		writes = 0
		for range 12 {
			w.pass(func() bool { writes++; return writes == at })
			w.round()
		}
		w.settle(100, never)
		if w.refused != "" || w.generation != 1 {
			w.fail("all forgot: refused %q, generation %d", w.refused, w.generation)
		}
	}
}
