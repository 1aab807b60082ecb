package controllers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// TestOtherSecretsAreNotKeptInMemory: RBAC cannot select Secrets by label, so
// this is what keeps a cluster's other Secrets out of the operator's memory.
func TestOtherSecretsAreNotKeptInMemory(t *testing.T) {
	found := false
	for o, by := range cacheOptions().ByObject {
		if _, ok := o.(*corev1.Secret); !ok {
			continue
		}
		found = true
		if by.Label == nil || by.Label.Empty() || by.Label.Matches(labels.Set{"app": "somebody's"}) {
			t.Errorf("the cache selects Secrets by %v", by.Label)
		}
		if by.Label != nil && !by.Label.Matches(labels.Set{v1alpha1.LabelWatch: "true"}) {
			t.Errorf("%v does not select what is labelled for us", by.Label)
		}
	}
	if !found {
		t.Error("the cache has no rule for Secrets: it would hold all of them")
	}
}

func TestMetricsAreForAuthenticatedScrapersOverTLS13(t *testing.T) {
	o := metricsOptions(":8443")
	if !o.SecureServing || o.FilterProvider == nil {
		t.Errorf("secure serving %t, with a filter %t", o.SecureServing, o.FilterProvider != nil)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, f := range o.TLSOpts {
		f(c)
	}
	if c.MinVersion != tls.VersionTLS13 {
		t.Errorf("metrics serve TLS %x", c.MinVersion)
	}
}

func TestHealthOverTLS13(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	synced, ctx := make(chan struct{}), t.Context()
	h := &health{address: address, synced: func(ctx context.Context) bool {
		select {
		case <-synced:
			return true
		case <-ctx.Done():
			return false
		}
	}}
	stop, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- h.Start(stop) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // as a kubelet does
	}}
	await(t, "healthz", func() error { return answers(client, address, "/healthz", http.StatusOK, "ok") })
	if err := answers(client, address, "/readyz", http.StatusServiceUnavailable, "caches are not filled yet"); err != nil {
		t.Error(err)
	}
	close(synced)
	await(t, "readyz", func() error { return answers(client, address, "/readyz", http.StatusOK, "ok") })
	_, err = tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}) //nolint:gosec // the point
	if err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.2: %v", err)
	}
	if err := answers(&http.Client{Timeout: 5 * time.Second}, address, "/healthz", http.StatusOK, "ok"); err == nil {
		t.Error("healthz answers without TLS")
	}
}

func answers(c *http.Client, address, path string, code int, text string) error {
	scheme := "https"
	if c.Transport == nil {
		scheme = "http"
	}
	resp, err := c.Get(scheme + "://" + address + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != code || !strings.Contains(string(body), text) {
		return errors.Join(err, fmt.Errorf("%s: %d %q, want %d %q", path, resp.StatusCode, body, code, text))
	}
	return nil
}

func await(t *testing.T, what string, check func() error) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}
