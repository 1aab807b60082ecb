// Package httpapi is the engine's HTTPS, each part on a port of its own: admin
// (mutual TLS, for the operator alone), and health with metrics.
package httpapi

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/credential"
)

// Bounds of a request.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 60 * time.Second
	maxHeader     = 16 << 10
	maxChange     = 4 << 10 // bytes of a body; no other request has one
	maxPage       = 1_000   // audit records
	defaultPage   = 100
)

// ErrWrongClient is a client certificate of the instance's CA that is not the
// operator's.
var ErrWrongClient = errors.New("client certificate is not the operator's")

// Administered is the member behind the admin port.
type Administered interface {
	Status() adminapi.Status
	// AuditPage are records behind an index, at most limit.
	AuditPage(after uint64, limit int) adminapi.AuditPage
	// ChangeGroup has a change of the group on its way, or says why not.
	ChangeGroup(c adminapi.GroupChange) error
}

// Admin serves GET /v1/status, GET /v1/audit and POST /v1/group to a client whose
// certificate the instance's CA signed for exactly operatorName.
func Admin(credentials func() *credential.Snapshot, operatorName string, member Administered, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			log.Debug("writing an answer", "error", err)
		}
	}
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { answer(w, member.Status()) })
	var reading sync.Mutex // one page at a time: each may have a whole file in memory
	mux.HandleFunc("GET /v1/audit", func(w http.ResponseWriter, r *http.Request) {
		after, limit, err := page(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		reading.Lock()
		defer reading.Unlock()
		answer(w, member.AuditPage(after, limit))
	})
	mux.HandleFunc("POST /v1/group", func(w http.ResponseWriter, r *http.Request) {
		var change adminapi.GroupChange
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&change); err != nil {
			http.Error(w, "the body: "+err.Error(), http.StatusBadRequest)
			return
		}
		if err := member.ChangeGroup(change); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	s := server(http.MaxBytesHandler(mux, maxChange), credentials, log)
	base := s.TLSConfig.GetConfigForClient
	s.TLSConfig.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, err := base(hello)
		if err != nil {
			return nil, err
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.ClientCAs = credentials().Authorities.Pool
		c.VerifyConnection = func(state tls.ConnectionState) error {
			return verifyName(state, operatorName)
		}
		return c, nil
	}
	return s
}

// page reads which audit records are asked for.
func page(query url.Values) (after uint64, limit int, err error) {
	limit = defaultPage
	if text := query.Get("after"); text != "" {
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return 0, 0, fmt.Errorf("after: %.40q, must be a record's index", text)
		}
	}
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxPage {
			return 0, 0, fmt.Errorf("limit: %.40q, must be from 1 to %d", text, maxPage)
		}
	}
	return after, limit, nil
}

func verifyName(state tls.ConnectionState, operatorName string) error {
	if len(state.PeerCertificates) == 0 || !slices.Contains(state.PeerCertificates[0].DNSNames, operatorName) {
		return fmt.Errorf("%w: it must be for %q", ErrWrongClient, operatorName)
	}
	return nil
}

// Health serves /healthz and /readyz to everybody, and /metrics to bearers of
// a token of the users file. ready returns nil, or why the member is not.
func Health(credentials func() *credential.Snapshot, ready func() error, metrics http.Handler, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || !credentials().Users.VerifyToken(token) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="coffer metrics"`)
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		metrics.ServeHTTP(w, r)
	})
	return server(http.MaxBytesHandler(mux, 1), credentials, log)
}

func server(handler http.Handler, credentials func() *credential.Snapshot, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(debugWriter{logger}, "", 0),
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return &tls.Config{
					MinVersion:             tls.VersionTLS13,
					SessionTicketsDisabled: true,
					NextProtos:             []string{"http/1.1"}, // nothing here needs HTTP/2 and its attack surface
					Certificates:           []tls.Certificate{*credentials().Admin.TLS},
				}, nil
			},
		},
	}
}

// debugWriter keeps what strangers provoke (failed handshakes) out of the log
// but for debugging.
type debugWriter struct{ log *slog.Logger }

func (w debugWriter) Write(p []byte) (int, error) {
	w.log.Debug(strings.TrimSpace(string(p)))
	return len(p), nil
}
