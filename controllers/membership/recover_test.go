package membership

import (
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// survivor is a group of three of which member 2 is left: the others' volumes are
// gone, and nothing has been made in their place.
func survivor(modify ...func(*Observed)) Observed {
	return three(append([]func(*Observed){unled, func(o *Observed) {
		o.Object, o.Recover = "kvdb db", "db-2@5000"
		for i := range 2 {
			o.Members[i].Status, o.Members[i].Pod, o.Members[i].Claim = nil, Pod{}, Claim{}
		}
		g := o.Members[2].Status.Group
		g.Leader, g.LastTerm, o.Members[2].Status.Term, o.Members[2].Status.AppliedIndex = "", 4, 7, 4998
	}}, modify...)...)
}

// there has member 1 answer, too: its log ends there.
func there(term, index uint64) func(*Observed) {
	return func(o *Observed) {
		g := *o.Members[2].Status.Group
		g.ID, g.LastTerm, g.LastIndex, g.Members = 2, term, index, append(g.Members[:3:3], adminapi.GroupMember{ID: 4, Name: "db-3", Voter: true}, adminapi.GroupMember{ID: 5, Name: "db-4", Voter: true})
		o.Members[2].Status.Group.Members = g.Members
		o.Members[1].Pod, o.Members[1].Claim = Pod{Exists: true}, Claim{Exists: true, Member: 2}
		o.Members[1].Status = &adminapi.Status{Role: "follower", AppliedIndex: 4990, Group: &g}
	}
}

func asks(what string) func(*Observed) { return func(o *Observed) { o.Recover = what } }

func last(change func(*Member)) func(*Observed) {
	return func(o *Observed) { change(&o.Members[2]) }
}

// TestRecoverySteps: what is due, until the one is told to go on; and what uses
// the request up.
func TestRecoverySteps(t *testing.T) {
	noted := func(i int) func(*Observed) {
		id := uint64(i + 1) //nolint:gosec // a handful
		return claim(i, Claim{Exists: true, Member: id, Removed: id})
	}
	for name, c := range map[string]struct {
		o       Observed
		act     string
		words   string // of the message
		refused string
	}{
		"nobody else is there": {o: survivor(), act: "ask 2: recover 3", words: "the group is to go on from db-2"},
		"empty volumes beside": {o: survivor(there(0, 0), func(o *Observed) {
			o.Members[1].Status = &adminapi.Status{Role: roleBlank, Group: &adminapi.Group{}}
			o.Members[1].Claim.Member = 0
		}), act: "ask 2: recover 3"},
		"one does not say":    {o: survivor(func(o *Observed) { o.Members[1].Pod.Exists, o.Members[1].Claim.Exists = true, true }), act: "nothing", words: "db-1 has not said yet that its volume is empty"},
		"one does not run":    {o: survivor(func(o *Observed) { o.Members[1].Pod, o.Members[1].Claim.Exists = Pod{Exists: true, Down: true}, true }), act: "ask 2: recover 3"},
		"another has less":    {o: survivor(there(4, 4999)), act: "MarkRemoved 1 2"},
		"another has as much": {o: survivor(there(4, 5000)), act: "MarkRemoved 1 2"},
		"all are noted first": {o: survivor(noted(0), claim(1, Claim{Exists: true, Member: 2})), act: "MarkRemoved 1 2"},
		"then a claim goes":   {o: survivor(noted(0), noted(1)), act: "DeleteClaim 0 1"},
		"then its pod":        {o: survivor(func(o *Observed) { o.Members[0].Pod.Exists = true }, claim(0, Claim{Exists: true, Leaving: true, Member: 1, Removed: 1})), act: "Replace 0 0"},
		"which is waited for": {o: survivor(func(o *Observed) { o.Members[0].Pod = Pod{Exists: true, Leaving: true} }, claim(0, Claim{Exists: true, Leaving: true, Member: 1, Removed: 1})), act: "nothing", words: "until pod db-0 and its claim are gone"},
		"a pod for a claim before": {o: survivor(func(o *Observed) {
			o.Members[0].Pod, o.Members[0].Claim.Exists = Pod{Exists: true, Down: true, Older: true}, true
		}), act: "Replace 0 0"},
		"a pod without a claim":     {o: survivor(func(o *Observed) { o.Members[0].Pod.Exists = true }), act: "Replace 0 0"},
		"it starts, and all others": {o: survivor(last(func(m *Member) { m.Status = nil })), act: "nothing", words: "it does not answer"},
		"it starts, all are noted":  {o: survivor(noted(0), last(func(m *Member) { m.Status = nil })), act: "nothing", words: "it does not answer"},
		"it has gone on": {o: survivor(last(func(m *Member) {
			m.Status.Role, m.Status.Group.Recovered = roleLeader, &adminapi.Recovered{ID: 3, Index: 5000}
		})), act: "nothing"},

		"nonsense":           {o: survivor(asks("please")), refused: "write POD@INDEX"},
		"no index":           {o: survivor(asks("db-2")), refused: "write POD@INDEX"},
		"nobody":             {o: survivor(asks("db-7@5000")), refused: "write POD@INDEX"},
		"another index":      {o: survivor(asks("db-2@4999")), refused: "the log of db-2 ends at 5000, not at 4999"},
		"it does not answer": {o: survivor(last(func(m *Member) { m.Status = nil }), claim(0, Claim{Exists: true, Member: 1})), refused: "db-2 does not answer"},
		"its volume is lost": {o: survivor(last(func(m *Member) { m.Status = &adminapi.Status{Role: roleBlank, Group: &adminapi.Group{}} })), refused: "the volume of db-2 is empty"},
		"its volume is full": {o: survivor(last(func(m *Member) { m.Status.Storage.Full = true })), refused: "the volume of db-2 is full"},
		"it has not the data": {o: survivor(last(func(m *Member) { m.Status.Group.ID = 259 }), claim(2, Claim{Exists: true, Member: 259})),
			refused: "db-2 has not been sent the data yet"},
		"another has a later term":  {o: survivor(there(5, 100)), refused: "db-1 has more than db-2: its log ends at 100 (term 5)"},
		"another has more":          {o: survivor(there(4, 5001)), refused: "db-1 has more than db-2"},
		"somebody leads":            {o: three(asks("db-2@5000")), refused: "a majority is there: db-0 leads"},
		"a majority elects":         {o: three(unled, asks("db-2@5000"), func(o *Observed) { o.Members[1].Status.Group.Leader, o.Members[2].Status.Group.Leader = "", "" }), refused: "a majority answers"},
		"it hears of a leader":      {o: survivor(last(func(m *Member) { m.Status.Group.Leader = "db-0" })), refused: "db-2 hears of a leader, db-0"},
		"a pod is ready beside":     {o: survivor(func(o *Observed) { o.Members[1].Pod = Pod{Exists: true, Ready: true} }), refused: "pod db-1 is ready, so it has a leader"},
		"a majority of the learned": {o: survivor(there(4, 5000), last(func(m *Member) { m.Status.Group.Members = m.Status.Group.Members[:3] })), refused: "a majority answers"},
	} {
		t.Run(name, func(t *testing.T) {
			d := Next(c.o)
			if d.Refused == "" && c.refused != "" || !strings.Contains(d.Refused, c.refused) || (d.Recover != "") != (c.refused != "" || name == "it has gone on") {
				t.Fatalf("used up %q, refused %q", d.Recover, d.Refused)
			}
			if c.refused == "" && (told(d.Act) != c.act || !strings.Contains(d.Message, c.words)) {
				t.Errorf("%s: %s", told(d.Act), d.Message)
			}
		})
	}
}

// TestLostQuorumIsTold: who answers with what, what is better, and the command.
func TestLostQuorumIsTold(t *testing.T) {
	d := Next(survivor(asks("")))
	for _, want := range []string{
		"1 of 3 members answers", "until enough of db-0 and db-1 are back with their volumes, then it goes on by itself and nothing is lost",
		"db-2 has the log up to 5000 (term 4, applied up to 4998)",
		"`kubectl annotate kvdb db coffer.dev/recover-from=db-2@5000 --overwrite` goes on from db-2 alone, deletes the volumes of all other members, and loses the writes",
	} {
		if !strings.Contains(d.Message, want) {
			t.Errorf("%q is not in %q", want, d.Message)
		}
	}
	if d = Next(survivor(asks(""), there(5, 100))); !strings.Contains(d.Message, "recover-from=db-1@100") || d.Reason != v1alpha1.ReasonQuorumLost {
		t.Errorf("the one with the later log is not the one: %s", d.Message)
	}
	long := survivor(asks(""), there(5, 100))
	for i := range long.Members {
		long.Members[i].Name = strings.Repeat("n", 60) + name(i)
	}
	for _, m := range []*Member{&long.Members[1], &long.Members[2]} {
		for i := range m.Status.Group.Members {
			m.Status.Group.Members[i].Name = strings.Repeat("n", 60) + name(i)
		}
	}
	if at := strings.Index(Next(long).Message, "only those have"); at < 0 || at > 1000 {
		t.Errorf("of a long message the command is cut off: it ends at %d", at)
	}
	for name, not := range map[string]func(*Observed){
		"who hears of a leader":      last(func(m *Member) { m.Status.Group.Leader = "db-0" }),
		"who has no space":           last(func(m *Member) { m.Status.Storage.Full = true }),
		"beside a pod that is ready": func(o *Observed) { o.Members[1].Pod = Pod{Exists: true, Ready: true} },
	} {
		if d = Next(survivor(asks(""), not)); strings.Contains(d.Message, "kubectl annotate") || d.Reason != v1alpha1.ReasonQuorumLost {
			t.Errorf("%s: what would be refused is offered: %s", name, d.Message)
		}
	}
	old := Next(survivor(asks(""), last(func(m *Member) { m.Status.Group.LastIndex = 0 })))
	if strings.Contains(old.Message, "kubectl annotate") {
		t.Errorf("an engine that does not say where its log ends: %s", old.Message)
	}
}

// TestTheLaterGenerationLeads, whatever the terms are.
func TestTheLaterGenerationLeads(t *testing.T) {
	o := three(func(o *Observed) {
		s := o.Members[2].Status
		s.Role, s.Term, s.Group.Generation, o.Members[0].Status.Term = roleLeader, 2, 1<<32, 9
	})
	if l := (machine{o}).leader(); l.Name != "db-2" {
		t.Errorf("%s leads", l.Name)
	}
}
