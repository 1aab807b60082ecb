// Package server accepts TLS 1.3 connections on the key port, bounds what they
// may cost, and takes each connection's commands from bytes to an Op and its
// reply back to bytes. Durability and state are the executor's business.
package server

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
	"github.com/coffer-dev/coffer/engine/machine"
)

// Executor applies commands in order and fills their replies. Its errors mean
// that it has stopped for good.
type Executor interface {
	// Read evaluates commands that write nothing, at once.
	Read(items []machine.Item) error
	// Write takes commands some of which write, and does not wait for them: done
	// is called once, from any goroutine, when they are durable and the replies
	// filled. The items are the executor's until then.
	Write(items []machine.Item, done func(error))
}

// Options are what a Server needs.
type Options struct {
	Limits      config.Limits
	Credentials func() *credential.Snapshot
	Executor    Executor
	Facts       func() Facts // for INFO
	Audit       *audit.Log   // nil: nothing is recorded
	Log         *slog.Logger
}

// Server is the key port.
type Server struct {
	opts      Options
	tls       *tls.Config
	admission *admission.Gate
	throttle  *admission.Throttle
	usages    *admission.Usages
	started   time.Time
	nextID    atomic.Int64
	counters  counters
	draining  atomic.Bool
	buffered  atomic.Int64 // bytes of all sessions' buffers
	parked    atomic.Int64 // sessions that wait for data

	replyTimeout time.Duration // writeTimeout, but for tests

	loop     *loop         // nil before Serve
	loopDone chan struct{} // closed when it has ended

	mu       sync.Mutex
	sessions map[*session]struct{}
	listener net.Listener
	wg       sync.WaitGroup // one for each connection

	usersChanged chan struct{} // watchExpiry's
}

// counters only ever grow.
type counters struct {
	accepted, rejected, handshakeFailures, authFailures atomic.Int64
	protocolErrors, denied, commands, outputExceeded    atomic.Int64
	shed, slow, evicted                                 atomic.Int64
	bytesIn, bytesOut                                   atomic.Int64
}

// New makes a Server; Serve starts it.
func New(opts Options) *Server {
	s := &Server{
		opts:         opts,
		started:      time.Now(),
		sessions:     map[*session]struct{}{},
		admission:    admission.NewGate(opts.Limits.MaxClients, opts.Limits.MaxUnauthenticated, opts.Limits.MaxUnauthenticatedPerHost),
		throttle:     admission.NewThrottle(),
		usages:       admission.NewUsages(),
		usersChanged: make(chan struct{}, 1),
		replyTimeout: writeTimeout,
	}
	s.tls = credential.ServerTLS(opts.Credentials)
	return s
}

// Serve accepts connections until Shutdown; it then returns nil.
func (s *Server) Serve(l net.Listener) error {
	if err := s.start(l); err != nil {
		return err
	}
	done := make(chan struct{})
	defer close(done)
	if !s.draining.Load() {
		go s.watchExpiry(done)
	}
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			s.admit(conn)
		case s.draining.Load():
			return nil
		case isTemporary(err):
			s.opts.Log.Warn("accepting connections", "error", err)
			time.Sleep(50 * time.Millisecond)
		default:
			return fmt.Errorf("accept on the key port: %w", err)
		}
	}
}

// start starts the loop, unless Shutdown came first.
func (s *Server) start(l net.Listener) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		l.Close()
		return nil
	}
	s.listener = l
	if s.loop, err = newLoop(s); err != nil {
		return fmt.Errorf("key port: %w", err)
	}
	s.loopDone = make(chan struct{})
	go func() {
		defer close(s.loopDone)
		s.loop.run()
	}()
	return nil
}

// isTemporary finds the want of descriptors, which passes.
func isTemporary(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && !errors.Is(err, net.ErrClosed)
}

func (s *Server) admit(conn net.Conn) {
	c := newSession(s, conn, admission.SourceOf(conn.RemoteAddr()))
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
	var ctx context.Context
	ctx, c.abandon = context.WithTimeout(context.Background(), time.Duration(s.opts.Limits.HandshakeSeconds)*time.Second)
	go c.handshake(ctx)
}

// left forgets a connection that is closed.
func (s *Server) left(c *session) {
	s.mu.Lock()
	delete(s.sessions, c)
	s.mu.Unlock()
	s.admission.Leave(&c.Guest)
	s.usages.Move(c.credential.User, "", 0)
	s.wg.Done()
}

// Shutdown refuses new connections, lets every connection finish the commands
// it is at, and closes it; when the context ends it closes what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining.Store(true)
	if s.listener != nil {
		s.listener.Close()
	}
	for c := range s.sessions {
		_ = c.wire.Conn.SetReadDeadline(time.Unix(1, 0)) // ends a handshake
		c.interrupt()
	}
	loop := s.loop
	s.mu.Unlock()
	if loop == nil {
		return nil
	}
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("closed %d connections that did not drain: %w", s.closeAll(), ctx.Err())
		<-done
	}
	loop.post(func() { loop.stopped = true })
	<-s.loopDone
	return err
}

// closeAll closes every connection at once and says how many there were.
func (s *Server) closeAll() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.wire.Conn.Close() // ends a handshake
		s.loop.post(c.end)
	}
	return len(s.sessions)
}

// Stats counts.
func (s *Server) Stats() admission.Stats {
	st := admission.Stats{
		Sessions: map[admission.SessionKey]int64{},
		Accepted: s.counters.accepted.Load(), Rejected: s.counters.rejected.Load(),
		HandshakeFailures: s.counters.handshakeFailures.Load(), AuthFailures: s.counters.authFailures.Load(),
		ProtocolErrors: s.counters.protocolErrors.Load(), Denied: s.counters.denied.Load(),
		Commands: s.counters.commands.Load(), OutputExceeded: s.counters.outputExceeded.Load(),
		BytesIn: s.counters.bytesIn.Load(), BytesOut: s.counters.bytesOut.Load(),
		Buffered: s.buffered.Load(), Shed: s.counters.shed.Load(), Slow: s.counters.slow.Load(),
		Evicted: s.counters.evicted.Load(),
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
	st.Users = s.usages.Stats()
	return st
}
