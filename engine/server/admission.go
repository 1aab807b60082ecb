package server

import (
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

func (a *admission) enter(host string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now >= a.total || a.pending >= a.unauthenticated || a.hosts[host] >= a.perHost {
		return false
	}
	a.now++
	a.pending++
	a.hosts[host]++
	return true
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

// Failed logins of one source address that are answered at once, within which
// time, and how long each further answer is held back.
const (
	freeFailures   = 10
	failureWindow  = 10 * time.Second
	failureDelay   = time.Second
	maxTrackedHost = 10_000 // addresses; beyond, the oldest window is forgotten
)

// throttle slows a source address down that keeps guessing.
type throttle struct {
	mu    sync.Mutex
	hosts map[string]failures
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

// forget drops the windows that are over; if there is none, any one.
func (t *throttle) forget(now time.Time) {
	var victim string
	for host, f := range t.hosts {
		victim = host
		if now.Sub(f.since) > failureWindow {
			delete(t.hosts, host)
		}
	}
	if len(t.hosts) >= maxTrackedHost {
		delete(t.hosts, victim)
	}
}
