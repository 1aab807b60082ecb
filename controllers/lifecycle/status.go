package lifecycle

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmetav1 "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	unsettled = 2 * time.Second       // while something that cannot be watched is awaited
	awaited   = 5 * time.Second       // while something goes on for as long as it takes
	stuck     = 10 * time.Second      // while somebody has to do something
	rest      = 30 * time.Second      // in steady state: what only members know (a full volume) shows within it
)

// report writes the status if it changed, and tells what changed in events. A
// pass that failed halfway for a passing reason has nothing to report.
func (s *scope) report(ctx context.Context, outcome error) error {
	var stalled *apply.Stalled
	if outcome != nil && !errors.As(outcome, &stalled) {
		return nil
	}
	after, ok := s.object.DeepCopyObject().(v1alpha1.Instance)
	if !ok {
		return fmt.Errorf("a copy of a %T is none", s.object)
	}
	*after.InstanceStatus() = s.status(stalled)
	if own := s.r.Kind.Own; own != nil {
		own.Status(after, s.members, s.fresh)
	}
	if err := apply.Status(ctx, s.r.Client, s.object, after); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	s.announce(after)
	return nil
}

// rest says when to look again after a pass without an outcome.
func (s *scope) rest() time.Duration {
	after := rest
	if p := s.problem(nil); p != nil && p.Passing {
		after = unsettled
	} else if p != nil {
		after = stuck
	}
	if s.encrypting() {
		after = min(after, unsettled)
	}
	if own := s.r.Kind.Own; own != nil && own.Awaits(s.members) {
		after = min(after, awaited)
	}
	after = min(after, s.groupRest())
	switch d := s.decision; {
	case d.Action != nil && s.progressed():
		after = soon
	case d.Action != nil:
		after = unsettled
	case d.After > 0:
		after = min(after, d.After)
	}
	switch d := s.authority.decision; {
	case d.Action != nil:
		after = min(after, rotation.PollQuick)
	case d.After > 0:
		after = min(after, d.After)
	}
	if s.renewal == rotation.Preparing || s.renewal == rotation.Completing {
		after = min(after, unsettled)
	}
	return after
}

// progressed says whether the machine's action changed anything. Where it did
// not (a finalizer holds the pending secret back), the next pass finds the same.
func (s *scope) progressed() bool {
	if s.decision.Action.DeletePending {
		return s.pending.DeletionTimestamp == nil
	}
	return len(s.changes) > 0
}

// problem is the first thing that keeps the instance from what is asked for,
// in the order in which somebody would want to know; nil when there is none.
func (s *scope) problem(stalled *apply.Stalled) *instance.Problem {
	if stalled != nil {
		return &instance.Problem{Reason: stalled.Reason, Message: stalled.Err.Error()}
	}
	for _, check := range []func() *instance.Problem{
		func() *instance.Problem { return s.supplied.problem },
		func() *instance.Problem { return s.encryption.problem },
		func() *instance.Problem { return s.issuer },
		s.certificateProblem,
		s.membersProblem,
		s.credentialsProblem,
		s.tlsProblem,
		s.encryptionProblem,
		s.ownProblem,
		func() *instance.Problem { return s.window },
	} {
		if p := check(); p != nil {
			return p
		}
	}
	return nil
}

func (s *scope) certificateProblem() *instance.Problem {
	for _, name := range s.certificateNames() {
		c := s.certificates[name]
		if c != nil && s.issued[c.Spec.SecretName] != nil {
			continue // being renewed at worst: what is there is served
		}
		p := &instance.Problem{Reason: v1alpha1.ReasonCertificateNotReady, Message: "Certificate " + name + " is being issued", Passing: true}
		if c != nil && c.Status.LastFailureTime != nil {
			p.Passing = false
			p.Message = fmt.Sprintf("Certificate %q cannot be issued: %s: see `kubectl describe certificate %s`", name, conditionMessage(c), name)
		}
		return p
	}
	return nil
}

func conditionMessage(c *certmanagerv1.Certificate) string {
	for _, kind := range []certmanagerv1.CertificateConditionType{certmanagerv1.CertificateConditionIssuing, certmanagerv1.CertificateConditionReady} {
		for _, x := range c.Status.Conditions {
			if x.Type == kind && x.Status == cmmetav1.ConditionFalse && x.Message != "" {
				return strings.TrimSuffix(x.Message, ".")
			}
		}
	}
	return "cert-manager gives no reason"
}

