package server

import (
	"time"

	"github.com/coffer-dev/coffer/engine/credential"
)

// clockStep bounds the wait for a user's end, so that a clock that was set is
// noticed.
const clockStep = 10 * time.Second

// watchExpiry wakes the sessions of users that come to the end of their life,
// so that they close, until done. It needs nobody to write another users file.
func (s *Server) watchExpiry(done <-chan struct{}) {
	for {
		users := s.opts.Credentials().Users
		wait := clockStep
		if next := users.NextExpiry(time.Now()); !next.IsZero() {
			wait = min(wait, time.Until(next))
		}
		timer := time.NewTimer(wait)
		select {
		case <-done:
			timer.Stop()
			return
		case <-s.usersChanged:
			timer.Stop()
		case <-timer.C:
			s.wakeRefused(s.opts.Credentials())
		}
	}
}

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
