// Package credential watches the mounted files (users, certificates,
// authorities, encryption keys, declared queues, settings) and publishes what they hold as immutable snapshots. A file
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
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/vault"
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
	Users     string // users.json; authorities.pem and settings.json, which may be missing
	ClientTLS string // tls.crt, tls.key
	AdminTLS  string // tls.crt, tls.key, ca.crt
	Keys      string // the key ring of package vault; may be empty
	Queues    string // queues.json; may be empty
}

// Certificate is a key pair with what others want to know of it.
type Certificate struct {
	TLS         *tls.Certificate
	Fingerprint string // SHA-256 of the leaf's DER, lower-case hex
	NotAfter    time.Time
	// Authorities of ca.crt, for the admin port only.
	Authorities []*x509.Certificate
}

// Snapshot is what is in force. The errors say why a newer content is not.
type Snapshot struct {
	Users            *acl.Users
	Client           *Certificate
	Admin            *Certificate
	Authorities      *Authorities
	Keys             *vault.Ring // nil without a directory for it
	UsersError       string
	ClientError      string
	AdminError       string
	AuthoritiesError string
	KeysError        string
	// Queues is queues.json as it is; nil without one. Who puts it in force reads
	// it.
	Queues      []byte
	QueuesError string
	// Settings are without anything when there is no file of them.
	Settings      config.Settings
	SettingsError string

	bundle []*x509.Certificate // of authorities.pem
}

// Watcher holds the current Snapshot.
type Watcher struct {
	paths   Paths
	log     *slog.Logger
	current atomic.Pointer[Snapshot]

	mu       sync.Mutex // one reload at a time
	seen     [sourceCount][sha256.Size]byte
	onChange []func(*Snapshot)
}

// Open reads every file once; here, at start, a bad one is an error, unless it
// may be missing.
func Open(paths Paths, log *slog.Logger) (*Watcher, error) {
	w := &Watcher{paths: paths, log: log}
	s := &Snapshot{}
	var err error
	for i, source := range w.sources() {
		content, readErr := source.read()
		if readErr == nil {
			readErr = source.take(s, content)
		}
		switch {
		case readErr == nil:
		case source.optional:
			*source.problem(s) = readErr.Error()
			log.Error("credentials not taken up", "file", source.name, "error", readErr)
		default:
			err = errors.Join(err, fmt.Errorf("%s: %w", source.name, readErr))
		}
		w.seen[i] = content.sum()
	}
	if err != nil {
		return nil, err
	}
	s.trust()
	w.current.Store(s)
	return w, nil
}

// Current is the snapshot in force.
func (w *Watcher) Current() *Snapshot { return w.current.Load() }

// OnChange has f called, with the snapshot already in force, after each change
// that comes from now on. What was in force before is Current's: who registers
// while the files are watched looks at it then.
func (w *Watcher) OnChange(f func(*Snapshot)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onChange = append(w.onChange, f)
}

// Run watches until the context ends.
func (w *Watcher) Run(ctx context.Context) error {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch credentials: %w", err)
	}
	defer events.Close()
	for _, source := range w.sources() {
		// The directory, not the file: the kubelet replaces a symbolic link.
		if err := events.Add(source.dir); err != nil {
			return fmt.Errorf("watch %s: %w", source.dir, err)
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
	next.trust()
	w.current.Store(&next)
	for _, f := range w.onChange {
		f(&next)
	}
}

// A source is a directory's part in the snapshot.
type source struct {
	name     string
	dir      string
	files    []string // all that the directory holds when empty
	take     func(*Snapshot, content) error
	problem  func(*Snapshot) *string
	optional bool // without a file its content is empty
}

// file is one of a source's files.
type file struct {
	name string
	data []byte
}

// content is what a source's files hold, in their order.
type content []file

func (c content) sum() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, file := range c {
		fmt.Fprintf(h, "%q:%d:", file.name, len(file.data))
		h.Write(file.data)
	}
	h.Sum(sum[:0])
	return sum
}

// sourceCount bounds the sources.
const sourceCount = 7

func (w *Watcher) sources() []source {
	sources := []source{
		{name: "users", dir: w.paths.Users, files: []string{"users.json"}, take: takeUsers, problem: func(s *Snapshot) *string { return &s.UsersError }},
		{name: "client certificate", dir: w.paths.ClientTLS, files: []string{"tls.crt", "tls.key"}, take: takeClient, problem: func(s *Snapshot) *string { return &s.ClientError }},
		{name: "admin certificate", dir: w.paths.AdminTLS, files: []string{"tls.crt", "tls.key", "ca.crt"}, take: takeAdmin, problem: func(s *Snapshot) *string { return &s.AdminError }},
		{name: "authorities", dir: w.paths.Users, files: []string{authoritiesFile}, take: takeAuthorities, problem: func(s *Snapshot) *string { return &s.AuthoritiesError }, optional: true},
		{name: "settings", dir: w.paths.Users, files: []string{"settings.json"}, take: takeSettings, problem: func(s *Snapshot) *string { return &s.SettingsError }, optional: true},
	}
	if w.paths.Keys != "" {
		sources = append(sources, source{name: "encryption keys", dir: w.paths.Keys, take: takeKeys, problem: func(s *Snapshot) *string { return &s.KeysError }})
	}
	if w.paths.Queues != "" {
		sources = append(sources, source{name: "queues", dir: w.paths.Queues, files: []string{"queues.json"}, take: takeQueues, problem: func(s *Snapshot) *string { return &s.QueuesError }, optional: true})
	}
	return sources
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
	names := s.files
	if len(names) == 0 {
		entries, err := os.ReadDir(dir) // sorted
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), "..") { // the kubelet's own
				names = append(names, e.Name())
			}
		}
	}
	c := make(content, 0, len(names))
	for _, name := range names {
		data, err := readFile(filepath.Join(dir, name))
		if s.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c = append(c, file{name, data})
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
	users, err := acl.Parse(c[0].data)
	if err != nil {
		return err
	}
	s.Users = users
	return nil
}

func takeClient(s *Snapshot, c content) error {
	cert, err := keyPair(c[0].data, c[1].data)
	if err != nil {
		return err
	}
	s.Client = cert
	return nil
}

func takeAdmin(s *Snapshot, c content) error {
	cert, err := keyPair(c[0].data, c[1].data)
	if err != nil {
		return err
	}
	if cert.Authorities, err = authorities(c[2]); err != nil {
		return err
	}
	s.Admin = cert
	return nil
}

func takeKeys(s *Snapshot, c content) error {
	files := make(map[string][]byte, len(c))
	for _, f := range c {
		files[f.name] = f.data
	}
	keys, err := vault.Parse(files)
	if err != nil {
		return err
	}
	s.Keys = keys
	return nil
}

func takeQueues(s *Snapshot, c content) error {
	if len(c) == 0 { // what is in force stays
		return nil
	}
	if _, err := queue.ParseSettings(c[0].data); err != nil {
		return fmt.Errorf("queues.json: %w", err)
	}
	s.Queues = c[0].data
	return nil
}

func takeSettings(s *Snapshot, c content) error {
	if len(c) == 0 {
		s.Settings = config.Settings{}
		return nil
	}
	settings, err := config.ParseSettings(c[0].data)
	if err != nil {
		return fmt.Errorf("settings.json: %w", err)
	}
	s.Settings = settings
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
