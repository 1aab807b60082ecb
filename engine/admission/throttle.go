package admission

import (
	"sync"
	"time"
)

// Failed logins of one source address that are answered at once, within which
// time, and how long each further answer is held back.
const (
	FreeFailures   = 10
	FailureWindow  = 10 * time.Second
	FailureDelay   = time.Second
	maxTrackedHost = 10_000 // addresses; beyond, others are forgotten
)

// Throttle slows a source address down that keeps guessing.
type Throttle struct {
	mu    sync.Mutex
	hosts map[string]failures
	swept time.Time
}

// NewThrottle makes a Throttle that knows of no failure.
func NewThrottle() *Throttle { return &Throttle{hosts: map[string]failures{}} }

type failures struct {
	since time.Time
	count int
}

// Failed notes a failed login and says how long to hold the answer back.
func (t *Throttle) Failed(host string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, known := t.hosts[host]
	if !known && len(t.hosts) >= maxTrackedHost {
		t.forget(now)
	}
	if now.Sub(f.since) > FailureWindow {
		f = failures{since: now}
	}
	f.count++
	t.hosts[host] = f
	if f.count > FreeFailures {
		return FailureDelay
	}
	return 0
}

// forget makes room for one address: it drops the windows that are over, but
// looks for them only once a window; between, any one address has to go.
func (t *Throttle) forget(now time.Time) {
	if now.Sub(t.swept) > FailureWindow {
		t.swept = now
		for host, f := range t.hosts {
			if now.Sub(f.since) > FailureWindow {
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
