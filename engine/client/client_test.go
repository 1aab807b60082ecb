package client

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/adminapi"
)

// member answers with a status; mutual TLS is tested with a real one, in
// package node.
func member(t *testing.T, code int, status any) (*Client, *httptest.Server) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/status" {
			t.Errorf("path %s", r.URL.Path)
		}
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(status)
	}))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := New(Options{Address: s.Listener.Addr().String(), ServerName: "example.com", Authorities: roots})
	t.Cleanup(c.Close)
	return c, s
}

func TestStatus(t *testing.T) {
	want := adminapi.Status{Version: adminapi.Version, Member: "kv-0", Ready: true}
	c, _ := member(t, 200, want)
	got, _, err := c.Status(t.Context())
	if err != nil || got.Member != "kv-0" || !got.Ready {
		t.Errorf("got %+v, %v", got, err)
	}
	c, _ = member(t, 200, map[string]any{"version": adminapi.Version + 1})
	if _, _, err := c.Status(t.Context()); !errors.Is(err, ErrNewerVersion) {
		t.Errorf("newer version: %v", err)
	}
	c, _ = member(t, 500, nil)
	if _, _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("failure: %v", err)
	}
	c, _ = member(t, 200, "text")
	if _, _, err := c.Status(t.Context()); err == nil {
		t.Error("nonsense was understood")
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	asked := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(elsewhere.Close)
	c, s := member(t, 200, nil)
	s.Config.Handler = http.RedirectHandler(elsewhere.URL, http.StatusFound)
	if _, _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("a redirect gives %v", err)
	}
	if asked {
		t.Error("a member made the client ask somebody else")
	}
}

func TestFingerprint(t *testing.T) {
	_, s := member(t, 200, nil)
	sum := sha256.Sum256(s.Certificate().Raw)
	got, err := Fingerprint(t.Context(), s.Listener.Addr().String(), "any.name")
	if err != nil || got != hex.EncodeToString(sum[:]) {
		t.Errorf("got %s, %v", got, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if c, err := l.Accept(); err == nil {
			time.Sleep(10 * time.Millisecond)
			_ = c.Close()
		}
	}()
	defer l.Close()
	if _, err := Fingerprint(t.Context(), l.Addr().String(), "any.name"); err == nil {
		t.Error("something without TLS has a fingerprint")
	}
}
