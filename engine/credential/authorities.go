package credential

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
)

// authoritiesFile lies beside the users file and adds to whom the admin port
// trusts: while authorities change, the next one's certificate is accepted
// before the member's own is signed by it.
const authoritiesFile = "authorities.pem"

// Authorities are whose certificates the admin port accepts: those of the
// admin certificate's ca.crt and of authorities.pem.
type Authorities struct {
	Pool         *x509.CertPool
	Fingerprints []string // SHA-256 of each one's DER, lower-case hex, sorted
}

func takeAuthorities(s *Snapshot, c content) error {
	if len(c) == 0 {
		s.bundle = nil
		return nil
	}
	bundle, err := authorities(c[0])
	if err != nil {
		return err
	}
	s.bundle = bundle
	return nil
}

// authorities reads certificates, one PEM block each; anything else in the file
// is an error.
func authorities(f file) (all []*x509.Certificate, err error) {
	for rest := f.data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s: block %d is not a certificate", f.name, len(all)+1)
		}
		if !certificate.IsCA {
			return nil, fmt.Errorf("%s: certificate %d is not an authority's", f.name, len(all)+1)
		}
		all = append(all, certificate)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no certificate", f.name)
	}
	return all, nil
}

// trust makes one of both sources.
func (s *Snapshot) trust() {
	a := &Authorities{Pool: x509.NewCertPool()}
	for _, certificate := range slices.Concat(s.Admin.Authorities, s.bundle) {
		sum := sha256.Sum256(certificate.Raw)
		a.Pool.AddCert(certificate)
		a.Fingerprints = append(a.Fingerprints, hex.EncodeToString(sum[:]))
	}
	slices.Sort(a.Fingerprints)
	a.Fingerprints = slices.Compact(a.Fingerprints)
	s.Authorities = a
}
