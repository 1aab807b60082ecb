package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/hack/demo/client/report"
	"github.com/coffer-dev/coffer/test/fixture/pki"
	"github.com/coffer-dev/coffer/test/fixture/redisserver"
)

// oracle is a real redis-server with TLS and one user per credential
// generation, so that CLIENT LIST tells which credential a connection is on.
type oracle struct {
	t     *testing.T
	admin *redis.Client
	ca    []byte
	addr  string
}

func startOracle(t *testing.T) *oracle {
	t.Helper()
	const host = "sessions.shop.svc"
	certificate, err := pki.Sign(x509.Certificate{DNSNames: []string{host}, IsCA: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	crt, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for name, text := range map[string][]byte{crt: certificate.CertPEM, key: certificate.KeyPEM} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	o := &oracle{t: t, ca: certificate.CertPEM, addr: fmt.Sprintf("127.0.0.1:%d", port)}
	o.admin = redis.NewClient(&redis.Options{Addr: o.addr, TLSConfig: &tls.Config{RootCAs: certificate.Pool(), ServerName: host}})
	t.Cleanup(func() { _ = o.admin.Close() })
	redisserver.Start(t, dir, func() error { return o.admin.Ping(t.Context()).Err() },
		"--tls-port", fmt.Sprint(port), "--bind", "127.0.0.1",
		"--tls-cert-file", crt, "--tls-key-file", key, "--tls-ca-cert-file", crt, "--tls-auth-clients", "no")
	return o
}

func (o *oracle) user(name, password string) {
	o.t.Helper()
	if err := o.admin.Do(o.t.Context(), "ACL", "SETUSER", name, "on", ">"+password, "~*", "&*", "+@all").Err(); err != nil {
		o.t.Fatal(err)
	}
}

// quiet is how long no connection must have been on a user before it is
// revoked: one that is just being made has read the old secret, and shows only
// once it has logged in.
const quiet = 300 * time.Millisecond

// revoke removes a user when no connection is left on it, as the operator
// ends an overlap; redis-server then closes what is left.
func (o *oracle) revoke(name string) {
	o.t.Helper()
	since := time.Now()
	for end := time.Now().Add(20 * time.Second); time.Since(since) < quiet; time.Sleep(20 * time.Millisecond) {
		list, err := o.admin.ClientList(o.t.Context()).Result()
		if err != nil {
			o.t.Fatal(err)
		}
		if strings.Contains(list, "user="+name+" ") {
			since = time.Now()
		}
		if time.Now().After(end) {
			o.t.Fatalf("after 20 s connections are still on the old credential:\n%s", list)
		}
	}
	if err := o.admin.Do(o.t.Context(), "ACL", "DELUSER", name).Err(); err != nil {
		o.t.Fatal(err)
	}
}

// mount writes a connection secret as the kubelet does: a new directory, and
// the link ..data swapped to it.
func (o *oracle) mount(dir, user, password, generation string) {
	o.t.Helper()
	fresh := filepath.Join(dir, "..gen"+generation)
	if err := os.Mkdir(fresh, 0o755); err != nil {
		o.t.Fatal(err)
	}
	for name, text := range map[string]string{"uri": "rediss://" + user + ":" + password + "@sessions.shop.svc:6379", "username": user,
		"password": password, "generation": generation, "ca.crt": string(o.ca)} {
		if err := os.WriteFile(filepath.Join(fresh, name), []byte(text), 0o440); err != nil {
			o.t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(filepath.Base(fresh), link); err != nil {
		o.t.Fatal(err)
	}
	if err := os.Rename(link, filepath.Join(dir, "..data")); err != nil {
		o.t.Fatal(err)
	}
}

func TestClientFollowsRotationsWithoutAFailedCommand(t *testing.T) {
	o := startOracle(t)
	dir := t.TempDir()
	password := func(g int) string { return fmt.Sprintf("generation-%d-%s", g, strings.Repeat("s", 32)) }
	o.user("g1", password(1))
	o.mount(dir, "g1", password(1), "1")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, warn bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, flags{secret: dir, address: o.addr, clients: 20, duration: -1, connectionAge: time.Second}, &out, &warn)
	}()
	time.Sleep(1500 * time.Millisecond)
	for g := 2; g <= 4; g++ {
		o.user(fmt.Sprintf("g%d", g), password(g))
		o.mount(dir, fmt.Sprintf("g%d", g), password(g), fmt.Sprint(g))
		o.revoke(fmt.Sprintf("g%d", g-1))
	}
	time.Sleep(200 * time.Millisecond)
	stop()
	if err := <-ended; err != nil {
		t.Fatalf("%v\n%s", err, &warn)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var last report.Line
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if !last.Done || last.Failed != 0 || last.Rotations != 3 || last.Generation != "4" || last.Commands < 1000 {
		t.Errorf("summary %+v; want done, 3 rotations to generation 4, no failure, at least 1000 commands", last)
	}
	// More than the 20 that are open at a time: some were made anew.
	if last.Connections <= 20 {
		t.Errorf("%d connections were made", last.Connections)
	}
	if sum := sha256.Sum256(bytes.TrimSpace(o.ca)); last.Authorities != hex.EncodeToString(sum[:]) {
		t.Errorf("the authorities in use are %s, not those of the mount", last.Authorities)
	}
	for _, want := range []string{"session store ok", "refresh tokens ok", "login limiter ok", "retention ok", "audit ok"} {
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("the output lacks %q", want)
		}
	}
	for g := 1; g <= 4; g++ {
		if strings.Contains(out.String()+warn.String(), password(g)) {
			t.Errorf("the output holds the password of generation %d", g)
		}
	}
}

func TestClientFailsWhenACommandFails(t *testing.T) {
	o := startOracle(t)
	dir := t.TempDir()
	secret := strings.Repeat("s", 32)
	o.user("g1", secret)
	o.mount(dir, "g1", secret, "1")
	ended := make(chan error, 1)
	var out, warn bytes.Buffer
	go func() {
		ended <- run(t.Context(), flags{secret: dir, address: o.addr, clients: 4, duration: 2 * time.Second}, &out, &warn)
	}()
	time.Sleep(time.Second)
	if err := o.admin.Do(t.Context(), "ACL", "DELUSER", "g1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "commands failed") {
		t.Errorf("got %v, want the count of failed commands", err)
	}
}

func TestClientRefusesASecretThatCannotBe(t *testing.T) {
	o := startOracle(t)
	for _, c := range []struct{ file, text, want string }{
		{"uri", "redis://default:hunter2hunter2@x:6379", "not rediss://"},
		{"uri", "rediss://default@x:6379", "no password"},
		{"uri", "rediss://:hunter2hunter2@%zz", "not a URI"},
		{"password", "hunter2hunter2", "the file password is not the one in the file uri"},
		{"ca.crt", "none", "no certificate"},
	} {
		dir := t.TempDir()
		o.mount(dir, "g1", strings.Repeat("s", 32), "1")
		path := filepath.Join(dir, "..data", c.file)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := run(t.Context(), flags{secret: dir, clients: 1}, &bytes.Buffer{}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s = %q: got %v, want %q and no secret", c.file, c.text, err, c.want)
		}
	}
}

// TestReachWaitsForAListener: and not for what one says.
func TestReachWaitsForAListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var accepted atomic.Bool
	go func() {
		time.Sleep(300 * time.Millisecond)
		l, err := net.Listen("tcp", address)
		if err != nil {
			return
		}
		defer l.Close()
		if c, err := l.Accept(); err == nil {
			accepted.Store(true)
			_ = c.Close()
		}
	}()
	db := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1, DialerRetries: 1})
	defer db.Close()
	reach(t.Context(), db)
	if !accepted.Load() {
		t.Error("it did not wait")
	}
}
