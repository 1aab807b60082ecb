package node_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/client"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node"
	"github.com/coffer-dev/coffer/test/fixture/pki"
)

const (
	operatorName = "operator.kv.shop.coffer.dev"
	serverName   = "kv.shop.svc"
	token        = "metrics-token-of-thirty-two-characters"
)

// password of a generation.
func password(generation int64) string {
	return fmt.Sprintf("a-password-of-generation-%08d", generation)
}

// authority signs certificates for tests.
type authority struct{ *pki.Pair }

func newAuthority(t *testing.T) *authority {
	t.Helper()
	return &authority{pki.Must(t, x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil)}
}

// server is the files of a member's TLS secret.
func (a *authority) server(t *testing.T) map[string]string {
	pair := pki.Must(t, x509.Certificate{
		DNSNames: []string{serverName}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.Pair)
	return map[string]string{"tls.crt": string(pair.CertPEM), "tls.key": string(pair.KeyPEM), "ca.crt": string(a.CertPEM)}
}

func (a *authority) client(t *testing.T, name string) tls.Certificate {
	return pki.Must(t, x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, a.Pair).Certificate
}

// mount replaces a directory's files as the kubelet does: a new directory, and
// a rename of the link to it.
func mount(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	generation, err := os.MkdirTemp(dir, "..gen")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(generation, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name))
	}
	if err := os.Symlink(filepath.Base(generation), filepath.Join(dir, "..data_tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

// member is a node under test.
type member struct {
	*node.Node
	config config.Config
	ca     *authority
}

func newMember(t *testing.T, change ...func(*config.Config)) *member {
	t.Helper()
	dir := t.TempDir()
	c := config.Default()
	c.Instance = "shop/kv"
	c.DataDir = filepath.Join(dir, "data")
	c.Listen = config.Listen{Keys: "127.0.0.1:0", Admin: "127.0.0.1:0", Metrics: "127.0.0.1:0"}
	c.Files = config.Files{
		Users: filepath.Join(dir, "users"), ClientTLS: filepath.Join(dir, "client"), AdminTLS: filepath.Join(dir, "admin"),
		OperatorName: operatorName,
	}
	for _, f := range change {
		f(&c)
	}
	m := &member{config: c, ca: newAuthority(t)}
	mount(t, c.Files.ClientTLS, m.ca.server(t))
	mount(t, c.Files.AdminTLS, m.ca.server(t))
	m.accept(t, 1)
	m.start(t)
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return m
}

func (m *member) start(t *testing.T) {
	t.Helper()
	n, err := node.Start(node.Options{Config: m.config, Member: "kv-0", Version: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	m.Node = n
}

// accept writes the users file with these generations of the default user's
// credential; its revision lists them.
func (m *member) accept(t *testing.T, generations ...int64) string {
	t.Helper()
	verifier := func(generation int64, secret string) acl.Verifier {
		sum := sha256.Sum256([]byte(secret))
		return acl.Verifier{Generation: generation, SHA256: hex.EncodeToString(sum[:])}
	}
	f := acl.File{
		Version: acl.FileVersion, Revision: fmt.Sprint(generations), MetricsTokens: []acl.Verifier{verifier(1, token)},
		Users: []acl.User{
			{Name: "default", Commands: []string{"@all"}, Keys: []string{"*"}},
			{Name: "reader", Verifiers: []acl.Verifier{verifier(1, password(1000))}, Commands: []string{"@read", "@connection"}, Keys: []string{"shop:*"}},
		},
	}
	for _, g := range generations {
		f.Users[0].Verifiers = append(f.Users[0].Verifiers, verifier(g, password(g)))
	}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	mount(t, m.config.Files.Users, map[string]string{"users.json": string(data)})
	return f.Revision
}

func (m *member) tls() *tls.Config {
	return &tls.Config{RootCAs: m.ca.Pool(), ServerName: serverName, MinVersion: tls.VersionTLS13}
}

func (m *member) addr() string { return m.Addresses().Keys.String() }

// redis makes a go-redis client that never retries.
func (m *member) redis(t *testing.T, change ...func(*redis.Options)) *redis.Client {
	t.Helper()
	o := &redis.Options{Addr: m.addr(), TLSConfig: m.tls(), Username: "default", Password: password(1), MaxRetries: -1}
	for _, f := range change {
		f(o)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (m *member) admin(t *testing.T, name string) *client.Client {
	t.Helper()
	c := client.New(client.Options{
		Address: m.Addresses().Admin.String(), ServerName: serverName,
		Certificate: m.ca.client(t, name), Authorities: m.ca.Pool(),
	})
	t.Cleanup(c.Close)
	return c
}

// waitStatus polls the admin port until ok.
func (m *member) waitStatus(t *testing.T, what string, ok func(adminapi.Status) bool) adminapi.Status {
	t.Helper()
	admin := m.admin(t, operatorName)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		s, _, err := admin.Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if ok(s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: still %+v", what, s)
		}
	}
}

// wire is a raw connection, to say what no client library would.
type wire struct {
	net.Conn
	r *bufio.Reader
}

func (m *member) wire(t *testing.T) wire {
	t.Helper()
	c, err := tls.Dial("tcp", m.addr(), m.tls())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return wire{c, bufio.NewReader(c)}
}

func (w wire) send(t *testing.T, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

func (w wire) line(t *testing.T) string {
	t.Helper()
	line, err := w.r.ReadString('\n')
	if err != nil {
		t.Fatalf("reading a line: %v (got %q)", err, line)
	}
	return strings.TrimRight(line, "\r\n")
}

func (w wire) auth(t *testing.T, generation int64) wire {
	t.Helper()
	w.send(t, "AUTH default "+password(generation)+"\r\n")
	if got := w.line(t); got != "+OK" {
		t.Fatalf("AUTH: %s", got)
	}
	return w
}

// wantClosed asserts that the server ends the connection, within the limit.
func (w wire) wantClosed(t *testing.T, within time.Duration) {
	t.Helper()
	_ = w.SetReadDeadline(time.Now().Add(within))
	if n, err := w.r.Discard(1); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes, %v; want the end of the connection", n, err)
	}
}
