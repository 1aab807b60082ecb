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
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

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
}

// Server is the port for jobs.
type Server struct {
	opts      Options
	tls       *tls.Config
	admission *admission.Gate
	throttle  *admission.Throttle
	usages    *admission.Usages
	nextID    atomic.Int64
	counters  counters
	draining  atomic.Bool
	buffered  atomic.Int64 // bytes of all sessions' buffers

	mu       sync.Mutex
	sessions map[*session]struct{}
	listener net.Listener
	wg       sync.WaitGroup // one for each connection

	usersChanged chan struct{} // watchExpiry's
}

// counters only ever grow.
type counters struct {
	accepted, rejected, handshakeFailures, authFailures atomic.Int64
	protocolErrors, commands, outputExceeded            atomic.Int64
	shed, slow, evicted                                 atomic.Int64
	bytesIn, bytesOut                                   atomic.Int64
}

// New makes a Server; Serve starts it.
func New(opts Options) *Server {
	return &Server{
		opts:         opts,
		tls:          credential.ServerTLS(opts.Credentials),
		sessions:     map[*session]struct{}{},
		admission:    admission.NewGate(opts.Limits.MaxClients, opts.Limits.MaxUnauthenticated, opts.Limits.MaxUnauthenticatedPerHost),
		throttle:     admission.NewThrottle(),
		usages:       admission.NewUsages(),
		usersChanged: make(chan struct{}, 1),
	}
}

// Bounds are those of its clients, which other ports for jobs count by, too.
func (s *Server) Bounds() admission.Bounds {
	return admission.Bounds{Gate: s.admission, Throttle: s.throttle, Usages: s.usages}
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
	go s.watchExpiry(done)
	for {
		conn, err := l.Accept()
		var ne net.Error
		switch {
		case err == nil:
			s.admit(conn)
		case s.draining.Load():
			return nil
		case errors.As(err, &ne) && !errors.Is(err, net.ErrClosed): // the want of descriptors, which passes
			s.opts.Log.Warn("accepting connections", "error", err)
			time.Sleep(50 * time.Millisecond)
		default:
			return fmt.Errorf("accept on the port for jobs: %w", err)
		}
	}
}

func (s *Server) admit(conn net.Conn) {
	c := newSession(s, conn)
	evicted, reached, ok := s.admission.Enter(&c.Guest)
	if !ok {
		s.counters.rejected.Add(1)
		s.recordRejected(c.Host, reached)
		conn.Close()
		return
	}
	if evicted != nil {
		s.counters.evicted.Add(1)
		s.recordRejected(evicted.Host, reached)
		evicted.Evict()
	}
	s.counters.accepted.Add(1)
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
	s.mu.Lock()
	n := len(s.sessions)
	for c := range s.sessions {
		c.raw.Close()
	}
	s.mu.Unlock()
	<-done
	return fmt.Errorf("closed %d connections that did not drain: %w", n, ctx.Err())
}

// clockStep bounds the wait for a user's end, so that a clock that was set is
// noticed.
const clockStep = 10 * time.Second

// watchExpiry wakes the sessions of users that come to the end of their life,
// so that they close, until done.
func (s *Server) watchExpiry(done <-chan struct{}) {
	for {
		wait := clockStep
		if next := s.opts.Credentials().Users.NextExpiry(time.Now()); !next.IsZero() {
			wait = min(wait, time.Until(next))
		}
		timer := time.NewTimer(wait)
		select {
		case <-done:
			timer.Stop()
			return
		case <-s.usersChanged:
			timer.Stop()
		case <-timer.C:
			s.wake(s.opts.Credentials())
		}
	}
}

// CredentialsChanged wakes the sessions whose credential is no longer accepted
// so that they close, and has the others take up their permissions.
func (s *Server) CredentialsChanged(snapshot *credential.Snapshot) {
	s.wake(snapshot)
	s.usages.Forget(snapshot.Users)
	select {
	case s.usersChanged <- struct{}{}:
	default: // it will look
	}
}

func (s *Server) wake(*credential.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.interrupt()
	}
}

// Stats counts.
func (s *Server) Stats() admission.Stats {
	st := admission.Stats{
		Sessions: map[admission.SessionKey]int64{},
		Accepted: s.counters.accepted.Load(), Rejected: s.counters.rejected.Load(),
		HandshakeFailures: s.counters.handshakeFailures.Load(), AuthFailures: s.counters.authFailures.Load(),
		ProtocolErrors: s.counters.protocolErrors.Load(), Denied: s.opts.Dispatcher.Denied(),
		Commands: s.counters.commands.Load(), OutputExceeded: s.counters.outputExceeded.Load(),
		BytesIn: s.counters.bytesIn.Load(), BytesOut: s.counters.bytesOut.Load(),
		Buffered: s.buffered.Load(), Shed: s.counters.shed.Load(), Slow: s.counters.slow.Load(),
		Evicted: s.counters.evicted.Load(), Users: s.usages.Stats(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		st.Connections++
		credential := c.bound()
		if credential.User == "" {
			st.Unauthenticated++
			continue
		}
		st.Sessions[admission.SessionKey{User: credential.User, Generation: credential.Generation()}]++
	}
	return st
}
