package server

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// admission counts connections against their caps. A connection counts as
// unauthenticated from before its handshake until it has authenticated.
type admission struct {
	total, unauthenticated, perHost int // the caps

	mu      sync.Mutex
	now     int
	pending int
	hosts   map[string]int // pending, by source address
}

// enter counts a connection in, or says which cap is reached.
func (a *admission) enter(host string) (reached string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.now >= a.total:
		return "limits.maxClients"
	case a.pending >= a.unauthenticated:
		return "limits.maxUnauthenticated"
	case a.hosts[host] >= a.perHost:
		return "limits.maxUnauthenticatedPerHost"
	}
	a.now++
	a.pending++
	a.hosts[host]++
	return ""
}

func (a *admission) leave(host string, unauthenticated bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now--
	if unauthenticated {
		a.settle(host, -1)
	}
}

// authenticated moves a connection out of the pending ones, or back (RESET).
func (a *admission) authenticated(host string, yes bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if yes {
		a.settle(host, -1)
	} else {
		a.settle(host, 1)
	}
}

func (a *admission) settle(host string, by int) {
	a.pending += by
	a.hosts[host] += by
	if a.hosts[host] == 0 {
		delete(a.hosts, host)
	}
}

// sourceOf is the source address that connections and failed logins are counted
// by. Of IPv6 it is the network: who has one has all its 2^64 addresses.
func sourceOf(addr net.Addr) string {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return addr.String()
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.Is6() {
		return netip.PrefixFrom(ip, 64).Masked().String()
	}
	return ip.String()
}

// Failed logins of one source address that are answered at once, within which
// time, and how long each further answer is held back.
const (
	freeFailures   = 10
	failureWindow  = 10 * time.Second
	failureDelay   = time.Second
	maxTrackedHost = 10_000 // addresses; beyond, others are forgotten
)

// throttle slows a source address down that keeps guessing.
type throttle struct {
	mu    sync.Mutex
	hosts map[string]failures
	swept time.Time
}

type failures struct {
	since time.Time
	count int
}

// failed notes a failed login and says how long to hold the answer back.
func (t *throttle) failed(host string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, known := t.hosts[host]
	if !known && len(t.hosts) >= maxTrackedHost {
		t.forget(now)
	}
	if now.Sub(f.since) > failureWindow {
		f = failures{since: now}
	}
	f.count++
	t.hosts[host] = f
	if f.count > freeFailures {
		return failureDelay
	}
	return 0
}

// forget makes room for one address: it drops the windows that are over, but
// looks for them only once a window; between, any one address has to go.
func (t *throttle) forget(now time.Time) {
	if now.Sub(t.swept) > failureWindow {
		t.swept = now
		for host, f := range t.hosts {
			if now.Sub(f.since) > failureWindow {
				delete(t.hosts, host)
			}
		}
	}
	for host := range t.hosts {
		if len(t.hosts) < maxTrackedHost {
			return
		}
		delete(t.hosts, host)
	}
}
