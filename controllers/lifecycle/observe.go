package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	cmutil "github.com/cert-manager/cert-manager/pkg/api/util"
	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmetav1 "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
)

// scope is one pass over one instance: what was observed, what was decided and
// what was done.
type scope struct {
	r       *Reconciler
	object  v1alpha1.Instance
	names   desired.Names
	applier apply.Applier
	now     time.Time

	set          *appsv1.StatefulSet
	pods         []corev1.Pod
	claims       []corev1.PersistentVolumeClaim
	certificates map[string]*certmanagerv1.Certificate
	issued       map[string]*corev1.Secret // by name: what cert-manager wrote
	issuer       *instance.Problem
	members      []instance.Member
	identity     *instance.Identity // nil before it has been issued
	group        group

	connection, server, pending, metrics *corev1.Secret
	supplied                             suppliedSecret
	encryption                           encryption
	grants                               []desired.TokenGranted
	tokens                               []*v1alpha1.AccessToken // of the grants
	authority                            authority

	seen     rotation.Observed
	decision rotation.Decision
	window   *instance.Problem // spec.rotation.window cannot be understood
	inputs   desired.Inputs

	fresh   bool // numbers enter the status in this pass
	applied bool // every object is as desired
	changes []apply.Change
	waiting string // what this version of the operator would change of the pods

	renewal rotation.Phase // of the leaves, as rotate-tls asks for it

	// The values of annotations that were acted upon.
	handledTLS, handledRollout, handledSwitchover, handledRecovery string

	rolled string // pod that is being replaced
	grown  string // claim that was asked to grow
}

// suppliedSecret is the user's own password.
type suppliedSecret struct {
	password string
	problem  *instance.Problem
}

func (r *Reconciler) newScope(o v1alpha1.Instance) *scope {
	return &scope{
		r: r, object: o, names: desired.NamesOf(o), now: r.Now(),
		applier: apply.Applier{Client: r.Client, Live: r.Live, Owner: apply.Owner{
			Labels: apply.OwnerLabels(r.Kind.Label, o.GetName()), Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID(),
		}},
		certificates: map[string]*certmanagerv1.Certificate{},
		issued:       map[string]*corev1.Secret{},
		handledTLS:   o.InstanceStatus().LastHandled[v1alpha1.AnnotationRotateTLS],

		handledRollout:    o.InstanceStatus().LastHandled[v1alpha1.AnnotationApproveRollout],
		handledSwitchover: o.InstanceStatus().LastHandled[v1alpha1.AnnotationSwitchover],
		handledRecovery:   o.InstanceStatus().LastHandled[v1alpha1.AnnotationRecoverFrom],
	}
}

func (s *scope) spec() *v1alpha1.InstanceSpec { return s.object.InstanceSpec() }

// before is the status as the pass found it.
func (s *scope) before() *v1alpha1.InstanceStatus { return s.object.InstanceStatus() }

func (s *scope) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: s.object.GetNamespace(), Name: name}
}

// observeObjects reads from the cache what is not a credential.
func (s *scope) observeObjects(ctx context.Context) error {
	var err error
	if s.set, err = apply.Lookup(ctx, s.r.Client, s.key(s.names.StatefulSet()), &appsv1.StatefulSet{}); err != nil {
		return err
	}
	mine := []client.ListOption{client.InNamespace(s.object.GetNamespace()), client.MatchingLabels(desired.Selector(desired.Inputs{Instance: s.object}))}
	pods, claims := &corev1.PodList{}, &corev1.PersistentVolumeClaimList{}
	if err := s.r.Client.List(ctx, pods, mine...); err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	if err := s.r.Client.List(ctx, claims, mine...); err != nil {
		return fmt.Errorf("list claims: %w", err)
	}
	s.pods, s.claims = pods.Items, claims.Items
	for _, name := range s.certificateNames() {
		c, err := apply.Lookup(ctx, s.r.Client, s.key(name), &certmanagerv1.Certificate{})
		if err != nil {
			return err
		}
		if c != nil {
			s.certificates[name] = c
		}
	}
	if err := s.observeIssued(ctx); err != nil {
		return err
	}
	if err := s.foreignClaims(ctx); err != nil {
		return err
	}
	if err := s.foreignHostname(); err != nil {
		return err
	}
	s.issuer, err = s.issuerProblem(ctx)
	return err
}

// observeIssued reads what cert-manager wrote. It stops at a secret of somebody
// else's: cert-manager does not ask whose a Certificate's secret is, and writes
// over it. One that the cache does not know is looked up live for that reason.
func (s *scope) observeIssued(ctx context.Context) error {
	for _, name := range s.names.CertificateSecrets() {
		secret, err := s.own(ctx, s.r.Client, name)
		if err == nil && secret == nil {
			secret, err = s.own(ctx, s.r.Live, name)
		}
		if err != nil {
			return err
		}
		if secret != nil {
			s.issued[name] = secret
		}
	}
	return nil
}

