package differential

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// engine is a connection to the whole engine: TLS, log and disk included.
type engine struct{ *redis }

func (e engine) sweep()       {} // the leader does it ten times a second
func (e engine) checkReplay() {}

// startEngine builds and starts coffer-engine as a laptop user would, and
// connects to it in the given protocol.
func startEngine(t *testing.T, proto int) engine {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "coffer-engine")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/coffer-dev/coffer/engine").CombinedOutput(); err != nil {
		t.Fatalf("build the engine: %v\n%s", err, out)
	}
	state := filepath.Join(dir, "state")
	var log bytes.Buffer
	cmd := exec.Command(program, "serve", "--dev", "--port", "0", "--dir", state)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the engine: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the engine did not stop cleanly: %v\n%s", err, log.String())
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, password, err := dial(state)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			e := engine{&redis{t: t, conn: conn, in: bufio.NewReaderSize(conn, 1<<16)}}
			if raw := e.do(args("AUTH", "default", password)); string(raw) != "+OK\r\n" {
				t.Fatalf("AUTH: %q", raw)
			}
			if proto == 3 {
				e.do(args("HELLO", "3"))
			}
			return e
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			t.Fatalf("the engine did not start: %v\n%s", err, log.String())
		}
	}
}

// dial connects by the uri and ca.crt that the engine wrote into its directory.
func dial(dir string) (conn *tls.Conn, password string, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "uri"))
	if err != nil {
		return nil, "", err
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, "", err
	}
	uri, err := url.Parse(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	password, _ = uri.User.Password()
	conn, err = tls.Dial("tcp", uri.Host, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})
	return conn, password, err
}

// TestWholeEngine is the comparison over TLS, through log and disk.
func TestWholeEngine(t *testing.T) {
	for name, proto := range map[string]int{"RESP2": 2, "RESP3": 3} {
		t.Run(name, func(t *testing.T) {
			p := &pair{t: t, theirs: startRedis(t, proto), ours: startEngine(t, proto)}
			p.script(edgeCases...)
			p.compareState()
			p.script("FLUSHALL")
			p.random(7, 4000)
		})
	}
}
