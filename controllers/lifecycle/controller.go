// Package lifecycle turns an object of a kind that runs the engine into a running
// instance, whatever its kind: it observes, lets the rotation machine decide,
// applies what desired describes, does at most one imperative act, and reports.
// Nothing is remembered between two passes but when changing numbers last
// entered the status.
package lifecycle

import (
	"context"
	"fmt"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
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
	"github.com/coffer-dev/coffer/controllers/instance"
)

// concurrency is how many instances of a kind are worked on at a time. A pass
// mostly waits for members and the API server.
const concurrency = 8

// Kind is what the reconciler needs to know of a kind of instance.
type Kind struct {
	*desired.Kind
	// NewList is an empty list of the kind.
	NewList func() client.ObjectList
	// Own is what the kind has beside what all have; nil for nothing.
	Own Own
}

// Own is what one kind alone observes and reports.
type Own interface {
	// Problem is what keeps members from what only this kind asks for; nil when
	// there is none.
	Problem(o v1alpha1.Instance, members []instance.Member) *instance.Problem
	// Awaits says whether members are on their way to something that shows in
	// what they say alone.
	Awaits(members []instance.Member) bool
	// Status writes what only this kind reports into the object's status;
	// changing numbers only when they are to be fresh.
	Status(o v1alpha1.Instance, members []instance.Member, fresh bool)
	// Conditions sets those that only this kind has.
	Conditions(o v1alpha1.Instance, members []instance.Member, set instance.Setter)
}

// Reconciler reconciles the instances of one kind.
type Reconciler struct {
	Kind Kind
	// Client reads from the cache and writes.
	Client client.Client
	// Live reads from the API server.
	Live   client.Reader
	Events events.EventRecorder
	// Image is what members run.
	Image string
	// Namespace is the operator's own.
	Namespace string
	Now       func() time.Time
	// ClusterIssuersUnwatched: the operator's account may not watch them. What
	// the spec names is read live, which tells when it has been allowed.
	ClusterIssuersUnwatched bool

	numbers credentials.Numbers
}

