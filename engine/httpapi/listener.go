package httpapi

import (
	"net"
	"sync"
)

// How many connections are open at once. Strangers can connect, and each costs
// tens of KiB and a descriptor: without a cap they could take the database's.
// One address has far fewer than all, or it could keep the kubelet's probes out.
const (
	maxConnections = 1024
	maxPerHost     = 64
)

// Limit wraps a listener in the caps of these ports; what is beyond them is
// closed at once.
func Limit(l net.Listener) net.Listener {
	return &limited{Listener: l, hosts: map[string]int{}}
}

type limited struct {
	net.Listener

	mu    sync.Mutex
	open  int
	hosts map[string]int
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
		if err != nil {
			host = conn.RemoteAddr().String()
		}
		if l.enter(host) {
			return &counted{Conn: conn, leave: sync.OnceFunc(func() { l.leave(host) })}, nil
		}
		_ = conn.Close()
	}
}

func (l *limited) enter(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= maxConnections || l.hosts[host] >= maxPerHost {
		return false
	}
	l.open++
	l.hosts[host]++
	return true
}

func (l *limited) leave(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.hosts[host]--; l.hosts[host] == 0 {
		delete(l.hosts, host)
	}
}

// counted is a connection that says once when it is closed.
type counted struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
