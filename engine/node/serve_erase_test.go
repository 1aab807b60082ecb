package node_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// TestEraseOverHTTP: what one user left behind, in every state, and nothing of
// others'; recorded without the value.
func TestEraseOverHTTP(t *testing.T) {
	m := jobsMember(t, guardedQueues)
	m.waitStatus(t, "settings", func(s adminapi.Status) bool { return s.Jobs != nil && s.Jobs.SettingsRevision != "" })
	m.audited(t, acl.AuditWrites)
	for _, body := range []string{
		`{"data":{"user":{"id":"u-42","name":"Jane Secret"}}}`, `{"data":{"user":{"id":"u-42","name":"Jane Secret"}},"delay":100000}`,
		`{"data":{"user":{"id":"u-43","name":"John Other"}}}`,
	} {
		must[any](t, m, "producer", "POST", "/queues/emails/jobs", body)
		must[any](t, m, "producer", "POST", "/queues/audit:logs/jobs", body)
	}
	const erase = `{"queue":"*","path":"$.user.id","value":"u-42"`
	for _, tt := range []struct {
		user, body string
		status     int
		says       string
	}{
		{"worker", erase + `}`, http.StatusForbidden, "queue: it matches queues that this user may not erase from"},
		{"worker", `{"queue":"emails","path":"user.id","value":"u-42"}`, http.StatusForbidden, "Erase"},
		{"admin", `{"queue":"*","path":"user.id"}`, http.StatusBadRequest, "value: is missing"},
		{"admin", `{"queue":"*","value":"u-42"}`, http.StatusBadRequest, "path: is missing"},
		{"admin", `{"path":"user.id","value":"u-42"}`, http.StatusBadRequest, "queue: is missing"},
		{"admin", `{"queue":"*","path":"user","value":{}}`, http.StatusBadRequest, "value: must be a JSON string"},
		{"admin", `{"queue":"payments","path":"card.number","value":"4111"}`, http.StatusBadRequest, "queue payments encrypts card.number"},
	} {
		if a := m.ask(t, tt.user, "POST", "/erase", tt.body); a.Status != tt.status || !strings.Contains(a.Error, tt.says) {
			t.Errorf("%s as %s: %d %q, want %d %q", tt.body, tt.user, a.Status, a.Error, tt.status, tt.says)
		}
	}
	if n := must[int](t, m, "admin", "POST", "/erase", `{"queue":"audit:*","path":"user.id","value":"u-42","redact":["user.name"]}`); n != 2 {
		t.Errorf("%d redacted", n)
	}
	if n := must[int](t, m, "admin", "POST", "/erase", `{"queue":"emails","path":"$.user.id","value":"u-42"}`); n != 2 {
		t.Errorf("%d removed", n)
	}
	list := string(m.ask(t, "admin", "GET", "/jobs", "").Data)
	if strings.Contains(list, "Jane") || strings.Count(list, "[REDACTED]") != 4 || strings.Count(list, "John Other") != 4 { // each job stands twice
		t.Errorf("%s", list)
	}
	if page := m.auditText(t); !strings.Contains(page, "ERASE") || strings.Contains(page, "u-42") {
		t.Errorf("the audit log: %s", page)
	}
}

func (m *member) auditText(t *testing.T) string {
	t.Helper()
	page, err := m.admin(t, operatorName).Audit(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