// memberProblem is why the first member that does not serve does not.
func (s *scope) memberProblem() *instance.Problem {
	for _, m := range s.members {
		if m.Ordinal >= s.spec().Members() {
			break // on its way out
		}
		if p := s.problemOf(m); p != nil {
			return p
		}
	}
	return nil
}

// problemOf is why a member does not serve.
func (s *scope) problemOf(m instance.Member) *instance.Problem {
	if m.Name == s.rolled {
		return &instance.Problem{Reason: v1alpha1.ReasonRolling, Message: "Pod " + m.Name + " is being replaced", Passing: true}
	}
	if st := m.Status; st != nil && st.Storage.Full {
		return &instance.Problem{Reason: v1alpha1.ReasonVolumeFull, Message: fmt.Sprintf(
			"volume of %s is full (%s free): writes are refused until spec.storage.size grows or keys are deleted", m.Name, megabytes(st.Storage.AvailableBytes))}
	}
	if p := instance.PodProblem(m.Name, m.Pod); p != nil {
		if says := m.Says(); p.Passing && says != nil && !says.Ready && says.Reason != "" {
			p.Message += ": " + says.Reason
		}
		return p
	}
	if m.Unopened != nil {
		return &instance.Problem{Reason: v1alpha1.ReasonMemberNotReady, Passing: true, Message: m.Err.Error()}
	}
	if m.Err != nil {
		advice := "check that the operator can reach its port 9443"
		if untrusted := (*tls.CertificateVerificationError)(nil); errors.As(m.Err, &untrusted) {
			advice = "certificates of a new authority reach it within two minutes; if not, delete the pod"
		}
		return &instance.Problem{Reason: v1alpha1.ReasonMemberUnreachable, Passing: true, Message: m.Err.Error() + ": " + advice}
	}
	if !m.Status.Ready {
		return &instance.Problem{Reason: v1alpha1.ReasonMemberNotReady, Passing: true, Message: "member " + m.Name + " is not ready: " + m.Status.Reason}
	}
	return nil
}

// ownProblem is of what only the kind has.
func (s *scope) ownProblem() *instance.Problem {
	if s.r.Kind.Own == nil {
		return nil
	}
	return s.r.Kind.Own.Problem(s.object, s.members)
}

func megabytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// credentialsProblem: every member accepts what the connection secret holds.
func (s *scope) credentialsProblem() *instance.Problem {
	not := func(format string, args ...any) *instance.Problem {
		return &instance.Problem{Reason: v1alpha1.ReasonCredentialsNotProven, Message: fmt.Sprintf(format, args...), Passing: true}
	}
	c := s.seen.Connection
	if c == nil || !s.seen.Sound() {
		return not("the connection secret follows once a member accepts its password")
	}
	for _, m := range s.seen.Members {
		if m.Reported && !slices.Contains(m.Accepted, c.Generation) {
			return not("member %s does not accept the current password yet", m.Name)
		}
	}
	for _, m := range s.members {
		if m.Status != nil && m.Status.Credentials.Error != "" {
			return not("member %s cannot read its users: %s", m.Name, m.Status.Credentials.Error)
		}
	}
	return nil
}

// tlsProblem: every member serves the issued certificate to a handshake.
func (s *scope) tlsProblem() *instance.Problem {
	want := s.tlsFingerprint()
	for _, m := range s.members {
		if m.HandshakeErr != nil {
			return &instance.Problem{Reason: v1alpha1.ReasonCertificateNotServed, Passing: true,
				Message: "no handshake with member " + m.Name + ": " + m.HandshakeErr.Error()}
		}
		if m.Fingerprint != want {
			return &instance.Problem{Reason: v1alpha1.ReasonCertificateNotServed, Passing: true,
				Message: "member " + m.Name + " does not serve the renewed certificate yet"}
		}
	}
	return nil
}

