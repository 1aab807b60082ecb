package accesstoken

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) *v1alpha1.AccessToken {
	t := &v1alpha1.AccessToken{ObjectMeta: metav1.ObjectMeta{Generation: 1, CreationTimestamp: metav1.NewTime(noon), Annotations: map[string]string{}}}
	t.Spec.ExpiresAfter = &metav1.Duration{Duration: d}
	return t
}

// counted is a token from which an hour has been counted since noon.
func counted(d time.Duration) *v1alpha1.AccessToken {
	t := after(d)
	t.Annotations[v1alpha1.AnnotationValidFrom] = noon.Format(time.RFC3339)
	t.Annotations[v1alpha1.AnnotationValidFor] = "1h0m0s"
	return t
}

func TestFromWhenALifetimeCounts(t *testing.T) {
	now := noon.Add(40 * time.Minute)
	for name, c := range map[string]struct {
		token *v1alpha1.AccessToken
		from  time.Time
	}{
		"a new token, seen late":          {after(time.Hour), noon},
		"one that got a lifetime later":   {change(after(time.Hour), func(a *v1alpha1.AccessToken) { a.Generation = 2 }), now},
		"one that is counted":             {counted(time.Hour), noon},
		"one that is counted, and edited": {change(counted(time.Hour), func(a *v1alpha1.AccessToken) { a.Generation = 9 }), noon},
		"another lifetime":                {counted(2 * time.Hour), now},
		"a request": {change(counted(time.Hour), func(a *v1alpha1.AccessToken) {
			a.Annotations[v1alpha1.AnnotationRenew] = "once"
		}), now},
		"the request that was carried out": {change(counted(time.Hour), func(a *v1alpha1.AccessToken) {
			a.Annotations[v1alpha1.AnnotationRenew], a.Annotations[v1alpha1.AnnotationRenewed] = "once", "once"
		}), noon},
		"a request that is taken away": {change(counted(time.Hour), func(a *v1alpha1.AccessToken) {
			a.Annotations[v1alpha1.AnnotationRenewed] = "once"
		}), noon},
		"a time that lies in the future": {change(counted(time.Hour), func(a *v1alpha1.AccessToken) {
			a.Annotations[v1alpha1.AnnotationValidFrom] = now.Add(time.Hour).Format(time.RFC3339)
		}), now},
		"a time that is none": {change(counted(time.Hour), func(a *v1alpha1.AccessToken) {
			a.Annotations[v1alpha1.AnnotationValidFrom] = "noon"
		}), now},
	} {
		t.Run(name, func(t *testing.T) {
			if got := nextRecord(c.token, now); !got.from.Equal(c.from) {
				t.Errorf("counts from %s, want %s", got.from, c.from)
			}
		})
	}
}

func change(t *v1alpha1.AccessToken, f func(*v1alpha1.AccessToken)) *v1alpha1.AccessToken {
	f(t)
	return t
}

func TestWhenAnEndIsNear(t *testing.T) {
	for name, c := range map[string]struct {
		life time.Duration
		warn time.Duration // before the end
	}{
		"a tenth of an hour": {time.Hour, 6 * time.Minute},
		"a tenth of a month": {30 * 24 * time.Hour, 72 * time.Hour},
		"seven days at most": {365 * 24 * time.Hour, 7 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			l := lifetime{from: noon, end: noon.Add(c.life)}
			if got := l.end.Sub(l.warnAt()); got != c.warn {
				t.Errorf("warns %s before the end, want %s", got, c.warn)
			}
			if next := l.next(noon); !next.Equal(l.warnAt()) {
				t.Errorf("looks again at %s first", next)
			}
			if next := l.next(l.warnAt()); !next.Equal(l.end) {
				t.Errorf("looks again at %s then", next)
			}
			if l.expired(l.end.Add(-time.Nanosecond)) || !l.expired(l.end) {
				t.Error("it ends at another time")
			}
		})
	}
	if never := (lifetime{}); never.expired(noon) || !never.next(noon).IsZero() || !never.warnAt().IsZero() {
		t.Error("what has no end ends")
	}
}
