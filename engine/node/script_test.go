package node_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// script is an EVAL as it is sent.
func script(text string) string { return "EVAL \"" + text + "\" 0\r\n" }

// permit changes the users file, and waits until it is in force.
func (m *member) permit(t *testing.T, change func(f *acl.File)) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(m.config.Files.Users, "users.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f acl.File
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	change(&f)
	f.Revision += "-changed"
	if data, err = json.Marshal(f); err != nil {
		t.Fatal(err)
	}
	mount(t, m.config.Files.Users, map[string]string{"users.json": string(data)})
	m.waitStatus(t, "the rules", func(s adminapi.Status) bool { return s.Credentials.Revision == f.Revision })
}

// TestScriptsAreAudited: what a script runs is recorded as if it had been sent,
// and what it is refused, in a transaction too.
func TestScriptsAreAudited(t *testing.T) {
	m := newMember(t)
	m.permit(t, func(f *acl.File) {
		f.Users[0].Keys = []string{"shop:*"}
		f.Audit = &acl.Audit{Level: acl.AuditWrites, RetentionSeconds: 3600}
	})
	w := m.wire(t).auth(t, 1)
	w.send(t, script("redis.call('get','shop:1') redis.call('set','shop:1',1) return redis.call('set','other',1)")+"MULTI\r\n"+script("return redis.pcall('del','other')")+"EXEC\r\n")
	if got := w.line(t); !strings.HasPrefix(got, "-ERR The user executing the script can't access at least one of the keys") {
		t.Fatal(got)
	}
	for range 3 { // OK, QUEUED, the array's length
		w.line(t)
	}
	if got := w.line(t); !strings.HasPrefix(got, "-ERR The user executing the script can't access at least one of the keys") {
		t.Fatal(got)
	}
	s := m.waitStatus(t, "records", func(s adminapi.Status) bool { return s.Audit.NextIndex == 7 })
	if s.Credentials.Users[0].Denied != 2 {
		t.Errorf("%d were denied", s.Credentials.Users[0].Denied)
	}
	page, err := m.admin(t, operatorName).Audit(context.Background(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range page.Records {
		got = append(got, strings.TrimSpace(r.Operation+" "+r.Decision+" "+strings.Join(r.Keys, " ")))
	}
	want := "login allowed, eval allowed, set allowed shop:1, set denied other, eval allowed, del denied other"
	if strings.Join(got, ", ") != want {
		t.Errorf("records:\n%s\nwant\n%s", strings.Join(got, ", "), want)
	}
}

// TestScriptsPublish: messages go out when the script is through.
func TestScriptsPublish(t *testing.T) {
	m := newMember(t)
	m.permit(t, func(f *acl.File) { f.Users[0].Channels = []string{"news"} })
	listener, w := m.wire(t).auth(t, 1), m.wire(t).auth(t, 1)
	listener.send(t, "SUBSCRIBE news\r\n")
	for range 6 {
		listener.line(t)
	}
	w.send(t, script("redis.call('publish','news','one') redis.call('set','a',1) return redis.call('publish','news','two')")+
		"MULTI\r\n"+script("return redis.call('publish','news','three')")+"EXEC\r\n")
	if got := w.line(t); got != ":0" {
		t.Errorf("PUBLISH answers %s", got)
	}
	for _, message := range []string{"one", "two", "three"} {
		var heard []string
		for range 7 {
			heard = append(heard, listener.line(t))
		}
		if heard[6] != message {
			t.Errorf("heard %q, want %s", heard, message)
		}
	}
}
