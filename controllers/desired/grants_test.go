package desired

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/acl"
)

// granting is a grant as the API server keeps it.
func granting(t *testing.T, token types.NamespacedName, modify ...func(*Grant)) corev1.Secret {
	t.Helper()
	object := &v1alpha1.AccessToken{ObjectMeta: metav1.ObjectMeta{Namespace: token.Namespace, Name: token.Name, UID: "t"}}
	object.Spec.KeyValue = &v1alpha1.KeyValueRules{Role: v1alpha1.RoleReadOnly, Keys: []string{"a:*"}}
	g := TokenGrant(object, "shop", nil, time.Time{})
	g.User.Verifiers = []acl.Verifier{Verifier(1, newPassword)}
	for _, m := range modify {
		m(&g)
	}
	in := inputs()
	raw, err := json.Marshal(GrantObject(TokenInputs{Token: object, Target: in.Instance, Grant: &g}))
	if err != nil {
		t.Fatal(err)
	}
	var s corev1.Secret
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func of(namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// TestTokenUsers: no two tokens can have one user, and none the database's own.
func TestTokenUsers(t *testing.T) {
	for token, want := range map[types.NamespacedName]string{of("shop", "checkout"): "checkout", of("billing", "checkout"): "billing.checkout"} {
		if got := TokenUser(token, "shop"); got != want {
			t.Errorf("%s: user %q, want %q", token, got, want)
		}
	}
	if a, b := GrantSecret("db", of("a", "b-c")), GrantSecret("db", of("a-b", "c")); a == b {
		t.Error("two tokens have one grant")
	}
}

// TestGrantsAreWhatTheySay: a grant of another name, user or version, and one
// that the engine or the API server would choke on, counts for nothing.
func TestGrantsAreWhatTheySay(t *testing.T) {
	for name, c := range map[string]struct {
		modify func(*corev1.Secret)
		grant  func(*Grant)
		good   bool
	}{
		"as it is made":         {good: true},
		"another name":          {modify: func(s *corev1.Secret) { s.Name = "sessions-token-0123456789" }},
		"another token":         {modify: func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationToken] = "shop/other" }},
		"no token":              {modify: func(s *corev1.Secret) { delete(s.Annotations, v1alpha1.AnnotationToken) }},
		"the database's user":   {grant: func(g *Grant) { g.User.Name = ConnectionUser }},
		"another's user":        {grant: func(g *Grant) { g.User.Name = "other" }},
		"no JSON":               {modify: func(s *corev1.Secret) { s.Data[KeyGrant] = []byte("x") }},
		"a later version":       {modify: func(s *corev1.Secret) { s.Data[KeyGrant] = []byte(`{"version":2}`) }},
		"no verifier":           {grant: func(g *Grant) { g.User.Verifiers = nil }},
		"a category that isn't": {grant: func(g *Grant) { g.User.Commands = []string{"@reed"} }},
		"a bad pattern":         {grant: func(g *Grant) { g.User.Keys = []string{"a["} }},
		"more than is for one":  {grant: func(g *Grant) { g.User.Keys = slicesOf(200, strings.Repeat("k", 1000)) }},
		"a bad selector":        {grant: func(g *Grant) { g.From = peersWith(map[string]string{"no key": "x"}) }},
		"an address": {grant: func(g *Grant) {
			g.From = []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0"}}}
		}},
		"everybody": {grant: func(g *Grant) { g.From = []networkingv1.NetworkPolicyPeer{{}} }},
	} {
		t.Run(name, func(t *testing.T) {
			var grants []func(*Grant)
			if c.grant != nil {
				grants = append(grants, c.grant)
			}
			s := granting(t, of("shop", "checkout"), grants...)
			if c.modify != nil {
				c.modify(&s)
			}
			if _, err := ParseGrant(&s); (err == nil) != c.good {
				t.Errorf("error %v", err)
			}
		})
	}
}

func slicesOf(n int, text string) (out []string) {
	for range n {
		out = append(out, text)
	}
	return out
}

func peersWith(labels map[string]string) []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: labels}}}
}

// TestGrantsFit: however many tokens others make, those of the database's own
// namespace have their place, and the file of all can be written and read.
func TestGrantsFit(t *testing.T) {
	var secrets []corev1.Secret
	for i := range 2 * MaxGrants {
		s := granting(t, of("billing", fmt.Sprint("t", i)))
		s.CreationTimestamp = metav1.NewTime(time.Unix(int64(i), 0))
		secrets = append(secrets, s)
	}
	own := granting(t, of("shop", "late"))
	own.CreationTimestamp = metav1.NewTime(time.Unix(1e9, 0))
	fitting := FittingGrants(append(secrets, own))
	if len(fitting) != MaxGrants || fitting[0].Token != of("shop", "late") || fitting[1].Token != of("billing", "t0") {
		t.Errorf("%d fit, the first of %s and %s", len(fitting), fitting[0].Token, fitting[1].Token)
	}
	var large []corev1.Secret
	for i := range 20 {
		large = append(large, granting(t, of("billing", fmt.Sprint("large", i)), func(g *Grant) { g.User.Keys = slicesOf(60, strings.Repeat("k", 1000)) }))
	}
	fitting = FittingGrants(large)
	if len(fitting) == 0 || len(fitting) == len(large) {
		t.Fatalf("%d of %d large ones fit", len(fitting), len(large))
	}
	in := inputs(func(in *Inputs) { in.Grants = fitting })
	file := mustJSON(UsersFile(in))
	if _, err := acl.Parse(file); err != nil {
		t.Errorf("the engine does not read %d bytes of it: %v", len(file), err)
	}
}

