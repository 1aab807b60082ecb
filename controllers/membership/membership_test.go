package membership

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// three is a group of three that is as wanted: member 0 leads, each claim says
// whose data it holds. Modifiers make others.
func three(modify ...func(*Observed)) Observed {
	w := &world{wanted: 3, set: 3, leads: 1, applied: 5000}
	for i := range w.wanted {
		id := uint64(i + 1) //nolint:gosec // a handful
		w.group = append(w.group, adminapi.GroupMember{ID: id, Name: name(i), Voter: true})
		w.pods[i], w.claims[i], w.volumes[i] = pod{exists: true}, &Claim{Exists: true, Member: id}, volume{id: id, has: w.applied}
	}
	o := w.observe()
	for _, m := range modify {
		m(&o)
	}
	return o
}

// blanks are so many members, just made.
func blanks(n int, modify ...func(*Observed)) Observed {
	w := &world{wanted: n, set: n}
	for i := range n {
		w.pods[i], w.claims[i] = pod{exists: true}, &Claim{Exists: true}
	}
	o := w.observe()
	for _, m := range modify {
		m(&o)
	}
	return o
}

// of is what the leader, member 0, says of another one.
func of(o *Observed, i int) *adminapi.GroupMember { return &o.Members[0].Status.Group.Members[i] }

func silent(i int) func(*Observed) {
	return func(o *Observed) { o.Members[i].Status = nil; of(o, i).Active = false }
}

func unled(o *Observed) {
	o.Members[0].Status = nil
	for _, i := range []int{1, 2} {
		o.Members[i].Status.Ready = false
	}
}

// without takes members off the leader's list, and empties their volumes.
func without(from int) func(*Observed) {
	return func(o *Observed) {
		g := o.Members[0].Status.Group
		g.Members = g.Members[:from]
		for i := from; i < 3; i++ {
			o.Members[i].Status, o.Members[i].Claim = &adminapi.Status{Role: "blank", Group: &adminapi.Group{}}, Claim{Exists: true}
		}
	}
}

func learner(i int, match uint64) func(*Observed) {
	return func(o *Observed) { of(o, i).Voter, of(o, i).Match = false, match }
}

func wanted(n int) func(*Observed) { return func(o *Observed) { o.Wanted = n } }

func leads(i int) func(*Observed) {
	return func(o *Observed) {
		a, b := o.Members[0].Status, o.Members[i].Status
		a.Group.Members[0].Active, a.Group.Members[0].Match = true, a.AppliedIndex
		b.Role, b.Group.Members, a.Role = roleLeader, a.Group.Members, "follower"
	}
}

func claim(i int, c Claim) func(*Observed) { return func(o *Observed) { o.Members[i].Claim = c } }

func lost(i int) func(*Observed) {
	return func(o *Observed) {
		of(o, i).Blank, of(o, i).Refused = true, "its volume is empty"
		o.Members[i].Status = &adminapi.Status{Role: "blank", Group: &adminapi.Group{}}
	}
}

func gone(i int) func(*Observed) {
	return func(o *Observed) { o.Members[i].Pod, o.Members[i].Status = Pod{}, nil }
}

func both(all ...func(*Observed)) func(*Observed) {
	return func(o *Observed) {
		for _, m := range all {
			m(o)
		}
	}
}

// told is an act in a few words.
func told(a *Act) string {
	switch {
	case a == nil:
		return "nothing"
	case a.Kind != Ask:
		return fmt.Sprintf("%s %d %d", a.Kind, a.Ordinal, a.ID)
	}
	return fmt.Sprintf("ask %d: %s %s%d", a.Ordinal, a.Change.Operation, a.Change.Member, a.Change.ID)
}

