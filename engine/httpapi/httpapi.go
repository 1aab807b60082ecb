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
	"slices"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/credential"
)

// Bounds of a request; none has a body.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 60 * time.Second
	maxHeader     = 16 << 10
)

// ErrWrongClient is a client certificate of the instance's CA that is not the
// operator's.
var ErrWrongClient = errors.New("client certificate is not the operator's")

// Admin serves GET /v1/status to a client whose certificate the instance's CA
// signed for exactly operatorName.
func Admin(credentials func() *credential.Snapshot, operatorName string, status func() adminapi.Status, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(status()); err != nil {
			log.Debug("writing the status", "error", err)
		}
	})
	s := server(mux, credentials, log)
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
	return server(mux, credentials, log)
}

func server(handler http.Handler, credentials func() *credential.Snapshot, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           http.MaxBytesHandler(handler, 1),
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
