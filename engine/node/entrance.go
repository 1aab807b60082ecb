package node

import (
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/peer"
)

const (
	// forwardWait is how long a client waits for there to be a leader.
	forwardWait = 5 * time.Second
	forwardLook = 20 * time.Millisecond
	// forwardDial bounds the way to a leader of a version that knows of no other
	// than the port for clients.
	forwardDial = time.Second
)

// entrance is the listener of a port for clients on a member that has peers. A
// connection that comes while the member leads is its own; any other is handed
// through to the leader, byte by byte: TLS ends there, under the certificate that
// all members have. So a client needs to know of one address, and no protocol
// has to know of leaders.
type entrance struct {
	net.Listener
	kind  peer.Port
	place func() (own bool, leader uint64)
	reach func(leader uint64, client net.Addr) (net.Conn, error)
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
		if leader != 0 && e.connect(p, leader) {
			pump(p.client, p.server)
			break
		}
		select {
		case <-time.After(forwardLook):
		case <-e.closed:
			end = time.Time{}
		}
	}
	e.leave(p)
	p.close()
}

func (e *entrance) connect(p *passage, leader uint64) bool {
	conn, err := e.reach(leader, p.client.RemoteAddr())
	if err != nil {
		return false // there may be another one soon
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
	e.mu.Lock()
	defer e.mu.Unlock()
	_, leader := e.place() // as connect sees it
	for p := range e.through {
		if p.server != nil && p.leader != leader {
			p.close()
		}
	}
}
