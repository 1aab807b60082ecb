// Package client is the Go client of the engine's admin API, which the
// operator uses to observe members.
package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/engine/adminapi"
)

const (
	requestTimeout = 5 * time.Second
	maxAnswerBytes = 1 << 20
)

// ErrNewerVersion is a member whose answers this client cannot read.
var ErrNewerVersion = errors.New("member speaks a newer version of the admin API")

// Client talks to one member's admin port. It is safe for concurrent use;
// Close gives its connection back.
type Client struct {
	http    *http.Client
	address string
}

// Options say whom to talk to and as whom.
type Options struct {
	Address     string          // host:port
	ServerName  string          // the DNS name in the member's certificate
	Certificate tls.Certificate // the operator's
	Authorities *x509.CertPool  // the instance's CA
}

// New makes a client; it connects with the first request.
func New(o Options) *Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{
			MinVersion:   tls.VersionTLS13,
			ServerName:   o.ServerName,
			RootCAs:      o.Authorities,
			Certificates: []tls.Certificate{o.Certificate},
		},
		MaxConnsPerHost:        2,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 16 << 10,
	}
	return &Client{address: o.Address, http: &http.Client{
		Transport: transport, Timeout: requestTimeout,
		// A member has no reason to send anybody elsewhere: one that was taken
		// over would have the operator ask on its behalf, wherever it can reach.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks the member for its status, and returns the fingerprint of the
// certificate that its admin port showed with it.
func (c *Client) Status(ctx context.Context) (s adminapi.Status, fingerprint string, err error) {
	fingerprint, err = c.get(ctx, "/v1/status", &s, &s.Version)
	return s, fingerprint, err
}

// Audit asks the member for the audit records behind an index, at most limit.
func (c *Client) Audit(ctx context.Context, after uint64, limit int) (p adminapi.AuditPage, err error) {
	_, err = c.get(ctx, fmt.Sprintf("/v1/audit?after=%d&limit=%d", after, limit), &p, &p.Version)
	return p, err
}

// ErrRefused is a change of the group that the member cannot make now; the
// error says why.
var ErrRefused = errors.New("the member refuses")

// Change asks the member to change its group. It returns once the change is on
// its way.
func (c *Client) Change(ctx context.Context, change adminapi.GroupChange) error {
	what := fmt.Sprintf("%s in the group", change.Operation)
	body, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+c.address+"/v1/group", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	reason, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w: %s", what, ErrRefused, strings.TrimSpace(string(reason)))
}

// get reads an answer, which has a version, and returns the fingerprint of the
// certificate that was shown with it.
func (c *Client) get(ctx context.Context, path string, answer any, version *int) (fingerprint string, err error) {
	what := "member " + strings.TrimPrefix(path, "/v1/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.address+path, nil)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s answered %s", what, c.address, resp.Status)
	}
	// Unknown fields of a newer member are fine as long as the version is.
	if err := json.Unmarshal(data, answer); err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if *version > adminapi.Version {
		return "", fmt.Errorf("%w: %d, this client reads up to %d", ErrNewerVersion, *version, adminapi.Version)
	}
	return fingerprintOf(resp.TLS), nil
}

// Fingerprint makes a TLS handshake and returns the SHA-256 of the leaf's DER,
// in lower-case hex, as the server proves to hold its key. The chain is not
// judged: the caller compares the fingerprint with that of the certificate it
// expects, and only the holder of its key can complete the handshake.
func Fingerprint(ctx context.Context, addr, serverName string) (string, error) {
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: requestTimeout},
		Config: &tls.Config{
			MinVersion:         tls.VersionTLS13,
			ServerName:         serverName,
			InsecureSkipVerify: true, //nolint:gosec // see above: compared by fingerprint
		},
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("TLS handshake with %s: %w", addr, err)
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	return fingerprintOf(&state), nil
}

func fingerprintOf(state *tls.ConnectionState) string {
	sum := sha256.Sum256(state.PeerCertificates[0].Raw)
	return hex.EncodeToString(sum[:])
}
