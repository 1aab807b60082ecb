package accesstoken

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/credentials"
)

// When an end is near: within a tenth of the lifetime, and within seven days.
const (
	soonShare = 10
	soonMost  = 7 * 24 * time.Hour
	// skew is how far in the future a recorded time may lie before it is not believed.
	skew = time.Minute
)

// lifetime is from when to when a token is valid.
type lifetime struct {
	from time.Time
	end  time.Time // zero: it does not end
}

func (l lifetime) expired(now time.Time) bool { return !l.end.IsZero() && !now.Before(l.end) }

// warnAt is when the end is near; zero for none.
func (l lifetime) warnAt() time.Time {
	if l.end.IsZero() {
		return time.Time{}
	}
	return l.end.Add(-min(l.end.Sub(l.from)/soonShare, soonMost))
}

// next is when the state of the lifetime changes; zero when it does not.
func (l lifetime) next(now time.Time) time.Time {
	for _, at := range []time.Time{l.warnAt(), l.end} {
		if at.After(now) {
			return at
		}
	}
	return time.Time{}
}

// record is what is noted on a token of when it counts from.
type record struct {
	from         time.Time
	lifetime     string // spec.expiresAfter that was counted
	renewed      string // value of coffer.dev/renew that was carried out
	unmistakable bool
}

func recordOf(t *v1alpha1.AccessToken, now time.Time) record {
	from, err := time.Parse(time.RFC3339, t.Annotations[v1alpha1.AnnotationValidFrom])
	return record{
		from: from, lifetime: t.Annotations[v1alpha1.AnnotationValidFor], renewed: t.Annotations[v1alpha1.AnnotationRenewed],
		unmistakable: err == nil && !from.After(now.Add(skew)),
	}
}

// nextRecord says from when the token counts now. What was counted goes on;
// another lifetime or another request counts anew; the first one counts from
// the token's creation, unless its spec has changed since.
func nextRecord(t *v1alpha1.AccessToken, now time.Time) record {
	have := recordOf(t, now)
	want := record{lifetime: t.Spec.ExpiresAfter.Duration.String(), renewed: credentials.Request(t, v1alpha1.AnnotationRenew), unmistakable: true}
	if want.renewed == "" { // taken away again: nobody asks for anything
		want.renewed = have.renewed
	}
	switch {
	case have.unmistakable && have.lifetime == want.lifetime && have.renewed == want.renewed:
		return have
	case !have.unmistakable && have.lifetime == "" && t.Generation <= 1:
		want.from = t.CreationTimestamp.Time
	default:
		want.from = now.Truncate(time.Second)
	}
	return want
}

// observeLifetime says when the token ends, and notes on it from when that
// counts: first, so that whatever else happens, it does not begin again.
func (s *scope) observeLifetime(ctx context.Context) error {
	t := s.token
	if t.Spec.ExpiresAt != nil {
		s.lifetime = lifetime{from: t.CreationTimestamp.Time, end: t.Spec.ExpiresAt.Time}
	}
	if t.Spec.ExpiresAfter == nil {
		return nil
	}
	r := nextRecord(t, s.now)
	s.lifetime = lifetime{from: r.from, end: r.from.Add(t.Spec.ExpiresAfter.Duration)}
	if r == recordOf(t, s.now) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": t.UID, "annotations": map[string]string{
		v1alpha1.AnnotationValidFrom: r.from.UTC().Format(time.RFC3339),
		v1alpha1.AnnotationValidFor:  r.lifetime,
		v1alpha1.AnnotationRenewed:   r.renewed,
	}}})
	if err != nil {
		return fmt.Errorf("marshal patch: %w", err)
	}
	if err := s.r.Client.Patch(ctx, t, client.RawPatch(types.MergePatchType, patch)); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("note from when the token counts: %w", err)
	}
	return nil
}
