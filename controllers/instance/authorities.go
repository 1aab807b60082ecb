package instance

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
)

// Authorities are the certificates of a PEM bundle, without what cannot be read.
func Authorities(bundle []byte) []*x509.Certificate {
	var out []*x509.Certificate
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			out = append(out, c)
		}
	}
	return out
}

// Key tells a certificate authority by its public key: SHA-256 in lower-case
// hex. A CA that is renewed with its key is the same.
func Key(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// Distinct keeps the first certificate of each authority.
func Distinct(list []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	seen := map[string]bool{}
	for _, c := range list {
		if key := Key(c); !seen[key] {
			seen[key] = true
			out = append(out, c)
		}
	}
	return out
}

// Bundle is the PEM of certificates.
func Bundle(list []*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range list {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a buffer takes all
	}
	return b.Bytes()
}

// Signer is the authority among these that signed a leaf; nil when none did.
func Signer(leaf *x509.Certificate, among []*x509.Certificate) *x509.Certificate {
	for _, c := range among {
		if leaf.CheckSignatureFrom(c) == nil {
			return c
		}
	}
	return nil
}
