package server

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/credential"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/protocol/resp"
)

// Limits before authentication.
const (
	earlyBulk    = 16 << 10
	earlyArray   = 16
	earlyRequest = 64 << 10
)

// session is one connection. Its goroutine owns it; mu guards only what others
// read.
type session struct {
	srv  *Server
	raw  net.Conn
	conn *tls.Conn
	host string
	id   int64
	born time.Time

	reader  *resp.Reader
	out     []byte
	items   []machine.Item // room for those of a batch
	keys    []acl.Key      // room for those of a command
	proto   int
	closing bool // after the replies so far
	// unauthenticated is how admission counts the connection.
	unauthenticated bool
	name            string
	libName, libVer string
	last            string // the latest command, for CLIENT INFO
	lastAt          time.Time

	snapshot *credential.Snapshot // what identity was resolved in
	identity *acl.Identity

	interrupted atomic.Bool
	mu          sync.Mutex
	credential  acl.Credential // of the last successful AUTH
}

var _ command.Session = (*session)(nil)

func newSession(s *Server, conn net.Conn, host string) *session {
	now := time.Now()
	return &session{
		srv: s, raw: conn, conn: tls.Server(conn, s.tls), host: host, id: s.nextID.Add(1), born: now, lastAt: now,
		reader: resp.NewReader(earlyLimits()), proto: 2, unauthenticated: true,
	}
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

// interrupt ends the wait for the next command; one that is being served is
// finished first.
func (c *session) interrupt() {
	c.interrupted.Store(true)
	_ = c.raw.SetReadDeadline(time.Unix(1, 0))
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
		if !current.Users.Accepts(c.credential, time.Now()) {
			return false
		}
		c.snapshot, c.identity = current, current.Users.Identity(c.User())
	}
	return !c.identity.ExpiredAt(time.Now())
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
func (c *session) Authenticate(user, password string) bool {
	snapshot := c.srv.opts.Credentials()
	id, proved, refusal := snapshot.Users.Verify(user, password, time.Now())
	if refusal != "" {
		c.srv.counters.authFailures.Add(1)
		if delay := c.srv.throttle.failed(c.host, time.Now()); delay > 0 {
			time.Sleep(delay)
		}
		return false
	}
	c.snapshot, c.identity = snapshot, id
	c.bind(proved)
	if c.unauthenticated {
		c.unauthenticated = false
		c.srv.admission.authenticated(c.host, true)
		c.reader.SetLimits(c.srv.limits())
		_ = c.raw.SetDeadline(time.Time{})
	}
	// An interrupt that came before the deadline was lifted would be lost:
	// mayGoOn looks again before the next wait.
	return true
}

// Reset implements command.Session.
func (c *session) Reset() {
	c.proto, c.name = 2, ""
	c.snapshot, c.identity = nil, nil
	c.bind(acl.Credential{})
	if !c.unauthenticated {
		c.unauthenticated = true
		c.srv.admission.authenticated(c.host, false)
		c.reader.SetLimits(earlyLimits())
		c.expectAuthentication()
	}
}

func (c *session) expectAuthentication() {
	seconds := time.Duration(c.srv.opts.Limits.AuthenticateSeconds)
	_ = c.raw.SetDeadline(time.Now().Add(seconds * time.Second))
}

// CloseAfterReply implements command.Session.
func (c *session) CloseAfterReply() { c.closing = true }

// Describe implements command.Session: the line of CLIENT INFO, with the
// fields of redis-server whose value is known here.
func (c *session) Describe() string {
	now := time.Now()
	var b strings.Builder
	fmt.Fprintf(&b, "id=%d addr=%s laddr=%s name=%s age=%d idle=%d flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 cmd=%s user=%s resp=%d lib-name=%s lib-ver=%s",
		c.id, c.raw.RemoteAddr(), c.raw.LocalAddr(), c.name, int64(now.Sub(c.born).Seconds()), int64(now.Sub(c.lastAt).Seconds()),
		c.last, c.User(), c.proto, c.libName, c.libVer)
	return b.String()
}

// Info implements command.Session.
func (c *session) Info(sections []string) string { return c.srv.info(sections) }
