package replicated

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/bench/harness"
	"github.com/coffer-dev/coffer/test/fixture/pki"
)

const patience = time.Minute

// certificate is what the peers serve, as files in a directory of their own.
type certificate struct {
	dir, cert, key, ca string
	password           string
	roots              *x509.CertPool
}

func newCertificate(b *testing.B) certificate {
	// OpenSSL tells them apart by their names.
	ca := pki.Must(b, x509.Certificate{Subject: pkix.Name{CommonName: "CA"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	pair := pki.Must(b, x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, ca)
	dir := b.TempDir()
	c := certificate{
		dir: dir, cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), ca: filepath.Join(dir, "ca.crt"),
		password: fmt.Sprintf("a-password-%021d", time.Now().UnixNano()), roots: ca.Pool(),
	}
	for path, data := range map[string][]byte{c.cert: pair.CertPEM, c.key: pair.KeyPEM, c.ca: ca.CertPEM} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return c
}

func (c certificate) client() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: c.roots}
}

func freePort(b *testing.B) string {
	port, err := harness.FreePort()
	if err != nil {
		b.Fatal(err)
	}
	return strconv.Itoa(port)
}

// start starts a server, which ends with the benchmark if not before.
func start(b *testing.B, log string, command ...string) *exec.Cmd {
	f, err := os.Create(log)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { stopAll([]*exec.Cmd{cmd}) })
	return cmd
}

// stopAll ends servers that may have ended.
func stopAll(servers []*exec.Cmd) {
	for _, s := range servers {
		_ = s.Process.Signal(syscall.SIGKILL)
	}
	for _, s := range servers {
		_ = s.Wait()
	}
}

func pidsOf(servers []*exec.Cmd) (pids []int) {
	for _, s := range servers {
		pids = append(pids, s.Process.Pid)
	}
	return pids
}

// until waits for servers to answer.
func until(b *testing.B, what string, done func(context.Context) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for ; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		if done(ctx) {
			return
		}
	}
	b.Fatalf("%s do not answer", what)
}
