package node_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/config"
)

// jobUsers are the users of a member that serves jobs, and what they may do with
// every queue.
var jobUsers = map[string][]string{
	"producer":  acl.JobProducer,
	"worker":    acl.JobWorker,
	"decrypter": append(slices.Clone(acl.JobWorker), "Decrypt"),
	"admin":     acl.JobAdmin,
}

func jobToken(user string) string { return user + "-token-of-more-than-thirty-two-characters" }

// writeJobUsers writes the users file with all of them but some.
func writeJobUsers(t *testing.T, dir, revision string, but ...string) {
	t.Helper()
	writeJobUsersWith(t, dir, revision, nil, but...)
}

// writeJobUsersWith gives some of them quotas.
func writeJobUsersWith(t *testing.T, dir, revision string, quotas map[string]*acl.Quota, but ...string) {
	t.Helper()
	f := acl.File{Version: acl.JobsFileVersion, Revision: revision}
	for name, operations := range jobUsers {
		if slices.Contains(but, name) {
			continue
		}
		sum := sha256.Sum256([]byte(jobToken(name)))
		f.Users = append(f.Users, acl.User{
			Name: name, Verifiers: []acl.Verifier{{Generation: 1, SHA256: hex.EncodeToString(sum[:])}},
			Jobs: []acl.JobRule{{Queues: []string{"*"}, Operations: operations}}, Quota: quotas[name],
		})
	}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	mount(t, dir, map[string]string{"users.json": string(data)})
}

// jobsMember is a member that serves jobs, with encryption keys and users.
func jobsMember(t *testing.T, settings string) *member {
	t.Helper()
	dir := t.TempDir()
	mount(t, filepath.Join(dir, "keys"), keyFiles(1))
	mount(t, filepath.Join(dir, "queues"), map[string]string{"queues.json": settings})
	m := newMember(t, func(c *config.Config) {
		c.Listen.Jobs, c.Listen.JobsHTTP = "127.0.0.1:0", "127.0.0.1:0"
		c.Files.EncryptionKeys, c.Files.Queues = filepath.Join(dir, "keys"), filepath.Join(dir, "queues")
	})
	writeJobUsers(t, m.config.Files.Users, "jobs")
	m.waitStatus(t, "users", func(s adminapi.Status) bool { return s.Credentials.Revision == "jobs" })
	return m
}

// answer is that of the port for jobs over HTTPS.
type answer struct {
	Status int
	OK     bool            `json:"ok"`
	Data   json.RawMessage `json:"data"`
	Error  string          `json:"error"`
	Code   string          `json:"code"`
}

func (m *member) http(t *testing.T) *http.Client {
	t.Helper()
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: m.tls()}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// ask sends a request of a user's.
func (m *member) ask(t *testing.T, user, method, path, body string) (a answer) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://"+m.Addresses().JobsHTTP.String()+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+jobToken(user))
	resp, err := m.http(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("%s %s: %d %q", method, path, resp.StatusCode, text)
	}
	a.Status = resp.StatusCode
	return a
}

// must is ask of what must be carried out, whose data it reads.
func must[T any](t *testing.T, m *member, user, method, path, body string) (data T) {
	t.Helper()
	a := m.ask(t, user, method, path, body)
	if a.Status != http.StatusOK || !a.OK {
		t.Fatalf("%s %s as %s: %d %s", method, path, user, a.Status, a.Error)
	}
	if err := json.Unmarshal(a.Data, &data); err != nil {
		t.Fatalf("%s %s: %s: %v", method, path, a.Data, err)
	}
	return data
}

// pulled is a job as it is pulled.
type pulled struct {
	ID    uint64          `json:"id"`
	Data  json.RawMessage `json:"data"`
	Lease string          `json:"lease"`
}
