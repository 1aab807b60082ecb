package lifecycle

import (
	"crypto/x509"
	"testing"

	cmutil "github.com/cert-manager/cert-manager/pkg/api/util"
	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmetav1 "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/test/fixture/pki"
)

// renewing is a database that is asked to renew its certificates.
type renewing struct {
	*scope
	t *testing.T
}

func newRenewing(t *testing.T, set *appsv1.StatefulSet) renewing {
	r := renewing{serving(), t}
	r.object.SetAnnotations(map[string]string{v1alpha1.AnnotationRotateTLS: "now"})
	r.handledTLS, r.set = "before", set
	scheme := runtime.NewScheme()
	if err := certmanagerv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	b := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&certmanagerv1.Certificate{})
	for name, c := range r.certificates {
		c.Namespace, c.Name = "shop", name
		b = b.WithObjects(c)
	}
	r.r.Client = b.Build()
	r.issue()
	return r
}

// issue gives every certificate another leaf.
func (r renewing) issue() {
	r.t.Helper()
	for _, l := range r.leaves() {
		pair, err := pki.Sign(x509.Certificate{DNSNames: []string{l.certificate}}, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		r.issued[l.secret] = &corev1.Secret{Data: map[string][]byte{corev1.TLSCertKey: pair.CertPEM}}
	}
}

// serve has the member use what has been issued.
func (r renewing) serve() {
	r.members[0].Fingerprint, r.members[0].AdminFingerprint = r.fingerprint(r.names.ServerTLS()), r.fingerprint(r.names.AdminTLS())
}

// pass returns how many certificates are marked to be issued again.
func (r renewing) pass() (marked int) {
	r.t.Helper()
	for name, c := range r.certificates { // as the next pass reads them
		if err := r.r.Client.Get(r.t.Context(), r.key(name), c); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.renewTLS(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	issuing := certmanagerv1.CertificateCondition{Type: certmanagerv1.CertificateConditionIssuing, Status: cmmetav1.ConditionTrue}
	for name := range r.certificates {
		c := &certmanagerv1.Certificate{}
		if err := r.r.Client.Get(r.t.Context(), r.key(name), c); err != nil {
			r.t.Fatal(err)
		}
		if cmutil.CertificateHasCondition(c, issuing) {
			marked++
		}
	}
	return marked
}

// TestRotateTLS: the request is carried out when members use what was issued,
// and not before.
func TestRotateTLS(t *testing.T) {
	r := newRenewing(t, &appsv1.StatefulSet{})
	r.serve()
	if n := r.pass(); n != 0 {
		t.Errorf("%d marked before what they replace is noted", n)
	}
	for range 2 {
		if n := r.pass(); n != 3 || r.handledTLS != "before" {
			t.Errorf("%d marked, handled %q", n, r.handledTLS)
		}
	}
	r.issue()
	for i := range r.members {
		r.members[i].Status = nil // and the operator's own is not accepted yet
	}
	if r.pass(); r.handledTLS != "before" {
		t.Error("carried out before a member uses it")
	}
	r.members[0].Status = serving().members[0].Status
	if r.pass(); r.handledTLS != "before" {
		t.Error("carried out before a member serves it")
	}
	r.serve()
	if r.pass(); r.handledTLS != "now" {
		t.Errorf("handled %q", r.handledTLS)
	}
}

func TestRotateTLSOfANewDatabase(t *testing.T) {
	r := newRenewing(t, nil)
	r.pass()
	if n := r.pass(); n != 0 {
		t.Errorf("%d new certificates are to be issued again", n)
	}
	r.serve()
	if r.pass(); r.handledTLS != "now" {
		t.Errorf("handled %q", r.handledTLS)
	}
	r.handledTLS = "now"
	r.issue()
	if n := r.pass(); n != 0 {
		t.Errorf("%d are to be issued again for a request that was carried out", n)
	}
}

// TestAuthoritiesAreToldByTheirKeys: a CA that was renewed with its key is the
// same, and its leaves are its own.
func TestAuthoritiesAreToldByTheirKeys(t *testing.T) {
	ca := x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	one, err := pki.Sign(ca, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := pki.Sign(ca, nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := pki.Sign(x509.Certificate{}, one)
	if err != nil {
		t.Fatal(err)
	}
	list := instance.Authorities(append(append([]byte("text\n"), other.CertPEM...), one.CertPEM...))
	c := instance.Leaf(&corev1.Secret{Data: map[string][]byte{corev1.TLSCertKey: leaf.CertPEM}})
	if len(list) != 2 || instance.Signer(c, list) != list[1] || instance.Signer(c, list[:1]) != nil {
		t.Errorf("%d authorities; the signer is not told", len(list))
	}
	if got := instance.Distinct(append(list, list...)); len(got) != 2 || string(instance.Bundle(got[1:])) != string(one.CertPEM) {
		t.Errorf("%d distinct ones", len(got))
	}
}
