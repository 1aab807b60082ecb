package lifecycle

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// serving is a pass over a database at which nothing is wrong, but for what
// the modifiers do to it.
func serving(modify ...func(*scope)) *scope {
	db := &v1alpha1.KVDatabase{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: "u", Generation: 3}}
	db.Spec.Storage.Size = resource.MustParse("1Gi")
	s := (&Reconciler{Kind: Kind{Kind: desired.KindOf(db)}, Now: func() time.Time { return time.Unix(1_700_000_000, 0) }}).newScope(db)
	for _, name := range s.certificateNames() {
		c := &certmanagerv1.Certificate{}
		c.Spec.SecretName = name
		s.certificates[name], s.issued[name] = c, &corev1.Secret{}
	}
	pod := &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}}
	s.members = []instance.Member{{Name: "db-0", Pod: pod, Status: &adminapi.Status{Role: "leader", Ready: true, EngineVersion: "1", AppliedIndex: 7}}}
	s.seen = rotation.Observed{
		Server:     &rotation.Server{Verifiers: []rotation.Verifier{{Generation: 1, SHA256: "a"}}},
		Connection: &rotation.Connection{Generation: 1, SHA256: "a", SwitchedAt: time.Unix(1_600_000_000, 0)},
		Members:    []rotation.Member{{Name: "db-0", Reported: true, Accepted: []int64{1}}},
	}
	s.decision = rotation.Decision{Phase: rotation.Idle}
	s.claims = []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data-db-0"}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound,
		Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}}}}
	s.applied = true
	for _, m := range modify {
		m(s)
	}
	return s
}

func copied(o v1alpha1.Instance) v1alpha1.Instance { return o.DeepCopyObject().(v1alpha1.Instance) }

// TestConditions says for each state which conditions are True; those that are
// not named are False. All of them are there in any state.
func TestConditions(t *testing.T) {
	all := []string{"Ready", "Reconciling", "Stalled", "Available", "Degraded", "TLSReady", "CredentialsSynced",
		"RotationInProgress", "NetworkPolicyApplied", "StorageResized"}
	tests := map[string]struct {
		modify  func(*scope)
		stalled *apply.Stalled
		want    string
		reason  string // of Ready
		line    string
	}{
		"serving": {func(*scope) {}, nil, "Ready Available TLSReady CredentialsSynced NetworkPolicyApplied StorageResized", "Serving", "Serving"},
		"no issuer": {func(s *scope) {
			s.issuer = &instance.Problem{Reason: v1alpha1.ReasonIssuerNotFound, Message: `Issuer "x" not found`}
		}, nil, "Stalled Available CredentialsSynced NetworkPolicyApplied StorageResized", "IssuerNotFound", `Issuer "x" not found`},
		"no secret of the user's": {func(s *scope) {
			s.supplied.problem = &instance.Problem{Reason: v1alpha1.ReasonSecretNotFound, Message: `Secret "x" not found`}
		}, nil, "Stalled Available TLSReady NetworkPolicyApplied StorageResized", "SecretNotFound", `Secret "x" not found`},
		"a name is taken": {func(s *scope) { s.applied = false }, &apply.Stalled{Reason: v1alpha1.ReasonNameTaken, Err: errors.New("Service x")},
			"Stalled Available TLSReady CredentialsSynced StorageResized", "NameTaken", "Service x"},
		"full volume": {func(s *scope) { s.members[0].Status.Storage.Full = true }, nil,
			"Stalled Degraded TLSReady CredentialsSynced NetworkPolicyApplied StorageResized", "VolumeFull", "Volume of db-0 is full (0 MiB free): writes are refused"},
		"unreachable": {func(s *scope) { s.members[0].Status, s.members[0].Err = nil, errors.New("timeout") }, nil,
			"Reconciling Degraded TLSReady CredentialsSynced NetworkPolicyApplied StorageResized", "MemberUnreachable", "Timeout"},
		"another certificate is served": {func(s *scope) { s.members[0].Fingerprint = "old" }, nil,
			"Reconciling Available CredentialsSynced NetworkPolicyApplied StorageResized", "CertificateNotServed", "Member db-0 does not serve"},
		"starting": {func(s *scope) { s.members[0].Pod, s.members[0].Status, s.seen.Connection = nil, nil, nil }, nil,
			"Reconciling TLSReady NetworkPolicyApplied StorageResized", "Starting", "Pod db-0 is being created"},
		"overlap": {func(s *scope) { s.decision = rotation.Decision{Phase: rotation.Overlap, Message: "both"} }, nil,
			"Ready Available TLSReady CredentialsSynced RotationInProgress NetworkPolicyApplied StorageResized", "Serving", "Serving"},
		"no volume yet": {func(s *scope) {
			s.claims[0].Status.Phase = corev1.ClaimPending
			s.members[0].Pod, s.members[0].Status, s.seen.Connection = nil, nil, nil
		}, nil, "Reconciling TLSReady NetworkPolicyApplied", "Starting", "Pod db-0 is being created"},
		"of another authority": {func(s *scope) {
			s.members[0].Status, s.members[0].Err = nil, fmt.Errorf("status: %w", &tls.CertificateVerificationError{Err: errors.New("unknown authority")})
		}, nil, "Reconciling Degraded TLSReady CredentialsSynced NetworkPolicyApplied StorageResized", "MemberUnreachable",
			"Status: tls: failed to verify certificate: unknown authority: certificates of a new authority reach it"},
		"policy off, volume growing": {func(s *scope) {
			s.spec().NetworkPolicy.Mode = v1alpha1.NetworkPolicyDisabled
			s.spec().Storage.Size = resource.MustParse("2Gi")
		}, nil, "Ready Available TLSReady CredentialsSynced", "Serving", "Serving"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status := serving(test.modify).status(test.stalled)
			for _, kind := range all {
				c := meta.FindStatusCondition(status.Conditions, kind)
				if c == nil {
					t.Errorf("%s is missing", kind)
					continue
				}
				want := strings.Contains(" "+test.want+" ", " "+kind+" ")
				if (c.Status == metav1.ConditionTrue) != want {
					t.Errorf("%s is %s (%s: %s)", kind, c.Status, c.Reason, c.Message)
				}
			}
			if c := meta.FindStatusCondition(status.Conditions, "Ready"); c.Reason != test.reason || !strings.HasPrefix(status.Status, test.line) {
				t.Errorf("Ready %s; %q", c.Reason, status.Status)
			}
		})
	}
}

func TestNumbersEnterTheStatusOnceAMinute(t *testing.T) {
	s := serving()
	now := s.now
	look := func(index uint64, after time.Duration) int64 {
		s.now = now.Add(after)
		s.members[0].Status.AppliedIndex = index
		*s.before() = s.status(nil)
		return s.before().Members[0].AppliedIndex
	}
	for i, step := range []struct {
		index uint64
		after time.Duration
		want  int64
	}{{7, 0, 7}, {8, time.Second, 7}, {9, 59 * time.Second, 7}, {10, time.Minute, 10}} {
		if got := look(step.index, step.after); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
}

func TestStatusOfTheSamePassIsTheSame(t *testing.T) {
	s := serving()
	*s.before() = s.status(nil)
	after := copied(s.object)
	*after.InstanceStatus() = s.status(nil)
	if err := apply.Status(t.Context(), nil, s.object, after); err != nil { // a nil client: nothing may be written
		t.Error(err)
	}
}