// own reads a secret of the instance's, if it is there.
func (s *scope) own(ctx context.Context, from client.Reader, name string) (*corev1.Secret, error) {
	secret, err := apply.Lookup(ctx, from, s.key(name), &corev1.Secret{})
	if err == nil && secret != nil && !s.applier.Owns(secret) {
		return nil, apply.StalledBy(apply.Foreign("Secret", secret))
	}
	return secret, err
}

// foreignClaims stops at a volume of somebody else's: a StatefulSet's pod takes
// whatever claim has the right name, and changes the owner of all files on it.
func (s *scope) foreignClaims(ctx context.Context) error {
	for i := range s.spec().Members() {
		name := s.names.Claim(i)
		if slices.ContainsFunc(s.claims, func(c corev1.PersistentVolumeClaim) bool { return c.Name == name }) {
			continue
		}
		claim, err := apply.Lookup(ctx, s.r.Live, s.key(name), &corev1.PersistentVolumeClaim{})
		if err != nil {
			return err
		}
		if claim != nil && !s.applier.Owns(claim) {
			return apply.StalledBy(apply.Foreign("PersistentVolumeClaim", claim))
		}
	}
	return nil
}

// foreignHostname stops at the name of another namespace's Service where an
// issuer that others trust would sign it: who may make a database need not have
// been given the right to a certificate for anything.
func (s *scope) foreignHostname() error {
	if s.spec().TLS.IssuerRef == nil {
		return nil
	}
	for _, name := range s.spec().Service.Hostnames {
		inCluster, ok := strings.CutSuffix(strings.TrimSuffix(name, ".cluster.local"), ".svc")
		if ok && !strings.HasSuffix("."+inCluster, "."+s.object.GetNamespace()) {
			return &apply.Stalled{Reason: v1alpha1.ReasonHostnameNotAllowed, Err: fmt.Errorf(
				"spec.service.hostnames has %s, which is of another namespace: remove it, or spec.tls.issuerRef", name)}
		}
	}
	return nil
}

func (s *scope) certificateNames() []string {
	return []string{s.names.CA(), s.names.ServerCertificate(), s.names.AdminCertificate(), s.names.OperatorCertificate()}
}

// issuerProblem says what is wrong with the user's issuer. One of another group
// than cert-manager's is its own controller's to judge.
func (s *scope) issuerProblem(ctx context.Context) (*instance.Problem, error) {
	if s.spec().TLS.IssuerRef == nil {
		return nil, nil
	}
	ref := s.spec().TLS.IssuerRef.WithDefaults()
	if ref.Group != v1alpha1.CertManagerGroup {
		return nil, nil
	}
	found, err := s.findIssuer(ctx, ref)
	if ref.Kind == certmanagerv1.ClusterIssuerKind && apierrors.IsForbidden(err) {
		return &instance.Problem{Reason: v1alpha1.ReasonIssuerForbidden, Message: fmt.Sprintf(
			"the operator may not read ClusterIssuer %q, as it is installed with rbac.scope=namespaced: name an Issuer of this namespace in spec.tls.issuerRef, or have rbac.clusterResources=true set", ref.Name)}, nil
	}
	if err != nil {
		return nil, err
	}
	if found == nil {
		return &instance.Problem{Reason: v1alpha1.ReasonIssuerNotFound,
			Message: fmt.Sprintf("%s %q not found: create it or remove spec.tls.issuerRef", ref.Kind, ref.Name)}, nil
	}
	ready := certmanagerv1.IssuerCondition{Type: certmanagerv1.IssuerConditionReady, Status: cmmetav1.ConditionTrue}
	if cmutil.IssuerHasCondition(found, ready) {
		return nil, nil
	}
	message := fmt.Sprintf("%s %q is not ready", ref.Kind, ref.Name)
	if ref.Kind == certmanagerv1.ClusterIssuerKind {
		// What is wrong with the cluster's own is not for every namespace to read.
		return &instance.Problem{Reason: v1alpha1.ReasonIssuerNotReady, Message: message + ": ask whoever keeps it"}, nil
	}
	for _, c := range found.GetStatus().Conditions {
		if c.Type == certmanagerv1.IssuerConditionReady && c.Message != "" {
			message += ": " + c.Message
		}
	}
	return &instance.Problem{Reason: v1alpha1.ReasonIssuerNotReady, Message: message + ": see `kubectl describe " + ref.Kind + " " + ref.Name + "`"}, nil
}