// TestNext goes through every row: what is observed, what is done, and what is
// said of it.
func TestNext(t *testing.T) {
	for name, c := range map[string]struct {
		o      Observed
		act    string
		pods   int
		reason string
		words  string
	}{
		"as wanted": {three(), "nothing", 3, "", ""},

		"a new group":               {blanks(3), "ask 0: begin 0", 3, v1alpha1.ReasonMembersChanging, ""},
		"member 0 does not answer":  {blanks(3, func(o *Observed) { o.Members[0].Status = nil }), "nothing", 3, "", ""},
		"somebody had data":         {blanks(3, claim(2, Claim{Exists: true, Member: 3})), "nothing", 3, v1alpha1.ReasonDataLost, "take the annotation coffer.dev/member off"},
		"who had data is not there": {blanks(3, claim(2, Claim{Exists: true, Member: 3}), func(o *Observed) { o.Members[2].Status = nil }), "nothing", 3, v1alpha1.ReasonQuorumLost, "until db-2 is back"},
		"member 0 lost all, others have data": {three(unled, func(o *Observed) { o.Members[0].Status = &adminapi.Status{Role: "blank", Group: &adminapi.Group{}} }),
			"nothing", 3, v1alpha1.ReasonElecting, ""},
		"a number that is not noted": {three(claim(1, Claim{Exists: true})), "Mark 1 2", 3, "", ""},
		"another number is noted":    {three(claim(1, Claim{Exists: true, Member: 258})), "Mark 1 2", 3, "", ""},
		"a claim that goes":          {three(claim(1, Claim{Exists: true, Leaving: true})), "nothing", 3, "", ""},
		"a database that was alone": {three(func(o *Observed) {
			o.Members[0].Status.Group, o.Members[0].Claim.Member = nil, 0
		}, func(o *Observed) { o.Members = o.Members[:1] }), "Mark 0 1", 3, "", ""},

		"the others join":              {three(without(1)), "ask 0: add db-10", 3, v1alpha1.ReasonMembersChanging, ""},
		"not before it is noted":       {three(without(1), claim(0, Claim{})), "nothing", 3, "", ""},
		"one catches up":               {three(without(2), learner(1, 120)), "nothing", 3, v1alpha1.ReasonCatchingUp, "member db-1 is catching up (index 120 of 5,000)"},
		"one has caught up":            {three(without(2), learner(1, 4990)), "ask 0: promote 2", 3, v1alpha1.ReasonMembersChanging, ""},
		"one does not go on":           {three(without(2), learner(1, 120), silent(1)), "ask 0: add db-20", 3, v1alpha1.ReasonMembersChanging, ""},
		"a learner that has nothing":   {three(learner(2, 0), func(o *Observed) { o.Members[0].Status.AppliedIndex = 9 }), "nothing", 3, v1alpha1.ReasonCatchingUp, ""},
		"a change is under way":        {three(without(1), func(o *Observed) { o.Members[0].Status.Group.Changing = true }), "nothing", 3, v1alpha1.ReasonMembersChanging, ""},
		"a member that does not fit":   {three(func(o *Observed) { of(o, 2).Refused = "another instance's volume" }), "nothing", 3, v1alpha1.ReasonMemberRefused, "db-2 takes no part: another instance's volume"},
		"a volume of nobody's":         {three(func(o *Observed) { o.Members[2].Status.Group.ID = 77 }, claim(2, Claim{Exists: true, Member: 77})), "nothing", 3, v1alpha1.ReasonMemberRefused, "has the volume of member 77"},
		"a volume of somebody else's":  {three(func(o *Observed) { o.Members[2].Status.Group.ID = 2 }, claim(2, Claim{Exists: true, Member: 2})), "nothing", 3, v1alpha1.ReasonMemberRefused, "has the volume of member 2"},
		"back before its volume went":  {three(func(o *Observed) { o.Members[0].Status.Group.Members = o.Members[0].Status.Group.Members[:2] }, claim(2, Claim{Exists: true, Member: 3, Removed: 3})), "DeleteClaim 2 3", 3, v1alpha1.ReasonMembersChanging, ""},
		"its volume goes with its pod": {three(func(o *Observed) { o.Members[0].Status.Group.Members = o.Members[0].Status.Group.Members[:2] }, claim(2, Claim{Exists: true, Leaving: true, Member: 3, Removed: 3})), "Replace 2 0", 3, v1alpha1.ReasonMembersChanging, ""},

		"a lost volume":                  {three(lost(2)), "MarkRemoved 2 3", 3, v1alpha1.ReasonMembersChanging, ""},
		"a lost volume, noted":           {three(lost(2), claim(2, Claim{Exists: true, Member: 3, Removed: 3})), "ask 0: remove 3", 3, v1alpha1.ReasonMembersChanging, ""},
		"a lost volume, no claim":        {three(lost(2), claim(2, Claim{})), "ask 0: remove 3", 3, v1alpha1.ReasonMembersChanging, ""},
		"a lost volume, another is down": {three(lost(2), silent(1)), "nothing", 3, v1alpha1.ReasonMembersHeld, "db-2 has lost its volume"},

		"fewer":                              {three(wanted(1)), "MarkRemoved 2 3", 3, v1alpha1.ReasonMembersChanging, ""},
		"fewer, noted":                       {three(wanted(1), claim(2, Claim{Exists: true, Member: 3, Removed: 3})), "ask 0: remove 3", 3, v1alpha1.ReasonMembersChanging, ""},
		"fewer, out":                         {three(wanted(1), both(without(2), claim(2, Claim{Exists: true, Member: 3, Removed: 3}))), "MarkRemoved 1 2", 2, v1alpha1.ReasonMembersChanging, ""},
		"fewer, the pod is gone":             {three(wanted(1), both(without(2), claim(2, Claim{Exists: true, Member: 3, Removed: 3}), gone(2))), "DeleteClaim 2 3", 2, v1alpha1.ReasonMembersChanging, ""},
		"fewer, not noted to go":             {three(wanted(1), both(without(2), claim(2, Claim{Exists: true, Member: 3}), gone(2))), "MarkRemoved 1 2", 3, v1alpha1.ReasonMembersChanging, ""},
		"fewer, the leader goes":             {three(wanted(1), leads(2)), "ask 2: transfer 1", 3, v1alpha1.ReasonMembersChanging, ""},
		"fewer, who stays is down":           {three(wanted(1), leads(2), func(o *Observed) { o.Members[0].Status = nil }), "nothing", 3, v1alpha1.ReasonMembersHeld, "db-2 leaves once db-0 has the data"},
		"fewer, who stays lags":              {three(wanted(1), leads(2), func(o *Observed) { of(o, 0).Match = 100 }), "nothing", 3, v1alpha1.ReasonMembersHeld, "db-2 leaves once db-0"},
		"fewer, who goes is down":            {three(wanted(1), silent(1)), "MarkRemoved 1 2", 3, v1alpha1.ReasonMembersChanging, ""},
		"fewer, and no leader":               {three(wanted(1), unled), "nothing", 3, v1alpha1.ReasonElecting, ""},
		"fewer, and no leader or pod":        {three(wanted(1), unled, gone(1), gone(2), func(o *Observed) { o.Pods = 0 }), "nothing", 3, v1alpha1.ReasonQuorumLost, ""},
		"fewer, and nothing is known":        {three(wanted(1), silentAll, claim(1, Claim{Exists: true}), claim(2, Claim{Exists: true})), "nothing", 3, v1alpha1.ReasonQuorumLost, "until db-0 is back"},
		"wanted again":                       {three(claim(2, Claim{Exists: true, Member: 3, Removed: 3})), "Mark 2 3", 3, v1alpha1.ReasonMembersChanging, ""},
		"made larger by hand":                {three(func(o *Observed) { o.Pods = 5 }), "nothing", 3, "", ""},
		"no leader, and made smaller before": {three(unled, func(o *Observed) { o.Pods = 3 }), "nothing", 3, v1alpha1.ReasonElecting, ""},

		"quorum is lost":  {three(unled, func(o *Observed) { o.Members[1].Status = nil }), "nothing", 3, v1alpha1.ReasonQuorumLost, "quorum is lost: 1 of 3 members answers: nothing is answered until enough of db-0 and db-1 are back"},
		"nobody leads":    {three(unled), "nothing", 3, v1alpha1.ReasonElecting, ""},
		"nobody answers":  {three(unled, silentAll), "nothing", 3, v1alpha1.ReasonQuorumLost, "until db-0, db-1 or db-2 is back"},
		"two say so":      {three(func(o *Observed) { o.Members[2].Status.Role, o.Members[2].Status.Term = roleLeader, 9 }, wanted(1)), "nothing", 3, v1alpha1.ReasonMembersHeld, ""},
		"switchover":      {three(func(o *Observed) { o.Switchover, of(o, 2).Match = "now", 4999 }), "ask 0: transfer 2", 3, "", ""},
		"switchover to 2": {three(func(o *Observed) { o.Switchover = "db-2" }), "ask 0: transfer 3", 3, "", ""},
		"switchover to one that lags": {three(func(o *Observed) { o.Switchover, of(o, 2).Match = "db-2", 1 }),
			"nothing", 3, "", ""},
		"switchover to the leader": {three(func(o *Observed) { o.Switchover = "db-0" }), "nothing", 3, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := Next(c.o)
			if told(d.Act) != c.act || d.Pods != c.pods || d.Reason != c.reason || !strings.Contains(d.Message, c.words) {
				t.Errorf("%s, %d pods, %s: %s", told(d.Act), d.Pods, d.Reason, d.Message)
			}
		})
	}
}

