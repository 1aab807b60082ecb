package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/credential"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/protocol/resp"
	"github.com/coffer-dev/coffer/engine/reply"
)

// Limits before authentication.
const (
	earlyBulk    = 16 << 10
	earlyArray   = 16
	earlyRequest = 64 << 10
)

// session is one connection. The loop owns it; mu guards only what others read.
type session struct {
	srv  *Server
	loop *loop
	wire *wire
	conn *tls.Conn // over wire
	admission.Guest
	id   int64
	born time.Time

	reader   *resp.Reader
	input    int // bytes read in this turn
	proto    int
	database uint8 // that SELECT chose

	barrier *barrier       // what is served next
	replies []machine.Item // executed, and not encoded while the client takes nothing
	out     []byte         // encoded
	flushed int            // how much of it TLS has
	taken   int            // bytes that the client took since slow was set
	waiting int64          // bytes of replies
	sent    int            // bytes of arguments that are being executed
	size    int64          // of all this, as it was counted last

	// The request that is being read.
	partial    bool      // it has begun
	progressAt time.Time // when it came on
	chunk      int       // bytes since
	watching   *alarm    // looks whether it does

	multi    *transaction // between MULTI and EXEC
	executes *transaction // between EXEC and its reply
	watched  watched
	parked   *parked  // what waits for data
	awaited  *awaited // what waits for other members

	timings   []*timing     // of what is executed
	spent     time.Duration // by those of this turn
	postponed [][]byte      // the command that waits for the end of a pause

	monitors bool // is shown what all do
	silence  command.SilenceMode

	subscribed subscribed
	tracking   tracking
	pushed     bool // there are messages in out that the loop is to write

	// What keeps the session from going on.
	joined    bool // the loop has it: the handshake is over
	executing bool
	blocked   bool // the client takes nothing
	held      bool // until heldUntil
	paused    bool // until a pause ends
	closing   bool // after the replies so far
	ended     bool

	// unauthenticated is how admission counts the connection.
	unauthenticated bool
	abandon         func() // ends the handshake
	authentication  *alarm // while it is unauthenticated
	slow            *alarm // while it is blocked
	holding         *alarm // while it is held
	heldUntil       time.Time

	name            string
	libName, libVer string
	last            string // the latest command, for CLIENT INFO
	lastAt          time.Time

	snapshot *credential.Snapshot // what identity was resolved in
	identity *acl.Identity
	usage    *admission.Usage // its user's
	audited  bool             // the audit log was full when it was recorded

	mu         sync.Mutex
	credential acl.Credential // of the last successful AUTH
}

var _ command.Session = (*session)(nil)

func newSession(s *Server, conn net.Conn, host string) *session {
	now := time.Now()
	w := &wire{Conn: conn, loop: s.loop}
	c := &session{
		srv: s, loop: s.loop, wire: w, conn: tls.Server(w, s.tls), id: s.nextID.Add(1), born: now, lastAt: now,
		reader: resp.NewReader(earlyLimits()), proto: 2, unauthenticated: true,
	}
	c.Host, c.Evict = host, c.evict
	return c
}

// handshake runs beside the loop, which it then hands the session to.
func (c *session) handshake(ctx context.Context) {
	defer c.abandon()
	if err := c.conn.HandshakeContext(ctx); err != nil {
		if !c.Evicted() {
			c.srv.counters.HandshakeFailures.Add(1)
			c.srv.opts.Log.Debug("TLS handshake failed", "conn", c.id, "host", c.Host, "error", err)
		}
		c.depart()
		return
	}
	c.loop.post(c.join)
}

// depart closes a connection that the loop does not have.
func (c *session) depart() {
	c.wire.Close()
	c.srv.left(c)
}

// join makes the session the loop's.
func (c *session) join() {
	if c.Evicted() { // behind the handshake, which its end did not reach
		c.depart()
		return
	}
	if err := c.loop.poller.attach(c); err != nil {
		c.srv.opts.Log.Warn("taking up a connection", "conn", c.id, "error", err)
		c.depart()
		return
	}
	c.joined = true
	c.expectAuthentication()
	c.serve() // TLS may hold a request that came behind the handshake
}

// evict closes a connection whose place is another's, wherever it is on its way.
func (c *session) evict() {
	c.abandon()
	c.loop.post(func() {
		if c.Evicted() {
			c.end()
		}
	})
}

// end closes the connection at once. It says goodbye within TLS, if the client
// takes that much, so that it can tell an end from a cut.
func (c *session) end() {
	if c.ended || !c.joined {
		return
	}
	c.ended = true
	c.unsubscribeAll()
	c.stopTracking()
	c.Unwatch()
	if c.parked != nil {
		c.parked.leave()
	}
	c.forgetAwaited()
	c.forgetPause()
	c.stopMonitor()
	for _, a := range []*alarm{c.authentication, c.slow, c.holding, c.watching} {
		a.stop()
	}
	// Before anybody sees that it has ended: the other port must not close one for it.
	c.count(0)
	_ = c.conn.Close()
	c.out, c.replies, c.barrier = nil, nil, nil
	c.srv.left(c)
}

