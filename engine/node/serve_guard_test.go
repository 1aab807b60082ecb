package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/config"
)

const guardedQueues = `{"version":1,"queues":[
	{"name":"payments","encryptFields":["card.number"],"schema":{"type":"object","required":["amount"],"properties":{"amount":{"type":"number","exclusiveMinimum":0}}}}
]}`

// onVolume lists the files in which a text stands.
func onVolume(t *testing.T, dir, text string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // it was removed meanwhile
		}
		data, _ := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestEncryptedFieldsAreForDecryptersAlone: wherever a job is seen.
func TestEncryptedFieldsAreForDecryptersAlone(t *testing.T) {
	m := jobsMember(t, guardedQueues)
	m.waitStatus(t, "settings", func(s adminapi.Status) bool { return s.Jobs != nil && s.Jobs.SettingsRevision != "" })
	const data = `{"amount": 12.5, "card": {"number": "4111-secret", "name": "Jane"}}`
	push := must[struct{ ID uint64 }](t, m, "producer", "POST", "/queues/payments/jobs", `{"data":`+data+`}`)
	path := fmt.Sprintf("/jobs/%d", push.ID)
	clear := func(what string, text []byte) {
		t.Helper()
		if !bytes.Contains(text, []byte("4111-secret")) || bytes.Contains(text, []byte("$encrypted")) {
			t.Errorf("%s: %s", what, text)
		}
	}
	hidden := func(what string, text []byte) {
		t.Helper()
		if bytes.Contains(text, []byte("4111-secret")) || !bytes.Contains(text, []byte("$encrypted")) || !bytes.Contains(text, []byte("Jane")) {
			t.Errorf("%s: %s", what, text)
		}
	}
	for user, see := range map[string]func(string, []byte){"producer": hidden, "worker": hidden, "decrypter": clear, "admin": clear} {
		see("get as "+user, m.ask(t, user, "GET", path, "").Data)
		see("list as "+user, m.ask(t, user, "GET", "/jobs?queue=payments", "").Data)
	}
	// Who may not decrypt changes something else, and sends the field back.
	var seen struct {
		Data map[string]any `json:"data"`
	}
	if err := json.Unmarshal(m.ask(t, "worker", "GET", path, "").Data, &seen); err != nil {
		t.Fatal(err)
	}
	seen.Data["amount"] = 13
	back, _ := json.Marshal(map[string]any{"data": seen.Data})
	must[any](t, m, "admin", "PUT", path+"/data", string(back))
	if got := m.ask(t, "admin", "GET", path, "").Data; !bytes.Contains(got, []byte(`"amount":13`)) || !bytes.Contains(got, []byte("4111-secret")) {
		t.Errorf("updated: %s", got)
	}
	jobs := must[[]pulled](t, m, "worker", "GET", "/queues/payments/jobs", "")
	hidden("pull as worker", jobs[0].Data)
	must[any](t, m, "worker", "POST", path+"/fail", fmt.Sprintf(`{"lease":%q,"error":"again"}`, jobs[0].Lease))
	must[any](t, m, "admin", "POST", path+"/promote", "")
	clear("pull as decrypter", must[[]pulled](t, m, "decrypter", "GET", "/queues/payments/jobs?timeout=1000", "")[0].Data)
	// A pull that waits is answered elsewhere.
	waits := make(chan []pulled, 2)
	for user, see := range map[string]func(string, []byte){"worker": hidden, "decrypter": clear} {
		go func() { waits <- must[[]pulled](t, m, user, "GET", "/queues/payments/jobs?timeout=10000", "") }()
		time.Sleep(100 * time.Millisecond) // it waits by now
		must[any](t, m, "producer", "POST", "/queues/payments/jobs", `{"data":`+data+`}`)
		see("pull that waits as "+user, (<-waits)[0].Data)
	}
	if paths := onVolume(t, m.config.DataDir, "4111-secret"); len(paths) > 0 {
		t.Errorf("in clear in %s", paths)
	}
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	clear("after a restart", m.ask(t, "admin", "GET", path, "").Data)
}

