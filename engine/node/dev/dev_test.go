package dev

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrepareKeepsWhatIsThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's here")
	read := func() map[string]string {
		t.Helper()
		if _, err := Prepare(dir, Ports{}); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{}
		for _, name := range []string{"password", "ca.crt", "ca.key", "tls/client/tls.crt", "tls/admin/tls.key", "users/users.json", "keys/primary", "keys/dev"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(data)
		}
		return files
	}
	first, second := read(), read()
	for name := range first {
		if first[name] != second[name] {
			t.Errorf("%s changed", name)
		}
	}
	for _, secret := range []string{"password", "token", "ca.key", "tls/client/tls.key", "users/users.json", "keys/dev"} {
		if info, err := os.Stat(filepath.Join(dir, secret)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", secret, info.Mode(), err)
		}
	}
	if strings.Contains(first["users/users.json"], strings.TrimSpace(first["password"])) {
		t.Error("users.json holds the password")
	}
}

func TestAnnounceDoesNotShowThePassword(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's here")
	if _, err := Prepare(dir, Ports{}); err != nil {
		t.Fatal(err)
	}
	line, err := Announce(dir, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6379}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6789}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6790})
	if err != nil {
		t.Fatal(err)
	}
	password, _ := os.ReadFile(filepath.Join(dir, "password"))
	if strings.Contains(line, strings.TrimSpace(string(password))) || !strings.Contains(line, `redis-cli --tls --cacert '`) || !strings.Contains(line, `it'\''s`) {
		t.Errorf("line: %s", line)
	}
	token, err := os.ReadFile(filepath.Join(dir, "token"))
	if err != nil || string(token) != string(password) || !strings.Contains(line, "\njobs: 127.0.0.1:6789 and https://127.0.0.1:6790, token in '") {
		t.Errorf("token: %v, line: %s", err, line)
	}
	uri, err := os.ReadFile(filepath.Join(dir, "uri"))
	if err != nil || !strings.HasPrefix(string(uri), "rediss://default:"+strings.TrimSpace(string(password))+"@127.0.0.1:6379") {
		t.Errorf("uri: %q, %v", uri, err)
	}
}

func TestPrepareRefusesAWeakPassword(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Prepare(dir, Ports{}); err == nil || !strings.Contains(err.Error(), "at least 32 characters") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}
