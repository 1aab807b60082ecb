package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

const (
	// rolesWithin is how long a start waits for roles that were made along with
	// the operator to be in force.
	rolesWithin = 5 * time.Second
	// askAgain is how often an operator that does without a namespace asks for it.
	askAgain = 5 * time.Second
)

// reach is what the operator's account may look at. A watch that is forbidden
// keeps all caches from filling, and with them every controller from starting:
// a namespace that somebody deletes would take the others down with it at the
// next start. So the operator asks first, and does without what it may not see.
type reach struct {
	namespaces     []string // that it watches; none: all of them
	missing        []string // that it was told to watch and may not
	clusterIssuers bool
	namespaceKind  bool // Namespaces themselves, with their labels
}

// account asks the API server what this process may do.
type account struct {
	reviews authorizationclient.SelfSubjectAccessReviewInterface
}

func newAccount(config *rest.Config) (account, error) {
	c, err := authorizationclient.NewForConfig(config)
	if err != nil {
		return account{}, fmt.Errorf("ask for the account's rights: %w", err)
	}
	return account{c.SelfSubjectAccessReviews()}, nil
}

// mayWatch says whether a kind can be listed and watched, in one namespace or,
// when it is empty, in all.
func (a account) mayWatch(ctx context.Context, group, resource, namespace string) (bool, error) {
	for _, verb := range []string{"list", "watch"} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Group: group, Resource: resource, Namespace: namespace, Verb: verb},
		}}
		answer, err := a.reviews.Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return false, fmt.Errorf("ask whether %s may be watched: %w", resource, err)
		}
		if !answer.Status.Allowed {
			return false, nil
		}
	}
	return true, nil
}

func (a account) mayWatchInstances(ctx context.Context, namespace string) (bool, error) {
	for _, kind := range []string{"kvdatabases", "jobqueues"} {
		if ok, err := a.mayWatch(ctx, "coffer.dev", kind, namespace); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// reach finds what of the wanted namespaces, and of the cluster's own objects,
// can be watched.
func (a account) reach(ctx context.Context, wanted []string) (reach, error) {
	r := reach{missing: wanted}
	for end := time.Now().Add(rolesWithin); ; time.Sleep(time.Second) {
		var still []string
		for _, namespace := range r.missing {
			ok, err := a.mayWatchInstances(ctx, namespace)
			switch {
			case err != nil:
				return reach{}, err
			case ok:
				r.namespaces = append(r.namespaces, namespace)
			default:
				still = append(still, namespace)
			}
		}
		if r.missing = still; len(still) == 0 || time.Now().After(end) {
			break
		}
	}
	if len(wanted) > 0 && len(r.namespaces) == 0 {
		return reach{}, fmt.Errorf("--watch-namespaces: the operator's account may watch kvdatabases and jobqueues in none of %q: give it the chart's Roles there", wanted)
	}
	slices.Sort(r.namespaces)
	var err error
	if r.clusterIssuers, err = a.mayWatch(ctx, "cert-manager.io", "clusterissuers", ""); err != nil {
		return r, err
	}
	r.namespaceKind, err = a.mayWatch(ctx, "", "namespaces", "")
	return r, err
}

// sees says whether the operator looks after what is in a namespace.
func (r reach) sees(namespace string) bool {
	return len(r.namespaces) == 0 || slices.Contains(r.namespaces, namespace)
}

// limit confines caches to the namespaces. What belongs to none is unaffected.
func (r reach) limit(o *cache.Options) {
	if len(r.namespaces) == 0 {
		return
	}
	o.DefaultNamespaces = map[string]cache.Config{}
	for _, namespace := range r.namespaces {
		o.DefaultNamespaces[namespace] = cache.Config{}
	}
}

// returning ends the operator once a namespace that it does without can be
// watched: caches cannot be widened, a new start has it.
type returning struct {
	account account
	missing []string
	every   time.Duration
}

// NeedLeaderElection is false: who waits to lead must watch it too.
func (r *returning) NeedLeaderElection() bool { return false }

// Start asks until the context ends.
func (r *returning) Start(ctx context.Context) error {
	log := ctrl.Log.WithName("reach")
	for _, namespace := range r.missing {
		log.Info("not watched: the operator's account may not list kvdatabases and jobqueues there", "namespace", namespace)
	}
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, namespace := range r.missing {
			ok, err := r.account.mayWatchInstances(ctx, namespace)
			if err != nil {
				log.Info("cannot ask for the account's rights", "namespace", namespace, "error", err.Error())
			} else if ok {
				return fmt.Errorf("namespace %s may be watched from now on: starting again with it", namespace)
			}
		}
	}
}
