package lifecycle

import (
	"crypto/x509"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/test/fixture/pki"
)

// TestReadsAreOfferedOnceTheyAreServed: applications are told of another name when
// every member has a port for it and shows a certificate with it, and are not
// untold while a certificate is renewed.
func TestReadsAreOfferedOnceTheyAreServed(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := serving()
	s.object.InstanceSpec().Replicas = 3
	s.set = &appsv1.StatefulSet{}
	issue := func(names ...string) {
		pair, err := pki.Sign(x509.Certificate{DNSNames: names}, ca)
		if err != nil {
			t.Fatal(err)
		}
		s.issued[s.names.ServerTLS()] = &corev1.Secret{Data: map[string][]byte{corev1.TLSCertKey: pair.CertPEM}}
	}
	serve := func() { s.members[0].Fingerprint = s.fingerprint(s.names.ServerTLS()) }
	for _, step := range []struct {
		name string
		do   func()
		want bool
	}{
		{"a certificate with the name is served, by pods without the port", func() { issue(s.names.Host(), s.names.ReadsHost()); serve() }, false},
		{"pods have the port", func() {
			s.set.Spec.Template.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "reads"}}}}
		}, true},
		{"a certificate without the name is served", func() { issue(s.names.Host()); serve() }, false},
		{"another is issued", func() { issue(s.names.ReadsHost()) }, false},
		{"applications had been told", func() { s.connection = &corev1.Secret{Data: map[string][]byte{"host-ro": []byte("x")}} }, true},
		{"one member is wanted", func() { s.object.InstanceSpec().Replicas = 1 }, false},
	} {
		if step.do(); s.offersReads() != step.want {
			t.Errorf("%s: offered: %t", step.name, !step.want)
		}
	}
}
