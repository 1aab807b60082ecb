package jobserver_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
)

// TestHandshakesGoOnWhenUsersChange: who is shaking hands when a users file is
// taken up is not disconnected.
func TestHandshakesGoOnWhenUsersChange(t *testing.T) {
	m := start(t)
	raw, err := net.Dial("tcp", m.Addresses().Jobs.String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	time.Sleep(50 * time.Millisecond) // it is accepted, and its first bytes are waited for
	m.users(t, admin, user("another", []string{"*"}, acl.JobWorker))
	ca, err := os.ReadFile(filepath.Join(m.dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	conn := tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13})
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := &client{Conn: conn, t: t, r: bufio.NewReader(conn)}
	c.ok(object{"cmd": "AUTH", "token": token("another")})
}

// TestAWorkerGivesBack what it has the lease of, and puts off nothing else.
func TestAWorkerGivesBack(t *testing.T) {
	m := start(t)
	m.users(t, admin, user("worker", []string{"q"}, acl.JobWorker))
	boss, worker := m.login(t, "admin"), m.login(t, "worker")
	id, other := boss.push("q", 1), boss.push("q", 2)
	lease := worker.pull("q", object{"lease": true})["lease"]
	worker.refused(object{"cmd": "MOVETODELAYED", "id": id, "delay": 0}, "DENIED")
	worker.refused(object{"cmd": "MOVETODELAYED", "id": other, "delay": 0, "lease": lease}, "LEASE")
	worker.ok(object{"cmd": "MOVETODELAYED", "id": id, "delay": 0, "lease": lease})
	worker.refused(object{"cmd": "MOVETODELAYED", "id": id, "delay": 60_000, "lease": lease}, "LEASE")
	worker.pull("q")
	again := worker.pull("q") // behind those that wait
	if number(again["id"]) != id || number(again["attempts"]) != 0 {
		t.Errorf("%v, want job %d with no attempt", again, id)
	}
}
