package jobserver

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/audit"
	"github.com/coffer-dev/coffer/engine/credential"
	"github.com/coffer-dev/coffer/engine/job"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

const (
	// maxTurn is how many requests of a connection, and jobs in them, are carried
	// out together.
	maxTurn = 1024
	// progressBytes of a long request must arrive within limits.requestSeconds.
	progressBytes = 256 << 10
	// auditPause is for how long a session waits while the audit log is full,
	// before it looks again.
	auditPause = 5 * time.Millisecond
	// keepCalls is how many calls are kept to be used again.
	keepCalls = 64
	// minHold is for how long at least a request over the quota is held back.
	minHold = time.Millisecond
)

// session is one connection. Its reader owns it; mu guards what others touch.
type session struct {
	srv  *Server
	raw  net.Conn
	conn *tls.Conn
	id   int64
	admission.Guest

	client *job.Client
	reader *wire.Reader
	calls  []*job.Call
	free   []*job.Call // to be used again

	snapshot *credential.Snapshot // what the user was resolved in
	identity *acl.Identity
	usage    *admission.Usage

	authenticateBy time.Time
	begun          time.Time // when the request that is being read began, or came on
	chunk          int       // bytes since

	kick chan struct{} // there is something to write
	// Bytes of buffers, as they were counted last: of what comes in, and goes out.
	in, outgoing atomic.Int64

	mu          sync.Mutex
	credential  acl.Credential // of the last successful AUTH
	interrupted bool           // the reader is to look whether it may go on
	shaken      bool           // hands: reads may be interrupted
	out         []byte         // what is to be written
	spare       []byte         // a buffer for the next
	sending     int            // bytes of the buffer that is being written
	writing     bool           // somebody does
	written     *sync.Cond     // out has become shorter, or the session is closed
	closed      bool
}

func newSession(s *Server, conn net.Conn) *session {
	c := &session{
		srv: s, raw: conn, conn: tls.Server(conn, s.tls), id: s.nextID.Add(1), reader: wire.NewReader(), kick: make(chan struct{}, 1),
	}
	c.written = sync.NewCond(&c.mu)
	c.Host = admission.SourceOf(conn.RemoteAddr())
	c.Evict = func() { _ = conn.Close() }
	c.client = s.opts.Dispatcher.NewClient(job.ClientOptions{
		Source: conn.RemoteAddr().String(), PullWait: job.DefaultWait, Deliver: c.deliver, Offer: c.offer,
	})
	return c
}

// run is the connection's life.
func (c *session) run() {
	defer c.srv.left(c)
	defer c.end()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.srv.opts.Limits.HandshakeSeconds)*time.Second)
	err := c.conn.HandshakeContext(ctx)
	cancel()
	if err != nil {
		if !c.Evicted() {
			c.srv.counters.HandshakeFailures.Add(1)
			c.srv.opts.Log.Debug("TLS handshake failed", "conn", c.id, "host", c.Host, "error", err)
		}
		return
	}
	c.mu.Lock()
	c.shaken = true
	c.mu.Unlock()
	c.authenticateBy = time.Now().Add(time.Duration(c.srv.opts.Limits.AuthenticateSeconds) * time.Second)
	go c.writeLater()
	for c.mayGoOn() {
		more, err := c.serve()
		if err != nil || !more && !c.fill() {
			return
		}
	}
	c.flush()
}

// end closes the connection: what it waits for is forgotten, and the jobs that
// it has are given back.
func (c *session) end() {
	c.client.Close()
	c.mu.Lock()
	c.closed = true
	c.out, c.spare, c.sending = nil, nil, 0
	c.count(&c.outgoing, 0) // and nothing is counted any more
	c.written.Broadcast()
	c.mu.Unlock()
	close(c.kick)
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second)) // for the goodbye
	_ = c.conn.Close()
	c.count(&c.in, 0)
}

// bound is the credential of the last successful AUTH; its user is "" before.
func (c *session) bound() acl.Credential {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.credential
}

// interrupt has the reader look whether it may go on. A handshake does not
// survive that: it looks when it is through, unless there will be nothing to go
// on with.
func (c *session) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = true
	switch {
	case c.shaken:
		_ = c.raw.SetReadDeadline(time.Unix(1, 0))
	case c.srv.draining.Load():
		_ = c.raw.Close()
	}
}

// mayGoOn checks, between two turns, that nobody wants the connection closed,
// and takes up the permissions in force.
func (c *session) mayGoOn() bool {
	if c.srv.draining.Load() || c.Evicted() {
		return false
	}
	now := time.Now()
	if c.identity == nil {
		return now.Before(c.authenticateBy)
	}
	if current := c.srv.opts.Credentials(); current != c.snapshot {
		if !current.Users.Accepts(c.credential, now) {
			return false
		}
		c.snapshot, c.identity = current, current.Users.Identity(c.credential.User)
		c.client.SetUser(c.identity, c.credential, c.usage)
	}
	return !c.identity.ExpiredAt(now)
}

// fill reads once; false: the connection is over.
func (c *session) fill() bool {
	if c.reader.Pending() {
		if c.begun.IsZero() {
			c.begun = time.Now()
		}
	} else {
		c.begun, c.chunk = time.Time{}, 0
	}
	c.mu.Lock()
	if c.interrupted {
		c.interrupted = false
		c.mu.Unlock()
		return true
	}
	_ = c.raw.SetReadDeadline(c.deadline())
	c.mu.Unlock()
	n, err := c.reader.Fill(c.conn)
	c.srv.counters.BytesIn.Add(int64(n))
	if c.chunk += n; c.chunk >= progressBytes {
		c.begun, c.chunk = time.Now(), 0
	}
	c.keep()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return c.overdue()
	}
	return err == nil
}

