package lifecycle

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
)

// conditions sets every condition, from the first visit on.
func (s *scope) conditions(set instance.Setter, after *v1alpha1.InstanceStatus, problem *instance.Problem) {
	s.setSummary(set, after.Status, problem)
	setProblem := func(kind string, p *instance.Problem, good string) {
		if p != nil {
			set(kind, false, p.Reason, p.Message)
			return
		}
		set(kind, true, v1alpha1.ReasonProven, good)
	}
	tls := s.firstOf(func() *instance.Problem { return s.issuer }, s.certificateProblem, s.tlsProblem)
	setProblem(v1alpha1.ConditionTLSReady, tls, "members serve the current certificate")
	password := s.firstOf(func() *instance.Problem { return s.supplied.problem }, s.credentialsProblem)
	setProblem(v1alpha1.ConditionCredentialsSynced, password, "every member accepts the password in the connection secret")
	s.setRotation(set, after.Credentials)
	s.setCARotation(set)
	s.setNetworkPolicy(set, problem)
	s.setStorage(set, problem)
	s.setRollout(set)
	s.setEncrypted(set, after.Encryption)
	s.setAuditing(set)
	if own := s.r.Kind.Own; own != nil {
		own.Conditions(s.object, s.members, set)
	}
}

func (s *scope) firstOf(checks ...func() *instance.Problem) *instance.Problem {
	for _, check := range checks {
		if p := check(); p != nil {
			return p
		}
	}
	return nil
}

func (s *scope) setSummary(set instance.Setter, line string, p *instance.Problem) {
	set(v1alpha1.ConditionReady, p == nil, reasonOr(p, v1alpha1.ReasonServing), line)
	set(v1alpha1.ConditionStalled, p != nil && !p.Passing, reasonIf(p != nil && !p.Passing, p, v1alpha1.ReasonReconciled), messageIf(p != nil && !p.Passing, p))
	set(v1alpha1.ConditionReconciling, p != nil && p.Passing, reasonIf(p != nil && p.Passing, p, v1alpha1.ReasonReconciled), messageIf(p != nil && p.Passing, p))
	member := s.membersProblem()
	if s.seen.Connection != nil && s.serves(member) {
		set(v1alpha1.ConditionAvailable, true, v1alpha1.ReasonServing, "clients are served")
	} else {
		set(v1alpha1.ConditionAvailable, false, reasonOr(member, reasonOr(p, v1alpha1.ReasonStarting)), messageIf(true, firstProblem(member, p)))
	}
	degraded := s.degraded(member)
	set(v1alpha1.ConditionDegraded, degraded, reasonIf(degraded, member, v1alpha1.ReasonServing), messageIf(degraded, member))
}

// serves says whether members take reads and writes: of a group, the one that
// leads speaks for all, as it leads no longer than most follow it.
func (s *scope) serves(p *instance.Problem) bool {
	if !s.group.grouped {
		return p == nil || s.answers() && p.Reason != v1alpha1.ReasonVolumeFull
	}
	leader := s.leader()
	return leader != nil && leader.Status.Ready && !leader.Status.Storage.Full
}

// degraded: what a member lacks, and does not get by itself.
func (s *scope) degraded(p *instance.Problem) bool {
	if p == nil {
		return false
	}
	switch p.Reason {
	case v1alpha1.ReasonVolumeFull, v1alpha1.ReasonMemberUnreachable, v1alpha1.ReasonQuorumLost:
		return true
	}
	return s.group.grouped && !p.Passing
}

// answers: every member said of itself that it is ready.
func (s *scope) answers() bool {
	for _, m := range s.members {
		if m.Status == nil || !m.Status.Ready {
			return false
		}
	}
	return len(s.members) > 0
}

func firstProblem(list ...*instance.Problem) *instance.Problem {
	for _, p := range list {
		if p != nil {
			return p
		}
	}
	return nil
}

