package membership

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

func (m machine) next() Decision {
	if act := m.unmarked(); act != nil {
		return Decision{Act: act}
	}
	if m.o.Recover == "" {
		return m.usual()
	}
	due, refused := m.recover()
	if due != nil {
		return *due
	}
	d := m.usual()
	d.Recover, d.Refused = m.o.Recover, refused
	return d
}

// usual is what is due when nobody asks for anything that is not.
func (m machine) usual() Decision {
	leader, g := m.group()
	switch {
	case leader == nil:
		return m.leaderless()
	case g == nil:
		return Decision{} // its pod is replaced first
	case g.Changing:
		return Decision{Reason: v1alpha1.ReasonMembersChanging, Message: "members are changing", Passing: true}
	}
	c := change{machine: m, leader: leader, g: g}
	for _, step := range []func() *Act{c.repair, c.promote, c.add, c.forget, c.shrink, c.renew, c.settle} {
		if act := step(); act != nil {
			return Decision{Act: act, Reason: v1alpha1.ReasonMembersChanging, Message: "members are changing", Passing: true}
		}
	}
	d := c.held
	d.Act, d.Switchover = c.switchover()
	return d
}

// unmarked: a member has a number that its claim does not say.
func (m machine) unmarked() *Act {
	for _, x := range m.o.Members {
		if id := numberOf(x); id != 0 && x.Claim.Exists && !x.Claim.Leaving && x.Claim.Member != id {
			return &Act{Kind: Mark, Ordinal: x.Ordinal, ID: id}
		}
	}
	return nil
}

// leaderless: a group is begun where there never was one; else members come back
// by themselves, or somebody has to bring them.
func (m machine) leaderless() Decision {
	var best *Member
	marked, blanks := false, 0
	for i := range m.o.Members {
		x := &m.o.Members[i]
		marked = marked || x.Claim.Member != 0
		if blank(*x) {
			blanks++
		}
		if numberOf(*x) != 0 && (best == nil || x.Status.AppliedIndex > best.Status.AppliedIndex) {
			best = x
		}
	}
	switch {
	case best != nil:
		return m.unled(best.Status.Group) // one that is alone leads, or has no number
	case len(m.forgotten()) > 0:
		return m.allForgot()
	case !marked && len(m.o.Members) > 0 && blank(m.o.Members[0]):
		return Decision{Act: &Act{Kind: Ask, Ordinal: 0, Change: adminapi.GroupChange{Operation: adminapi.GroupBegin},
			Reason: v1alpha1.ReasonMembersChanged, Message: m.o.Members[0].Name + " begins the group"},
			Reason: v1alpha1.ReasonMembersChanging, Message: "the group begins", Passing: true}
	case marked && blanks == len(m.o.Members):
		return Decision{Reason: v1alpha1.ReasonDataLost, Message: "the volume of every member is empty, and the group had data: bring a volume back; " +
			"to begin anew without the data, take the annotation " + v1alpha1.AnnotationMember + " off every claim of the instance"}
	case marked && m.starting():
		return Decision{Reason: v1alpha1.ReasonElecting, Message: "members are starting", Passing: true}
	case marked:
		return Decision{Reason: v1alpha1.ReasonQuorumLost, Passing: true, Message: "no member answers that has the data: nothing is answered until " +
			list(m.silent(), "or") + " is back; see `kubectl describe pod`"}
	}
	return Decision{}
}

// silent are members that have data and do not say so.
func (m machine) silent() (names []string) {
	for _, x := range m.o.Members {
		if !blank(x) && x.Claim.Member != 0 {
			names = append(names, x.Name)
		}
	}
	return names
}

func (m machine) starting() bool {
	return slices.ContainsFunc(m.o.Members, func(x Member) bool { return x.Status != nil && x.Status.Role == roleStarting })
}

// unled is a group in which nobody leads.
func (m machine) unled(g *adminapi.Group) Decision {
	voters, there, missing := m.count(g)
	if voters == 0 || there > voters/2 {
		return Decision{Reason: v1alpha1.ReasonElecting, Message: "members are electing a leader", Passing: true}
	}
	return m.quorumLost(voters, there, missing)
}

// change is one look at a group that has a leader.
type change struct {
	machine

	leader *Member
	g      *adminapi.Group
	// held says what cannot be done now.
	held Decision
	// catchingUp: a member is being sent the data.
	catchingUp bool
}

// hold notes why nothing more is done; the first counts.
func (c *change) hold(reason, format string, args ...any) {
	if c.held.Reason == "" {
		c.held = Decision{Reason: reason, Message: fmt.Sprintf(format, args...), Passing: true}
	}
}

// ask the leader.
func (c *change) ask(what adminapi.GroupChange, format string, args ...any) *Act {
	return &Act{Kind: Ask, Ordinal: c.leader.Ordinal, Change: what, Reason: v1alpha1.ReasonMembersChanged, Message: fmt.Sprintf(format, args...)}
}

