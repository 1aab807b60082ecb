package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/acl"
)

// LabelNameAccessToken is app.kubernetes.io/name of an AccessToken's objects.
const LabelNameAccessToken = "accesstoken"

// KeyGrant in a grant's secret is the Grant as JSON.
const KeyGrant = "grant.json"

// grantVersion of that JSON. The operator reads no other.
const grantVersion = 1

// Grant is what an AccessToken asks of its target: one user of the engine, and
// who is let through to it. It lies in a secret beside the target's, so that the
// target's reconciler needs no other namespace's objects to write its files.
type Grant struct {
	Version int                              `json:"version"`
	User    acl.User                         `json:"user"`
	From    []networkingv1.NetworkPolicyPeer `json:"from,omitempty"`
}

// TokenInputs is everything that a token's objects depend on.
type TokenInputs struct {
	Token *v1alpha1.AccessToken
	// Target is what the token gives access to.
	Target v1alpha1.Instance

	// Each of these is nil when the secret is not to be written in this pass.
	Pending    *Pending
	Grant      *Grant
	Connection *Connection

	// Marks are the rotation's notes on the grant.
	Marks map[string]string
}

// TokenPendingSecret is the secret of a token's new password.
func TokenPendingSecret(t *v1alpha1.AccessToken) string { return t.Name + "-token-pending" }

// GrantSecret is the secret of a token's grant, in its target's namespace.
func GrantSecret(target string, token types.NamespacedName) string {
	sum := sha256.Sum256([]byte(token.String()))
	return target + "-token-" + hex.EncodeToString(sum[:5])
}

// TokenUser is the name that a token logs in with: its own, with its namespace
// before it where that is not the target's. Neither can hold a dot.
func TokenUser(token types.NamespacedName, target string) string {
	if token.Namespace == target {
		return token.Name
	}
	return token.Namespace + "." + token.Name
}

// TokenSource names a token to people.
func TokenSource(token types.NamespacedName) string {
	return v1alpha1.KindAccessToken + " " + token.String()
}

// TokenOf is the token that a grant is of; empty when it does not say.
func TokenOf(grant *corev1.Secret) types.NamespacedName {
	namespace, name, ok := strings.Cut(grant.Annotations[v1alpha1.AnnotationToken], "/")
	if !ok {
		return types.NamespacedName{}
	}
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// ParseGrant reads a grant. It must be what its name says, and of a user that
// the engine takes: one bad user would spoil the file of all.
func ParseGrant(s *corev1.Secret) (Grant, error) {
	var g Grant
	if err := json.Unmarshal(s.Data[KeyGrant], &g); err != nil {
		return Grant{}, fmt.Errorf("grant %s: %w", s.Name, err)
	}
	if g.Version != grantVersion {
		return Grant{}, fmt.Errorf("grant %s is of version %d, this operator reads %d", s.Name, g.Version, grantVersion)
	}
	token := TokenOf(s)
	if s.Name != GrantSecret(s.Labels[v1alpha1.LabelInstance], token) || g.User.Name != TokenUser(token, s.Namespace) {
		return Grant{}, fmt.Errorf("grant %s is not of the token that it names", s.Name)
	}
	kind := kindLabelled(s.Labels[v1alpha1.LabelName])
	if kind == nil {
		return Grant{}, fmt.Errorf("grant %s is of no kind that this operator knows", s.Name)
	}
	return g, kind.ValidateGrant(g)
}

// ValidateGrant says what the target could not take: a user that the engine
// refuses, peers that the API server does, or more of either than is for one.
func (kind *Kind) ValidateGrant(g Grant) error {
	if n := len(mustJSON(g)); n > maxGrantBytes {
		return fmt.Errorf("%d bytes of patterns and selectors, at most %d may be: use fewer or shorter ones", n, maxGrantBytes)
	}
	if _, err := acl.New(acl.File{Version: kind.UsersVersion, Revision: "validated", Users: []acl.User{g.User}}); err != nil {
		return err //nolint:wrapcheck // it names the user and the field
	}
	return ValidatePeers(g.From)
}

// GrantObject carries the grant to the target.
func GrantObject(in TokenInputs) Object {
	token := types.NamespacedName{Namespace: in.Token.Namespace, Name: in.Token.Name}
	of := Inputs{Instance: in.Target}
	notes := maps.Clone(in.Marks)
	if notes == nil {
		notes = map[string]string{}
	}
	notes[v1alpha1.AnnotationToken] = token.String()
	notes[v1alpha1.AnnotationTokenUID] = string(in.Token.UID)
	g := *in.Grant
	g.Version = grantVersion
	return secret(of, GrantSecret(in.Target.GetName(), token), corev1.SecretTypeOpaque, map[string][]byte{KeyGrant: mustJSON(g)}, notes).
		WithLabels(map[string]string{v1alpha1.LabelGrant: "true"}).
		WithOwnerReferences(owner(of))
}

// TokenPendingObject holds a token's new password until its application may
// have it.
func TokenPendingObject(in TokenInputs) Object {
	return tokenSecret(in, TokenPendingSecret(in.Token), corev1.SecretTypeOpaque, pendingData(*in.Pending), in.Pending.Annotations)
}

// TokenConnectionObject is what the token's application mounts.
func TokenConnectionObject(in TokenInputs) Object {
	user := TokenUser(types.NamespacedName{Namespace: in.Token.Namespace, Name: in.Token.Name}, in.Target.GetNamespace())
	data := connectionData(in.Target, user, *in.Connection)
	return tokenSecret(in, in.Token.SecretNameOrDefault(), KindOf(in.Target).ConnectionType, data, in.Connection.Annotations)
}

// tokenSecret goes with its token.
func tokenSecret(in TokenInputs, name string, kind corev1.SecretType, data map[string][]byte, notes map[string]string) Object {
	gvk := v1alpha1.GroupVersion.WithKind(v1alpha1.KindAccessToken)
	s := corev1ac.Secret(name, in.Token.Namespace).
		WithLabels(map[string]string{
			v1alpha1.LabelName: LabelNameAccessToken, v1alpha1.LabelInstance: in.Token.Name, v1alpha1.LabelComponent: "token",
			v1alpha1.LabelPartOf: product, v1alpha1.LabelManagedBy: product, v1alpha1.LabelWatch: "true",
		}).
		WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(gvk.GroupVersion().String()).WithKind(gvk.Kind).WithName(in.Token.Name).WithUID(in.Token.UID).
			WithController(true).WithBlockOwnerDeletion(true)).
		WithType(kind).
		WithData(data)
	if len(notes) > 0 {
		s.WithAnnotations(annotations(notes))
	}
	return s
}

