// Package dev prepares a directory from which one member serves a laptop's
// user: a certificate authority of its own, certificates, a generated
// password, and the ready-made address of the database. What the directory
// holds already stays, so that a restart keeps data, password and trust.
//
//	ca.crt ca.key                 the authority (10 years)
//	tls/client tls/admin          certificates (1 year, renewed when 30 days are left)
//	password uri                  for clients of keys; 0600
//	token                         for clients of jobs: the password, under the name that they know; 0600
//	queues/queues.json            the queues' settings, if somebody writes them (queue.Settings)
//	users/users.json              the password's verifier
//	keys/primary keys/NAME        what the data is encrypted under; 0600
//	data                          the log and snapshots
//
// The data is encrypted with a key that lies beside it, which protects nothing:
// it is so that a laptop runs what a cluster runs, and that an older directory
// is taken up the same way.
package dev

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/vault"
)

const (
	user          = "default"
	caLifetime    = 10 * 365 * 24 * time.Hour
	leafLifetime  = 365 * 24 * time.Hour
	renewBefore   = 30 * 24 * time.Hour
	passwordBytes = 32
	operatorName  = "operator.dev.local.coffer.dev"
)

// Ports are where a member serves on the loopback address; 0 takes any free
// one.
type Ports struct{ Keys, Jobs, JobsHTTP int }

// Prepare makes or completes the directory and returns the configuration that
// serves it.
func Prepare(dir string, ports Ports) (config.Config, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return config.Config{}, err
	}
	for _, d := range []string{dir, filepath.Join(dir, "users"), filepath.Join(dir, "tls/client"), filepath.Join(dir, "tls/admin"), filepath.Join(dir, "keys"), filepath.Join(dir, "queues"), filepath.Join(dir, "data")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return config.Config{}, err
		}
	}
	// The directory may stand in a repository; nothing of it belongs there.
	if err := write(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return config.Config{}, err
	}
	if err := prepareCertificates(dir); err != nil {
		return config.Config{}, fmt.Errorf("certificates in %s: %w", dir, err)
	}
	if err := prepareUsers(dir); err != nil {
		return config.Config{}, fmt.Errorf("credentials in %s: %w", dir, err)
	}
	if err := prepareKeys(filepath.Join(dir, "keys")); err != nil {
		return config.Config{}, fmt.Errorf("encryption keys in %s: %w", dir, err)
	}
	c := config.Default()
	c.Instance = "local/dev"
	c.DataDir = filepath.Join(dir, "data")
	c.Listen = config.Listen{
		Keys: fmt.Sprintf("127.0.0.1:%d", ports.Keys), Jobs: fmt.Sprintf("127.0.0.1:%d", ports.Jobs),
		JobsHTTP: fmt.Sprintf("127.0.0.1:%d", ports.JobsHTTP), Admin: "127.0.0.1:0", Metrics: "127.0.0.1:0",
	}
	c.Files = config.Files{
		Users: filepath.Join(dir, "users"), ClientTLS: filepath.Join(dir, "tls/client"),
		AdminTLS: filepath.Join(dir, "tls/admin"), OperatorName: operatorName,
		EncryptionKeys: filepath.Join(dir, "keys"), Queues: filepath.Join(dir, "queues"),
	}
	return c, c.Validate()
}

// Announce writes the address of the database to uri and returns what to tell
// the user: a redis-cli line that reads the password from its file, and where
// jobs are, by their protocol and over HTTPS, and their token and authority.
func Announce(dir string, addr, jobs, jobsHTTP net.Addr) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "", err
	}
	password, err := os.ReadFile(filepath.Join(dir, "password"))
	if err != nil {
		return "", err
	}
	uri := fmt.Sprintf("rediss://%s:%s@%s", user, strings.TrimSpace(string(password)), addr)
	if err := write(filepath.Join(dir, "uri"), []byte(uri+"\n"), 0o600); err != nil {
		return "", err
	}
	return fmt.Sprintf("REDISCLI_AUTH=\"$(cat %s)\" redis-cli --tls --cacert %s -h %s -p %s\njobs: %s and https://%s, token in %s, authority in %s",
		quote(filepath.Join(dir, "password")), quote(filepath.Join(dir, "ca.crt")), host, port,
		jobs, jobsHTTP, quote(filepath.Join(dir, "token")), quote(filepath.Join(dir, "ca.crt"))), nil
}