// TestDataIsHeldToItsSchema however it comes.
func TestDataIsHeldToItsSchema(t *testing.T) {
	m := jobsMember(t, guardedQueues)
	m.waitStatus(t, "settings", func(s adminapi.Status) bool { return s.Jobs != nil && s.Jobs.SettingsRevision != "" })
	job := must[struct{ ID uint64 }](t, m, "admin", "POST", "/queues/payments/jobs", `{"data":{"amount":1}}`)
	other := must[struct{ ID uint64 }](t, m, "admin", "POST", "/queues/other/jobs", `{"data":{"amount":0}}`)
	for _, tt := range []struct{ method, path, body, want string }{
		{"POST", "/queues/payments/jobs", `{"data":{"amount":0}}`, "data.amount: must be more than 0, as the queue's schema says"},
		{"POST", "/queues/payments/jobs/batch", `{"jobs":[{"data":{"amount":1}},{"data":{}}]}`, "jobs[1].data: must have the property amount, as the queue's schema says"},
		{"POST", "/flows", `{"queue":"other","data":1,"children":[{"queue":"payments","data":{"amount":"x"}}]}`, "children[0].data.amount: is of type string, must be number, as the queue's schema says"},
		{"POST", "/flows", `{"queue":"payments","data":7,"children":[{"queue":"other","data":1}]}`, "data: is of type number, must be object, as the queue's schema says"},
		{"POST", "/crons/nightly", `{"queue":"payments","schedule":"0 0 3 * * *","data":{}}`, "data: must have the property amount, as the queue's schema says"},
		{"PUT", fmt.Sprintf("/jobs/%d/data", job.ID), `{"data":{"amount":-1}}`, "data.amount: must be more than 0, as the queue's schema says"},
	} {
		if a := m.ask(t, "admin", tt.method, tt.path, tt.body); a.Status != http.StatusBadRequest || a.Error != tt.want || a.Code != "INVALID" {
			t.Errorf("%s %s: %d %q, want %q", tt.method, tt.path, a.Status, a.Error, tt.want)
		}
	}
	must[any](t, m, "admin", "PUT", fmt.Sprintf("/jobs/%d/data", other.ID), `{"data":{"amount":-1}}`)
	if counts := must[map[string]int](t, m, "admin", "GET", "/queues/payments/counts", ""); counts["waiting"] != 1 {
		t.Errorf("%v", counts)
	}
}

// TestBadSettingsKeepTheOldOnes: the file is refused as a whole, with the name
// of the queue.
func TestBadSettingsKeepTheOldOnes(t *testing.T) {
	m := jobsMember(t, guardedQueues)
	before := m.waitStatus(t, "settings", func(s adminapi.Status) bool { return s.Jobs != nil && s.Jobs.SettingsRevision != "" })
	for _, tt := range []struct{ settings, want string }{
		{`{"version":1,"revision":"mine","queues":[{"name":"new"},{"name":"emails","schema":{"type":"strin"}}]}`, "queues[1].schema: of queue emails: type"},
		{`{"version":1,"queues":[{"name":"emails","encryptFields":["a","a.b"]}]}`, "queues[0].encryptFields: of queue emails"},
	} {
		mount(t, m.config.Files.Queues, map[string]string{"queues.json": tt.settings})
		s := m.waitStatus(t, "the error", func(s adminapi.Status) bool { return strings.Contains(s.Jobs.Error, tt.want) })
		if s.Jobs.SettingsRevision != before.Jobs.SettingsRevision || len(s.Jobs.Queues) != 1 || (s.Jobs.ErrorRevision == "mine") != strings.Contains(tt.settings, "mine") {
			t.Errorf("%+v", s.Jobs)
		}
	}
	if a := m.ask(t, "producer", "POST", "/queues/payments/jobs", `{"data":{}}`); a.Status != http.StatusBadRequest {
		t.Errorf("%+v", a)
	}
	mount(t, m.config.Files.Queues, map[string]string{"queues.json": `{"version":1,"queues":[{"name":"payments","schema":true}]}`})
	m.waitStatus(t, "good ones", func(s adminapi.Status) bool {
		return s.Jobs.Error == "" && s.Jobs.SettingsRevision != before.Jobs.SettingsRevision
	})
	must[any](t, m, "producer", "POST", "/queues/payments/jobs", `{"data":{}}`)
}

// TestEncryptFieldsNeedsAKeyRing.
func TestEncryptFieldsNeedsAKeyRing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queues")
	mount(t, dir, map[string]string{"queues.json": guardedQueues})
	m := newMember(t, func(c *config.Config) { c.Listen.Jobs, c.Files.Queues = "127.0.0.1:0", dir })
	m.waitStatus(t, "the error", func(s adminapi.Status) bool {
		return s.Jobs != nil && strings.Contains(s.Jobs.Error, "of queue payments: needs the encryption of the instance") && s.Jobs.SettingsRevision == ""
	})
}

// TestQueueKeysOutliveTheirWrapping: the ring's first key is dropped when the
// status says that nothing needs it.
func TestQueueKeysOutliveTheirWrapping(t *testing.T) {
	m := jobsMember(t, guardedQueues)
	m.waitStatus(t, "settings", func(s adminapi.Status) bool { return s.Jobs != nil && s.Jobs.SettingsRevision != "" })
	job := must[struct{ ID uint64 }](t, m, "producer", "POST", "/queues/payments/jobs", `{"data":{"amount":1,"card":{"number":"secret"}}}`)
	mount(t, m.config.Files.EncryptionKeys, keyFiles(2, 1))
	m.waitStatus(t, "the second key", func(s adminapi.Status) bool { return slices.Equal(s.Encryption.InUse, []string{keyID(2)}) })
	mount(t, m.config.Files.EncryptionKeys, keyFiles(2))
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	if got := m.ask(t, "decrypter", "GET", fmt.Sprintf("/jobs/%d", job.ID), "").Data; !bytes.Contains(got, []byte(`"number":"secret"`)) {
		t.Errorf("%s", got)
	}
}
