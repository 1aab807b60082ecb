package jobs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// maxSecretFile is more than any file of a Secret can have.
const maxSecretFile = 1 << 20

// secret is one consistent reading of who to connect to, and as whom.
type secret struct {
	address, serverName string
	token               string
	ca                  string // PEM
	certificate, key    string // PEM; empty without a client certificate
}

// read reads the mounted directory, if there is one.
func (o *Options) read() (secret, error) {
	s := secret{address: o.Address, token: o.Token, ca: string(o.CA)}
	if o.SecretDir != "" {
		if err := s.readDir(o.SecretDir); err != nil {
			return s, fmt.Errorf("connection secret: %w", err)
		}
	}
	host, _, err := net.SplitHostPort(s.address)
	switch {
	case err != nil:
		return s, fmt.Errorf("address %q: must be host:port", s.address)
	case s.token == "":
		return s, errors.New("token: must not be empty; mount the connection secret and set SecretDir, or set Token")
	case s.ca == "":
		return s, errors.New("CA: must hold the certificate of the queue's authority, ca.crt of the connection secret")
	}
	if s.serverName == "" {
		s.serverName = host
	}
	if o.ServerName != "" {
		s.serverName = o.ServerName
	}
	return s, nil
}

func (s *secret) readDir(dir string) (err error) {
	// The kubelet swaps the link ..data to a new directory when a Secret
	// changes: all files behind one reading of it are of one generation.
	if now, err := filepath.EvalSymlinks(filepath.Join(dir, "..data")); err == nil {
		dir = now
	}
	if s.token, err = file(dir, "token"); err != nil {
		return err
	}
	if s.ca, err = file(dir, "ca.crt"); err != nil {
		return err
	}
	if s.certificate, err = file(dir, "tls.crt"); err == nil {
		s.key, err = file(dir, "tls.key")
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	host, err := file(dir, "host")
	if err == nil {
		s.serverName = host
	}
	if s.address != "" {
		return nil
	}
	if err != nil {
		return err
	}
	port, err := file(dir, "port")
	s.address = net.JoinHostPort(host, port)
	return err
}

func file(dir, name string) (string, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return strings.TrimSpace(string(data)), nil
}

// tls is how the server is verified: TLS 1.3, and the secret's authorities only.
func (s *secret) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: x509.NewCertPool(), ServerName: s.serverName}
	if !c.RootCAs.AppendCertsFromPEM([]byte(s.ca)) {
		return nil, errors.New("CA: no certificate in PEM")
	}
	if s.certificate != "" {
		pair, err := tls.X509KeyPair([]byte(s.certificate), []byte(s.key))
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
