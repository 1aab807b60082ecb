// Package accesstoken turns AccessToken objects into access: it observes, asks
// whether the target lets the token in, has the rotation machine decide, applies
// the grant and the secrets, takes back what is no longer granted, and reports.
// Nothing is remembered between two passes, and no finalizer holds a token back:
// a grant whose token is gone is found by its own labels.
package accesstoken

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
)

// concurrency is how many tokens are worked on at a time. A pass mostly waits
// for members and the API server.
const concurrency = 8

// Reconciler reconciles AccessTokens.
type Reconciler struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Live reads from the API server.
	Live   client.Reader
	Events events.EventRecorder
	Now    func() time.Time
	// Sees says whether the operator looks after what is in a namespace.
	Sees func(namespace string) bool
	// NamespacesUnwatched: the operator may not list Namespaces. A token whose
	// consent hangs on the labels of its own is then told so.
	NamespacesUnwatched bool

	numbers credentials.Numbers
	pauses  pauses
}

// It follows its own kind and reports on it; from when a token counts is noted
// on the token.
// +kubebuilder:rbac:groups=coffer.dev,resources=accesstokens,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=coffer.dev,resources=accesstokens/status,verbs=get;update
//
// Owner references that block deletion need this where the API server enforces it.
// +kubebuilder:rbac:groups=coffer.dev,resources=accesstokens/finalizers,verbs=update
//
// Whether a namespace has the labels that a target's allowedNamespaces asks for.
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch

// Reconcile makes one pass.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	token := &v1alpha1.AccessToken{}
	err := r.Client.Get(ctx, req.NamespacedName, token)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("get token: %w", err)
	}
	if err != nil || token.DeletionTimestamp != nil {
		r.numbers.Forget(req.NamespacedName)
		// The secret goes with its owner; the grant is in another namespace perhaps.
		return apply.Result(r.revoke(ctx, req.NamespacedName, nil))
	}
	s := r.newScope(token)
	outcome := apply.Steps(ctx,
		s.observeLifetime,
		s.observeTarget,
		s.judge,
		s.revoke,
		s.observeSecrets,
		s.observeMembers,
		s.decide,
		s.apply,
		s.prune,
	)
	return apply.End(s.report(ctx, outcome), outcome, s.rest)
}

// Indexes: of AccessTokens, and of the grants among the Secrets.
const (
	indexTarget = "spec.targetRef"
	indexSecret = "spec.secretName"
	indexGrant  = "grant"
)

// SetupWithManager registers watches and indexes.
func (r *Reconciler) SetupWithManager(m ctrl.Manager) error {
	ctx := context.Background()
	for _, index := range []struct {
		of      client.Object
		name    string
		extract client.IndexerFunc
	}{
		{&v1alpha1.AccessToken{}, indexTarget, targetOf},
		{&v1alpha1.AccessToken{}, indexSecret, secretOf},
		{&corev1.Secret{}, indexGrant, grantOf},
	} {
		if err := m.GetFieldIndexer().IndexField(ctx, index.of, index.name, index.extract); err != nil {
			return fmt.Errorf("index %s: %w", index.name, err)
		}
	}
	changed := predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	b := ctrl.NewControllerManagedBy(m).
		Named("accesstoken").
		For(&v1alpha1.AccessToken{}, builder.WithPredicates(changed)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Watches(&v1alpha1.AccessToken{}, handler.EnqueueRequestsFromMapFunc(r.byClaim), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.bySecret))
	for _, kind := range desired.Kinds() {
		b = b.Watches(kind.New(), handler.EnqueueRequestsFromMapFunc(r.byTarget(kind)), builder.WithPredicates(predicate.GenerationChangedPredicate{}))
	}
	if !r.NamespacesUnwatched {
		b = b.WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.byNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{}))
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

// byClaim wakes the others that want the same secret: what one gives up,
// another may have.
func (r *Reconciler) byClaim(ctx context.Context, o client.Object) []reconcile.Request {
	token, ok := o.(*v1alpha1.AccessToken)
	if !ok {
		return nil
	}
	requests := r.byIndex(ctx, indexSecret, token.SecretNameOrDefault(), client.InNamespace(token.Namespace))
	out := requests[:0]
	for _, q := range requests {
		if q.Name != token.Name {
			out = append(out, q)
		}
	}
	return out
}

// byTarget wakes the tokens that name an object of a kind.
func (r *Reconciler) byTarget(kind *desired.Kind) handler.MapFunc {
	return func(ctx context.Context, o client.Object) []reconcile.Request {
		return r.byIndex(ctx, indexTarget, target(kind.Name, o.GetNamespace(), o.GetName()))
	}
}

