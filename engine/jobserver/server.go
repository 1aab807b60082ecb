// Package jobserver accepts TLS 1.3 connections on the port for jobs, bounds
// what they may cost, and takes their requests from bytes to calls and the
// answers back. What a request does, and whether it may, is package job's
// business.
//
// A connection has two goroutines: one reads requests, has all that arrived
// together carried out together, and writes their answers at once; the other
// writes what comes later, answers to requests that waited and events.
package jobserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/audit"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/credential"
	"github.com/coffer-dev/coffer/engine/job"
)

// Options are what a Server needs.
type Options struct {
	Limits      config.Limits
	Credentials func() *credential.Snapshot
	Dispatcher  *job.Dispatcher
	Audit       *audit.Log // nil: nothing is recorded
	Log         *slog.Logger
	// Through tells of an address that connections of many come through; nil for
	// none (admission.Gate).
	Through func(host string) bool
}

// Server is the port for jobs.
type Server struct {
	opts      Options
	tls       *tls.Config
	admission *admission.Gate
	throttle  *admission.Throttle
	usages    *admission.Usages
	nextID    atomic.Int64
	counters  admission.Counters
	draining  atomic.Bool
	buffered  atomic.Int64 // bytes of all sessions' buffers

	mu       sync.Mutex
	sessions map[*session]struct{}
	listener net.Listener
	wg       sync.WaitGroup // one for each connection

	usersChanged chan struct{} // WatchExpiry's
}

// New makes a Server; Serve starts it.
func New(opts Options) *Server {
	s := &Server{
		opts:         opts,
		tls:          credential.ServerTLS(opts.Credentials),
		sessions:     map[*session]struct{}{},
		admission:    admission.NewGate(opts.Limits.MaxClients, opts.Limits.MaxUnauthenticated, opts.Limits.MaxUnauthenticatedPerHost),
		throttle:     admission.NewThrottle(),
		usages:       admission.NewUsages(),
		usersChanged: make(chan struct{}, 1),
	}
	s.admission.Through = opts.Through
	return s
}

// Bounds are those of its clients, which other ports for jobs count by, too.
func (s *Server) Bounds() admission.Bounds {
	return admission.Bounds{Gate: s.admission, Throttle: s.throttle, Usages: s.usages, Counters: &s.counters}
}

// Serve accepts connections until Shutdown; it then returns nil.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.draining.Load() {
		s.mu.Unlock()
		return l.Close()
	}
	s.listener = l
	s.mu.Unlock()
	done := make(chan struct{})
	defer close(done)
	go admission.WatchExpiry(done, s.usersChanged, s.users, s.wake)
	err := admission.Accept(l, s.opts.Log, s.admit)
	if s.draining.Load() {
		return nil
	}
	return fmt.Errorf("accept on the port for jobs: %w", err)
}

func (s *Server) admit(conn net.Conn) {
	c := newSession(s, conn)
	if !s.admission.Admit(&c.Guest, &s.counters, s.recordRejected) {
		conn.Close()
		return
	}
	s.mu.Lock()
	if s.draining.Load() {
		s.mu.Unlock()
		s.admission.Leave(&c.Guest)
		conn.Close()
		return
	}
	s.sessions[c] = struct{}{}
	s.wg.Add(1)
	s.mu.Unlock()
	go c.run()
}

// left forgets a connection that is closed.
func (s *Server) left(c *session) {
	s.mu.Lock()
	delete(s.sessions, c)
	s.mu.Unlock()
	s.admission.Leave(&c.Guest)
	s.usages.Move(c.bound().User, "", 0)
	s.wg.Done()
}

// recordRejected counts a connection that is refused.
func (s *Server) recordRejected(host, reason string) {
	s.opts.Audit.Refused(audit.Entry{Source: host, Operation: audit.Connect, Reason: reason})
}

// Shutdown refuses new connections, lets every connection finish the requests
// it is at, and closes it; those that wait for something are not answered. When
// the context ends it closes what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining.Store(true)
	if s.listener != nil {
		s.listener.Close()
	}
	for c := range s.sessions {
		c.interrupt()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	n := s.closeAll()
	<-done
	return fmt.Errorf("closed %d connections that did not drain: %w", n, ctx.Err())
}

// Disconnect closes every connection at once, without answering what it asked:
// this member does not lead any more. New ones are let in.
func (s *Server) Disconnect() { s.closeAll() }

func (s *Server) closeAll() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.raw.Close()
	}
	return len(s.sessions)
}

func (s *Server) users() *acl.Users { return s.opts.Credentials().Users }

// CredentialsChanged wakes the sessions whose credential is no longer accepted
// so that they close, and has the others take up their permissions.
func (s *Server) CredentialsChanged(snapshot *credential.Snapshot) {
	s.wake()
	s.usages.Forget(snapshot.Users)
	select {
	case s.usersChanged <- struct{}{}:
	default: // it will look
	}
}

// wake has all sessions look whether they may go on.
func (s *Server) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.interrupt()
	}
}

// Stats counts.
func (s *Server) Stats() admission.Stats {
	st := s.counters.Stats()
	st.Denied = s.opts.Dispatcher.Denied()
	st.Buffered, st.Users = s.buffered.Load(), s.usages.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		st.Count(c.bound())
	}
	return st
}
