package credential

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node/dev"
)

// prepared is a directory with users and certificates.
func prepared(t *testing.T) config.Files {
	t.Helper()
	c, err := dev.Prepare(t.TempDir(), dev.Ports{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Files
}

func open(t *testing.T, files config.Files) (*Watcher, error) {
	t.Helper()
	return Open(Paths{Users: files.Users, ClientTLS: files.ClientTLS, AdminTLS: files.AdminTLS, Keys: files.EncryptionKeys}, slog.New(slog.NewTextHandler(io.Discard, nil)))
}

func put(t *testing.T, path, content string) {
	t.Helper()
	hidden := filepath.Join(filepath.Dir(path), "..new") // as the kubelet's own
	if err := os.WriteFile(hidden, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(hidden, path); err != nil {
		t.Fatal(err)
	}
}

func TestOpenNamesEveryBadFile(t *testing.T) {
	files := prepared(t)
	put(t, filepath.Join(files.Users, "users.json"), `{"version":9}`)
	put(t, filepath.Join(files.AdminTLS, "ca.crt"), "nothing")
	if err := os.Remove(filepath.Join(files.ClientTLS, "tls.key")); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, files)
	for _, want := range []string{"users: users file is of a newer version", "admin certificate: ca.crt holds no certificate", "client certificate:", "tls.key"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

func TestRunTakesUpWhatIsGoodAndReportsWhatIsNot(t *testing.T) {
	files := prepared(t)
	w, err := open(t, files)
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan *Snapshot, 10)
	w.OnChange(func(s *Snapshot) {
		if w.Current() != s {
			t.Error("told of a snapshot that is not in force")
		}
		changes <- s
	})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- w.Run(ctx) }()
	next := func() *Snapshot {
		t.Helper()
		select {
		case s := <-changes:
			return s
		case <-time.After(2 * pollInterval):
			t.Fatal("nothing happened")
			return nil
		}
	}
	first := w.Current()
	path := filepath.Join(files.Users, "users.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, "{")
	if s := next(); s.UsersError == "" || s.Users != first.Users || s.ClientError != "" {
		t.Errorf("bad file: %+v", s)
	}
	put(t, path, strings.Replace(string(good), `"revision":"`, `"revision":"x`, 1))
	if s := next(); s.UsersError != "" || s.Users.Revision() != "x"+first.Users.Revision() || s.Client != first.Client {
		t.Errorf("good file: %+v", s)
	}
	if err := os.Remove(filepath.Join(files.ClientTLS, "tls.crt")); err != nil {
		t.Fatal(err)
	}
	if s := next(); s.ClientError == "" || s.Client != first.Client {
		t.Errorf("removed file: %+v", s)
	}
	put(t, filepath.Join(files.EncryptionKeys, "new"), strings.Repeat("ab", 32)+"\n")
	if s := next(); s.KeysError != "" || len(s.Keys.IDs()) != 2 || s.Keys.Primary() != first.Keys.Primary() {
		t.Errorf("another key: %v, %s", s.Keys.IDs(), s.KeysError)
	}
	put(t, filepath.Join(files.EncryptionKeys, "primary"), "newest")
	if s := next(); s.KeysError == "" || s.Keys.Primary() != first.Keys.Primary() {
		t.Errorf("a primary key that is not there: %+v", s)
	}
	put(t, filepath.Join(files.EncryptionKeys, "primary"), "new")
	if s := next(); s.KeysError != "" || s.Keys.Primary() == first.Keys.Primary() {
		t.Errorf("another primary key: %+v", s)
	}
	settings := filepath.Join(files.Users, "settings.json")
	put(t, settings, `{"version": 1, "revision": "r", "retention": [{"match": "user:*", "maxAgeSeconds": 60}]}`)
	if s := next(); s.SettingsError != "" || s.Settings.Revision != "r" || len(s.Settings.Retention) != 1 {
		t.Errorf("settings: %+v, %s", s.Settings, s.SettingsError)
	}
	put(t, settings, `{"version": 1, "retention": [{"match": "user:*", "maxAgeSeconds": 1}]}`)
	if s := next(); !strings.Contains(s.SettingsError, "settings.json: invalid configuration: retention[0].maxAgeSeconds: 1, must be from 60") || s.Settings.Revision != "r" {
		t.Errorf("bad settings: %+v, %s", s.Settings, s.SettingsError)
	}
	if err := os.Remove(settings); err != nil {
		t.Fatal(err)
	}
	if s := next(); s.SettingsError != "" || s.Settings.Revision != "" || s.Settings.Retention != nil {
		t.Errorf("no settings: %+v, %s", s.Settings, s.SettingsError)
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestReadTakesOneGeneration: files are read from where ..data pointed first.
func TestReadTakesOneGeneration(t *testing.T) {
	dir := t.TempDir()
	for _, generation := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(dir, generation), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, generation, "f"), generation)
	}
	if err := os.Symlink("two", filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "f"), "not behind the link")
	c, err := source{dir: dir, files: []string{"f"}}.read()
	if err != nil || string(c[0].data) != "two" {
		t.Errorf("read %v, %v", c, err)
	}
}