// bySecret finds the token that a grant or a secret of its own is of, and those
// whose secret repeats what a target's connection secret says of it.
func (r *Reconciler) bySecret(ctx context.Context, o client.Object) []reconcile.Request {
	labels := o.GetLabels()
	instance := labels[v1alpha1.LabelInstance]
	switch {
	case labels[v1alpha1.LabelGrant] == "true":
		if s, ok := o.(*corev1.Secret); ok && desired.TokenOf(s).Name != "" {
			return []reconcile.Request{{NamespacedName: desired.TokenOf(s)}}
		}
	case labels[v1alpha1.LabelName] == desired.LabelNameAccessToken && instance != "":
		// Whoever else wants a secret of that name may have it when it goes.
		return append(r.byIndex(ctx, indexSecret, o.GetName(), client.InNamespace(o.GetNamespace())),
			reconcile.Request{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: instance}})
	case instance != "":
		for _, kind := range desired.Kinds() {
			of := kind.New()
			of.SetNamespace(o.GetNamespace())
			of.SetName(instance)
			if labels[v1alpha1.LabelName] == kind.Label && o.GetName() == desired.NamesOf(of).ConnectionSecret() {
				return r.byTarget(kind)(ctx, of)
			}
		}
	}
	return nil
}

// byNamespace wakes the tokens of a namespace whose labels changed, unless they
// are another operator's: there is no cache of those.
func (r *Reconciler) byNamespace(ctx context.Context, o client.Object) []reconcile.Request {
	if !r.Sees(o.GetName()) {
		return nil
	}
	return r.requests(ctx, client.InNamespace(o.GetName()))
}

func (r *Reconciler) byIndex(ctx context.Context, index, value string, options ...client.ListOption) []reconcile.Request {
	return r.requests(ctx, append(options, client.MatchingFields{index: value})...)
}

func (r *Reconciler) requests(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	list := &v1alpha1.AccessTokenList{}
	if err := r.Client.List(ctx, list, options...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list tokens")
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

func target(kind, namespace, name string) string {
	return kind + "/" + namespace + "/" + name
}

func targetOf(o client.Object) []string {
	t, ok := o.(*v1alpha1.AccessToken)
	if !ok {
		return nil
	}
	return []string{target(string(t.Spec.TargetRef.Kind), t.TargetNamespace(), t.Spec.TargetRef.Name)}
}

func secretOf(o client.Object) []string {
	t, ok := o.(*v1alpha1.AccessToken)
	if !ok {
		return nil
	}
	return []string{t.SecretNameOrDefault()}
}

func grantOf(o client.Object) []string {
	if s, ok := o.(*corev1.Secret); ok && s.Labels[v1alpha1.LabelGrant] == "true" {
		return []string{s.Annotations[v1alpha1.AnnotationToken]}
	}
	return nil
}

// revoke removes every grant of a token but the one for the target to keep: the
// others' targets then forget the user, close its sessions and its network path.
func (r *Reconciler) revoke(ctx context.Context, token types.NamespacedName, keep v1alpha1.Instance) error {
	list := &corev1.SecretList{}
	if err := r.Client.List(ctx, list, client.MatchingFields{indexGrant: token.String()}); err != nil {
		return fmt.Errorf("list grants: %w", err)
	}
	for i := range list.Items {
		grant := &list.Items[i]
		if keep != nil && isFor(grant, keep) || !isGrant(grant, token) {
			continue
		}
		uid := grant.UID
		if err := r.Client.Delete(ctx, grant, client.Preconditions{UID: &uid}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("revoke grant %s: %w", client.ObjectKeyFromObject(grant), err)
		}
	}
	return nil
}

// isFor: the grant is for that target. Kinds may share a name.
func isFor(grant *corev1.Secret, target v1alpha1.Instance) bool {
	return grant.Namespace == target.GetNamespace() && grant.Labels[v1alpha1.LabelInstance] == target.GetName() &&
		grant.Labels[v1alpha1.LabelName] == desired.KindOf(target).Label
}

// isGrant: the secret has the name that a grant of the token has. Labels and
// annotations alone, which anybody may copy, do not get a secret removed.
func isGrant(s *corev1.Secret, token types.NamespacedName) bool {
	return s.Labels[v1alpha1.LabelManagedBy] == apply.FieldOwner && s.Name == desired.GrantSecret(s.Labels[v1alpha1.LabelInstance], token)
}
