package node

import (
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/coffer-dev/coffer/engine/admission"
)

const (
	// Bounds of a connection for the leader that came to another member.
	forwardDial = time.Second
	// forwardWait is how long a client waits for there to be a leader.
	forwardWait = 5 * time.Second
	forwardLook = 20 * time.Millisecond
	// forwardAgain is the pause after a leader could not be reached.
	forwardAgain = 100 * time.Millisecond
)

// entrance is the listener of a port for clients on a member that has peers. A
// connection that comes while the member leads is its own; any other is handed
// through to the leader, byte by byte: TLS ends there, under the certificate that
// all members have. So a client needs to know of one address, and no protocol
// has to know of leaders.
type entrance struct {
	net.Listener
	port  string // of the leader
	place func() (own bool, leader uint64)
	host  func(leader uint64) string
	max   int // connections handed through
	log   *slog.Logger

	own    chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	through map[*passage]struct{}
}

// passage is a connection that is handed through.
type passage struct {
	client net.Conn
	leader uint64
	server net.Conn // nil until it is reached
}

func (p *passage) close() {
	_ = p.client.Close()
	if p.server != nil {
		_ = p.server.Close()
	}
}

func newEntrance(l net.Listener, limit int, log *slog.Logger, place func() (own bool, leader uint64), host func(leader uint64) string) *entrance {
	_, port, _ := net.SplitHostPort(l.Addr().String()) // of TCP: it has one
	return &entrance{
		Listener: l, port: port, place: place, host: host, max: limit, log: log,
		own: make(chan net.Conn), closed: make(chan struct{}), through: map[*passage]struct{}{},
	}
}

// Accept implements net.Listener: the next connection for this member.
func (e *entrance) Accept() (net.Conn, error) {
	select {
	case conn := <-e.own:
		return conn, nil
	case <-e.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (e *entrance) Close() error {
	e.once.Do(func() { close(e.closed) })
	err := e.Listener.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	for p := range e.through {
		p.close()
	}
	return err
}

// run accepts.
func (e *entrance) run() error {
	err := admission.Accept(e.Listener, e.log, e.take)
	select {
	case <-e.closed:
		return nil
	default:
		return err
	}
}

func (e *entrance) take(conn net.Conn) {
	if own, _ := e.place(); own {
		e.enter(conn)
		return
	}
	p := &passage{client: conn}
	if !e.admit(p) {
		_ = conn.Close()
		return
	}
	go e.forward(p)
}

func (e *entrance) enter(conn net.Conn) {
	select {
	case e.own <- conn:
	case <-e.closed:
		_ = conn.Close()
	}
}

func (e *entrance) admit(p *passage) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.through) >= e.max {
		return false
	}
	e.through[p] = struct{}{}
	return true
}

func (e *entrance) leave(p *passage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.through, p)
}

// forward finds the leader and hands the connection through.
func (e *entrance) forward(p *passage) {
	for end := time.Now().Add(forwardWait); time.Now().Before(end); {
		own, leader := e.place()
		if own {
			e.leave(p)
			e.enter(p.client)
			return
		}
		pause := forwardLook
		if leader != 0 {
			if e.reach(p, leader) {
				pump(p.client, p.server)
				break
			}
			pause = forwardAgain
		}
		select {
		case <-time.After(pause):
		case <-e.closed:
			end = time.Time{}
		}
	}
	e.leave(p)
	p.close()
}

func (e *entrance) reach(p *passage, leader uint64) bool {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(e.host(leader), e.port), forwardDial)
	if err != nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, now := e.place(); now != leader { // redirect may have run meanwhile
		_ = conn.Close()
		return false
	}
	p.server, p.leader = conn, leader
	return true
}

// pump copies both ways until the leader has ended, or one side has broken. A
// client that has nothing more to send is answered yet.
func pump(client, server net.Conn) {
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = io.Copy(client, server)
		_ = client.Close()
		_ = server.Close()
	}()
	if _, err := io.Copy(server, client); err != nil {
		_ = server.Close()
	} else {
		_ = server.(*net.TCPConn).CloseWrite()
	}
	<-answered
}

// redirect closes what is handed through to a member that does not lead any
// more, and may be gone without a word.
func (e *entrance) redirect() {
	_, leader := e.place()
	e.mu.Lock()
	defer e.mu.Unlock()
	for p := range e.through {
		if p.server != nil && p.leader != leader {
			p.close()
		}
	}
}
