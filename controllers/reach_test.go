package controllers

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// rights are what an API server says of an account: "verb resource namespace".
type rights func(right string) bool

func (r rights) Create(_ context.Context, review *authorizationv1.SelfSubjectAccessReview, _ metav1.CreateOptions) (*authorizationv1.SelfSubjectAccessReview, error) {
	a := review.Spec.ResourceAttributes
	review.Status.Allowed = r(strings.TrimSpace(a.Verb + " " + a.Resource + " " + a.Namespace))
	return review, nil
}

// TestReachIsWhatMayBeWatched: one namespace that is gone must not keep the
// operator from the others, and none at all must not come to mean every one.
func TestReachIsWhatMayBeWatched(t *testing.T) {
	synctest.Test(t, reachIsWhatMayBeWatched) // it waits a while for roles
}

func reachIsWhatMayBeWatched(t *testing.T) {
	shop := account{rights(func(r string) bool {
		return r == "list kvdatabases shop" || r == "watch kvdatabases shop" || r == "list jobqueues shop" || r == "watch jobqueues shop"
	})}
	r, err := shop.reach(t.Context(), []string{"gone", "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.namespaces, []string{"shop"}) || !slices.Equal(r.missing, []string{"gone"}) || r.clusterIssuers {
		t.Errorf("%+v", r)
	}
	var caches cache.Options
	r.limit(&caches)
	if _, ok := caches.DefaultNamespaces["shop"]; !ok || len(caches.DefaultNamespaces) != 1 {
		t.Errorf("caches hold %v", caches.DefaultNamespaces)
	}
	// To list is not enough: a watch that is forbidden fills no cache either.
	lists := account{rights(func(r string) bool { return strings.HasPrefix(r, "list") })}
	if _, err := lists.reach(t.Context(), []string{"shop"}); err == nil || !strings.Contains(err.Error(), "--watch-namespaces") {
		t.Errorf("an account that may watch nothing: %v", err)
	}
}

func TestReachOfTheWholeCluster(t *testing.T) {
	all := account{rights(func(string) bool { return true })}
	r, err := all.reach(t.Context(), nil)
	if err != nil || !r.clusterIssuers || len(r.namespaces)+len(r.missing) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	var caches cache.Options
	if r.limit(&caches); caches.DefaultNamespaces != nil {
		t.Errorf("caches hold %v only", caches.DefaultNamespaces)
	}
}

// TestOperatorStartsAnewWhenANamespaceReturns: caches cannot be widened.
func TestOperatorStartsAnewWhenANamespaceReturns(t *testing.T) {
	asked := 0
	later := account{rights(func(string) bool { asked++; return asked > 2 })}
	r := &returning{account: later, missing: []string{"shop"}, every: time.Millisecond}
	if r.NeedLeaderElection() {
		t.Error("an operator in waiting would not see it")
	}
	if err := r.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "namespace shop may be watched") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := &returning{account: account{rights(func(string) bool { return false })}, missing: []string{"shop"}, every: time.Millisecond}
	if err := never.Start(ctx); err != nil {
		t.Errorf("at the operator's end: %v", err)
	}
}
