package server

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"time"
)

// admission counts connections against their caps. A connection counts as
// unauthenticated from before its handshake until it has authenticated.
//
// Where all places are taken, a newcomer gets that of the oldest connection
// that has not authenticated, of the source that has most of them: however many
// strangers there are, they keep out only those who share their source.
type admission struct {
	total, unauthenticated, perHost int // the caps

	mu      sync.Mutex
	now     int
	pending int
	sources map[string]*source
	ranks   []*list.List // of *source: in ranks[n] those with n strangers, by since when
}

// source is an address from which there are connections that have not
// authenticated.
type source struct {
	strangers list.List     // of *session, the oldest first
	rank      *list.Element // in ranks
}

// enter counts a connection in, or says which cap is reached. It may do both:
// the connection returned has lost its place then, and is to be closed.
func (a *admission) enter(c *session) (evicted *session, reached string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	has := 0
	if s := a.sources[c.host]; s != nil {
		has = s.strangers.Len()
	}
	switch {
	case a.now >= a.total:
		reached = "limits.maxClients"
	case a.pending >= a.unauthenticated:
		reached = "limits.maxUnauthenticated"
	case has >= a.perHost:
		return nil, "limits.maxUnauthenticatedPerHost", false
	}
	if reached != "" {
		if evicted = a.oldestOfTheGreediest(); evicted == nil || a.sources[evicted.host].strangers.Len() <= has {
			return nil, reached, false
		}
		a.remove(evicted)
		a.now--
		evicted.evicted.Store(true)
	}
	a.now++
	a.add(c)
	return evicted, reached, true
}

func (a *admission) leave(c *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remove(c)
	if !c.evicted.Load() {
		a.now--
	}
}

// authenticated moves a connection out of the pending ones, or back (RESET).
// Who authenticates before its eviction has reached it keeps its place.
func (a *admission) authenticated(c *session, yes bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !yes:
		a.add(c)
	case c.evicted.CompareAndSwap(true, false):
		a.now++
	default:
		a.remove(c)
	}
}

// oldestOfTheGreediest is nil where there are no strangers. Of sources with as
// many it is one of that which has had them for the longest time.
func (a *admission) oldestOfTheGreediest() *session {
	for n := len(a.ranks) - 1; n > 0; n-- {
		if first := a.ranks[n].Front(); first != nil {
			return first.Value.(*source).strangers.Front().Value.(*session)
		}
	}
	return nil
}

func (a *admission) add(c *session) {
	s := a.sources[c.host]
	if s == nil {
		s = &source{}
		a.sources[c.host] = s
	}
	c.place = s.strangers.PushBack(c)
	a.pending++
	a.sort(s, s.strangers.Len()-1)
}

// remove does nothing with a connection that is not pending.
func (a *admission) remove(c *session) {
	if c.place == nil {
		return
	}
	s := a.sources[c.host]
	s.strangers.Remove(c.place)
	c.place = nil
	a.pending--
	a.sort(s, s.strangers.Len()+1)
	if s.strangers.Len() == 0 {
		delete(a.sources, c.host)
	}
}

// sort puts a source that had so many strangers where it now belongs.
func (a *admission) sort(s *source, had int) {
	if had > 0 {
		a.ranks[had].Remove(s.rank)
	}
	if n := s.strangers.Len(); n > 0 {
		for len(a.ranks) <= n {
			a.ranks = append(a.ranks, list.New())
		}
		s.rank = a.ranks[n].PushBack(s)
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
