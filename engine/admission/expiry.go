package admission

import (
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
)

// clockStep bounds the wait for a user's end, so that a clock that was set is
// noticed.
const clockStep = 10 * time.Second

// WatchExpiry calls wake when users come to the end of their life, and every so
// often in between, until done. changed tells that the users are others. It needs
// nobody to write another users file.
func WatchExpiry(done, changed <-chan struct{}, users func() *acl.Users, wake func()) {
	for {
		wait := clockStep
		if next := users().NextExpiry(time.Now()); !next.IsZero() {
			wait = min(wait, time.Until(next))
		}
		timer := time.NewTimer(wait)
		select {
		case <-done:
			timer.Stop()
			return
		case <-changed:
			timer.Stop()
		case <-timer.C:
			wake()
		}
	}
}