func reasonOr(p *instance.Problem, or string) string {
	return reasonIf(p != nil, p, or)
}

func reasonIf(holds bool, p *instance.Problem, or string) string {
	if holds && p != nil {
		return p.Reason
	}
	return or
}

func messageIf(holds bool, p *instance.Problem) string {
	if holds && p != nil {
		return p.Message
	}
	return ""
}

func (s *scope) setRotation(set instance.Setter, c v1alpha1.CredentialsStatus) {
	d := s.decision
	switch {
	case d.Phase == "" || d.Phase == rotation.Idle || d.Initial:
		reason, message := v1alpha1.ReasonIdle, "one password, everywhere the same"
		if d.Reason == v1alpha1.ReasonSuppliedByUser {
			reason, message = v1alpha1.ReasonSuppliedByUser, d.Message
		}
		set(v1alpha1.ConditionRotationInProgress, false, reason, message)
	default:
		message := map[rotation.Phase]string{
			rotation.Preparing:  "members are learning a new password; applications have the current one",
			rotation.Aborting:   "the new password is being given up; applications keep the current one",
			rotation.Overlap:    "applications have the new password; the one before works too",
			rotation.Completing: "members are dropping the password before",
		}[d.Phase]
		if d.Phase == rotation.Overlap && s.seen.Connection != nil && d.Action == nil {
			message = d.Message + leftBehind(c)
		}
		set(v1alpha1.ConditionRotationInProgress, true, string(credentials.Phase(d.Phase)), message)
	}
}

func (s *scope) setNetworkPolicy(set instance.Setter, p *instance.Problem) {
	switch {
	case !s.spec().NetworkPolicy.Managed():
		set(v1alpha1.ConditionNetworkPolicyApplied, false, v1alpha1.ReasonNetworkPolicyDisabled, "spec.networkPolicy.mode is Disabled: whoever reaches the pods may connect")
	case s.applied:
		set(v1alpha1.ConditionNetworkPolicyApplied, true, v1alpha1.ReasonApplied, "only listed clients, those of AccessTokens, the operator and monitors may connect: status.networkPolicy lists them")
	default:
		set(v1alpha1.ConditionNetworkPolicyApplied, false, reasonOr(p, v1alpha1.ReasonProgressing), messageIf(true, p))
	}
}

func (s *scope) setStorage(set instance.Setter, p *instance.Problem) {
	name, message := instance.Unresized(s.claims, s.spec().Storage.Size)
	switch {
	case p != nil && p.Reason == v1alpha1.ReasonStorageNotExpandable:
		set(v1alpha1.ConditionStorageResized, false, p.Reason, p.Message)
	case len(s.claims) == 0:
		set(v1alpha1.ConditionStorageResized, false, v1alpha1.ReasonVolumePending, "no volume has been claimed yet")
	case name != "" && slices.ContainsFunc(s.claims, unbound):
		set(v1alpha1.ConditionStorageResized, false, v1alpha1.ReasonVolumePending, message)
	case name != "":
		set(v1alpha1.ConditionStorageResized, false, v1alpha1.ReasonResizing, message)
	default:
		set(v1alpha1.ConditionStorageResized, true, v1alpha1.ReasonApplied, "every volume has the size asked for")
	}
}

func unbound(c corev1.PersistentVolumeClaim) bool { return c.Status.Phase != corev1.ClaimBound }

func (s *scope) setRollout(set instance.Setter) {
	if s.waiting == "" {
		set(v1alpha1.ConditionRolloutPending, false, v1alpha1.ReasonCurrent, "pods are as this version of the operator makes them")
		return
	}
	set(v1alpha1.ConditionRolloutPending, true, v1alpha1.ReasonOperatorChanged, fmt.Sprintf(
		"this version of the operator has %s: pods are replaced by the next change of what shapes them, or by `%s`", s.waiting, desired.ApproveRollout(s.object)))
}