// status is derived from the pass; the one before only gives what has not
// changed since: times of transition and throttled numbers.
func (s *scope) status(stalled *apply.Stalled) v1alpha1.InstanceStatus {
	before := *s.before()
	after := *before.DeepCopy()
	after.ObservedGeneration = s.object.GetGeneration()
	problem := s.problem(stalled)
	after.Status = s.line(problem)
	after.Endpoint = s.names.Endpoint()
	after.ReadyReplicas = fmt.Sprintf("%d/%d", s.ready(), s.spec().Members())
	after.Primary = s.primary()
	if s.seen.Connection != nil {
		after.Binding = &v1alpha1.Binding{Name: s.names.ConnectionSecret()}
	}
	s.fresh = s.r.numbers.Due(s.key(s.object.GetName()), s.now, s.decision.Phase)
	if s.decision.Phase != "" { // observed in this pass
		after.Credentials = credentials.Status(after.Credentials, s.seen, s.decision)
	}
	if s.fresh {
		after.Credentials.Sessions = credentials.Sessions(s.members, desired.ConnectionUser)
	}
	after.TLS = s.tlsStatus(before.TLS)
	after.Encryption = s.encryptionStatus(before.Encryption)
	after.Members = s.memberStatus(before.Members, s.fresh)
	after.LastHandled = s.lastHandled()
	s.accessStatus(&after)
	after.Conditions = instance.Conditions(after.Conditions, s.object.GetGeneration(), func(set instance.Setter) { s.conditions(set, &after, problem) })
	return after
}

// line is the status column.
func (s *scope) line(p *instance.Problem) string {
	if p != nil {
		return instance.Line(p.Message)
	}
	text := "Serving"
	if leaf := instance.Leaf(s.issued[s.names.ServerTLS()]); leaf != nil {
		text += ", TLS until " + leaf.NotAfter.UTC().Format("Jan 2")
	}
	if s.waiting != "" {
		text += "; a rollout waits for approval"
	}
	return text
}

func (s *scope) ready() int {
	n := 0
	for _, m := range s.members {
		if m.Ordinal < s.spec().Members() && m.Pod != nil && m.Pod.DeletionTimestamp == nil && instance.Ready(m.Pod) {
			n++
		}
	}
	return n
}

// tlsStatus tells what a handshake showed; the last one, while none succeeds.
// The phase is the CA's, or that of its leaves while those alone are renewed.
func (s *scope) tlsStatus(before v1alpha1.TLSStatus) v1alpha1.TLSStatus {
	secret := s.issued[s.names.ServerTLS()]
	leaf := instance.Leaf(secret)
	for _, m := range s.members {
		if leaf == nil || m.Fingerprint == "" || m.Fingerprint != instance.Fingerprint(leaf) {
			continue
		}
		issuer := "Issuer/" + s.names.CA()
		if ref := s.spec().TLS.IssuerRef; ref != nil {
			issuer = ref.WithDefaults().Kind + "/" + ref.Name
		}
		before.Issuer, before.Fingerprint, before.NotAfter = issuer, m.Fingerprint, instance.Timestamp(leaf.NotAfter)
		break
	}
	if ca := s.authority.seen.Current; ca != nil {
		before.CAGeneration, before.CANotAfter = ca.Generation, instance.Timestamp(instance.Leaf(s.issued[s.names.CA()]).NotAfter)
		before.Phase = credentials.Phase(s.authority.decision.Phase)
	}
	if s.renewal != "" && before.Phase == v1alpha1.PhaseIdle {
		before.Phase = credentials.Phase(s.renewal)
	}
	return before
}

// What the CRD has room for, of what a member says of itself.
const (
	maxRole    = 16
	maxVersion = 64
)

// memberStatus keeps numbers as they were before unless they are to be fresh.
func (s *scope) memberStatus(before []v1alpha1.MemberStatus, fresh bool) []v1alpha1.MemberStatus {
	var out []v1alpha1.MemberStatus
	for _, m := range s.members {
		if m.Pod == nil {
			continue
		}
		one := v1alpha1.MemberStatus{Name: m.Name, TLSFingerprint: m.Fingerprint}
		if st := m.Says(); st != nil {
			one.Role, one.Version, one.AppliedIndex = instance.Brief(st.Role, maxRole), instance.Brief(st.EngineVersion, maxVersion), int64(st.AppliedIndex)
			one.CredentialGeneration = credentials.Newest(credentials.Member(m, desired.ConnectionUser))
		}
		s.inGroup(m, &one)
		for _, b := range before {
			if b.Name == m.Name && !fresh {
				one.AppliedIndex = b.AppliedIndex
				if one.Role != roleLearner && one.Lag != 0 { // that it has caught up is news
					one.Lag = b.Lag
				}
			}
		}
		out = append(out, one)
	}
	return out
}