// deadline is until when the next bytes must have come; zero: no matter when.
func (c *session) deadline() time.Time {
	switch {
	case c.identity == nil:
		return c.authenticateBy
	case !c.begun.IsZero():
		return c.begun.Add(time.Duration(c.srv.opts.Limits.RequestSeconds) * time.Second)
	}
	return time.Time{}
}

// overdue tells whether a read that ended without bytes was only interrupted.
func (c *session) overdue() (interrupted bool) {
	c.mu.Lock()
	interrupted = c.interrupted
	c.interrupted = false
	c.mu.Unlock()
	if !interrupted && c.identity != nil {
		c.srv.counters.Slow.Add(1)
		c.drop("a request took too long to arrive")
	}
	return interrupted
}

// serve carries out what has arrived. more says that it was not all.
func (c *session) serve() (more bool, err error) {
	c.calls = c.calls[:0]
	weight, held := 0, false
	for weight < maxTurn && !held {
		message, ok, nextErr := c.reader.Next()
		if nextErr != nil {
			c.srv.counters.ProtocolErrors.Add(1)
			call := c.newCall()
			call.Fail(queue.CodeInvalid, nextErr.Error())
			c.calls, err = append(c.calls, call), nextErr
			break
		}
		if !ok {
			break
		}
		c.begun, c.chunk = time.Time{}, 0
		var call *job.Call
		call, held = c.prepare(message)
		weight += call.Weight()
		c.calls = append(c.calls, call)
	}
	if len(c.calls) == 0 {
		return false, nil
	}
	c.srv.counters.Commands.Add(int64(len(c.calls)))
	if stopped := c.srv.opts.Dispatcher.Carry(c.calls); stopped != nil && err == nil {
		err = stopped
	}
	if errors.Is(err, job.ErrLost) {
		return false, err // nobody knows what to answer: the connection ends without
	}
	c.answer()
	for c.srv.opts.Audit.Full() && !c.srv.draining.Load() {
		time.Sleep(auditPause)
	}
	return weight >= maxTurn || held, err
}

// prepare makes a call of a message. held says that it was held back: whether the
// connection may go on is to be looked at before the next one.
func (c *session) prepare(message []byte) (call *job.Call, held bool) {
	call = c.newCall()
	err := wire.Parse(c.reader.Framing(), message, &call.Request)
	switch {
	case err != nil && c.identity == nil:
		call.Fail(job.CodeDenied, errNotAuthenticated)
	case err != nil:
		call.Fail(queue.CodeInvalid, err.Error())
	case call.Cmd == "AUTH":
		held = c.authenticate(call)
	case c.identity == nil:
		call.Fail(job.CodeDenied, errNotAuthenticated)
	default:
		var ok bool
		if held, ok = c.withinQuota(call); ok {
			call.Prepare()
		}
	}
	return call, held
}

// answer writes the answers of calls that have theirs: as many at once as are
// enough to be written.
func (c *session) answer() {
	framing := c.reader.Framing()
	for rest := c.calls; len(rest) > 0; {
		n := 0
		for bytes := 0; n < len(rest) && bytes < enough; n++ {
			if !rest[n].Waits() {
				bytes += len(rest[n].Answer())
			}
		}
		ok := c.append(func(dst []byte) []byte {
			for _, call := range rest[:n] {
				if !call.Waits() {
					dst = wire.AppendAnswer(dst, framing, call.Answer(), call.ReqID)
				}
			}
			return dst
		})
		c.reuse(rest[:n])
		rest = rest[n:]
		if c.flush(); !ok {
			return
		}
	}
}

// reuse lets go of calls that are answered.
func (c *session) reuse(calls []*job.Call) {
	for _, call := range calls {
		if !call.Waits() && len(call.Answer()) < keepBuffer && len(c.free) < keepCalls {
			call.Reset()
			c.free = append(c.free, call)
		}
	}
	clear(calls)
}

func (c *session) newCall() *job.Call {
	n := len(c.free)
	if n == 0 {
		return c.client.NewCall()
	}
	call := c.free[n-1]
	c.free = c.free[:n-1]
	return call
}

// drop closes a connection that costs too much, and says so.
func (c *session) drop(reason string) {
	user := c.bound().User
	c.srv.opts.Log.Warn("closing a connection", "conn", c.id, "host", c.Host, "user", user, "bytes", c.size(), "reason", reason)
	c.srv.opts.Audit.Refused(audit.Entry{Identity: user, Source: c.Host, Operation: audit.Connect, Reason: reason})
	_ = c.raw.Close()
}

// keep counts what the session keeps in memory; if that is too much of all
// together, who keeps most loses it.
func (c *session) keep() {
	c.count(&c.in, int64(c.reader.Size()))
	c.srv.shedIfTooMuch()
}

// count notes how many bytes one of the session's two sides has, in or out.
func (c *session) count(side *atomic.Int64, bytes int64) {
	c.srv.buffered.Add(bytes - side.Swap(bytes))
}

func (c *session) size() int64 { return c.in.Load() + c.outgoing.Load() }

// shedIfTooMuch closes the connection that keeps most while all together keep
// too much.
func (s *Server) shedIfTooMuch() {
	if limit := s.opts.Limits.MaxClientBufferBytes; limit > 0 && s.buffered.Load() > limit {
		s.shed()
	}
}

// shed closes the connection that keeps most.
func (s *Server) shed() {
	var largest *session
	s.mu.Lock()
	for c := range s.sessions {
		if largest == nil || c.size() > largest.size() {
			largest = c
		}
	}
	s.mu.Unlock()
	if largest != nil {
		s.counters.Shed.Add(1)
		largest.drop("limits.maxClientBufferBytes")
	}
}
