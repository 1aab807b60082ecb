// Package connection turns a mounted connection secret into a go-redis client
// that follows rotations: it watches the directory, hands new credentials to
// live connections, and verifies the server by the secret's own CA.
package connection

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Secret is one consistent reading of the mounted directory. It has no String
// method on purpose: nothing prints it.
type Secret struct {
	Username   string
	Password   string
	Address    string // host:port of the uri
	Host       string // the name the server's certificate must carry
	Generation string // of the credentials; empty where the secret has none
	CA         *x509.CertPool
	// Authorities tells one ca.crt from another: the SHA-256 of its text, in hex.
	Authorities string
}

// Read reads dir. The kubelet swaps the link ..data to a new directory when a
// Secret changes; following it once first means that all files are of one
// generation.
func Read(dir string) (Secret, error) {
	if now, err := filepath.EvalSymlinks(filepath.Join(dir, "..data")); err == nil {
		dir = now
	}
	uri, err := file(dir, "uri")
	if err != nil {
		return Secret{}, err
	}
	u, err := url.Parse(uri)
	if err != nil {
		// The parser's error repeats the URI, which holds the password.
		return Secret{}, errors.New("the file uri is not a URI")
	}
	if u.Scheme != "rediss" || u.Hostname() == "" {
		return Secret{}, errors.New("the file uri is not rediss://user:password@host:port")
	}
	ca, err := file(dir, "ca.crt")
	if err != nil {
		return Secret{}, err
	}
	sum := sha256.Sum256([]byte(ca))
	s := Secret{Username: u.User.Username(), Host: u.Hostname(), CA: x509.NewCertPool(), Authorities: hex.EncodeToString(sum[:])}
	s.Password, _ = u.User.Password()
	if s.Password == "" {
		return Secret{}, errors.New("the file uri has no password")
	}
	if !s.CA.AppendCertsFromPEM([]byte(ca)) {
		return Secret{}, errors.New("the file ca.crt holds no certificate")
	}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	s.Address = net.JoinHostPort(s.Host, port)
	s.Generation, err = file(dir, "generation")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Secret{}, err
	}
	return s, s.agrees(dir)
}

// agrees checks that the separate username and password, where they are
// mounted, are those of the uri: half-written directories are refused.
func (s Secret) agrees(dir string) error {
	for name, want := range map[string]string{"username": s.Username, "password": s.Password} {
		got, err := file(dir, name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("the file %s is not the one in the file uri", name)
		}
	}
	return nil
}

// TLS is how this secret's server is verified: TLS 1.3 and the secret's CA only.
func (s Secret) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: s.CA, ServerName: s.Host}
}

func file(dir, name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return "", fmt.Errorf("connection secret: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
