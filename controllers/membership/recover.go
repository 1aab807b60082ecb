package membership

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// A majority that is lost may have acknowledged what nobody else has, and may be
// back any time. So a group goes on from one member only when somebody says so who
// has read what the member has (coffer.dev/recover-from), and only when the others
// are out of the way for good: their claims and pods are deleted first, and what
// takes their place has an empty volume. Two groups of one cannot come of it.

// recovery is a request to go on from one member, without its group's majority.
type recovery struct {
	machine

	from  *Member
	index uint64
}

// recover answers a request: by what is due for it, or by why it is not carried
// out, which uses it up; by neither when it has been carried out.
func (m machine) recover() (due *Decision, refused string) {
	name, text, _ := strings.Cut(m.o.Recover, "@")
	index, err := strconv.ParseUint(text, 10, 64)
	r := recovery{m, m.member(name), index}
	switch {
	case err != nil || r.from == nil:
		return nil, fmt.Sprintf("%q is no member and index of its log: write POD@INDEX, as the condition shows it", m.o.Recover)
	case r.done():
		return nil, ""
	case m.leader() != nil:
		return nil, fmt.Sprintf("a majority is there: %s leads", m.leader().Name)
	}
	if why := r.majority(); why != "" {
		return nil, why
	}
	if logOf(*r.from) == 0 {
		return r.absent()
	}
	if why := r.unfit(); why != "" {
		return nil, why
	}
	d := r.fence()
	if d == nil {
		d = r.waits("it begins")
		d.Act = &Act{Kind: Ask, Ordinal: r.from.Ordinal, Recover: m.o.Recover,
			Change: adminapi.GroupChange{Operation: adminapi.GroupRecover, ID: logOf(*r.from), Index: index},
			Reason: v1alpha1.ReasonRecovered, Message: fmt.Sprintf("the group goes on from %s alone, with its log up to %d, as %s asks", name, index, v1alpha1.AnnotationRecoverFrom)}
	}
	return d, ""
}

func (r recovery) waits(format string, args ...any) *Decision {
	return &Decision{Reason: v1alpha1.ReasonQuorumLost, Passing: true,
		Message: fmt.Sprintf("the group is to go on from %s: ", r.from.Name) + fmt.Sprintf(format, args...)}
}

// done: the member has gone on from there.
func (r recovery) done() bool {
	s := r.from.Status
	return s != nil && s.Group != nil && s.Group.Recovered != nil && s.Group.Recovered.Index == r.index
}

// majority says that there is one, by anything that tells of it.
func (r recovery) majority() string {
	for _, x := range r.o.Members {
		if numberOf(x) == 0 {
			if x.Pod.Ready && x.Status == nil && x.Ordinal != r.from.Ordinal {
				return fmt.Sprintf("pod %s is ready, so it has a leader, and only the operator does not reach it", x.Name)
			}
			continue
		}
		if leader := x.Status.Group.Leader; leader != "" {
			return fmt.Sprintf("%s hears of a leader, %s", x.Name, leader)
		}
		if voters, there, _ := r.count(x.Status.Group); there > voters/2 {
			return "a majority answers, and elects a leader"
		}
	}
	return ""
}

// absent: who is to go on does not answer. Once the others are being deleted, it is
// waited for.
func (r recovery) absent() (*Decision, string) {
	if blank(*r.from) {
		return nil, fmt.Sprintf("the volume of %s is empty", r.from.Name)
	}
	begun := func(x Member) bool { return x.Claim.Member == 0 || x.Claim.Removed == x.Claim.Member }
	for _, x := range r.o.Members {
		if x.Ordinal != r.from.Ordinal && !begun(x) {
			return nil, fmt.Sprintf("%s does not answer", r.from.Name)
		}
	}
	return r.waits("it does not answer"), ""
}

// unfit is why not to go on from this member, from there.
func (r recovery) unfit() string {
	own := r.from.Status.Group
	switch {
	case !knowsItself(own):
		return fmt.Sprintf("%s has not been sent the data yet", r.from.Name)
	case own.LastIndex != r.index:
		return fmt.Sprintf("the log of %s ends at %d, not at %d", r.from.Name, own.LastIndex, r.index)
	case r.from.Status.Storage.Full:
		return fmt.Sprintf("the volume of %s is full: let spec.storage.size grow first", r.from.Name)
	}
	if best := r.latest(); best != nil && later(best.Status.Group, own) > 0 {
		return fmt.Sprintf("%s has more than %s: its log ends at %d (term %d)", best.Name, r.from.Name, best.Status.Group.LastIndex, best.Status.Group.LastTerm)
	}
	return ""
}

// fence has the others gone, with what they have: first it is noted of all of
// them, then one goes after the other; nil when nobody else has anything.
func (r recovery) fence() *Decision {
	for _, x := range r.o.Members {
		if c := x.Claim; x.Ordinal != r.from.Ordinal && c.Exists && !c.Leaving && c.Member != 0 && c.Removed != c.Member {
			d := r.waits("the others are taken out of the way")
			d.Act = &Act{Kind: MarkRemoved, Ordinal: x.Ordinal, ID: c.Member}
			return d
		}
	}
	for _, x := range r.o.Members {
		if x.Ordinal != r.from.Ordinal {
			if d := r.remove(x); d != nil {
				return d
			}
		}
	}
	return nil
}

