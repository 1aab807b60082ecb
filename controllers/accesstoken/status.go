package accesstoken

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
)

// How soon to look again when nothing that is watched need change.
const (
	soon      = 20 * time.Millisecond // after an action of the rotation machine
	unsettled = 2 * time.Second       // while something that cannot be watched is awaited,
	patience  = 30 * time.Second      // and when it has been for long: many such tokens must not keep others waiting
	rest      = time.Minute           // in steady state: sessions show within it
)

// report writes the status if it changed, and tells what changed in events. A
// pass that failed halfway for a passing reason has nothing to report.
func (s *scope) report(ctx context.Context, outcome error) error {
	var stalled *apply.Stalled
	if outcome != nil && !errors.As(outcome, &stalled) {
		return nil
	}
	after := s.token.DeepCopy()
	after.Status = s.status(stalled)
	if err := apply.Status(ctx, s.r.Client, s.token, after); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	s.announce(after)
	return nil
}

// rest says when to look again after a pass without an outcome.
func (s *scope) rest() time.Duration {
	after := rest
	if s.problem(nil) != nil {
		after = s.unsettled()
	}
	switch d := s.decision; {
	case d.Action != nil && (len(s.changes) > 0 || d.Action.DeletePending && s.pending.DeletionTimestamp == nil):
		after = soon
	case d.Action != nil:
		after = s.unsettled()
	case d.After > 0:
		after = min(after, d.After)
	}
	if next := s.lifetime.next(s.now); !next.IsZero() {
		after = min(after, next.Sub(s.now))
	}
	return after
}

