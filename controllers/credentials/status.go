package credentials

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
)

// How often changing numbers alone enter the status: rarely, but while somebody
// waits for the last session to leave the old password.
const (
	numbersEvery        = time.Minute
	numbersEveryOverlap = 10 * time.Second
)

// Numbers remembers of each object when changing numbers last entered its
// status. The zero value is ready for use.
type Numbers struct{ last sync.Map } // types.NamespacedName -> time.Time

// Due says whether numbers may enter the status now, and if so that they have.
func (n *Numbers) Due(key types.NamespacedName, now time.Time, phase rotation.Phase) bool {
	last, _ := n.last.Load(key)
	at, _ := last.(time.Time)
	every := numbersEvery
	if phase == rotation.Overlap {
		every = numbersEveryOverlap
	}
	if now.Sub(at) < every {
		return false
	}
	n.last.Store(key, now)
	return true
}

// Known says whether an object is remembered.
func (n *Numbers) Known(key types.NamespacedName) bool {
	_, ok := n.last.Load(key)
	return ok
}

// Forget is for objects that are gone, or those that come and go would fill the
// memory.
func (n *Numbers) Forget(key types.NamespacedName) { n.last.Delete(key) }

// maxSessions is how many generations the CRD has room for.
const maxSessions = 16

// Sessions counts what all members say of a user's sessions, newest generation
// first.
func Sessions(members []instance.Member, user string) []v1alpha1.GenerationSessions {
	counts := map[int64]int64{}
	for _, m := range members {
		if m.Status == nil {
			continue
		}
		for _, u := range m.Status.Credentials.Users {
			if u.Name != user {
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
	slices.SortFunc(out, func(a, b v1alpha1.GenerationSessions) int { return cmp.Compare(b.Generation, a.Generation) })
	return out[:min(len(out), maxSessions)]
}

// Status is what a credential's rotation is told to be; generation and times
// stay as they were where their secret is gone.
func Status(before v1alpha1.CredentialsStatus, o rotation.Observed, d rotation.Decision) v1alpha1.CredentialsStatus {
	after := before
	after.Phase = Phase(d.Phase)
	after.NextRotation = instance.Timestamp(d.Scheduled)
	if o.Connection != nil {
		after.Generation = o.Connection.Generation
		after.LastRotated = instance.Timestamp(o.Connection.SwitchedAt)
	}
	if o.Server != nil {
		after.PreviousRevokedAt = instance.Timestamp(o.Server.Marks.RevokedAt)
	}
	return after
}

// Phase as users see it: what is aborted was being prepared.
func Phase(p rotation.Phase) v1alpha1.RotationPhase {
	if p == rotation.Aborting {
		return v1alpha1.PhasePreparing
	}
	return v1alpha1.RotationPhase(p)
}
