package server

import (
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/credential"
)

func (s *Server) users() *acl.Users { return s.opts.Credentials().Users }

// CredentialsChanged wakes the sessions whose credential is no longer accepted
// so that they close: between two commands, idle ones at once.
func (s *Server) CredentialsChanged(snapshot *credential.Snapshot) {
	s.wakeRefused(snapshot)
	s.usages.Forget(snapshot.Users)
	s.mu.Lock()
	if s.loop != nil {
		s.loop.post(s.loop.recheck)
	}
	s.mu.Unlock()
	select {
	case s.usersChanged <- struct{}{}:
	default: // it will look
	}
}

func (s *Server) wakeRefused(snapshot *credential.Snapshot) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		if credential := c.bound(); credential.User != "" && !snapshot.Users.Accepts(credential, now) {
			c.interrupt()
		}
	}
}
