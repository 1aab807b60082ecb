package admission

import (
	"sync/atomic"

	"github.com/coffer-dev/coffer/engine/acl"
)

// Counters are what a port counts; they only grow.
type Counters struct {
	Accepted, Rejected, HandshakeFailures, AuthFailures atomic.Int64
	ProtocolErrors, Denied, Commands, OutputExceeded    atomic.Int64
	Shed, Slow, Evicted                                 atomic.Int64
	BytesIn, BytesOut                                   atomic.Int64
}

// Stats are the counters as they are, and nothing of what there is now.
func (c *Counters) Stats() Stats {
	return Stats{
		Sessions: map[SessionKey]int64{}, Users: map[string]Refused{},
		Accepted: c.Accepted.Load(), Rejected: c.Rejected.Load(),
		HandshakeFailures: c.HandshakeFailures.Load(), AuthFailures: c.AuthFailures.Load(),
		ProtocolErrors: c.ProtocolErrors.Load(), Denied: c.Denied.Load(),
		Commands: c.Commands.Load(), OutputExceeded: c.OutputExceeded.Load(),
		Shed: c.Shed.Load(), Slow: c.Slow.Load(), Evicted: c.Evicted.Load(),
		BytesIn: c.BytesIn.Load(), BytesOut: c.BytesOut.Load(),
	}
}

// Count adds a connection of who has that credential; a zero one is nobody's.
func (s *Stats) Count(c acl.Credential) {
	s.Connections++
	if c.User == "" {
		s.Unauthenticated++
		return
	}
	s.Sessions[SessionKey{c.User, c.Generation()}]++
}

// SessionKey is a user's credential.
type SessionKey struct {
	User       string
	Generation int64
}

// Stats is what a port counted since it started, and what there is now.
type Stats struct {
	Connections, Unauthenticated                        int64
	Sessions                                            map[SessionKey]int64
	Users                                               map[string]Refused // of users that have sessions, or had
	Accepted, Rejected, HandshakeFailures, AuthFailures int64
	ProtocolErrors, Denied, Commands, OutputExceeded    int64
	BytesIn, BytesOut                                   int64
	Buffered                                            int64 // bytes of clients' buffers
	Shed, Slow                                          int64 // connections closed for their buffers, for slow requests
	Evicted                                             int64 // unauthenticated connections closed for others to have their places
}

// Add is what two ports counted together.
func (s Stats) Add(o Stats) Stats {
	for key, n := range o.Sessions {
		s.Sessions[key] += n
	}
	for name, r := range o.Users {
		sum := s.Users[name]
		s.Users[name] = Refused{sum.Denied + r.Denied, sum.Held + r.Held, sum.Throttled + r.Throttled}
	}
	for _, pair := range [][2]*int64{
		{&s.Connections, &o.Connections}, {&s.Unauthenticated, &o.Unauthenticated}, {&s.Accepted, &o.Accepted}, {&s.Rejected, &o.Rejected},
		{&s.HandshakeFailures, &o.HandshakeFailures}, {&s.AuthFailures, &o.AuthFailures}, {&s.ProtocolErrors, &o.ProtocolErrors},
		{&s.Denied, &o.Denied}, {&s.Commands, &o.Commands}, {&s.OutputExceeded, &o.OutputExceeded}, {&s.BytesIn, &o.BytesIn},
		{&s.BytesOut, &o.BytesOut}, {&s.Buffered, &o.Buffered}, {&s.Shed, &o.Shed}, {&s.Slow, &o.Slow}, {&s.Evicted, &o.Evicted},
	} {
		*pair[0] += *pair[1]
	}
	return s
}
