package admission

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
)

const (
	// quotaBurst is for how long a user may have asked for nothing and make up
	// for it.
	quotaBurst = 100 * time.Millisecond
	// quotaHold is for how long a request over the quota is held back at most;
	// one that would have to wait for longer is refused.
	quotaHold = 2 * time.Second
)

// Usage is what all sessions of one user take together.
type Usage struct {
	sessions int          // Usages' lock
	next     atomic.Int64 // when the quota has room for another request, Unix ns

	Bodies atomic.Int64 // bytes of the large requests of HTTP that are on their way

	Denied    atomic.Int64 // commands, for want of permission
	Held      atomic.Int64 // requests that waited for quota.requestsPerSecond
	Throttled atomic.Int64 // requests that it refused
}

// Refused is what a user was refused since it first logged in.
type Refused struct{ Denied, Held, Throttled int64 }

// Usages knows the usage of every user that has sessions, or had.
type Usages struct {
	mu    sync.Mutex
	users map[string]*Usage
}

// NewUsages makes Usages of nobody.
func NewUsages() *Usages { return &Usages{users: map[string]*Usage{}} }

// Move counts a session out of one user and into another; either may be "". It
// returns nil, and changes nothing, if the other has as many as it may have.
func (u *Usages) Move(from, to string, limit int) *Usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	next := u.users[to]
	if next == nil {
		next = &Usage{}
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

// Forget drops the users that are gone.
func (u *Usages) Forget(users *acl.Users) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for name, usage := range u.users {
		if usage.sessions == 0 && users.Identity(name) == nil {
			delete(u.users, name)
		}
	}
}

// Stats tells what the users that have sessions, or had, were refused.
func (u *Usages) Stats() map[string]Refused {
	u.mu.Lock()
	defer u.mu.Unlock()
	stats := make(map[string]Refused, len(u.users))
	for name, usage := range u.users {
		stats[name] = Refused{Denied: usage.Denied.Load(), Held: usage.Held.Load(), Throttled: usage.Throttled.Load()}
	}
	return stats
}

// OverQuota says to a user that it is over a field of its quota, and what gave
// it that.
func OverQuota(id *acl.Identity, text, field string, limit int) string {
	text = fmt.Sprintf("%s (quota.%s: %d)", text, field, limit)
	if source := id.Source(); source != "" {
		text += ": see " + source
	}
	return text
}

// Take asks for a request's place. Places are given in the order in which they
// are asked for, whichever session does; ok is false if the next one is too far
// away to wait for.
func (u *Usage) Take(now time.Time, perSecond int) (wait time.Duration, ok bool) {
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