// remove is the next step until a member is gone with its volume; nil when what is
// in its place has none.
func (r recovery) remove(x Member) *Decision {
	c := x.Claim
	if c.Exists && c.Member == 0 && !c.Leaving && !x.Pod.Older || !c.Exists && !x.Pod.Exists {
		if x.Pod.Exists && !blank(x) && !x.Pod.Down {
			return r.waits("%s has not said yet that its volume is empty", x.Name)
		}
		return nil
	}
	d := r.waits("waits until pod %s and its claim are gone; if its node is lost for good, delete the Node", x.Name)
	switch {
	case c.Exists && !c.Leaving && c.Member != 0:
		d.Act = &Act{Kind: DeleteClaim, Ordinal: x.Ordinal, ID: c.Member, Reason: v1alpha1.ReasonMembersChanged,
			Message: fmt.Sprintf("the volume of %s is removed, as %s asks", x.Name, v1alpha1.AnnotationRecoverFrom)}
	case x.Pod.Exists && !x.Pod.Leaving:
		d.Act = &Act{Kind: Replace, Ordinal: x.Ordinal}
	}
	return d
}

// latest is who answers with the latest log; nil for nobody.
func (m machine) latest() (best *Member) {
	for i := range m.o.Members {
		x := &m.o.Members[i]
		if logOf(*x) != 0 && x.Status.Group != nil && knowsItself(x.Status.Group) && (best == nil || later(x.Status.Group, best.Status.Group) > 0) {
			best = x
		}
	}
	return best
}

// knowsItself: its log goes at least to where it became a member.
func knowsItself(g *adminapi.Group) bool {
	own := cmp.Or(g.ID, g.Forgot)
	return slices.ContainsFunc(g.Members, func(x adminapi.GroupMember) bool { return x.ID == own })
}

// later compares two logs as raft does: by their last entries' terms, then by how
// far they go.
func later(a, b *adminapi.Group) int {
	return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.LastTerm, b.LastTerm), cmp.Compare(a.LastIndex, b.LastIndex))
}

// count is how many voters a member knows, and who of them is there with its
// volume.
func (m machine) count(g *adminapi.Group) (voters, there int, missing []string) {
	for _, v := range g.Members {
		if !v.Voter {
			continue
		}
		voters++
		if x := m.member(v.Name); x != nil && x.Status != nil && m.hasIts(x, v.ID, g.Generation) {
			there++
		} else {
			missing = append(missing, v.Name)
		}
	}
	return voters, there, missing
}

// hasIts: a member answers as that one, or is reading the volume of that one.
func (m machine) hasIts(x *Member, id, generation uint64) bool {
	if x.Status.Role == roleStarting {
		return x.Claim.Member == id
	}
	return numberOf(*x) == id && x.Status.Group != nil && x.Status.Group.Generation == generation
}

// offers says whether a request to go on from a member would be carried out now.
// For a moment after a leader is gone the others hear of it yet.
func (m machine) offers(best *Member) bool {
	r := recovery{m, best, best.Status.Group.LastIndex}
	return r.index != 0 && r.majority() == "" && r.unfit() == ""
}

// quorumLost says what helps: the members that are missing, or a decision.
func (m machine) quorumLost(voters, there int, missing []string) Decision {
	verb := "answer"
	if there == 1 {
		verb = "answers"
	}
	text := fmt.Sprintf("quorum is lost: %d of %d members %s: nothing is answered until enough of %s are back with their volumes, "+
		"then it goes on by itself and nothing is lost; see `kubectl describe pod`. ", there, voters, verb, list(missing, "and"))
	only := "Only if they never come back: "
	if names := m.forgotten(); len(names) > 0 {
		text = fmt.Sprintf("quorum is lost: %d of %d members %s for all that they had acknowledged: nodes or disks failed under %s before the writes of about a second were on the volumes "+
			"(durability EverySecond). ", there, voters, verb, list(names, "and"))
		if only = ""; m.mayRemember(voters, there, missing) {
			text += fmt.Sprintf("Nothing is answered until enough of %s are back with their volumes, then it goes on by itself. ", list(except(missing, names), "and"))
			only = "Only if they never come back: "
		}
	}
	best := m.latest()
	if best == nil || !m.offers(best) {
		return Decision{Reason: v1alpha1.ReasonQuorumLost, Passing: true,
			Message: text + "Coffer does not go on without a majority by itself, as that may lose acknowledged writes"}
	}
	text += only + fmt.Sprintf("`kubectl annotate %s %s=%s@%d --overwrite` goes on from %s alone, deletes the volumes of all other members, "+
		"and loses the writes that only those have. ", m.o.Object, v1alpha1.AnnotationRecoverFrom, best.Name, best.Status.Group.LastIndex, best.Name)
	var logs []string // last: of a message that is too long the end is cut off
	for _, x := range m.o.Members {
		if numberOf(x) != 0 && x.Status.Group != nil {
			logs = append(logs, fmt.Sprintf("%s has the log up to %d (term %d, applied up to %d)", x.Name, x.Status.Group.LastIndex, x.Status.Group.LastTerm, x.Status.AppliedIndex))
		} else if forgot(x) {
			logs = append(logs, fmt.Sprintf("%s has the log up to %d (term %d)", x.Name, x.Status.Group.LastIndex, x.Status.Group.LastTerm))
		}
	}
	text += strings.Join(logs, ", ")
	return Decision{Reason: v1alpha1.ReasonQuorumLost, Passing: true, Message: text}
}
