package httpapi_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/credential"
	"github.com/coffer-dev/coffer/engine/httpapi"
	"github.com/coffer-dev/coffer/engine/node/dev"
)

// serve runs the health port on a directory's credentials. What needs the
// operator's certificate is tested with the whole member, in package node.
func serve(t *testing.T, ready func() error) (url, token string, roots *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	c, err := dev.Prepare(dir, dev.Ports{})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	w, err := credential.Open(credential.Paths{Users: c.Files.Users, ClientTLS: c.Files.ClientTLS, AdminTLS: c.Files.AdminTLS}, log)
	if err != nil {
		t.Fatal(err)
	}
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "numbers") })
	s := httpapi.Health(w.Current, ready, metrics, log)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(tls.NewListener(l, s.TLSConfig)) }()
	t.Cleanup(func() { _ = s.Close() })
	secret, err := os.ReadFile(filepath.Join(dir, "password"))
	if err != nil {
		t.Fatal(err)
	}
	return "https://" + l.Addr().String(), strings.TrimSpace(string(secret)), w.Current().Authorities.Pool
}

func TestHealth(t *testing.T) {
	url, token, roots := serve(t, func() error { return errors.New("replaying the log") })
	client := &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}},
	}
	defer client.CloseIdleConnections()
	tests := []struct {
		method, path, authorization string
		code                        int
		body                        string
	}{
		{"GET", "/healthz", "", 200, "ok"},
		{"GET", "/readyz", "", 503, "replaying the log"},
		{"GET", "/metrics", "", 401, "bearer"},
		{"GET", "/metrics", "Bearer wrong", 401, "bearer"},
		{"GET", "/metrics", "Basic " + token, 401, "bearer"},
		{"GET", "/metrics", "Bearer " + token, 200, "numbers"},
		{"POST", "/healthz", "", 405, ""},
		{"GET", "/debug/pprof/", "", 404, ""},
		{"GET", "/v1/status", "", 404, ""},
	}
	for _, tt := range tests {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, url+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", tt.authorization)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != tt.code || !strings.Contains(string(body), tt.body) {
			t.Errorf("%s %s (%s): %d %q, want %d %q", tt.method, tt.path, tt.authorization, resp.StatusCode, body, tt.code, tt.body)
		}
	}
}

func TestHealthRefusesOldTLS(t *testing.T) {
	url, _, roots := serve(t, func() error { return nil })
	_, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS12}) //nolint:gosec // the point
	if err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("got %v", err)
	}
}