func (s *scope) lastHandled() map[string]string {
	h := rotation.Handled(s.seen)
	handled := instance.Handled(map[string]string{
		v1alpha1.AnnotationRotateCredentials: h.Rotate,
		v1alpha1.AnnotationRotateComplete:    h.Complete,
		v1alpha1.AnnotationRotateAbort:       h.Abort,
		v1alpha1.AnnotationRotateTLS:         s.handledTLS,
		v1alpha1.AnnotationRotateCA:          s.handledCA(),
		v1alpha1.AnnotationApproveRollout:    s.handledRollout,
		v1alpha1.AnnotationSwitchover:        s.handledSwitchover,
		v1alpha1.AnnotationRestart:           s.restarted(),

		v1alpha1.AnnotationRotateEncryptionKey: s.handledKey(),
		v1alpha1.AnnotationRecoverFrom:         s.handledRecovery,
	}, s.before().LastHandled)
	if credentials.Request(s.object, v1alpha1.AnnotationRecoverFrom) == "" {
		// Where a log ends does not change while nobody leads: the same may be asked
		// for again.
		delete(handled, v1alpha1.AnnotationRecoverFrom)
	}
	return handled
}

// announce makes an event of each condition that turned, with its reason.
func (s *scope) announce(after v1alpha1.Instance) {
	conditions := after.InstanceStatus().Conditions
	for _, c := range conditions {
		before := meta.FindStatusCondition(s.before().Conditions, c.Type)
		if before != nil && before.Status == c.Status && before.Reason == c.Reason {
			continue
		}
		worth := map[string]bool{
			v1alpha1.ConditionReady:                true,
			v1alpha1.ConditionDegraded:             c.Status == metav1.ConditionTrue,
			v1alpha1.ConditionRotationInProgress:   before != nil || c.Status == metav1.ConditionTrue,
			v1alpha1.ConditionTLSReady:             before != nil && c.Status == metav1.ConditionTrue,
			v1alpha1.ConditionStorageResized:       before != nil && c.Reason != v1alpha1.ReasonVolumePending && before.Reason != v1alpha1.ReasonVolumePending,
			v1alpha1.ConditionEncrypted:            before != nil,
			v1alpha1.ConditionCARotationInProgress: before != nil || c.Status == metav1.ConditionTrue,
			v1alpha1.ConditionRolloutPending:       c.Status == metav1.ConditionTrue,
			v1alpha1.ConditionSettingsApplied:      before != nil && c.Reason != v1alpha1.ReasonProgressing,
			v1alpha1.ConditionQueuesApplied:        before != nil && c.Reason != v1alpha1.ReasonProgressing,
			v1alpha1.ConditionQueuesClosed:         before != nil || c.Status == metav1.ConditionTrue,
		}
		if !worth[c.Type] {
			continue
		}
		kind := corev1.EventTypeNormal
		if c.Type == v1alpha1.ConditionDegraded || c.Type == v1alpha1.ConditionReady && meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionStalled) {
			kind = corev1.EventTypeWarning
		}
		s.r.Events.Eventf(s.object, nil, kind, c.Reason, c.Type, "%s", c.Message)
	}
	s.announceGroup(after.InstanceStatus().Primary)
	if s.before().ObservedGeneration != s.object.GetGeneration() || !meta.IsStatusConditionTrue(s.before().Conditions, v1alpha1.ConditionReady) {
		return
	}
	for _, c := range s.changes {
		if c.Created && c.Kind != "ConfigMap" && c.Name != s.names.PendingSecret() {
			s.r.Events.Eventf(s.object, nil, corev1.EventTypeNormal, v1alpha1.ReasonRepaired, "Apply", "%s %s was gone and has been made again", c.Kind, c.Name)
		}
	}
}