func (s *scope) findIssuer(ctx context.Context, ref v1alpha1.IssuerRef) (certmanagerv1.GenericIssuer, error) {
	if ref.Kind != certmanagerv1.ClusterIssuerKind {
		return orNil(apply.Lookup(ctx, s.r.Client, s.key(ref.Name), &certmanagerv1.Issuer{}))
	}
	reader := client.Reader(s.r.Client)
	if s.r.ClusterIssuersUnwatched {
		reader = s.r.Live // the cache would begin a watch
	}
	return orNil(apply.Lookup(ctx, reader, client.ObjectKey{Name: ref.Name}, &certmanagerv1.ClusterIssuer{}))
}

// orNil turns a typed nil into a plain one.
func orNil[T interface {
	comparable
	certmanagerv1.GenericIssuer
}](v T, err error) (certmanagerv1.GenericIssuer, error) {
	var none T
	if err != nil || v == none {
		return nil, err
	}
	return v, nil
}

// observeMembers asks the members themselves.
func (s *scope) observeMembers(ctx context.Context) error {
	id, err := instance.ParseIdentity(s.issued[s.names.OperatorTLS()], s.authority.known)
	if err == nil { // else the members' Err says that there is none
		s.identity = id
	}
	s.members = instance.Members(s.names, s.spec().Members(), s.pods)
	instance.Observe(ctx, s.names, s.members, s.identity, true)
	return nil
}

// observeSecrets reads the credentials live: a cache that is behind must not
// make us generate a secret that exists, or write back one that was replaced.
func (s *scope) observeSecrets(ctx context.Context) error {
	for name, into := range map[string]**corev1.Secret{
		s.names.ConnectionSecret(): &s.connection,
		s.names.ServerSecret():     &s.server,
		s.names.PendingSecret():    &s.pending,
		s.names.MetricsSecret():    &s.metrics,
	} {
		secret, err := apply.Lookup(ctx, s.r.Live, s.key(name), &corev1.Secret{})
		if err != nil {
			return err
		}
		if secret != nil && !s.applier.Owns(secret) {
			return apply.StalledBy(apply.Foreign("Secret", secret))
		}
		*into = secret
	}
	return s.observeSupplied(ctx)
}

// minPassword is the shortest password of a user's own, in characters, and
// maxPassword the longest, in bytes: before a client has logged in, the engine
// reads 16 KiB of an argument, and connection URLs have room for less.
const (
	minPassword = 32
	maxPassword = 1024
)

func (s *scope) observeSupplied(ctx context.Context) error {
	ref := s.spec().Credentials.SecretRef
	if ref == nil {
		return nil
	}
	secret, err := apply.Lookup(ctx, s.r.Live, s.key(ref.Name), &corev1.Secret{})
	if err != nil {
		return err
	}
	problem := func(reason, format string, args ...any) {
		s.supplied.problem = &instance.Problem{Reason: reason, Message: fmt.Sprintf(format, args...)}
	}
	if secret == nil {
		problem(v1alpha1.ReasonSecretNotFound, "Secret %q not found: create it with the key %q, or remove spec.credentials.secretRef", ref.Name, desired.KeyPassword)
		return nil
	}
	password := string(secret.Data[desired.KeyPassword])
	switch {
	case secret.Labels[v1alpha1.LabelWatch] != "true":
		problem(v1alpha1.ReasonSecretNotFound, "Secret %q is not visible to Coffer: run `kubectl label secret %s %s=true`", ref.Name, ref.Name, v1alpha1.LabelWatch)
	case password == "":
		problem(v1alpha1.ReasonSecretInvalid, "Secret %q has no key %q: put the password there", ref.Name, desired.KeyPassword)
	case len([]rune(password)) < minPassword:
		problem(v1alpha1.ReasonSecretInvalid, "Secret %q has a password of %d characters: it needs at least %d", ref.Name, len([]rune(password)), minPassword)
	case len(password) > maxPassword:
		problem(v1alpha1.ReasonSecretInvalid, "Secret %q has a password of %d bytes: it may have at most %d", ref.Name, len(password), maxPassword)
	default:
		s.supplied.password = password
	}
	return nil
}

// tlsFingerprint is of the certificate that members should serve to clients.
func (s *scope) tlsFingerprint() string { return s.fingerprint(s.names.ServerTLS()) }

// fingerprint is of a secret's certificate; empty when there is none.
func (s *scope) fingerprint(secret string) string {
	if leaf := instance.Leaf(s.issued[secret]); leaf != nil {
		return instance.Fingerprint(leaf)
	}
	return ""
}