// repair takes out a member that has lost what it knew, to be added anew.
func (c *change) repair() *Act {
	for _, x := range c.g.Members {
		switch {
		case x.Blank && !x.Voter && x.Match == 0 && !c.forgot(x.Name): // it had nothing yet
		case x.Blank && !c.wanted(x.Name): // it leaves
		case x.Blank && c.spares(x):
			return c.remove(x, "%s %s: member %d leaves the group, to join it anew", x.Name, c.lacks(x.Name), x.ID)
		case x.Blank:
			c.hold(v1alpha1.ReasonMembersHeld, "%s %s, and is added anew once enough others are back", x.Name, c.lacks(x.Name))
		case x.Refused != "": // as does a member that starts, for a moment
			c.hold(v1alpha1.ReasonMemberRefused, "member %s takes no part: %s", x.Name, x.Refused)
		}
	}
	return nil
}

func (m machine) forgot(name string) bool {
	x := m.member(name)
	return x != nil && forgot(*x)
}

// lacks is why a member is to join anew.
func (c *change) lacks(name string) string {
	if c.forgot(name) {
		return "may have forgotten writes of its last second, as its node or its disk failed before they were on the volume"
	}
	return "has lost its volume"
}

// spares: enough live voters are left without it.
func (c *change) spares(x adminapi.GroupMember) bool {
	if !x.Voter {
		return true
	}
	voters, alive := 0, 0
	for _, v := range c.g.Members {
		if v.ID == x.ID || !v.Voter {
			continue
		}
		voters++
		if live(c.leader, v) {
			alive++
		}
	}
	return alive > voters/2
}

// promote gives a learner that has caught up its vote.
func (c *change) promote() *Act {
	for _, x := range c.g.Members {
		self := c.member(x.Name)
		if x.Voter || self == nil || self.Status == nil || self.Ordinal >= c.o.Wanted {
			continue
		}
		if live(c.leader, x) && behind(c.leader, x) <= near && x.Match > 0 {
			return c.ask(adminapi.GroupChange{Operation: adminapi.GroupPromote, ID: x.ID}, "%s has caught up and gets its vote", x.Name)
		}
		c.catchingUp = c.catchingUp || live(c.leader, x)
		c.hold(v1alpha1.ReasonCatchingUp, "member %s is catching up (index %s of %s)", x.Name, thousands(x.Match), thousands(c.leader.Status.AppliedIndex))
	}
	return nil
}

// add has a blank member join, one after the other: the data is sent to one at
// a time.
func (c *change) add() *Act {
	for _, x := range c.o.Members {
		known := entry(c.g, x.Name)
		switch id := numberOf(x); {
		case x.Status == nil || x.Status.Group == nil || id == 0 && !blank(x):
		case id != 0 && (known == nil || known.ID != id || x.Status.Group.Generation != c.g.Generation):
			if act := c.discard(x, id); act != nil {
				return act
			}
		case id != 0 || known != nil: // a member, or on its way to be one
		case x.Ordinal >= c.o.Wanted || c.catchingUp || x.Claim.Leaving && x.Pod.Leaving:
		case x.Claim.Leaving: // what it would be sent goes with the claim
			return &Act{Kind: Replace, Ordinal: x.Ordinal}
		case c.leader.Claim.Member != numberOf(*c.leader): // first of all it is noted that there is a group
		default:
			return c.ask(adminapi.GroupChange{Operation: adminapi.GroupAdd, Member: x.Name}, "%s joins the group, without a vote until it has caught up", x.Name)
		}
	}
	return nil
}

// discard is for a member that has the volume of one that the group does not
// count. One that was taken out on purpose begins again with an empty volume.
func (c *change) discard(x Member, id uint64) *Act {
	switch {
	case c.counts(id) || x.Claim.Removed != id:
		c.hold(v1alpha1.ReasonMemberRefused, "%s has the volume of member %d, which the group does not count under its name: "+
			"see that the claim is the right one; if its data is not needed, delete it and the pod", x.Name, id)
		return nil
	case x.Ordinal >= c.o.Wanted: // its pod goes first
	case !x.Claim.Leaving:
		return &Act{Kind: DeleteClaim, Ordinal: x.Ordinal, ID: id}
	case !x.Pod.Leaving:
		return &Act{Kind: Replace, Ordinal: x.Ordinal}
	}
	return nil
}

func (c *change) counts(id uint64) bool {
	return slices.ContainsFunc(c.g.Members, func(x adminapi.GroupMember) bool { return x.ID == id })
}

// forget deletes the volume of a member that was taken out, once its pod is gone.
func (c *change) forget() *Act {
	for _, x := range c.o.Members {
		noted := x.Claim.Member != 0 && x.Claim.Removed == x.Claim.Member
		if x.Ordinal < c.o.Wanted || !noted || c.counts(x.Claim.Removed) || entry(c.g, x.Name) != nil {
			continue
		}
		if x.Claim.Exists && !x.Claim.Leaving && !x.Pod.Exists {
			return &Act{Kind: DeleteClaim, Ordinal: x.Ordinal, ID: x.Claim.Removed,
				Reason: v1alpha1.ReasonMembersChanged, Message: "the volume of " + x.Name + " is removed: it was a copy that is no longer wanted"}
		}
	}
	return nil
}

