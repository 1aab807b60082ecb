package lifecycle

import (
	"strings"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmetav1 "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// TestWhatAMemberSaysHasRoom: a member that was taken over says what it likes,
// and as much of it as it likes; the status must be one that is accepted.
func TestWhatAMemberSaysHasRoom(t *testing.T) {
	long := strings.Repeat("ü", 30_000)
	s := serving(func(s *scope) {
		st := s.members[0].Status
		st.Ready, st.Reason, st.Role, st.EngineVersion, st.Credentials.Error = false, long, long, long, long
	})
	status := s.status(nil)
	if m := status.Members[0]; len(m.Role) > 16 || len(m.Version) > 64 {
		t.Errorf("role of %d, version of %d bytes", len(m.Role), len(m.Version))
	}
	// Events have the messages of conditions, and room for 1024 bytes.
	for _, c := range status.Conditions {
		if len(c.Message) > 1024 {
			t.Errorf("%s has a message of %d bytes", c.Type, len(c.Message))
		}
	}
	if len(status.Status) > 1024 || !strings.HasSuffix(status.Status, "ü…") {
		t.Errorf("status of %d bytes: …%s", len(status.Status), status.Status[len(status.Status)-20:])
	}
}

// TestClusterIssuersAreNotReadForOthers: the message of one may hold what the
// cluster's administrators alone may read.
func TestClusterIssuersAreNotReadForOthers(t *testing.T) {
	scheme := fake.NewClientBuilder().Build().Scheme()
	if err := certmanagerv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	issuer := &certmanagerv1.ClusterIssuer{ObjectMeta: metav1.ObjectMeta{Name: "corp"}}
	issuer.Status.Conditions = []certmanagerv1.IssuerCondition{{Type: certmanagerv1.IssuerConditionReady, Status: cmmetav1.ConditionFalse,
		Message: "vault at vault.internal says no"}}
	s := serving(func(s *scope) {
		s.spec().TLS.IssuerRef = &v1alpha1.IssuerRef{Name: "corp", Kind: "ClusterIssuer"}
		s.r.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(issuer).Build()
	})
	p, err := s.issuerProblem(t.Context())
	if err != nil || p == nil || p.Reason != v1alpha1.ReasonIssuerNotReady || strings.Contains(p.Message, "vault") {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestNothingIsRememberedOfWhatIsGone: databases that come and go leave nothing.
func TestNothingIsRememberedOfWhatIsGone(t *testing.T) {
	scheme := fake.NewClientBuilder().Build().Scheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s := serving()
	s.r.Client, s.r.Now = fake.NewClientBuilder().WithScheme(scheme).Build(), time.Now
	s.status(nil)
	key := types.NamespacedName{Namespace: s.object.GetNamespace(), Name: s.object.GetName()}
	if !s.r.numbers.Known(key) {
		t.Fatal("the numbers' time is not under the database's name")
	}
	if _, err := s.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		t.Fatal(err)
	}
	if s.r.numbers.Known(key) {
		t.Error("a database that is gone is remembered")
	}
}
