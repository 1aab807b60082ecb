package lifecycle

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/membership"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// roleLearner is of a member that gets the data and has no vote yet.
const roleLearner = "learner"

// leader is who says that it leads; of two, the one that supersedes the other.
func (s *scope) leader() *instance.Member {
	var found *instance.Member
	for i := range s.members {
		if m := &s.members[i]; m.Leads() && (found == nil || membership.Supersedes(m.Status, found.Status)) {
			found = m
		}
	}
	return found
}

// primary is who leads; while that one does not answer, whom the others name.
func (s *scope) primary() string {
	if l := s.leader(); l != nil {
		return l.Name
	}
	name, term := "", uint64(0)
	for _, m := range s.members {
		if m.Status == nil || m.Status.Group == nil || m.Status.Group.Leader == "" || m.Status.Term < term {
			continue
		}
		if _, ok := s.names.Ordinal(m.Status.Group.Leader); ok {
			name, term = m.Status.Group.Leader, m.Status.Term
		}
	}
	return name
}

// inGroup adds what a member is in its group: its number as it says itself, the
// rest as the leader does.
func (s *scope) inGroup(m instance.Member, one *v1alpha1.MemberStatus) {
	if m.Status == nil || m.Status.Group == nil {
		return
	}
	one.ID = int64(min(m.Status.Group.ID, 1<<62)) //nolint:gosec // bounded
	leader := s.leader()
	if leader == nil || leader.Status.Group == nil || leader.Name == m.Name {
		return
	}
	for _, x := range leader.Status.Group.Members {
		if x.Name != m.Name {
			continue
		}
		if !x.Voter {
			one.Role = roleLearner
		}
		one.Lag = lag(leader.Status, x)
	}
}

func lag(leader *adminapi.Status, x adminapi.GroupMember) int64 {
	return int64(min(leader.AppliedIndex-min(x.Match, leader.AppliedIndex), 1<<62)) //nolint:gosec // bounded
}

// membersProblem is the first thing that keeps the members from what is asked
// for: that nothing can be written, then what needs somebody's help, then what is
// known of the group, which says more than that a pod is not ready yet.
func (s *scope) membersProblem() *instance.Problem {
	member := s.memberProblem()
	if !s.group.grouped {
		return member
	}
	group := s.groupProblem()
	if group != nil && (group.Reason == v1alpha1.ReasonQuorumLost || group.Reason == v1alpha1.ReasonDataLost) {
		return group
	}
	if member != nil && (!member.Passing || member.Reason == v1alpha1.ReasonRolling) {
		return member
	}
	return firstProblem(group, member, s.group.refused, s.leavingProblem())
}

func (s *scope) groupProblem() *instance.Problem {
	d := s.group.decision
	if d.Reason == "" {
		return nil
	}
	if d.Reason == v1alpha1.ReasonMembersChanging && s.group.refused != nil {
		return s.group.refused
	}
	p := &instance.Problem{Reason: d.Reason, Message: d.Message, Passing: d.Passing}
	if s.group.refused != nil {
		p.Message += ": " + s.group.refused.Message
	}
	return p
}

// leavingProblem: pods that are no longer wanted are still there.
func (s *scope) leavingProblem() *instance.Problem {
	for _, m := range s.members {
		if m.Ordinal >= s.spec().Members() {
			return &instance.Problem{Reason: v1alpha1.ReasonMembersChanging, Message: "member " + m.Name + " is leaving", Passing: true}
		}
	}
	return nil
}

// announceGroup makes events of what was done about the members, and of another
// leader.
func (s *scope) announceGroup(primary string) {
	if act := s.group.done; act != nil && act.Message != "" {
		s.r.Events.Eventf(s.object, nil, corev1.EventTypeNormal, act.Reason, "Members", "%s", act.Message)
	}
	if why := s.group.decision.Refused; why != "" {
		s.r.Events.Eventf(s.object, nil, corev1.EventTypeWarning, v1alpha1.ReasonRecoveryRefused, "Members", "%s",
			instance.Brief(v1alpha1.AnnotationRecoverFrom+" is not carried out: "+why, instance.MaxStatus))
	}
	if before := s.before().Primary; s.group.grouped && before != "" && primary != "" && before != primary {
		s.r.Events.Eventf(s.object, nil, corev1.EventTypeNormal, v1alpha1.ReasonLeaderChanged, "Members", "%s leads now, after %s", primary, before)
	}
}
