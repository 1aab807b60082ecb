package accesstoken

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
	"github.com/coffer-dev/coffer/engine/acl"
)

// scope is one pass over one token: what was observed, what was decided and
// what was done.
type scope struct {
	r     *Reconciler
	token *v1alpha1.AccessToken
	key   types.NamespacedName
	now   time.Time
	mine  apply.Applier // of what is the token's own

	lifetime lifetime
	target   v1alpha1.Instance // nil while there is none
	theirs   apply.Applier     // of what is the target's
	peers    []networkingv1.NetworkPolicyPeer
	refused  *instance.Problem // why there is to be no grant

	connection, pending *corev1.Secret // the token's
	grant               *corev1.Secret
	users               acl.File       // the target's users file
	access              *corev1.Secret // the target's own connection: what clients trust
	members             []instance.Member
	window              *instance.Problem // spec.rotation.window cannot be understood
	full                bool              // the grant is not among those that fit

	seen     rotation.Observed
	decision rotation.Decision
	inputs   desired.TokenInputs

	applied bool
	changes []apply.Change
}

func (r *Reconciler) newScope(t *v1alpha1.AccessToken) *scope {
	return &scope{
		r: r, token: t, key: client.ObjectKeyFromObject(t), now: r.Now(),
		mine: apply.Applier{Client: r.Client, Live: r.Live, Owner: apply.Owner{
			Labels: apply.OwnerLabels(desired.LabelNameAccessToken, t.Name), Namespace: t.Namespace, Name: t.Name, UID: t.UID,
		}},
	}
}

// observeTarget reads what the token names.
func (s *scope) observeTarget(ctx context.Context) error {
	key := client.ObjectKey{Namespace: s.token.TargetNamespace(), Name: s.token.Spec.TargetRef.Name}
	if !s.r.Sees(key.Namespace) {
		return nil
	}
	kind := desired.KindNamed(string(s.token.Spec.TargetRef.Kind))
	if kind == nil {
		return nil
	}
	target, err := apply.Lookup(ctx, s.r.Client, key, kind.New())
	if err != nil || target == nil || target.GetDeletionTimestamp() != nil {
		return err
	}
	s.target = target
	s.theirs = apply.Applier{Client: s.r.Client, Live: s.r.Live, Owner: apply.Owner{
		Labels: apply.OwnerLabels(kind.Label, target.GetName()), Namespace: target.GetNamespace(), Name: target.GetName(), UID: target.GetUID(),
	}}
	return nil
}

// called is the target as people call it.
func (s *scope) called() string {
	return fmt.Sprintf("%s %s", desired.KindOf(s.target).Name, client.ObjectKeyFromObject(s.target))
}

// judge says whether the token is to have a grant.
func (s *scope) judge(ctx context.Context) error {
	for _, check := range []func(context.Context) (*instance.Problem, error){
		s.ended, s.claim, s.targetProblem, s.consent, s.path, s.rules,
	} {
		problem, err := check(ctx)
		if err != nil {
			return err
		}
		if problem != nil {
			s.refused = problem
			return nil
		}
	}
	return nil
}

// ended: the token's time is over.
func (s *scope) ended(context.Context) (*instance.Problem, error) {
	if !s.lifetime.expired(s.now) {
		return nil, nil
	}
	at := s.lifetime.end.UTC().Format(time.RFC3339)
	what := "expired at " + at
	if !s.lifetime.end.After(s.token.CreationTimestamp.Time) {
		what = "spec.expiresAt " + at + " was over when the token was made"
	}
	return &instance.Problem{Reason: v1alpha1.ReasonExpired, Message: what + ": " + s.renewal()}, nil
}

// renewal says how to have the token go on.
func (s *scope) renewal() string {
	if s.token.Spec.ExpiresAfter != nil {
		return fmt.Sprintf("renew it with `kubectl annotate atok %s %s=$(date +%%s) --overwrite`", s.token.Name, v1alpha1.AnnotationRenew)
	}
	return "set spec.expiresAt to a later time"
}

// claim: of several tokens that want one secret, the one that has it keeps it;
// while none has it, the oldest is to.
func (s *scope) claim(ctx context.Context) (*instance.Problem, error) {
	name := s.token.SecretNameOrDefault()
	rivals := &v1alpha1.AccessTokenList{}
	if err := s.r.Client.List(ctx, rivals, client.InNamespace(s.token.Namespace), client.MatchingFields{indexSecret: name}); err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	secret, err := apply.Lookup(ctx, s.r.Client, client.ObjectKey{Namespace: s.token.Namespace, Name: name}, &corev1.Secret{})
	if err != nil {
		return nil, err
	}
	holder := s.token
	for i := range rivals.Items {
		rival := &rivals.Items[i]
		if rival.DeletionTimestamp == nil && before(rival, holder, secret) {
			holder = rival
		}
	}
	if holder.UID == s.token.UID {
		return nil, nil
	}
	return &instance.Problem{Reason: v1alpha1.ReasonSecretClaimed, Message: fmt.Sprintf(
		"Secret %q is AccessToken %s's: set spec.secretName to another name", name, holder.Name)}, nil
}

