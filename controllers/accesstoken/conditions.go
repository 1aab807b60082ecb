package accesstoken

import (
	"time"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
)

// conditions sets every condition, from the first visit on.
func (s *scope) conditions(set instance.Setter, line string, p *instance.Problem) {
	s.setSummary(set, line, p)
	s.setTarget(set)
	s.setCredentials(set, p)
	s.setRotation(set)
	s.setPath(set)
	s.setLifetime(set)
}

func (s *scope) setSummary(set instance.Setter, line string, p *instance.Problem) {
	if p == nil {
		set(v1alpha1.ConditionReady, true, v1alpha1.ReasonGranted, line)
		set(v1alpha1.ConditionStalled, false, v1alpha1.ReasonReconciled, "")
		set(v1alpha1.ConditionReconciling, false, v1alpha1.ReasonReconciled, "")
		return
	}
	set(v1alpha1.ConditionReady, false, p.Reason, line)
	stalled, passing := v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling
	if p.Passing {
		stalled, passing = passing, stalled
	}
	set(stalled, true, p.Reason, p.Message)
	set(passing, false, v1alpha1.ReasonReconciled, "")
}

func (s *scope) setTarget(set instance.Setter) {
	p := s.refused
	if p == nil {
		p = s.tooOld()
	}
	if p == nil {
		p = s.tooMany()
	}
	if p != nil {
		set(v1alpha1.ConditionTargetAccepted, false, p.Reason, p.Message)
		return
	}
	set(v1alpha1.ConditionTargetAccepted, true, v1alpha1.ReasonAccepted, s.called()+" lets the token in")
}

func (s *scope) setCredentials(set instance.Setter, p *instance.Problem) {
	if p == nil {
		set(v1alpha1.ConditionCredentialsSynced, true, v1alpha1.ReasonProven, "every member accepts the password in the secret")
		return
	}
	set(v1alpha1.ConditionCredentialsSynced, false, p.Reason, p.Message)
}

func (s *scope) setRotation(set instance.Setter) {
	d := s.decision
	if d.Phase == "" || d.Phase == rotation.Idle || d.Initial {
		set(v1alpha1.ConditionRotationInProgress, false, v1alpha1.ReasonIdle, "one password, everywhere the same")
		return
	}
	message := map[rotation.Phase]string{
		rotation.Preparing:  "members are learning a new password; the secret has the current one",
		rotation.Aborting:   "the new password is being given up; the secret keeps the current one",
		rotation.Overlap:    "the secret has the new password; the one before works too",
		rotation.Completing: "members are dropping the password before",
	}[d.Phase]
	reason := string(d.Phase)
	if d.Phase == rotation.Aborting {
		reason = v1alpha1.ReasonPreparing
	}
	if d.Phase == rotation.Overlap && d.Action == nil {
		message = d.Message
	}
	set(v1alpha1.ConditionRotationInProgress, true, reason, message)
}

// setPath: what the target's reconciler does with the peers shows in its own
// status; here, what is asked for and whether anything stands against it.
func (s *scope) setPath(set instance.Setter) {
	kind := v1alpha1.ConditionNetworkPathOpen
	switch {
	case s.refused != nil:
		set(kind, false, s.refused.Reason, s.refused.Message)
	case len(s.token.Spec.From) == 0:
		set(kind, false, v1alpha1.ReasonNoPeers, "spec.from names no pods: the token works from where the target lets others through")
	case !s.target.InstanceSpec().NetworkPolicy.Managed():
		set(kind, false, v1alpha1.ReasonNetworkPolicyDisabled, "the target's spec.networkPolicy.mode is Disabled: nobody is kept out by it")
	case !s.taken():
		set(kind, false, v1alpha1.ReasonProgressing, "the target has not taken up the token yet")
	default:
		set(kind, true, v1alpha1.ReasonApplied, "the pods of spec.from are let through: see status.networkPolicy of the target")
	}
}

// taken: the target's users file has the grant as it is. Its network is opened
// before that file is written.
func (s *scope) taken() bool {
	return s.seen.Server != nil && s.seen.Server.Revision != "" && s.seen.Server.Revision == revisionOf(s.users.Users, s.user())
}

func (s *scope) setLifetime(set instance.Setter) {
	l := s.lifetime
	switch {
	case l.end.IsZero():
		set(v1alpha1.ConditionExpired, false, v1alpha1.ReasonValid, "it does not expire")
		set(v1alpha1.ConditionExpiringSoon, false, v1alpha1.ReasonValid, "it does not expire")
		return
	case l.expired(s.now):
		set(v1alpha1.ConditionExpired, true, v1alpha1.ReasonExpired, "ended at "+l.end.UTC().Format(time.RFC3339))
		set(v1alpha1.ConditionExpiringSoon, false, v1alpha1.ReasonExpired, "it has ended")
		return
	}
	until := "valid until " + l.end.UTC().Format(time.RFC3339)
	set(v1alpha1.ConditionExpired, false, v1alpha1.ReasonValid, until)
	if s.now.Before(l.warnAt()) {
		set(v1alpha1.ConditionExpiringSoon, false, v1alpha1.ReasonValid, until)
		return
	}
	set(v1alpha1.ConditionExpiringSoon, true, v1alpha1.ReasonExpiringSoon, until+": "+s.renewal())
}
