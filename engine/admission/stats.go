package admission

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