// TestUsersFileOfEachVersion: an engine that knows the first alone is given
// nothing else.
func TestUsersFileOfEachVersion(t *testing.T) {
	g := granting(t, of("billing", "checkout"))
	grants := FittingGrants([]corev1.Secret{g})
	for version, users := range map[int]int{acl.FirstFileVersion: 1, acl.TokensFileVersion: 2} {
		file := UsersFile(inputs(func(in *Inputs) { in.Server.Version, in.Grants = version, grants }))
		if len(file.Users) != users || (file.Audit != nil) != (version == acl.TokensFileVersion) || file.Version != version {
			t.Errorf("version %d: %d users, audit %v", version, len(file.Users), file.Audit)
		}
		if _, err := acl.Parse(mustJSON(file)); err != nil {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

// TestTokensPeersStayAtHome: what a token of another namespace opens is pinned
// to that one.
func TestTokensPeersStayAtHome(t *testing.T) {
	token := &v1alpha1.AccessToken{ObjectMeta: metav1.ObjectMeta{Namespace: "billing", Name: "t"}}
	token.Spec.TargetRef.Namespace = "shop"
	token.Spec.From = []v1alpha1.TokenPeer{{PodSelector: &metav1.LabelSelector{}}}
	peers, err := TokenPeers(token)
	if err != nil || len(peers) != 1 || peers[0].NamespaceSelector == nil || peers[0].NamespaceSelector.MatchLabels[corev1.LabelMetadataName] != "billing" {
		t.Errorf("%+v, %v", peers, err)
	}
	token.Spec.From[0].NamespaceSelector = &metav1.LabelSelector{}
	if _, err := TokenPeers(token); err == nil || !strings.Contains(err.Error(), "spec.from[0].namespaceSelector") {
		t.Errorf("another's namespaces: %v", err)
	}
}

func TestPeersAreToldInWords(t *testing.T) {
	g := granting(t, of("billing", "checkout"), func(g *Grant) {
		g.From = []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: "billing"}}}}
	})
	in := inputs(everything, func(in *Inputs) { in.Grants = FittingGrants([]corev1.Secret{g}) })
	var got []string
	for _, p := range PeersInWords(in) {
		got = append(got, p.Who+" | "+p.Ports+" | "+p.Because)
	}
	want := []string{
		"the operator's pods in namespace coffer-system | 6379, 9443 | the operator asks members for their state",
		"pods with app=web of namespace shop | 6379 | spec.networkPolicy.clients",
		"every pod of every namespace | 6379 | spec.networkPolicy.clients",
		"addresses of 10.0.0.0/8 but 10.1.0.0/16 | 6379 | spec.networkPolicy.clients",
		"pods with app=x of namespace billing | 6379 | AccessToken billing/checkout",
		"every pod of namespaces with team=monitoring | 9090 | spec.networkPolicy.metricsFrom",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestLibrariesRoles: a library's keys and channels stand where none are written,
// and nowhere else.
func TestLibrariesRoles(t *testing.T) {
	grant := func(rules v1alpha1.KeyValueRules) acl.User {
		object := &v1alpha1.AccessToken{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "jobs"}}
		object.Spec.KeyValue = &rules
		return TokenGrant(object, "shop", nil, time.Time{}).User
	}
	own := []string{"own:*"}
	for role, want := range map[v1alpha1.TokenRole]acl.Profile{
		v1alpha1.RoleBullMQ: acl.BullMQ, v1alpha1.RoleAsynq: acl.Asynq, v1alpha1.RoleSidekiq: acl.Sidekiq, v1alpha1.RoleCelery: acl.Celery,
	} {
		u := grant(v1alpha1.KeyValueRules{Role: role})
		if !slices.Equal(u.Commands, want.Commands) || !slices.Equal(u.Keys, want.Keys) || !slices.Equal(u.Channels, want.Channels) {
			t.Errorf("%s: %+v", role, u)
		}
		u = grant(v1alpha1.KeyValueRules{Role: role, Keys: own, Channels: own})
		if !slices.Equal(u.Keys, own) || !slices.Equal(u.Channels, own) {
			t.Errorf("%s with its own keys and channels: %+v", role, u)
		}
		if u = grant(v1alpha1.KeyValueRules{Role: role, ReadKeys: own}); len(u.Keys) > 0 {
			t.Errorf("%s that may read only: %+v", role, u)
		}
	}
	if u := grant(v1alpha1.KeyValueRules{Role: v1alpha1.RoleReadWrite, Channels: own}); len(u.Keys) > 0 {
		t.Errorf("ReadWrite without keys: %+v", u)
	}
}
