package node_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node"
	"github.com/coffer-dev/coffer/engine/vault"
)

// keyFiles are a mounted key ring; the first number is the primary key's.
func keyFiles(numbers ...byte) map[string]string {
	files := map[string]string{vault.PrimaryFile: fmt.Sprint("k", numbers[0])}
	for _, n := range numbers {
		files[fmt.Sprint("k", n)] = fmt.Sprintf("%064x\n", n)
	}
	return files
}

func keyID(n byte) string {
	key := make([]byte, vault.KeySize)
	key[vault.KeySize-1] = n
	return vault.IDOf(key).String()
}

// TestEncryptionKeyIsRotatedWhileServing: mounted keys are taken up, and the
// status says when an old one may go.
func TestEncryptionKeyIsRotatedWhileServing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	mount(t, dir, keyFiles(1))
	m := newMember(t, func(c *config.Config) { c.Files.EncryptionKeys = dir })
	ctx := context.Background()
	m.audited(t, acl.AuditAll) // whose files hold keys' names
	db := m.redis(t)
	if err := db.Set(ctx, "the-key", "the-value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	under := func(n byte) func(adminapi.Status) bool {
		return func(s adminapi.Status) bool {
			e := s.Encryption
			return e.Primary == keyID(n) && slices.Equal(e.InUse, []string{keyID(n)}) && e.PlainFiles == 0 && e.Error == ""
		}
	}
	m.waitStatus(t, "the first key", under(1))
	mount(t, dir, keyFiles(2, 1))
	m.waitStatus(t, "the second key", under(2))
	mount(t, dir, map[string]string{vault.PrimaryFile: "k3", "k2": fmt.Sprintf("%064x", 2)})
	s := m.waitStatus(t, "a bad ring", func(s adminapi.Status) bool { return s.Encryption.Error != "" })
	if s.Encryption.Primary != keyID(2) || strings.Contains(s.Encryption.Error, "00000") {
		t.Errorf("a bad ring: %+v", s.Encryption)
	}
	mount(t, dir, keyFiles(2))
	m.waitStatus(t, "the first key gone", under(2))
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(m.config.DataDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), "the-key") || strings.Contains(string(data), "the-value") {
			t.Errorf("%s holds what was written", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	m.start(t)
	if page, err := m.admin(t, operatorName).Audit(ctx, 0, 1000); err != nil || !strings.Contains(fmt.Sprint(page.Records), "the-key") {
		t.Errorf("audit records after a restart: %v, %v", page.Records, err)
	}
	if got, err := m.redis(t).Get(ctx, "the-key").Result(); err != nil || got != "the-value" {
		t.Errorf("after a restart: %q, %v", got, err)
	}
}

// TestNoStartWithoutTheKey: the error names the file and the keys.
func TestNoStartWithoutTheKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	mount(t, dir, keyFiles(1))
	m := newMember(t, func(c *config.Config) { c.Files.EncryptionKeys = dir })
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	mount(t, dir, keyFiles(2))
	_, err := node.Start(node.Options{Config: m.config, Member: "kv-0", Version: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	for _, want := range []string{filepath.Join(m.config.DataDir, "wal"), "offset 512", keyID(1), keyID(2)} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}