// quote makes a path one word of a shell.
func quote(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-+", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

// prepareUsers generates the password once and writes its verifier each time.
func prepareUsers(dir string) error {
	path := filepath.Join(dir, "password")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		raw := make([]byte, passwordBytes)
		_, _ = rand.Read(raw) // never fails
		data = []byte(hex.EncodeToString(raw) + "\n")
		err = write(path, data, 0o600)
	}
	if err != nil {
		return err
	}
	password := strings.TrimSpace(string(data))
	if len(password) < passwordBytes {
		return fmt.Errorf("%s: must hold at least %d characters; remove it to have one generated", path, passwordBytes)
	}
	if err := write(filepath.Join(dir, "token"), []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(password))
	digest := hex.EncodeToString(sum[:])
	file, err := json.Marshal(acl.File{
		Version:  acl.JobsFileVersion,
		Revision: digest[:16],
		Users: []acl.User{{
			Name: user, Verifiers: []acl.Verifier{{Generation: 1, SHA256: digest}}, Commands: []string{"@all"}, Keys: []string{"*"},
			Channels: []string{"*"}, Jobs: []acl.JobRule{{Queues: []string{"*"}, Operations: acl.JobAdmin}},
		}},
		MetricsTokens: []acl.Verifier{{Generation: 1, SHA256: digest}},
	})
	if err != nil {
		return err
	}
	return write(filepath.Join(dir, "users/users.json"), file, 0o600)
}

// prepareKeys generates a key once. The file that names it is written last:
// while there is none, nothing was encrypted.
func prepareKeys(dir string) error {
	const name = "dev"
	if _, err := os.Stat(filepath.Join(dir, vault.PrimaryFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	raw := make([]byte, vault.KeySize)
	_, _ = rand.Read(raw) // never fails
	if err := write(filepath.Join(dir, name), []byte(hex.EncodeToString(raw)+"\n"), 0o600); err != nil {
		return err
	}
	return write(filepath.Join(dir, vault.PrimaryFile), []byte(name+"\n"), 0o600)
}

// authority signs the directory's certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func prepareCertificates(dir string) error {
	ca, err := loadAuthority(dir)
	if errors.Is(err, fs.ErrNotExist) {
		ca, err = newAuthority(dir)
	}
	if err != nil {
		return err
	}
	for _, use := range []string{"client", "admin"} {
		if err := ca.prepareLeaf(filepath.Join(dir, "tls", use)); err != nil {
			return err
		}
	}
	return nil
}

func loadAuthority(dir string) (authority, error) {
	certPEM, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return authority{}, err
	}
	keyPEM, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	if err != nil {
		return authority{}, err
	}
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return authority{}, errors.New("ca.crt or ca.key is not PEM; remove both to have them made anew")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return authority{}, fmt.Errorf("ca.crt: %w", err)
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return authority{}, fmt.Errorf("ca.key: %w", err)
	}
	return authority{cert, key, certPEM}, nil
}

func newAuthority(dir string) (authority, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "coffer-engine --dev"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	ca, err := sign(template, caLifetime, nil)
	if err != nil {
		return authority{}, err
	}
	if err := writeKey(filepath.Join(dir, "ca.key"), ca.key); err != nil {
		return authority{}, err
	}
	return ca, write(filepath.Join(dir, "ca.crt"), ca.pem, 0o644)
}

// prepareLeaf keeps a certificate that has time left.
func (ca authority) prepareLeaf(dir string) error {
	if data, err := os.ReadFile(filepath.Join(dir, "tls.crt")); err == nil {
		block, _ := pem.Decode(data)
		if block != nil {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err == nil && time.Until(cert.NotAfter) > renewBefore && cert.CheckSignatureFrom(ca.cert) == nil {
				return nil
			}
		}
	}
	names := []string{"localhost"}
	if hostname, err := os.Hostname(); err == nil && hostname != "localhost" {
		names = append(names, hostname)
	}
	leaf, err := sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "localhost"},
		DNSNames:    names,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, leafLifetime, &ca)
	if err != nil {
		return err
	}
	return errors.Join(
		write(filepath.Join(dir, "ca.crt"), ca.pem, 0o644),
		write(filepath.Join(dir, "tls.crt"), leaf.pem, 0o644),
		writeKey(filepath.Join(dir, "tls.key"), leaf.key),
	)
}

// sign makes a key and its certificate; without a parent it signs itself.
func sign(template *x509.Certificate, lifetime time.Duration, parent *authority) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return authority{}, err
	}
	template.NotBefore = time.Now().Add(-time.Minute)
	template.NotAfter = template.NotBefore.Add(lifetime)
	signer := &authority{template, key, nil}
	if parent != nil {
		signer = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, &key.PublicKey, signer.key)
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, err
	}
	return authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, nil
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return write(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// write replaces a file as a whole, so that an interrupted start leaves the
// old one or the new one. It is on disk then: what is encrypted under a key
// must not outlive it.
func write(path string, data []byte, mode fs.FileMode) error {
	// Beside the directory's files, where no watcher takes it for one of them.
	tmp := filepath.Join(filepath.Dir(path), "..tmp-"+filepath.Base(path))
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
