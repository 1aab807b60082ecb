package operator

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// mostWrites bounds the tests below: making or rotating a token takes fewer.
const mostWrites = 20

// acrossDeaths has the operator die after one write, after two, and so on, until
// it lives to the end.
func acrossDeaths(t *testing.T, round func(writes int64) (died bool)) {
	t.Helper()
	writes := int64(1)
	for ; round(writes); writes++ {
		if writes == mostWrites {
			t.Fatalf("%d writes and more", writes)
		}
	}
	if writes < 3 {
		t.Errorf("it was through after %d writes: the test cuts nothing", writes)
	}
}

// TestTokenIsMadeAcrossADeathAfterAnyWrite is of making tokens. At each
// death, whatever secret there is lets its reader in; after it, another
// operator goes on to the end.
func TestTokenIsMadeAcrossADeathAfterAnyWrite(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	stop := startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	stop()
	acrossDeaths(t, func(writes int64) bool {
		tok := token(ns, fmt.Sprint("t", writes))
		create(t, tok)
		died := live(t, ns, writes)
		first := &corev1.Secret{}
		if err := suite.client.Get(t.Context(), client.ObjectKeyFromObject(tok), first); err == nil {
			if err := login(t, db, first); err != nil {
				t.Fatalf("after %d writes: %v", writes, err)
			}
		}
		stop := startOperator(t, ns)
		awaitGranted(t, tok)
		if err := login(t, db, secretOf(t, tok)); err != nil {
			t.Fatalf("made across a death after %d writes: %v", writes, err)
		}
		stop()
		return died
	})
}

// TestTokenIsRotatedAcrossADeathAfterAnyWrite is the same for a rotation.
func TestTokenIsRotatedAcrossADeathAfterAnyWrite(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	stop := startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	acrossDeaths(t, func(writes int64) bool {
		tok := token(ns, fmt.Sprint("t", writes))
		create(t, tok)
		awaitGranted(t, tok)
		old := secretOf(t, tok)
		stop()
		note(t, tok, v1alpha1.AnnotationRotateCredentials, "now")
		died := live(t, ns, writes)
		if err := login(t, db, secretOf(t, tok)); err != nil {
			t.Fatalf("after %d writes: %v", writes, err)
		}
		stop = startOperator(t, ns)
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
		return died
	})
}