// The rules below, and those of each kind, are all that the operator may do in a
// cluster, each with its reason. RBAC cannot select by label: where a rule names secrets, it can read
// all of them; its cache holds those labelled coffer.dev/watch=true only.
//
// Credentials: read live before one is made, applied, and the pending one removed.
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;patch;delete
//
// Engine configuration, one per pod revision; old ones are removed.
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;patch;delete
//
// The headless Service and the clients'.
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch
//
// The Service of reads that may be stale, once there is one member.
// +kubebuilder:rbac:groups="",resources=services,verbs=delete
//
// The members. Never deleted: the garbage collector does that.
// +kubebuilder:rbac:groups=apps,resources=statefulsets,verbs=get;list;watch;create;patch
//
// Applied, and removed where spec.networkPolicy.mode is Disabled.
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch;delete
//
// Of members of a group, so that a drain of nodes leaves a quorum; removed where
// a member is alone.
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete
//
// Members' state; an annotation makes the kubelet deliver secrets; a pod whose
// specification is out of date is deleted, for the StatefulSet to replace.
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;patch;delete
//
// Volumes grow by a patch of their claims.
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;patch
//
// The volume of a member that has left its group, as spec.replicas asks, is a
// copy that nobody needs; coffer.dev/recover-from asks for those of lost members.
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=delete
//
// The instance's CA and leaves.
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificates;issuers,verbs=get;list;watch;create;patch
//
// The Certificate of a next CA goes once that has taken over.
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificates,verbs=delete
//
// A renewal is asked for by a condition, as `cmctl renew` does.
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificates/status,verbs=update
//
// Whether the issuer that spec.tls.issuerRef names exists and is ready.
// +kubebuilder:rbac:groups=cert-manager.io,resources=clusterissuers,verbs=get;list;watch
//
// Events tell users what happened.
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile makes one pass.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	object := r.Kind.New()
	if err := r.Client.Get(ctx, req.NamespacedName, object); err != nil {
		if apierrors.IsNotFound(err) {
			r.numbers.Forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if object.GetDeletionTimestamp() != nil {
		return ctrl.Result{}, nil // owner references and the volumes' retention do the rest
	}
	s := r.newScope(object)
	outcome := apply.Steps(ctx,
		s.observeObjects,
		s.observeAuthority,
		s.observeMembers,
		s.observeSecrets,
		s.observeEncryption,
		s.observeGrants,
		s.decideGroup,
		s.decideAuthority,
		s.decide,
		s.holdRevision,
		s.apply,
		s.markClaims,
		s.actGroup,
		s.actAuthority,
		s.prune,
		s.renewTLS,
		s.deliver,
		s.roll,
		s.grow,
	)
	return apply.End(s.report(ctx, outcome), outcome, s.rest)
}

// Indexes of instances.
const (
	indexSecretRef = "secretRefs" // all that the spec names
	indexIssuerRef = "spec.tls.issuerRef"
)

// SetupWithManager registers watches and indexes.
func (r *Reconciler) SetupWithManager(m ctrl.Manager) error {
	ctx := context.Background()
	if err := m.GetFieldIndexer().IndexField(ctx, r.Kind.New(), indexSecretRef, secretRefOf); err != nil {
		return fmt.Errorf("index %s: %w", indexSecretRef, err)
	}
	if err := m.GetFieldIndexer().IndexField(ctx, r.Kind.New(), indexIssuerRef, issuerRefOf); err != nil {
		return fmt.Errorf("index %s: %w", indexIssuerRef, err)
	}
	changed := predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	b := ctrl.NewControllerManagedBy(m).
		Named(r.Kind.Label).
		For(r.Kind.New(), builder.WithPredicates(changed)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency})
	for _, o := range []client.Object{
		&corev1.ConfigMap{}, &corev1.Service{}, &corev1.Pod{}, &corev1.PersistentVolumeClaim{},
		&appsv1.StatefulSet{}, &networkingv1.NetworkPolicy{}, &policyv1.PodDisruptionBudget{}, &certmanagerv1.Certificate{},
	} {
		b = b.Watches(o, handler.EnqueueRequestsFromMapFunc(r.byLabels))
	}
	b = b.
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.bySecret)).
		Watches(&certmanagerv1.Issuer{}, handler.EnqueueRequestsFromMapFunc(r.byIssuer("Issuer")))
	if !r.ClusterIssuersUnwatched {
		b = b.Watches(&certmanagerv1.ClusterIssuer{}, handler.EnqueueRequestsFromMapFunc(r.byIssuer("ClusterIssuer")))
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

// byLabels finds the instance that an object belongs to. Not by its owner: what
// outlives an instance has none.
func (r *Reconciler) byLabels(_ context.Context, o client.Object) []reconcile.Request {
	l := o.GetLabels()
	if l[v1alpha1.LabelName] != r.Kind.Label || l[v1alpha1.LabelInstance] == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: l[v1alpha1.LabelInstance]}}}
}

func (r *Reconciler) bySecret(ctx context.Context, o client.Object) []reconcile.Request {
	return append(r.byLabels(ctx, o), r.byIndex(ctx, indexSecretRef, o.GetName(), client.InNamespace(o.GetNamespace()))...)
}

func (r *Reconciler) byIssuer(kind string) handler.MapFunc {
	return func(ctx context.Context, o client.Object) []reconcile.Request {
		var where []client.ListOption
		if o.GetNamespace() != "" {
			where = append(where, client.InNamespace(o.GetNamespace()))
		}
		return append(r.byLabels(ctx, o), r.byIndex(ctx, indexIssuerRef, kind+"/"+o.GetName(), where...)...)
	}
}

func (r *Reconciler) byIndex(ctx context.Context, index, value string, options ...client.ListOption) []reconcile.Request {
	list := r.Kind.NewList()
	if err := r.Client.List(ctx, list, append(options, client.MatchingFields{index: value})...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list "+r.Kind.Name, "index", index)
		return nil
	}
	var requests []reconcile.Request
	_ = meta.EachListItem(list, func(o runtime.Object) error {
		if object, ok := o.(client.Object); ok {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)})
		}
		return nil
	})
	return requests
}

func secretRefOf(o client.Object) []string {
	object, ok := o.(v1alpha1.Instance)
	if !ok {
		return nil
	}
	var names []string
	if ref := object.InstanceSpec().Credentials.SecretRef; ref != nil {
		names = append(names, ref.Name)
	}
	if ref := object.InstanceSpec().Encryption.KeySecretRef; ref != nil {
		names = append(names, ref.Name)
	}
	return names
}

func issuerRefOf(o client.Object) []string {
	object, ok := o.(v1alpha1.Instance)
	if !ok || object.InstanceSpec().TLS.IssuerRef == nil {
		return nil
	}
	ref := object.InstanceSpec().TLS.IssuerRef.WithDefaults()
	return []string{ref.Kind + "/" + ref.Name}
}