// unsettled is a tenth of the time for which the token has not been ready.
func (s *scope) unsettled() time.Duration {
	ready := meta.FindStatusCondition(s.token.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status == metav1.ConditionTrue {
		return unsettled
	}
	return min(max(unsettled, s.now.Sub(ready.LastTransitionTime.Time)/10), patience)
}

// problem is the first thing that keeps the token from what is asked for; nil
// when there is none.
func (s *scope) problem(stalled *apply.Stalled) *instance.Problem {
	if stalled != nil {
		return &instance.Problem{Reason: stalled.Reason, Message: stalled.Err.Error()}
	}
	for _, check := range []func() *instance.Problem{s.tooOld, s.tooMany, s.notServing, s.unproven, s.notInForce,
		func() *instance.Problem { return s.window }} {
		if p := check(); p != nil {
			return p
		}
	}
	return nil
}

// tooOld: the target's engine cannot tell users apart.
func (s *scope) tooOld() *instance.Problem {
	for _, m := range s.members {
		if m.Status != nil && m.Status.Credentials.FileVersion < desired.KindOf(s.target).UsersVersion {
			return &instance.Problem{Reason: v1alpha1.ReasonEngineTooOld, Message: fmt.Sprintf(
				"%s runs an engine from before there were tokens: run `kubectl annotate %s %s -n %s %s=$(date +%%s) --overwrite`",
				s.called(), desired.KindOf(s.target).Short, s.target.GetName(), s.target.GetNamespace(), v1alpha1.AnnotationApproveRollout)}
		}
	}
	return nil
}

// tooMany: the target has no room for this one.
func (s *scope) tooMany() *instance.Problem {
	if !s.full {
		return nil
	}
	return &instance.Problem{Reason: v1alpha1.ReasonTargetFull, Message: fmt.Sprintf(
		"%s has as many tokens as fit (%d, or %d KiB of rules): delete others, or use shorter rules", s.called(), desired.MaxGrants, desired.MaxGrantBytes>>10)}
}

// notServing: there is nobody yet whom a credential could be proven to.
func (s *scope) notServing() *instance.Problem {
	if s.seen.Connection != nil {
		return nil // told by what the members prove, or do not
	}
	message := ""
	for _, m := range s.members {
		if m.Err != nil {
			message = m.Err.Error()
		}
	}
	if message == "" && s.access != nil {
		return nil
	}
	return &instance.Problem{Reason: v1alpha1.ReasonTargetNotReady, Passing: true,
		Message: strings.TrimSuffix(fmt.Sprintf("%s does not serve yet: %s", s.called(), message), ": ")}
}

// notInForce: a member has the password, and the rest of the grant not yet.
func (s *scope) notInForce() *instance.Problem {
	if s.seen.Server == nil {
		return &instance.Problem{Reason: v1alpha1.ReasonProgressing, Message: "the target has not been told of the token yet", Passing: true}
	}
	for _, m := range s.seen.Members {
		if m.Revision != s.seen.Server.Revision {
			return &instance.Problem{Reason: v1alpha1.ReasonProgressing, Message: "member " + m.Name + " has not taken up the token's rules yet", Passing: true}
		}
	}
	return nil
}

// status is derived from the pass; the one before only gives what has not
// changed since.
func (s *scope) status(stalled *apply.Stalled) v1alpha1.AccessTokenStatus {
	after := *s.token.Status.DeepCopy()
	after.ObservedGeneration = s.token.Generation
	problem := s.problem(stalled)
	after.Status = s.line(problem)
	after.User = s.user()
	after.ExpiresAt = instance.Timestamp(s.lifetime.end)
	after.Endpoint = ""
	if s.target != nil {
		after.Endpoint = desired.NamesOf(s.target).Endpoint()
	}
	switch observed := s.decision.Phase != ""; {
	case s.seen.Connection != nil:
		after.Binding = &v1alpha1.Binding{Name: s.token.SecretNameOrDefault()}
	case observed, s.refused != nil && s.refused.Reason == v1alpha1.ReasonSecretClaimed:
		after.Binding = nil
	}
	if s.decision.Phase != "" { // observed in this pass
		after.Credentials = credentials.Status(after.Credentials, s.seen, s.decision)
	}
	if s.decision.Phase != "" && s.r.numbers.Due(client.ObjectKeyFromObject(s.token), s.now, s.decision.Phase) {
		after.Credentials.Sessions = credentials.Sessions(s.members, s.user())
	}
	after.LastHandled = s.lastHandled()
	after.Conditions = instance.Conditions(after.Conditions, s.token.Generation, func(set instance.Setter) { s.conditions(set, after.Status, problem) })
	return after
}

// line is the status column.
func (s *scope) line(p *instance.Problem) string {
	if p != nil {
		return instance.Line(p.Message)
	}
	text := "Granted as user " + s.user()
	if end := s.lifetime.end; !end.IsZero() {
		text += ", until " + end.UTC().Format("Jan 2 15:04")
	}
	return instance.Brief(text, instance.MaxStatus)
}

func (s *scope) lastHandled() map[string]string {
	h := rotation.Handled(s.seen)
	return instance.Handled(map[string]string{
		v1alpha1.AnnotationRotateCredentials: h.Rotate,
		v1alpha1.AnnotationRotateComplete:    h.Complete,
		v1alpha1.AnnotationRotateAbort:       h.Abort,
		v1alpha1.AnnotationRenew:             s.token.Annotations[v1alpha1.AnnotationRenewed],
	}, s.token.Status.LastHandled)
}

// announce makes an event of each condition that turned, with its reason.
func (s *scope) announce(after *v1alpha1.AccessToken) {
	for _, c := range after.Status.Conditions {
		before := meta.FindStatusCondition(s.token.Status.Conditions, c.Type)
		if before != nil && before.Status == c.Status && before.Reason == c.Reason {
			continue
		}
		bad := c.Type == v1alpha1.ConditionExpiringSoon && c.Status == metav1.ConditionTrue ||
			c.Type == v1alpha1.ConditionReady && meta.IsStatusConditionTrue(after.Status.Conditions, v1alpha1.ConditionStalled)
		worth := bad || c.Type == v1alpha1.ConditionReady ||
			c.Type == v1alpha1.ConditionRotationInProgress && (before != nil || c.Status == metav1.ConditionTrue)
		if !worth {
			continue
		}
		kind := corev1.EventTypeNormal
		if bad {
			kind = corev1.EventTypeWarning
		}
		s.r.Events.Eventf(s.token, nil, kind, c.Reason, c.Type, "%s", c.Message)
	}
}
