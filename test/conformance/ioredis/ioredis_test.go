// Package ioredis runs ioredis, in the two connection forms that its users
// write, against an engine started as a laptop user would start it.
package ioredis

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestIoredisRunsTheExamples(t *testing.T) {
	node := install(t)
	dir := engine(t)
	cmd := exec.Command(node, "examples.mjs", dir)
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+filepath.Join(dir, "ca.crt"))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("examples.mjs: %v", err)
	}
	if n := strings.Count(string(out), " ok\n"); n != 12 {
		t.Errorf("%d examples passed, want 6 in each of 2 forms", n)
	}
}

// TestIoredisRefusesAForeignCertificate holds that the examples pass because
// of the CA and not because nothing is verified.
func TestIoredisRefusesAForeignCertificate(t *testing.T) {
	node := install(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "examples.mjs", engine(t))
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS=")
	out, err := cmd.CombinedOutput()
	if err == nil || strings.Contains(string(out), " ok\n") || !strings.Contains(string(out), "certificate") {
		t.Fatalf("without the CA: %v, want a certificate that is not trusted:\n%s", err, out)
	}
}

// install fetches what package-lock.json pins, the Node binary among it, and
// returns that binary. What is in npm's cache is not fetched again.
func install(t *testing.T) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Fatal("npm is missing; `make test-conformance` installs it on Debian")
	}
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	bin, err := filepath.Abs(filepath.Join("node_modules", "node-linux-"+arch, "bin", "node"))
	if err != nil {
		t.Fatal(err)
	}
	locked, err := os.Stat("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	mark, err := os.Stat(filepath.Join("node_modules", ".package-lock.json"))
	if err == nil && mark.ModTime().After(locked.ModTime()) {
		if _, err := os.Stat(bin); err == nil {
			return bin
		}
	}
	cmd := exec.Command(npm, "ci", "--prefer-offline", "--ignore-scripts")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("npm ci did not install the pinned Node: %v", err)
	}
	return bin
}

// engine builds and starts `coffer-engine serve --dev` and returns its
// directory, with uri and ca.crt, once it serves.
func engine(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "coffer-engine")
	build := exec.Command("go", "build", "-o", program, "./engine")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the engine: %v\n%s", err, out)
	}
	dir := t.TempDir()
	cmd := exec.Command(program, "serve", "--dev", "--dir", dir, "--port", strconv.Itoa(freePort(t)))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the engine did not end cleanly on SIGTERM: %v\n%s", err, &out)
			}
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
			t.Errorf("the engine did not end on SIGTERM\n%s", &out)
		}
	})
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if serving(dir) {
			return dir
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the engine ended: %v\n%s", err, &out)
		default:
		}
	}
	t.Fatal("the engine does not serve after 30 s")
	return ""
}

func serving(dir string) bool {
	uri, err := os.ReadFile(filepath.Join(dir, "uri"))
	if err != nil {
		return false
	}
	u, err := url.Parse(strings.TrimSpace(string(uri)))
	if err != nil {
		return false
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return false
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13})
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
