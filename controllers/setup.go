// Package controllers puts the operator together: scheme, caches, health,
// metrics, leader election and the reconcilers.
//
// RBAC for what the manager itself needs is declared here, with its reasons:
//
// Leader election keeps its lease in the operator's own namespace.
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=system,resources=leases,verbs=get;create;update
//
// Who holds the lease is told by events, of the older kind.
// +kubebuilder:rbac:groups="",namespace=system,resources=events,verbs=create;patch
//
// The metrics endpoint asks the API server who a scraper is and what it may read.
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
package controllers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/accesstoken"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/jobqueue"
	"github.com/coffer-dev/coffer/controllers/kvdatabase"
	"github.com/coffer-dev/coffer/controllers/lifecycle"
)

// namespaceFile is where a pod finds its own namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// Options of the operator.
type Options struct {
	// Image that databases run.
	Image string
	// Namespace of the operator.
	Namespace string
	// WatchNamespaces are those whose databases it looks after; none: all.
	WatchNamespaces []string
	LeaderElect     bool
	// MetricsAddress and HealthAddress are host:port; "0" turns metrics off, an
	// empty one health.
	MetricsAddress, HealthAddress string
	Version                       string
}

// DefaultOptions are those of the command line.
func DefaultOptions() Options {
	return Options{MetricsAddress: ":8443", HealthAddress: ":8081"}
}

// Run is the operator until the context ends.
func Run(ctx context.Context, o Options) error {
	ctrl.SetLogger(zap.New(zap.UseDevMode(false)))
	if o.Image == "" {
		return errors.New("--image is required: the image with coffer-engine, usually the operator's own")
	}
	if o.Namespace == "" {
		raw, err := os.ReadFile(namespaceFile)
		if err != nil {
			return fmt.Errorf("--namespace is not set and cannot be read from the pod: %w", err)
		}
		o.Namespace = strings.TrimSpace(string(raw))
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find a cluster: %w", err)
	}
	manager, err := NewManager(config, o)
	if err != nil {
		return err
	}
	ctrl.Log.Info("starting", "version", o.Version, "image", o.Image, "namespace", o.Namespace, "watches", o.WatchNamespaces)
	if err := manager.Start(ctx); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// NewManager wires everything but starts nothing.
func NewManager(config *rest.Config, o Options) (ctrl.Manager, error) {
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	account, err := newAccount(config)
	if err != nil {
		return nil, err
	}
	reach, err := account.reach(context.Background(), o.WatchNamespaces)
	if err != nil {
		return nil, err
	}
	caches := cacheOptions()
	reach.limit(&caches)
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         caches,
		Metrics:                       metricsOptions(o.MetricsAddress),
		HealthProbeBindAddress:        "0",
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              "operator.coffer.dev",
		LeaderElectionNamespace:       o.Namespace,
		LeaderElectionReleaseOnCancel: true,
		// One process may hold several managers one after the other: the suite
		// that restarts the operator does.
		Controller: crconfig.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		return nil, fmt.Errorf("set up: %w", err)
	}
	if o.HealthAddress != "" {
		if err := manager.Add(&health{address: o.HealthAddress, synced: manager.GetCache().WaitForCacheSync}); err != nil {
			return nil, fmt.Errorf("add health: %w", err)
		}
	}
	if len(reach.missing) > 0 {
		if err := manager.Add(&returning{account, reach.missing, askAgain}); err != nil {
			return nil, fmt.Errorf("add the question for namespaces: %w", err)
		}
	}
	for _, kind := range []lifecycle.Kind{kvdatabase.Kind(), jobqueue.Kind()} {
		r := &lifecycle.Reconciler{
			Kind:      kind,
			Client:    manager.GetClient(),
			Live:      manager.GetAPIReader(),
			Events:    manager.GetEventRecorder("coffer"),
			Image:     o.Image,
			Namespace: o.Namespace,
			Now:       time.Now,

			ClusterIssuersUnwatched: !reach.clusterIssuers,
		}
		if err := r.SetupWithManager(manager); err != nil {
			return nil, fmt.Errorf("set up %s: %w", kind.Name, err)
		}
	}
	t := &accesstoken.Reconciler{
		Client: manager.GetClient(),
		Live:   manager.GetAPIReader(),
		Events: manager.GetEventRecorder("coffer"),
		Now:    time.Now,
		Sees:   reach.sees,

		NamespacesUnwatched: !reach.namespaceKind,
	}
	if err := t.SetupWithManager(manager); err != nil {
		return nil, fmt.Errorf("set up AccessToken: %w", err)
	}
	return manager, nil
}

// Scheme knows every kind that the operator reads or writes.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, certmanagerv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("build scheme: %w", err)
		}
	}
	return scheme, nil
}

// cacheOptions keep in memory what is ours and nothing else: of Secrets, those
// that are labelled for us; of everything that is made for an instance, that.
// Issuers are users' own objects and small.
func cacheOptions() cache.Options {
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{v1alpha1.LabelManagedBy: apply.FieldOwner})}
	named := cache.ByObject{Label: ofInstances(), Transform: cache.TransformStripManagedFields()}
	return cache.Options{ByObject: map[client.Object]cache.ByObject{
		&corev1.Secret{}:                {Label: labels.SelectorFromSet(labels.Set{v1alpha1.LabelWatch: "true"}), Transform: slim},
		&corev1.ConfigMap{}:             {Label: ours.Label, Transform: slim},
		&corev1.Service{}:               ours,
		&appsv1.StatefulSet{}:           ours,
		&networkingv1.NetworkPolicy{}:   ours,
		&policyv1.PodDisruptionBudget{}: ours,
		&certmanagerv1.Certificate{}:    ours,
		&corev1.Pod{}:                   named,
		&corev1.PersistentVolumeClaim{}: named,
	}}
}

// ofInstances selects what belongs to an instance of any kind.
func ofInstances() labels.Selector {
	var names []string
	for _, kind := range desired.Kinds() {
		names = append(names, kind.Label)
	}
	one, err := labels.NewRequirement(v1alpha1.LabelName, selection.In, names)
	if err != nil {
		panic(fmt.Sprintf("select by %s: %v", v1alpha1.LabelName, err)) // constants
	}
	return labels.NewSelector().Add(*one)
}

func metricsOptions(address string) metricsserver.Options {
	return metricsserver.Options{
		BindAddress:    address,
		SecureServing:  true,
		FilterProvider: filters.WithAuthenticationAndAuthorization,
		TLSOpts: []func(*tls.Config){func(c *tls.Config) {
			c.MinVersion = tls.VersionTLS13
			c.NextProtos = []string{"http/1.1"}
		}},
	}
}
