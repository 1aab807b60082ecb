package lifecycle

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
	"github.com/coffer-dev/coffer/test/fixture/pki"
)

func newAuthority(t *testing.T, name string) *pki.Pair {
	t.Helper()
	pair, err := pki.Sign(x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// TestTheNextAuthorityIsHeldBack: members are handed it first, applications
// once members trust it.
func TestTheNextAuthorityIsHeldBack(t *testing.T) {
	current, next := newAuthority(t, "current"), newAuthority(t, "next")
	both := string(current.CertPEM) + string(next.CertPEM)
	for name, test := range map[string]struct {
		publish           bool
		signs             *pki.Pair
		bundle, forMember string
	}{
		"while members get to know it":       {false, current, string(current.CertPEM), both},
		"once every member trusts it":        {true, current, both, both},
		"it signs: nobody can do without it": {false, next, both, both},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving()
			s.authority.known = []*x509.Certificate{current.Leaf, next.Leaf}
			s.authority.seen.Current = &rotation.CurrentCA{Key: instance.Key(test.signs.Leaf)}
			s.authority.next = &corev1.Secret{Data: map[string][]byte{corev1.TLSCertKey: next.CertPEM}}
			s.authority.decision.Publish = test.publish
			if got := string(instance.Bundle(s.bundle())); got != test.bundle {
				t.Errorf("applications are handed %d authorities", len(s.bundle()))
			}
			if got := string(s.memberAuthorities()); got != test.forMember {
				t.Errorf("members are handed %d authorities", len(instance.Authorities(s.memberAuthorities())))
			}
		})
	}
}

// TestALeafLagsUntilItIsServed: a certificate is done with when every member
// has shown it in a handshake, and not when it is in a secret.
func TestALeafLagsUntilItIsServed(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := serving()
	s.authority.known = []*x509.Certificate{ca.Leaf}
	for _, l := range s.leaves() {
		pair, err := pki.Sign(x509.Certificate{DNSNames: []string{l.certificate}}, ca)
		if err != nil {
			t.Fatal(err)
		}
		s.issued[l.secret] = &corev1.Secret{Data: map[string][]byte{corev1.TLSCertKey: pair.CertPEM}}
	}
	lagging := func() (names []string) {
		for _, l := range s.leaves() {
			state := s.leafState(l)
			if state.Key != instance.Key(ca.Leaf) {
				t.Errorf("%s: its signer is not told", state.Name)
			}
			if state.Lagging != "" {
				names = append(names, state.Name)
			}
		}
		return names
	}
	m := &s.members[0]
	m.Fingerprint, m.AdminFingerprint = "another", "another"
	if got := lagging(); len(got) != 2 {
		t.Errorf("%v lag, want those of both ports", got)
	}
	m.Fingerprint = s.fingerprint(s.names.ServerTLS())
	m.AdminFingerprint = s.fingerprint(s.names.AdminTLS())
	if got := lagging(); len(got) != 0 {
		t.Errorf("%v lag, want none", got)
	}
	m.Status = nil // it did not let the operator in
	if got := lagging(); len(got) != 1 || got[0] != s.names.OperatorCertificate() {
		t.Errorf("%v lag, want the operator's", got)
	}
}
