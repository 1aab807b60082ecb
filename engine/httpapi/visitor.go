package httpapi

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/audit"
	"github.com/coffer-dev/coffer/engine/job"
)

// visitor is a connection to the port for jobs. It is a stranger until the first
// request with a token.
type visitor struct {
	admission.Guest
	address string

	mu     sync.Mutex
	known  bool
	user   string // that it counts as a session of
	closed bool
}

type visitorKey struct{}

// gated is a listener whose connections are counted.
type gated struct {
	net.Listener
	jobs *Jobs
}

// Accept implements net.Listener. What there is no place for is closed at once.
func (g *gated) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		v := &visitor{address: conn.RemoteAddr().String()}
		v.Host, v.Evict = admission.SourceOf(conn.RemoteAddr()), func() { _ = conn.Close() }
		if bounds := g.jobs.opts.Bounds; !bounds.Gate.Admit(&v.Guest, bounds.Counters, g.rejected) {
			_ = conn.Close()
			continue
		}
		c := &visiting{Conn: conn, visitor: v, jobs: g.jobs}
		g.jobs.mu.Lock()
		g.jobs.conns[c] = struct{}{}
		g.jobs.mu.Unlock()
		return c, nil
	}
}

func (g *gated) rejected(host, reason string) {
	g.jobs.opts.Audit.Refused(audit.Entry{Source: host, Operation: audit.Connect, Reason: reason})
}

// visiting is a visitor's connection, which is counted out once.
type visiting struct {
	net.Conn
	visitor *visitor
	jobs    *Jobs
	once    sync.Once
}

// Close implements net.Conn.
func (c *visiting) Close() error {
	c.once.Do(func() {
		c.jobs.mu.Lock()
		delete(c.jobs.conns, c)
		c.jobs.mu.Unlock()
		v := c.visitor
		v.mu.Lock()
		defer v.mu.Unlock()
		v.closed = true
		c.jobs.opts.Bounds.Usages.Move(v.user, "", 0)
		c.jobs.opts.Bounds.Gate.Leave(&v.Guest)
	})
	return c.Conn.Close()
}

// visitorOf finds the visitor below TLS.
func visitorOf(conn net.Conn) *visitor {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if c, ok := conn.(*visiting); ok {
		return c.visitor
	}
	return nil
}

// enter makes the connection one of the user's.
func (v *visitor) enter(j *Jobs, u *user) *refused {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return &refused{http.StatusServiceUnavailable, job.CodeUnavailable, "the connection is closed"}
	}
	limit := u.identity.Quota().Connections
	usage := j.opts.Bounds.Usages.Move(v.user, u.identity.Name(), limit)
	if usage == nil {
		return overQuota(u.identity, "too many connections of this user", "connections", limit)
	}
	v.user, u.usage = u.identity.Name(), usage
	if !v.known {
		v.known = true
		j.opts.Bounds.Gate.Authenticated(&v.Guest, true)
	}
	return nil
}
