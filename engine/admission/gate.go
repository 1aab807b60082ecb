// Package admission bounds what clients of any port may take before a command
// of theirs is looked at: places (Gate), attempts to log in (Throttle), and
// what a user's sessions take together (Usages).
package admission

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Guest is a connection as a Gate counts it.
type Guest struct {
	Host string // SourceOf its address
	// Evict closes the connection, whose place is another's.
	Evict func()

	place   *list.Element // among the strangers of its source
	evicted atomic.Bool
}

// Evicted tells whether the connection has lost its place.
func (g *Guest) Evicted() bool { return g.evicted.Load() }

// Gate counts connections against their caps. A connection counts as
// unauthenticated from before its handshake until it has authenticated.
//
// Where all places are taken, a newcomer gets that of the oldest connection
// that has not authenticated, of the source that has most of them: however many
// strangers there are, they keep out only those who share their source.
type Gate struct {
	total, unauthenticated, perHost int // the caps

	// Through tells of an address that connections of many come through, so that
	// it may have more than perHost; nil for none. Set before the first Enter.
	Through func(host string) bool

	mu      sync.Mutex
	now     int
	pending int
	sources map[string]*source
	ranks   []*list.List // of *source: in ranks[n] those with n strangers, by since when
}

// source is an address from which there are connections that have not
// authenticated.
type source struct {
	strangers list.List     // of *Guest, the oldest first
	rank      *list.Element // in ranks
}

// NewGate makes a Gate for so many connections, so many of which may not have
// authenticated, and so many of those be of one source.
func NewGate(total, unauthenticated, perHost int) *Gate {
	return &Gate{total: total, unauthenticated: unauthenticated, perHost: perHost, sources: map[string]*source{}}
}

// Enter counts a connection in, or says which cap is reached. It may do both:
// the connection returned has lost its place then, and is to be closed.
func (g *Gate) Enter(c *Guest) (evicted *Guest, reached string, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	has := 0
	if s := g.sources[c.Host]; s != nil {
		has = s.strangers.Len()
	}
	switch {
	case g.now >= g.total:
		reached = "limits.maxClients"
	case g.pending >= g.unauthenticated:
		reached = "limits.maxUnauthenticated"
	case has >= g.perHost && (g.Through == nil || !g.Through(c.Host)):
		return nil, "limits.maxUnauthenticatedPerHost", false
	}
	if reached != "" {
		if evicted = g.oldestOfTheGreediest(); evicted == nil || g.sources[evicted.Host].strangers.Len() <= has {
			return nil, reached, false
		}
		g.remove(evicted)
		g.now--
		evicted.evicted.Store(true)
	}
	g.now++
	g.add(c)
	return evicted, reached, true
}

// Admit is Enter for a connection that was accepted: whoever loses a place is
// closed, refused is told of it, and it is counted. The caller closes a connection
// that is not admitted.
func (g *Gate) Admit(c *Guest, counters *Counters, refused func(host, reached string)) bool {
	evicted, reached, ok := g.Enter(c)
	if !ok {
		counters.Rejected.Add(1)
		refused(c.Host, reached)
		return false
	}
	if evicted != nil {
		counters.Evicted.Add(1)
		refused(evicted.Host, reached)
		evicted.Evict()
	}
	counters.Accepted.Add(1)
	return true
}

// Leave counts a connection out that is closed.
func (g *Gate) Leave(c *Guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.remove(c)
	if !c.evicted.Load() {
		g.now--
	}
}

// Authenticated moves a connection out of the pending ones, or back (RESET).
// Who authenticates before its eviction has reached it keeps its place.
func (g *Gate) Authenticated(c *Guest, yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !yes:
		g.add(c)
	case c.evicted.CompareAndSwap(true, false):
		g.now++
	default:
		g.remove(c)
	}
}

// oldestOfTheGreediest is nil where there are no strangers. Of sources with as
// many it is one of that which has had them for the longest time.
func (g *Gate) oldestOfTheGreediest() *Guest {
	for n := len(g.ranks) - 1; n > 0; n-- {
		if first := g.ranks[n].Front(); first != nil {
			return first.Value.(*source).strangers.Front().Value.(*Guest)
		}
	}
	return nil
}

func (g *Gate) add(c *Guest) {
	s := g.sources[c.Host]
	if s == nil {
		s = &source{}
		g.sources[c.Host] = s
	}
	c.place = s.strangers.PushBack(c)
	g.pending++
	g.sort(s, s.strangers.Len()-1)
}

// remove does nothing with a connection that is not pending.
func (g *Gate) remove(c *Guest) {
	if c.place == nil {
		return
	}
	s := g.sources[c.Host]
	s.strangers.Remove(c.place)
	c.place = nil
	g.pending--
	g.sort(s, s.strangers.Len()+1)
	if s.strangers.Len() == 0 {
		delete(g.sources, c.Host)
	}
}

// sort puts a source that had so many strangers where it now belongs.
func (g *Gate) sort(s *source, had int) {
	if had > 0 {
		g.ranks[had].Remove(s.rank)
	}
	if n := s.strangers.Len(); n > 0 {
		for len(g.ranks) <= n {
			g.ranks = append(g.ranks, list.New())
		}
		s.rank = g.ranks[n].PushBack(s)
	}
}

// SourceOf is the source address that connections and failed logins are counted
// by. Of IPv6 it is the network: who has one has all its 2^64 addresses.
func SourceOf(addr net.Addr) string {
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

// Bounds are those of all ports for jobs together.
type Bounds struct {
	Gate     *Gate
	Throttle *Throttle
	Usages   *Usages
	Counters *Counters
}
