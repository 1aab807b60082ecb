// Package server accepts TLS 1.3 connections on the key port, bounds what they
// may cost, and takes each connection's commands from bytes to an Op and its
// reply back to bytes. Durability and state are the executor's business.
package server

import (
	"context"
	"crypto/tls"
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

// Executor applies commands in order and fills their replies. machine.ErrLost
// ends the session, as its error of any other kind, which means that it has
// stopped for good.
type Executor interface {
	// Read evaluates commands that write nothing, at once. machine.ErrUnproven
	// says that Write is to be asked.
	Read(items []machine.Item) error
	// Look evaluates them on a state that may not be the latest.
	Look(items []machine.Item) error
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
	// Held is how many other members have the log up to an entry; nil: there are
	// none.
	Held  func(index uint64) int
	Audit *audit.Log // nil: nothing is recorded
	Log   *slog.Logger
	// Through tells of an address that connections of many come through; nil for
	// none (admission.Gate).
	Through func(host string) bool
	// Replica: nothing is written at this port, and what it shows is the state of
	// this member, as the Executor lets it.
	Replica bool
	// Debug is what DEBUG reaches; nil: it is not allowed.
	Debug Debugged
	// Beside is another port of the member, with whose clients these count by the
	// same bounds; nil: there is none.
	Beside *Server
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
	counters  admission.Counters
	draining  atomic.Bool
	buffered  atomic.Int64 // bytes of all sessions' buffers
	beside    atomic.Pointer[Server]
	parked    atomic.Int64 // sessions that wait for data

	replyTimeout time.Duration // writeTimeout, but for tests
	slowAfter    time.Duration // slowAfter, but for tests

	loop     *loop         // nil before Serve
	loopDone chan struct{} // closed when it has ended

	mu       sync.Mutex
	sessions map[*session]struct{}
	listener net.Listener
	wg       sync.WaitGroup // one for each connection

	forgotten map[string]int64 // counts as of CONFIG RESETSTAT; the loop's

	usersChanged chan struct{} // WatchExpiry's
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
		slowAfter:    slowAfter,
	}
	s.admission.Through = opts.Through
	if b := opts.Beside; b != nil {
		s.admission, s.throttle, s.usages = b.admission, b.throttle, b.usages
		s.beside.Store(b)
		b.beside.Store(s)
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
		go admission.WatchExpiry(done, s.usersChanged, s.users, func() { s.wakeRefused(s.opts.Credentials()) })
	}
	err := admission.Accept(l, s.opts.Log, s.admit)
	if s.draining.Load() {
		return nil
	}
	return fmt.Errorf("accept on the key port: %w", err)
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

func (s *Server) admit(conn net.Conn) {
	c := newSession(s, conn, admission.SourceOf(conn.RemoteAddr()))
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

// Disconnect closes every connection at once, without answering what it asked:
// this member does not lead any more. New ones are let in, and no pause that was
// asked of it goes on.
func (s *Server) Disconnect() {
	if s.running() {
		s.closeAll()
		s.loop.post(s.loop.unpause) // behind the end of those that wait for it
	}
}

func (s *Server) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loop != nil
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
	st := s.counters.Stats()
	st.Buffered = s.buffered.Load()
	if s.opts.Beside == nil { // else another port tells of its users
		st.Users = s.usages.Stats()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		st.Count(c.bound())
	}
	return st
}