func before(a, b *v1alpha1.AccessToken, secret *corev1.Secret) bool {
	if has := owns(a, secret); has != owns(b, secret) {
		return has
	}
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

func owns(t *v1alpha1.AccessToken, s *corev1.Secret) bool {
	return s != nil && slices.ContainsFunc(s.OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == t.UID })
}

func (s *scope) targetProblem(context.Context) (*instance.Problem, error) {
	if s.target != nil {
		return nil, nil
	}
	if !s.r.Sees(s.token.TargetNamespace()) {
		return &instance.Problem{Reason: v1alpha1.ReasonTargetNotFound, Message: fmt.Sprintf(
			"this operator does not look after namespace %q: add it to its watchNamespaces, or correct spec.targetRef", s.token.TargetNamespace())}, nil
	}
	return &instance.Problem{Reason: v1alpha1.ReasonTargetNotFound, Message: fmt.Sprintf(
		"%s %q not found in namespace %q: create it or correct spec.targetRef", s.token.Spec.TargetRef.Kind, s.token.Spec.TargetRef.Name, s.token.TargetNamespace())}, nil
}

// consent: a target of another namespace must let this one in.
func (s *scope) consent(ctx context.Context) (*instance.Problem, error) {
	if s.token.Namespace == s.target.GetNamespace() || s.target.InstanceSpec().AllowedNamespaces.From == v1alpha1.NamespacesAll {
		return nil, nil
	}
	not := &instance.Problem{Reason: v1alpha1.ReasonNamespaceNotAllowed, Message: fmt.Sprintf(
		"%s does not let tokens of namespace %q in: have its spec.allowedNamespaces name it", s.called(), s.token.Namespace)}
	if s.target.InstanceSpec().AllowedNamespaces.From != v1alpha1.NamespacesSelector {
		return not, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(s.target.InstanceSpec().AllowedNamespaces.Selector)
	if err != nil {
		not.Message = fmt.Sprintf("%s: spec.allowedNamespaces.selector: %v", s.called(), err)
		return not, nil
	}
	// Live: a label that was taken away is not to count from memory.
	namespace, err := apply.Lookup(ctx, s.r.Live, client.ObjectKey{Name: s.token.Namespace}, &corev1.Namespace{})
	switch {
	case apierrors.IsForbidden(err):
		return &instance.Problem{Reason: v1alpha1.ReasonNamespaceNotReadable, Message: fmt.Sprintf(
			"%s allows namespaces by their labels, which this operator may not read: set spec.allowedNamespaces.from to All or Same there, or install the operator with rbac.scope=cluster",
			s.called())}, nil
	case err != nil:
		return nil, err
	case namespace == nil || !selector.Matches(labels.Set(namespace.Labels)):
		return not, nil
	}
	return nil, nil
}

// path: the pods of spec.from can be let through.
func (s *scope) path(context.Context) (*instance.Problem, error) {
	var err error
	if s.peers, err = desired.TokenPeers(s.token); err != nil {
		return &instance.Problem{Reason: v1alpha1.ReasonPeerNotAllowed, Message: err.Error()}, nil //nolint:nilerr // the problem says it
	}
	return nil, nil
}

// rules: the engine will take the user. The CRD refuses what it can; the rest
// would spoil the file of everybody.
func (s *scope) rules(context.Context) (*instance.Problem, error) {
	g := s.wanted()
	g.User.Verifiers = []acl.Verifier{desired.Verifier(1, "any")}
	if err := desired.KindOf(s.target).ValidateGrant(g); err != nil {
		return &instance.Problem{Reason: v1alpha1.ReasonRulesInvalid, Message: s.rulesField() + ": " + err.Error()}, nil //nolint:nilerr // the problem says it
	}
	if unknown := s.unknownCommand(); unknown != "" {
		return &instance.Problem{Reason: v1alpha1.ReasonRulesInvalid, Message: fmt.Sprintf(
			"spec.keyValue.commands: there is no command %q: `redis-cli COMMAND LIST` has the names", unknown)}, nil
	}
	return nil, nil
}

// rulesField has what the token permits.
func (s *scope) rulesField() string {
	if s.token.Spec.Jobs != nil {
		return "spec.jobs"
	}
	return "spec.keyValue"
}

func (s *scope) unknownCommand() string {
	if s.token.Spec.KeyValue == nil {
		return ""
	}
	for _, c := range s.token.Spec.KeyValue.Commands {
		name := strings.TrimPrefix(c, "-")
		if !strings.HasPrefix(name, "@") && !acl.KnownCommand(name) {
			return name
		}
	}
	return ""
}

// wanted is the grant but for its verifiers.
func (s *scope) wanted() desired.Grant {
	return desired.TokenGrant(s.token, s.target.GetNamespace(), s.peers, s.lifetime.end)
}

func (s *scope) user() string { return desired.TokenUser(s.key, s.token.TargetNamespace()) }

// revoke takes back every grant but the one that is to be: before all that may
// fail, and in any case.
func (s *scope) revoke(ctx context.Context) error {
	var keep v1alpha1.Instance
	if s.refused == nil {
		keep = s.target
	}
	if err := s.r.revoke(ctx, s.key, keep); err != nil || s.refused == nil {
		return err
	}
	return &apply.Stalled{Reason: s.refused.Reason, Err: errors.New(s.refused.Message)}
}

// observeSecrets reads the credentials live: a cache that is behind must not
// make us generate a secret that exists, or write back one that was replaced.
func (s *scope) observeSecrets(ctx context.Context) error {
	for _, read := range []struct {
		key     client.ObjectKey
		applier apply.Applier
		into    **corev1.Secret
	}{
		{client.ObjectKey{Namespace: s.token.Namespace, Name: s.token.SecretNameOrDefault()}, s.mine, &s.connection},
		{client.ObjectKey{Namespace: s.token.Namespace, Name: desired.TokenPendingSecret(s.token)}, s.mine, &s.pending},
		{client.ObjectKey{Namespace: s.target.GetNamespace(), Name: desired.GrantSecret(s.target.GetName(), s.key)}, s.theirs, &s.grant},
	} {
		secret, err := apply.Lookup(ctx, s.r.Live, read.key, &corev1.Secret{})
		if err != nil {
			return err
		}
		if secret != nil && !read.applier.Owns(secret) {
			return apply.StalledBy(apply.Foreign("Secret", secret))
		}
		*read.into = secret
	}
	return s.observeTheirs(ctx)
}

// observeTheirs reads what the target says of itself.
func (s *scope) observeTheirs(ctx context.Context) error {
	names := desired.NamesOf(s.target)
	at := func(name string) client.ObjectKey {
		return client.ObjectKey{Namespace: s.target.GetNamespace(), Name: name}
	}
	var err error
	if s.access, err = apply.Lookup(ctx, s.r.Client, at(names.ConnectionSecret()), &corev1.Secret{}); err != nil {
		return err
	}
	if s.full, err = s.leftOut(ctx); err != nil {
		return err
	}
	// A users file names its content: whichever copy has the revision that a
	// member reports is what that member has.
	server, err := apply.Lookup(ctx, s.r.Client, at(names.ServerSecret()), &corev1.Secret{})
	if err != nil || server == nil {
		return err
	}
	var file acl.File
	if json.Unmarshal(server.Data[desired.KeyUsers], &file) == nil && file.Revision == desired.UsersRevision(file) {
		s.users = file
	}
	return nil
}

// leftOut: the target has more grants than fit, and this one is not among those
// that do.
func (s *scope) leftOut(ctx context.Context) (bool, error) {
	if s.grant == nil {
		return false, nil
	}
	list := &corev1.SecretList{}
	if err := s.r.Client.List(ctx, list, client.InNamespace(s.target.GetNamespace()), client.MatchingLabels{
		v1alpha1.LabelGrant: "true", v1alpha1.LabelName: desired.KindOf(s.target).Label, v1alpha1.LabelInstance: s.target.GetName(),
	}); err != nil {
		return false, fmt.Errorf("list grants: %w", err)
	}
	return len(list.Items) > 1 && !slices.ContainsFunc(desired.FittingGrants(list.Items), func(g desired.TokenGranted) bool { return g.Token == s.key }), nil
}

// observeMembers asks the target's members themselves.
func (s *scope) observeMembers(ctx context.Context) error {
	pods := &corev1.PodList{}
	if err := s.r.Client.List(ctx, pods, client.InNamespace(s.target.GetNamespace()), client.MatchingLabels(desired.Selector(desired.Inputs{Instance: s.target}))); err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	names := desired.NamesOf(s.target)
	secret, err := apply.Lookup(ctx, s.r.Client, client.ObjectKey{Namespace: s.target.GetNamespace(), Name: names.OperatorTLS()}, &corev1.Secret{})
	if err != nil {
		return err
	}
	// While the target's CA changes, its monitors have all whom to trust.
	monitor, err := apply.Lookup(ctx, s.r.Client, client.ObjectKey{Namespace: s.target.GetNamespace(), Name: names.MetricsSecret()}, &corev1.Secret{})
	if err != nil {
		return err
	}
	var authorities []*x509.Certificate
	if monitor != nil {
		authorities = instance.Authorities(monitor.Data[desired.KeyCA])
	}
	id, err := instance.ParseIdentity(secret, authorities)
	if err != nil {
		id = nil // the members' Err says that there is none
	}
	target, begun := client.ObjectKeyFromObject(s.target), time.Now()
	s.members = instance.Members(names, s.target.InstanceSpec().Members(), pods.Items)
	if !s.r.pauses.begin(target, begun) {
		silence(s.members)
		return nil
	}
	instance.Observe(ctx, names, s.members, id, false)
	s.r.pauses.end(target, s.members, time.Now(), time.Since(begun))
	return nil
}

// revisionOf names a user as a file has it: a proof is of the whole of it, its
// permissions and its end among them.
func revisionOf(users []acl.User, name string) string {
	for _, u := range users {
		if u.Name == name {
			text, err := json.Marshal(u)
			if err != nil {
				return ""
			}
			sum := sha256.Sum256(text)
			return hex.EncodeToString(sum[:])
		}
	}
	return "absent"
}