// TokenGrant is what a token's spec comes to, but for the credential: from, the
// resolved peers, and the end of it, zero for none.
func TokenGrant(t *v1alpha1.AccessToken, target string, from []networkingv1.NetworkPolicyPeer, notAfter time.Time) Grant {
	key := types.NamespacedName{Namespace: t.Namespace, Name: t.Name}
	u := acl.User{Name: TokenUser(key, target), Source: TokenSource(key)}
	if rules := t.Spec.KeyValue; rules != nil {
		permitKeys(&u, rules)
	}
	if rules := t.Spec.Jobs; rules != nil {
		u.Commands, u.Keys = []string{}, []string{}
		u.Jobs = jobRulesOf(rules)
	}
	if !notAfter.IsZero() {
		u.NotAfter = notAfter.UTC().Format(time.RFC3339)
	}
	if q := t.Spec.Quota; q != nil {
		u.Quota = &acl.Quota{}
		if q.Connections != nil {
			u.Quota.Connections = int(*q.Connections)
		}
		if q.RequestsPerSecond != nil {
			u.Quota.RequestsPerSecond = int(*q.RequestsPerSecond)
		}
	}
	return Grant{Version: grantVersion, User: u, From: from}
}

// permitKeys lets a user do what a role permits, or what is listed.
func permitKeys(u *acl.User, rules *v1alpha1.KeyValueRules) {
	u.Commands, u.Keys, u.ReadKeys, u.WriteKeys, u.Channels = rules.Commands, rules.Keys, rules.ReadKeys, rules.WriteKeys, rules.Channels
	switch rules.Role {
	case v1alpha1.RoleReadOnly:
		u.Commands = acl.ReadOnly
	case v1alpha1.RoleReadWrite:
		u.Commands = acl.ReadWrite
	case v1alpha1.RoleAdmin:
		u.Commands = acl.Admin
	case v1alpha1.RoleBullMQ:
		permitLibrary(u, acl.BullMQ)
	case v1alpha1.RoleAsynq:
		permitLibrary(u, acl.Asynq)
	case v1alpha1.RoleSidekiq:
		permitLibrary(u, acl.Sidekiq)
	case v1alpha1.RoleCelery:
		permitLibrary(u, acl.Celery)
	}
}

func permitLibrary(u *acl.User, p acl.Profile) {
	u.Commands = p.Commands
	if len(u.Keys)+len(u.ReadKeys)+len(u.WriteKeys) == 0 {
		u.Keys = p.Keys
	}
	if len(u.Channels) == 0 {
		u.Channels = p.Channels
	}
}

// jobRulesOf are the rules of a role, or those that are listed.
func jobRulesOf(rules *v1alpha1.JobRules) []acl.JobRule {
	role := map[v1alpha1.JobRole][]string{
		v1alpha1.RoleProducer: acl.JobProducer, v1alpha1.RoleWorker: acl.JobWorker, v1alpha1.RoleJobsAdmin: acl.JobAdmin,
	}
	if operations := role[rules.Role]; operations != nil {
		return []acl.JobRule{{Queues: rules.Queues, Operations: operations}}
	}
	var out []acl.JobRule
	for _, r := range rules.Rules {
		rule := acl.JobRule{Queues: r.Queues}
		for _, op := range r.Operations {
			rule.Operations = append(rule.Operations, string(op))
		}
		out = append(out, rule)
	}
	return out
}
