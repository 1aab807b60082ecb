package server

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/audit"
)

const (
	// quotaBurst is for how long a user may have asked for nothing and make up
	// for it.
	quotaBurst = 100 * time.Millisecond
	// quotaHold is for how long a request over the quota is held back at most;
	// one that would have to wait for longer is refused.
	quotaHold = 2 * time.Second
	// minHold is for how long at least: shorter ones are not worth a timer.
	minHold = time.Millisecond
)

// usage is what all sessions of one user take together.
type usage struct {
	sessions                int          // usages' lock
	next                    atomic.Int64 // when the quota has room for another request, Unix ns
	denied, held, throttled atomic.Int64
}

// usages knows the usage of every user that has sessions, or had.
type usages struct {
	mu    sync.Mutex
	users map[string]*usage
}

// move counts a session out of one user and into another; either may be "". It
// returns nil, and changes nothing, if the other has as many as it may have.
func (u *usages) move(from, to string, limit int) *usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	next := u.users[to]
	if next == nil {
		next = &usage{}
	}
	if to != "" && from != to {
		if limit > 0 && next.sessions >= limit {
			return nil
		}
		next.sessions++
		u.users[to] = next
	}
	if from != "" && from != to {
		u.users[from].sessions--
	}
	return next
}

// forget drops the users that are gone.
func (u *usages) forget(users *acl.Users) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for name, usage := range u.users {
		if usage.sessions == 0 && users.Identity(name) == nil {
			delete(u.users, name)
		}
	}
}

func (u *usages) stats() map[string]UserStats {
	u.mu.Lock()
	defer u.mu.Unlock()
	stats := make(map[string]UserStats, len(u.users))
	for name, usage := range u.users {
		stats[name] = UserStats{Denied: usage.denied.Load(), Held: usage.held.Load(), Throttled: usage.throttled.Load()}
	}
	return stats
}

// take asks for a request's place. Places are given in the order in which they
// are asked for, whichever session does; ok is false if the next one is too far
// away to wait for.
func (u *usage) take(now time.Time, perSecond int) (wait time.Duration, ok bool) {
	for {
		next := u.next.Load()
		place := max(next, now.Add(-quotaBurst).UnixNano())
		wait = time.Duration(place - now.UnixNano())
		if wait > quotaHold {
			return wait, false
		}
		if u.next.CompareAndSwap(next, place+int64(time.Second)/int64(perSecond)) {
			return max(wait, 0), true
		}
	}
}

// withinQuota holds the session back if its user asks for more than it may, or
// says that the request is refused.
func (c *session) withinQuota() error {
	limit := c.identity.Quota().RequestsPerSecond
	if limit == 0 {
		return nil
	}
	wait, ok := c.usage.take(c.loop.now, limit)
	if !ok {
		c.usage.throttled.Add(1)
		err := overQuota(c.identity, "ERR too many requests for this user", "requestsPerSecond", limit)
		if c.srv.opts.Audit.Wants(audit.Refusal) {
			e := c.entry(audit.Request)
			e.Source, e.Denied, e.Reason = c.host, true, "quota.requestsPerSecond"
			c.srv.opts.Audit.Count(e)
		}
		return err
	}
	if wait > 0 {
		c.usage.held.Add(1)
		c.hold(max(wait, minHold))
	}
	return nil
}

// overQuota is the reply to who is over its quota.
func overQuota(id *acl.Identity, text, field string, limit int) error {
	text = fmt.Sprintf("%s (quota.%s: %d)", text, field, limit)
	if source := id.Source(); source != "" {
		text += ": see " + source
	}
	return errors.New(text)
}
