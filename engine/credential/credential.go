// Package credential watches the mounted secret files (users, certificates,
// authorities) and publishes what they hold as immutable snapshots. A file
// that cannot be taken up leaves the previous content in force and says why,
// without showing what is in it.
package credential

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/coffer-dev/coffer/engine/acl"
)

const (
	// pollInterval finds what the file system did not announce.
	pollInterval = 5 * time.Second
	// settle lets a burst of events (the kubelet renames, links and removes)
	// become one reload.
	settle       = 20 * time.Millisecond
	maxFileBytes = 1 << 20
)

// Paths are the mounted directories.
type Paths struct {
	Users     string // users.json
	ClientTLS string // tls.crt, tls.key
	AdminTLS  string // tls.crt, tls.key, ca.crt
}

// Certificate is a key pair with what others want to know of it.
type Certificate struct {
	TLS         *tls.Certificate
	Fingerprint string // SHA-256 of the leaf's DER, lower-case hex
	NotAfter    time.Time
	// Authorities of ca.crt, for the admin port only.
	Authorities *x509.CertPool
}

// Snapshot is what is in force. The errors say why a newer content is not.
type Snapshot struct {
	Users       *acl.Users
	Client      *Certificate
	Admin       *Certificate
	UsersError  string
	ClientError string
	AdminError  string
}

// Watcher holds the current Snapshot.
type Watcher struct {
	paths   Paths
	log     *slog.Logger
	current atomic.Pointer[Snapshot]

	mu       sync.Mutex // one reload at a time
	seen     [3][sha256.Size]byte
	onChange []func(*Snapshot)
}

// Open reads every file once; here, at start, a bad one is an error.
func Open(paths Paths, log *slog.Logger) (*Watcher, error) {
	w := &Watcher{paths: paths, log: log}
	s := &Snapshot{}
	var err error
	for i, source := range w.sources() {
		content, readErr := source.read()
		if readErr == nil {
			readErr = source.take(s, content)
		}
		if readErr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", source.name, readErr))
		}
		w.seen[i] = content.sum()
	}
	if err != nil {
		return nil, err
	}
	w.current.Store(s)
	return w, nil
}

// Current is the snapshot in force.
func (w *Watcher) Current() *Snapshot { return w.current.Load() }

// OnChange has f called, with the snapshot already in force, after each
// change. It must be called before Run.
func (w *Watcher) OnChange(f func(*Snapshot)) { w.onChange = append(w.onChange, f) }

// Run watches until the context ends.
func (w *Watcher) Run(ctx context.Context) error {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch credentials: %w", err)
	}
	defer events.Close()
	for _, dir := range []string{w.paths.Users, w.paths.ClientTLS, w.paths.AdminTLS} {
		// The directory, not the file: the kubelet replaces a symbolic link.
		if err := events.Add(dir); err != nil {
			return fmt.Errorf("watch %s: %w", dir, err)
		}
	}
	w.reload() // what changed between Open and Add
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-events.Events:
			settled = time.After(settle)
		case err := <-events.Errors:
			w.log.Warn("watching credentials", "error", err)
			settled = time.After(settle)
		case <-settled:
			settled = nil
			w.reload()
		case <-poll.C:
			w.reload()
		}
	}
}

// reload takes up what has changed.
func (w *Watcher) reload() {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := *w.current.Load()
	changed := false
	for i, source := range w.sources() {
		content, err := source.read()
		sum := content.sum()
		if err == nil && sum == w.seen[i] {
			continue
		}
		if err == nil {
			err = source.take(&next, content)
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		if sum == w.seen[i] && text == *source.problem(&next) {
			continue
		}
		w.seen[i] = sum
		*source.problem(&next) = text
		changed = true
		if err != nil {
			w.log.Error("credentials not taken up, the previous ones stay in force", "file", source.name, "error", err)
		} else {
			w.log.Info("credentials taken up", "file", source.name)
		}
	}
	if !changed {
		return
	}
	w.current.Store(&next)
	for _, f := range w.onChange {
		f(&next)
	}
}

// A source is a directory's part in the snapshot.
type source struct {
	name    string
	dir     string
	files   []string
	take    func(*Snapshot, content) error
	problem func(*Snapshot) *string
}

// content is what a source's files hold, in their order.
type content [][]byte

func (c content) sum() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, file := range c {
		fmt.Fprintf(h, "%d:", len(file))
		h.Write(file)
	}
	h.Sum(sum[:0])
	return sum
}

func (w *Watcher) sources() [3]source {
	return [3]source{
		{"users", w.paths.Users, []string{"users.json"}, takeUsers, func(s *Snapshot) *string { return &s.UsersError }},
		{"client certificate", w.paths.ClientTLS, []string{"tls.crt", "tls.key"}, takeClient, func(s *Snapshot) *string { return &s.ClientError }},
		{"admin certificate", w.paths.AdminTLS, []string{"tls.crt", "tls.key", "ca.crt"}, takeAdmin, func(s *Snapshot) *string { return &s.AdminError }},
	}
}

// read reads the files of one mount. Behind the kubelet's ..data link they
// come from the same generation, even if the link moves meanwhile.
func (s source) read() (content, error) {
	dir := s.dir
	if target, err := os.Readlink(filepath.Join(dir, "..data")); err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		dir = target
	}
	c := make(content, len(s.files))
	for i, name := range s.files {
		data, err := readFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		c[i] = data
	}
	return c, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFileBytes)
	}
	return data, nil
}

func takeUsers(s *Snapshot, c content) error {
	users, err := acl.Parse(c[0])
	if err != nil {
		return err
	}
	s.Users = users
	return nil
}

func takeClient(s *Snapshot, c content) error {
	cert, err := keyPair(c[0], c[1])
	if err != nil {
		return err
	}
	s.Client = cert
	return nil
}

func takeAdmin(s *Snapshot, c content) error {
	cert, err := keyPair(c[0], c[1])
	if err != nil {
		return err
	}
	cert.Authorities = x509.NewCertPool()
	if !cert.Authorities.AppendCertsFromPEM(c[2]) {
		return errors.New("ca.crt holds no certificate")
	}
	s.Admin = cert
	return nil
}

func keyPair(certificate, key []byte) (*Certificate, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("tls.crt and tls.key: %w", err)
	}
	sum := sha256.Sum256(pair.Leaf.Raw)
	return &Certificate{TLS: &pair, Fingerprint: hex.EncodeToString(sum[:]), NotAfter: pair.Leaf.NotAfter}, nil
}
