package operator

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// crashing lets so many writes of objects through, and then none: to the API
// server, that is an operator which stopped between two of them.
type crashing struct {
	next http.RoundTripper
	left *atomic.Int64
}

func (c crashing) RoundTrip(r *http.Request) (*http.Response, error) {
	about := !strings.Contains(r.URL.Path, "/events") && !strings.Contains(r.URL.Path, "accessreviews")
	if r.Method != http.MethodGet && about && c.left.Add(-1) < 0 {
		return nil, errors.New("crashed")
	}
	return c.next.RoundTrip(r)
}

// TestTokenCrashBetweenAnyTwoWrites stops the operator after each number of
// writes of a token's making and of its rotation. At the crash, whatever secret
// there is lets its reader in; after it, another operator goes on to the end.
func TestTokenCrashBetweenAnyTwoWrites(t *testing.T) {
	stop := startOperator(t)
	ns := newNamespace(t)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	for writes := int64(1); writes <= 7; writes++ {
		tok := token(ns, fmt.Sprint("t", writes))
		stop()
		create(t, tok)
		stop = crash(t, writes)
		first := &corev1.Secret{}
		if err := suite.client.Get(t.Context(), client.ObjectKeyFromObject(tok), first); err == nil {
			if err := login(t, db, first); err != nil {
				t.Fatalf("made, after %d writes: %v", writes, err)
			}
		}
		awaitGranted(t, tok)
		old := secretOf(t, tok)

		stop()
		note(t, tok, v1alpha1.AnnotationRotateCredentials, "now")
		stop = crash(t, writes)
		if err := login(t, db, secretOf(t, tok)); err != nil {
			t.Fatalf("rotated, after %d writes: %v", writes, err)
		}
		eventually(t, "the rotation gets to its overlap", func() string {
			now := secretOf(t, tok)
			for _, s := range []*corev1.Secret{old, now} {
				if err := login(t, db, s); err != nil {
					t.Fatalf("generation %s, after %d writes: %v", s.Data["generation"], writes, err)
				}
			}
			if got := string(now.Data["generation"]); got != "2" {
				return "generation " + got
			}
			return ""
		})
		eventually(t, "the pending secret is removed", func() string {
			err := suite.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: tok.Name + "-token-pending"}, &corev1.Secret{})
			if !apierrors.IsNotFound(err) {
				return fmt.Sprint("it is there ", err)
			}
			return ""
		})
	}
}

// crash has an operator make so many writes and no more, and starts another.
func crash(t *testing.T, writes int64) (stop func()) {
	t.Helper()
	left := &atomic.Int64{}
	left.Store(writes)
	end := startWrapped(t, "coffer:test", func(next http.RoundTripper) http.RoundTripper { return crashing{next, left} })
	deadline := time.Now().Add(5 * time.Second) // it may have fewer to make
	for left.Load() > 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	end()
	return startOperator(t)
}
