package credential

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/test/fixture/pki"
)

func certificate(t *testing.T, authority bool) string {
	t.Helper()
	pair, err := pki.Sign(x509.Certificate{IsCA: authority}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(pair.CertPEM)
}

// TestAuthoritiesAreAdded to those of the admin certificate: the file may come,
// change and go, and one that is bad leaves what was in force.
func TestAuthoritiesAreAdded(t *testing.T) {
	files := prepared(t)
	w, err := open(t, files)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(files.Users, authoritiesFile)
	next, leaf := certificate(t, true), certificate(t, false)
	want := func(step string, count int, problem string) {
		t.Helper()
		w.reload()
		s := w.Current()
		if len(s.Authorities.Fingerprints) != count || !strings.Contains(s.AuthoritiesError, problem) || (problem == "") != (s.AuthoritiesError == "") {
			t.Errorf("%s: %d authorities, %q", step, len(s.Authorities.Fingerprints), s.AuthoritiesError)
		}
	}
	want("without", 1, "")
	put(t, path, next)
	want("the next one", 2, "")
	for problem, content := range map[string]string{
		"authorities.pem holds no certificate":                 "nothing",
		"authorities.pem: certificate 2 is not an authority's": next + leaf,
		"authorities.pem: block 2 is not a certificate":        next + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"authorities.pem: block 1 is not a certificate":        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	} {
		put(t, path, content)
		want(problem, 2, problem)
	}
	ca, err := os.ReadFile(filepath.Join(files.AdminTLS, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, string(ca)+next)
	want("the present one is not counted twice", 2, "")
	put(t, path, "nothing")
	if w, err = open(t, files); err != nil {
		t.Fatalf("a member does not start for it: %v", err)
	}
	want("a bad one at start", 1, "no certificate")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	want("gone", 1, "")
}