// hold withholds the session's replies, and reads nothing from it, for a while.
func (c *session) hold(d time.Duration) {
	until := time.Now().Add(d)
	if c.held && until.Before(c.heldUntil) {
		return
	}
	c.held, c.heldUntil = true, until
	c.holding.stop()
	c.holding = c.loop.after(d, func() {
		c.held = false
		c.awaitAudit()
		c.serve()
	})
}

func earlyLimits() resp.Limits {
	return resp.Limits{Bulk: earlyBulk, Array: earlyArray, Request: earlyRequest, Unauthenticated: true}
}

func (s *Server) limits() resp.Limits {
	l := s.opts.Limits
	return resp.Limits{Bulk: l.MaxBulkBytes, Array: l.MaxArrayLength, Request: l.MaxRequestBytes}
}

// bound is the credential of the last successful AUTH; its user is "" before.
func (c *session) bound() acl.Credential {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.credential
}

func (c *session) bind(credential acl.Credential) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credential = credential
}

// interrupt has the loop look whether the session may go on: at once when it is
// idle, else between two commands.
func (c *session) interrupt() {
	c.loop.post(c.serve)
}

// mayGoOn checks, between two commands, that nobody wants the connection
// closed, and takes up the permissions in force.
func (c *session) mayGoOn() bool {
	if c.srv.draining.Load() {
		return false
	}
	if c.User() == "" {
		return true
	}
	if current := c.srv.opts.Credentials(); current != c.snapshot {
		if !current.Users.Accepts(c.credential, c.loop.now) {
			return false
		}
		c.snapshot, c.identity = current, current.Users.Identity(c.User())
		if !c.mayListen() || !c.mayMonitor() {
			return false
		}
	}
	return !c.identity.ExpiredAt(c.loop.now)
}

// ID implements command.Session.
func (c *session) ID() int64 { return c.id }

// Proto implements command.Session.
func (c *session) Proto() int { return c.proto }

// SetProto implements command.Session.
func (c *session) SetProto(p int) { c.proto = p }

// Name implements command.Session.
func (c *session) Name() string { return c.name }

// SetName implements command.Session.
func (c *session) SetName(name string) { c.name = name }

// Select implements command.Session.
func (c *session) Select(database int) { c.database = uint8(database) } //nolint:gosec // there are 16

// SetLib implements command.Session.
func (c *session) SetLib(name, version string) {
	if name != "" {
		c.libName = name
	}
	if version != "" {
		c.libVer = version
	}
}

// User implements command.Session.
func (c *session) User() string { return c.credential.User }

// Authenticate implements command.Session.
func (c *session) Authenticate(user, password string) error {
	snapshot := c.srv.opts.Credentials()
	id, proved, refusal := snapshot.Users.Verify(user, password, time.Now())
	if refusal != "" {
		c.srv.counters.AuthFailures.Add(1)
		delay := c.srv.throttle.Failed(c.Host, time.Now())
		if delay > 0 {
			c.hold(delay)
		}
		c.noteLogin(user, delay > 0)
		c.recordLogin(user, string(refusal), delay > 0)
		return command.ErrAuth
	}
	limit := id.Quota().Connections
	usage := c.srv.usages.Move(c.credential.User, user, limit)
	if usage == nil {
		c.recordLogin(user, "quota.connections", false)
		return errors.New(admission.OverQuota(id, "ERR max number of clients reached for this user", "connections", limit))
	}
	c.snapshot, c.identity, c.usage = snapshot, id, usage
	c.bind(proved)
	if !c.mayMonitor() {
		c.stopMonitor()
	}
	c.recordLogin(user, "", false)
	if c.unauthenticated {
		c.unauthenticated = false
		c.srv.admission.Authenticated(&c.Guest, true)
		c.reader.SetLimits(c.srv.limits())
		c.authentication.stop()
	}
	return nil
}

// Reset implements command.Session.
func (c *session) Reset() {
	c.unsubscribeAll()
	c.Untrack()
	c.stopMonitor()
	c.multi = nil
	c.Unwatch()
	c.proto, c.database, c.name, c.silence = 2, 0, "", command.Answer
	c.srv.usages.Move(c.credential.User, "", 0)
	c.snapshot, c.identity, c.usage = nil, nil, nil
	c.bind(acl.Credential{})
	if !c.unauthenticated {
		c.unauthenticated = true
		c.srv.admission.Authenticated(&c.Guest, false)
		c.reader.SetLimits(earlyLimits())
		c.expectAuthentication()
	}
}

// expectAuthentication gives the client as long as it may stay a stranger.
func (c *session) expectAuthentication() {
	seconds := time.Duration(c.srv.opts.Limits.AuthenticateSeconds)
	c.authentication = c.loop.after(seconds*time.Second, c.end)
}

// CloseAfterReply implements command.Session.
func (c *session) CloseAfterReply() { c.closing = true }

// Unblock implements command.Session.
func (c *session) Unblock(id int64, answer reply.Reply) bool {
	found := c.srv.session(id)
	switch {
	case found == nil:
		return false
	case found.parked != nil:
		found.parked.end(answer)
	case found.awaited != nil:
		found.unblockAwaited(answer)
	default:
		return false
	}
	return true
}

// Info implements command.Session.
func (c *session) Info(sections []string) string { return c.srv.info(sections) }
