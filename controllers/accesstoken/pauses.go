package accesstoken

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/controllers/instance"
)

const (
	// slowAnswer is from when on an answer that fails is one that was waited for.
	slowAnswer = time.Second
	// pauseShare is for how many times as long nobody waits for that again.
	pauseShare = 10
)

// pauses remembers targets whose members let one wait and then do not answer.
// Whoever may make one database with next to no CPU may make a thousand tokens of
// it: if each waited for it, nobody else's tokens would be looked at. The zero
// value is ready for use.
type pauses struct {
	mu    sync.Mutex
	until map[client.ObjectKey]time.Time
}

// begin says whether the target may be asked now. While one that is known to be
// slow is being asked, nobody else waits for it.
func (p *pauses) begin(target client.ObjectKey, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, slow := p.until[target]
	if slow && now.Before(until) {
		return false
	}
	if slow {
		p.until[target] = now.Add(pauseShare * slowAnswer)
	}
	return true
}

// end notes what came of asking, and how long that took.
func (p *pauses) end(target client.ObjectKey, members []instance.Member, now time.Time, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.until, target)
	maps.DeleteFunc(p.until, func(_ client.ObjectKey, until time.Time) bool { return until.Add(time.Minute).Before(now) }) // it is gone, perhaps
	for _, m := range members {
		if m.Err != nil && took >= slowAnswer {
			if p.until == nil {
				p.until = map[client.ObjectKey]time.Time{}
			}
			p.until[target] = now.Add(pauseShare * took)
		}
	}
}

// silence is for members that are not asked.
func silence(members []instance.Member) {
	for i := range members {
		members[i].Err = fmt.Errorf("member %s did not answer in time", members[i].Name)
	}
}