func silentAll(o *Observed) {
	for i := range o.Members {
		o.Members[i].Status = nil
	}
}

func TestSwitchoverIsCarriedOutOnce(t *testing.T) {
	if d := Next(three(func(o *Observed) { o.Switchover = "now" })); d.Act == nil || d.Act.Switchover != "now" || d.Switchover != "" {
		t.Errorf("%+v", d)
	}
	if d := Next(three(func(o *Observed) { o.Switchover = "db-0" })); d.Switchover != "db-0" {
		t.Errorf("who leads already is waited for: %+v", d)
	}
}

func outdated(list ...int) func(*Observed) {
	return func(o *Observed) {
		for _, i := range list {
			o.Members[i].Pod.Outdated = true
		}
	}
}

// TestNextToReplace: at no time is more than one voter away, and the leader is
// the last.
func TestNextToReplace(t *testing.T) {
	for name, c := range map[string]struct {
		o   Observed
		act string
	}{
		"nobody":                         {three(), "nothing"},
		"followers first":                {three(outdated(0, 1, 2)), "Replace 1 0"},
		"the next follower":              {three(outdated(0, 2)), "Replace 2 0"},
		"the leader hands on":            {three(outdated(0)), "ask 0: transfer 2"},
		"to who has most":                {three(outdated(0), func(o *Observed) { of(o, 1).Match = 4990 }), "ask 0: transfer 3"},
		"a pod is leaving":               {three(outdated(0, 1), func(o *Observed) { o.Members[2].Pod.Leaving = true }), "nothing"},
		"another is down":                {three(outdated(0, 1), silent(2)), "nothing"},
		"another lags":                   {three(outdated(0, 1), func(o *Observed) { of(o, 2).Match = 100 }), "nothing"},
		"another is not ready":           {three(outdated(0, 1), func(o *Observed) { o.Members[2].Status.Ready = false }), "nothing"},
		"the one itself is what is down": {three(outdated(0, 1), silent(1)), "Replace 1 0"},
		"the leader waits for it":        {three(outdated(0), silent(1)), "nothing"},
		"nobody leads":                   {three(outdated(0, 1, 2), unled), "nothing"},
		"one that does not run":          {three(outdated(0, 1, 2), unled, func(o *Observed) { o.Members[2].Pod.Down = true }), "Replace 2 0"},
		"a change is under way":          {three(outdated(1), func(o *Observed) { o.Members[0].Status.Group.Changing = true }), "nothing"},
		"one without a vote":             {three(outdated(0, 2), learner(2, 10)), "Replace 2 0"},
		"one is catching up":             {three(outdated(0, 1), learner(2, 10)), "nothing"},
		"two voters cannot spare one":    {three(outdated(0, 1), without(2)), "nothing"},
		"a leader alone in its group":    {three(outdated(0), without(1)), "Replace 0 0"},
		"a member that was alone": {three(outdated(0), func(o *Observed) {
			o.Members[0].Status.Group = nil
		}), "Replace 0 0"},
	} {
		t.Run(name, func(t *testing.T) {
			if act := NextToReplace(c.o); told(act) != c.act {
				t.Errorf("%s, want %s", told(act), c.act)
			}
		})
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
