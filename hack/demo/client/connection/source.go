package connection

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/auth"
)

// Source is the newest reading of a connection secret. It implements go-redis'
// auth.StreamingCredentialsProvider: every open connection subscribes, and is
// sent AUTH between two commands when the secret changes.
type Source struct {
	dir      string
	watcher  *fsnotify.Watcher
	onChange func(generation string, err error)

	mu        sync.Mutex
	current   Secret
	listeners map[auth.CredentialsListener]struct{}
}

// Open reads dir and prepares to watch it; Watch does the watching. onChange,
// which may be nil, hears of every change and of every reading that failed.
func Open(dir string, onChange func(generation string, err error)) (*Source, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", dir, err)
	}
	// Watching starts before reading, so no change falls between the two.
	if err := watcher.Add(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("watching %s: %w", dir, err), watcher.Close())
	}
	first, err := Read(dir)
	if err != nil {
		return nil, errors.Join(err, watcher.Close())
	}
	if onChange == nil {
		onChange = func(string, error) {}
	}
	return &Source{dir: dir, watcher: watcher, onChange: onChange, current: first,
		listeners: map[auth.CredentialsListener]struct{}{}}, nil
}

// Watch follows the directory until ctx ends. A reading that fails keeps the
// last good one.
func (s *Source) Watch(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return s.watcher.Close()
		case err, open := <-s.watcher.Errors:
			if !open {
				return nil
			}
			s.onChange("", err)
		case _, open := <-s.watcher.Events:
			if !open {
				return nil
			}
			s.reload()
		}
	}
}

func (s *Source) reload() {
	next, err := Read(s.dir)
	if err != nil {
		s.onChange("", err)
		return
	}
	s.mu.Lock()
	same := next.Username == s.current.Username && next.Password == s.current.Password
	s.current = next
	var tell []auth.CredentialsListener
	if !same {
		for l := range s.listeners {
			tell = append(tell, l)
		}
	}
	s.mu.Unlock()
	for _, l := range tell {
		l.OnNext(auth.NewBasicCredentials(next.Username, next.Password))
	}
	if !same {
		s.onChange(next.Generation, nil)
	}
}

// Subscribe implements auth.StreamingCredentialsProvider. Under one lock the
// listener is added and the current credentials are returned, so that a change
// reaches it one way or the other.
func (s *Source) Subscribe(l auth.CredentialsListener) (auth.Credentials, auth.UnsubscribeFunc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners[l] = struct{}{}
	unsubscribe := func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.listeners, l)
		return nil
	}
	return auth.NewBasicCredentials(s.current.Username, s.current.Password), unsubscribe, nil
}

// Generation of the credentials that new connections use.
func (s *Source) Generation() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.Generation
}

// Secret is the newest good reading.
func (s *Source) Secret() Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Options make a go-redis client that follows the source, with at most
// connections connections and with every kind of retry off. address replaces
// the uri's host and port where the caller cannot resolve a cluster's names;
// the certificate is verified against the uri's host in any case.
func (s *Source) Options(connections int, address string) *redis.Options {
	addr := address
	if addr == "" {
		addr = s.Secret().Address
	}
	return &redis.Options{
		Addr:          addr,
		MaxRetries:    -1,
		DialerRetries: 1,
		PoolSize:      connections,
		// First in, first out: every pooled connection comes round, and with it
		// its AUTH. By the default (last in, first out) a connection at the
		// bottom of the pool would stay on a revoked credential.
		PoolFIFO: true,
		// One pool for single commands and pipelines, for the same reason.
		PipelinePoolSize:             -1,
		StreamingCredentialsProvider: s,
		// TLS is dialled here and not by TLSConfig, so that new connections
		// verify by the newest CA.
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: s.Secret().TLS()}
			return d.DialContext(ctx, network, addr)
		},
	}
}
