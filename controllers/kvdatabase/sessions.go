package kvdatabase

import (
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/rotation"
)

// How often changing numbers alone enter the status: rarely, but while somebody
// waits for the last session to leave the old password.
const (
	numbersEvery        = time.Minute
	numbersEveryOverlap = 10 * time.Second
)

// numbersDue says whether changing numbers may enter the status, and if so
// that they have.
func (s *scope) numbersDue() bool {
	key := client.ObjectKeyFromObject(s.db)
	last, _ := s.r.numbers.Load(key)
	at, _ := last.(time.Time)
	every := numbersEvery
	if s.decision.Phase == rotation.Overlap {
		every = numbersEveryOverlap
	}
	if s.now.Sub(at) < every {
		return false
	}
	s.r.numbers.Store(key, s.now)
	return true
}

// maxSessions is how many generations the CRD has room for.
const maxSessions = 16

// sessions counts what all members say of the connection's user, newest first.
func (s *scope) sessions() []v1alpha1.GenerationSessions {
	counts := map[int64]int64{}
	for _, m := range s.members {
		if m.Status == nil {
			continue
		}
		for _, u := range m.Status.Credentials.Users {
			if u.Name != desired.ConnectionUser {
				continue
			}
			for _, g := range u.Generations {
				counts[g.Number] += g.Sessions
			}
		}
	}
	var out []v1alpha1.GenerationSessions
	for generation, n := range counts {
		out = append(out, v1alpha1.GenerationSessions{Generation: generation, Sessions: n})
	}
	slices.SortFunc(out, func(a, b v1alpha1.GenerationSessions) int { return int(b.Generation - a.Generation) })
	return out[:min(len(out), maxSessions)]
}

// leftBehind says how many sessions are on passwords before the current one.
func leftBehind(c v1alpha1.CredentialsStatus) string {
	text := ""
	for _, g := range c.Sessions {
		if g.Generation < c.Generation && g.Sessions > 0 {
			verb := "sessions are"
			if g.Sessions == 1 {
				verb = "session is"
			}
			text += fmt.Sprintf("; %d %s still on generation %d", g.Sessions, verb, g.Generation)
		}
	}
	if text == "" {
		return "; no session is left on the one before"
	}
	return text
}
