package node_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// audited puts another level in force, as the operator does.
func (m *member) audited(t *testing.T, level acl.Level) {
	t.Helper()
	path := filepath.Join(m.config.Files.Users, "users.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f acl.File
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	f.Audit = &acl.Audit{Level: level, RetentionSeconds: 3600}
	f.Revision += "-" + string(level)
	if data, err = json.Marshal(f); err != nil {
		t.Fatal(err)
	}
	mount(t, m.config.Files.Users, map[string]string{"users.json": string(data)})
	m.waitStatus(t, "the level", func(s adminapi.Status) bool { return s.Audit.Level == string(level) })
}

// TestAuditIsReadByIndex over the admin port; the level changes while the
// member runs, and the records outlive it.
func TestAuditIsReadByIndex(t *testing.T) {
	m := newMember(t)
	w := m.wire(t).auth(t, 1)
	w.send(t, "SET before 1\r\n")
	w.line(t)
	m.audited(t, acl.AuditWrites)
	w = m.wire(t).auth(t, 1)
	w.send(t, "SET shop:1 a\r\n")
	w.line(t)
	m.audited(t, acl.AuditDenied)
	w.send(t, "SET shop:2 a\r\nAUTH default wrong\r\n")
	w.line(t)
	w.line(t)
	m.waitStatus(t, "records", func(s adminapi.Status) bool {
		return s.Audit.NextIndex == 4 && s.Audit.FirstIndex == 1 && s.Audit.Lost == 0
	})
	read := func(after uint64, limit int) (operations []string) {
		t.Helper()
		page, err := m.admin(t, operatorName).Audit(context.Background(), after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			operations = append(operations, r.Operation+" "+r.Decision)
		}
		return operations
	}
	if got := strings.Join(read(0, 100), ", "); got != "login allowed, set allowed, login denied" {
		t.Errorf("records: %s", got)
	}
	if got := read(1, 1); len(got) != 1 || got[0] != "set allowed" {
		t.Errorf("the second: %s", got)
	}
	if _, err := m.admin(t, operatorName).Audit(context.Background(), 0, 5000); err == nil {
		t.Error("a page has no end")
	}
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	if got := read(0, 100); len(got) != 3 {
		t.Errorf("after a restart: %s", got)
	}
}

// TestExpiredUserIsRefusedWithoutTheOperator: the file says until when.
func TestExpiredUserIsRefusedWithoutTheOperator(t *testing.T) {
	m := newMember(t)
	path := filepath.Join(m.config.Files.Users, "users.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f acl.File
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	w := m.wire(t).auth(t, 1)
	f.Users[0].NotAfter = time.Now().Add(time.Second).UTC().Format(time.RFC3339)
	f.Revision = "ends"
	if data, err = json.Marshal(f); err != nil {
		t.Fatal(err)
	}
	mount(t, m.config.Files.Users, map[string]string{"users.json": string(data)})
	w.wantClosed(t, 10*time.Second)
	late := m.wire(t)
	late.send(t, "AUTH default "+password(1)+"\r\n")
	if got := late.line(t); !strings.HasPrefix(got, "-WRONGPASS") {
		t.Errorf("a login afterwards: %s", got)
	}
}