// leaving is who is next to go: one that is down, whom the others
// can spare soonest, else the last.
func (c *change) leaving() *adminapi.GroupMember {
	var out *adminapi.GroupMember
	for i := range c.g.Members {
		x := &c.g.Members[i]
		if c.wanted(x.Name) {
			continue
		}
		up := live(c.leader, *x)
		if out == nil || live(c.leader, *out) && (!up || x.ID&0xff > out.ID&0xff) {
			out = x
		}
	}
	return out
}

// shrink takes out those that are not wanted, one by one, once those that are
// have everything.
func (c *change) shrink() *Act {
	out := c.leaving()
	if out == nil {
		return nil
	}
	for i := range c.o.Wanted {
		x := c.o.Members[i]
		if known := entry(c.g, x.Name); known == nil || !c.healthy(c.leader, *known) {
			c.hold(v1alpha1.ReasonMembersHeld, "%s leaves once %s has the data and serves", out.Name, x.Name)
			return nil
		}
	}
	if !c.spares(*out) {
		c.hold(v1alpha1.ReasonMembersHeld, "%s stays until enough other members are back", out.Name)
		return nil
	}
	if out.ID == c.leader.Status.Group.ID {
		return c.transfer(c.best(), "%s leads from now on, as %s is to leave", c.leader.Name)
	}
	return c.remove(*out, "%s leaves the group", out.Name)
}

// remove takes a member out, after that is noted on its claim.
func (c *change) remove(out adminapi.GroupMember, format string, args ...any) *Act {
	if x := c.member(out.Name); x != nil && x.Claim.Exists && !x.Claim.Leaving && x.Claim.Removed != out.ID {
		return &Act{Kind: MarkRemoved, Ordinal: x.Ordinal, ID: out.ID}
	}
	return c.ask(adminapi.GroupChange{Operation: adminapi.GroupRemove, ID: out.ID}, format, args...)
}

// renew has a member join anew whose volume is being deleted: the group was to go
// on without it, and then there was a majority.
func (c *change) renew() *Act {
	for _, x := range c.o.Members {
		known := entry(c.g, x.Name)
		switch {
		case known == nil || !x.Claim.Leaving || x.Claim.Removed != known.ID:
		case !c.spare(x):
			c.hold(v1alpha1.ReasonMembersHeld, "the volume of %s is being deleted: it joins anew once all others have the data and serve", x.Name)
		case known.ID == c.leader.Status.Group.ID:
			return c.transfer(c.best(), "%s leads from now on, as %s is to join anew", c.leader.Name)
		default:
			return c.remove(*known, "%s leaves the group, to join it anew: its volume is being deleted", x.Name)
		}
	}
	return nil
}

// settle takes back that a member was to go, when it is wanted again.
func (c *change) settle() *Act {
	for _, x := range c.o.Members {
		if x.Ordinal < c.o.Wanted && x.Claim.Removed != 0 && !x.Claim.Leaving && c.counts(x.Claim.Removed) {
			return &Act{Kind: Mark, Ordinal: x.Ordinal, ID: x.Claim.Member}
		}
	}
	return nil
}

// best is the wanted follower that has most of the log; nil when none is
// healthy.
func (c *change) best() *adminapi.GroupMember {
	var best *adminapi.GroupMember
	for i := range c.g.Members {
		x := &c.g.Members[i]
		if x.ID != c.leader.Status.Group.ID && c.wanted(x.Name) && c.healthy(c.leader, *x) && (best == nil || x.Match > best.Match) {
			best = x
		}
	}
	return best
}

// transfer hands the leadership to a member; nil for nobody. The message's
// first argument is its name.
func (c *change) transfer(to *adminapi.GroupMember, format string, args ...any) *Act {
	if to == nil {
		return nil
	}
	act := c.ask(adminapi.GroupChange{Operation: adminapi.GroupTransfer, ID: to.ID}, format, append([]any{to.Name}, args...)...)
	act.Reason = v1alpha1.ReasonLeaderChanged
	return act
}

// switchover answers a request: by a transfer, or by nothing where there is
// nothing to do. A member that is named and not able to lead is waited for.
func (c *change) switchover() (act *Act, done string) {
	asked := c.o.Switchover
	to := c.best()
	switch named := entry(c.g, asked); {
	case asked == "":
		return nil, ""
	case asked == c.leader.Name || len(c.g.Members) == 1:
		return nil, asked
	case named != nil && c.healthy(c.leader, *named):
		to = named
	case named != nil:
		to = nil
	}
	if act = c.transfer(to, "%s leads from now on, as "+v1alpha1.AnnotationSwitchover+" asks"); act != nil {
		act.Switchover = asked
	}
	return act, ""
}

// list names members in a sentence.
func list(names []string, last string) string {
	if len(names) == 0 {
		return "the others"
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + last + " " + names[len(names)-1]
}

// thousands writes 4500 as 4,500.
func thousands(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
