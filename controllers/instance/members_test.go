package instance

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/test/fixture/pki"
)

// played is a member whose admin port says what the test has it say, and how it
// is asked.
func played(t *testing.T) (answer *adminapi.Status, ask func() Member) {
	t.Helper()
	answer = &adminapi.Status{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(answer)
	}))
	listener, err := net.Listen("tcp", "127.8.8.8:9443")
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Listener.Close()
	s.Listener = listener
	names := desired.NamesOf(&v1alpha1.KVDatabase{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}})
	pair, err := pki.Sign(x509.Certificate{DNSNames: []string{names.MemberHost(0)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotAfter: time.Now().Add(time.Hour), IsCA: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate}}
	s.StartTLS()
	t.Cleanup(s.Close)
	id := &Identity{Roots: x509.NewCertPool()}
	id.Roots.AddCert(certificate.Leaf)
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-0"}, Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "127.8.8.8"}}
	return answer, func() Member {
		members := Members(names, 1, []corev1.Pod{pod})
		Observe(t.Context(), names, members, id, true)
		return members[0]
	}
}

// TestMemberSaysWhoItIs: one that answers for another, or for another
// database's, proves nothing about the one that was asked.
func TestMemberSaysWhoItIs(t *testing.T) {
	answer, ask := played(t)
	for _, c := range []struct {
		member, instance string
		believed         bool
	}{{"db-0", "shop/db", true}, {"db-1", "shop/db", false}, {"db-0", "other/db", false}, {"", "", false}} {
		*answer = adminapi.Status{Version: adminapi.Version, Member: c.member, Instance: c.instance}
		got := ask()
		if (got.Err == nil) != c.believed || (got.Status != nil) != c.believed {
			t.Errorf("%s of %s: %v", c.member, c.instance, got.Err)
		}
	}
}

// TestMemberWithoutStateProvesNothing: it says no version of the users file that
// it reads, no key that it needs and nobody whom it trusts, as it does not know.
func TestMemberWithoutStateProvesNothing(t *testing.T) {
	answer, ask := played(t)
	for role, opened := range map[string]bool{RoleStarting: false, RoleBlank: false, RoleLeader: true, "follower": true} {
		*answer = adminapi.Status{Version: adminapi.Version, Member: "db-0", Instance: "shop/db", Role: role, Reason: "reads its log"}
		got := ask()
		if (got.Status != nil) != opened || (got.Err == nil) != opened || (got.Unopened == nil) != opened || got.Says() == nil || got.AdminFingerprint == "" {
			t.Errorf("%s: %+v", role, got)
		}
	}
}

// TestFollowersSayWhatTheyServe: a handshake with one would be the leader's.
func TestFollowersSayWhatTheyServe(t *testing.T) {
	answer, ask := played(t)
	for role, want := range map[string]string{RoleLeader: "", "follower": "own"} {
		*answer = adminapi.Status{Version: adminapi.Version, Member: "db-0", Instance: "shop/db", Role: role, Group: &adminapi.Group{ID: 1}, TLS: adminapi.TLS{Fingerprint: "own"}}
		if got := ask(); got.Fingerprint != want || (got.HandshakeErr == nil) != (want != "") {
			t.Errorf("%s: %q, %v", role, got.Fingerprint, got.HandshakeErr)
		}
	}
}
