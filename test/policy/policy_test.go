package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
)

const (
	home   = "shop" // the database's namespace
	system = "coffer-system"
)

// namespaces with their labels.
var namespaces = map[string]map[string]string{
	home:          {"team": "a"},
	"billing":     {"team": "b"},
	"monitoring":  {"team": "b", "watch": "all"},
	system:        {},
	"kube-system": {},
}

// kinds of pods: each namespace has one of each, with the same labels.
var kinds = map[string]map[string]string{
	"checkout": {"app": "checkout"},
	"web":      {"app": "web", "tier": "front"},
	"operator": desired.OperatorLabels(),
	"database": desired.Selector(desired.Inputs{Instance: database()}),
	"jobs":     desired.Selector(desired.Inputs{Instance: jobQueue()}),
	"other":    {"app": "other"},
	"bare":     {},
}

var (
	ports     = []int{desired.PortKeys, desired.PortReads, desired.PortJobs, desired.PortJobsHTTP, desired.PortAdmin, desired.PortMetrics, desired.PortPeers, 53, 443, 22, 1}
	protocols = []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}
)

type pod struct{ namespace, kind string }

func (p pod) labels() map[string]string { return kinds[p.kind] }

func (p pod) peer() *matcher.TrafficPeer {
	all := map[string]string{corev1.LabelMetadataName: p.namespace}
	for k, v := range namespaces[p.namespace] {
		all[k] = v
	}
	return &matcher.TrafficPeer{IP: "10.1.2.3", Internal: &matcher.InternalPeer{PodLabels: p.labels(), NamespaceLabels: all, Namespace: p.namespace}}
}

func pods() []pod {
	var out []pod
	for namespace := range namespaces {
		for kind := range kinds {
			out = append(out, pod{namespace, kind})
		}
	}
	return out
}

func database() *v1alpha1.KVDatabase {
	db := &v1alpha1.KVDatabase{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: "sessions", UID: "u"}}
	db.Spec.Storage.Size = resource.MustParse("1Gi")
	return db
}

func jobQueue() *v1alpha1.JobQueue {
	return &v1alpha1.JobQueue{ObjectMeta: database().ObjectMeta, Spec: v1alpha1.JobQueueSpec{InstanceSpec: database().Spec.InstanceSpec}}
}

// access is what a case gives: the lists of a database, or of a job queue, and
// tokens of namespaces.
type access struct {
	jobs             bool
	several          bool // three members
	clients, metrics []networkingv1.NetworkPolicyPeer
	tokens           []token
}

type token struct {
	namespace string
	from      []v1alpha1.TokenPeer
}

// built is the policy as the API server would keep it.
func built(t *testing.T, a access) *networkingv1.NetworkPolicy {
	t.Helper()
	var object v1alpha1.Instance = database()
	if a.jobs {
		object = jobQueue()
	}
	object.InstanceSpec().NetworkPolicy.Clients, object.InstanceSpec().NetworkPolicy.MetricsFrom = a.clients, a.metrics
	if a.several {
		object.InstanceSpec().Replicas = 3
	}
	in := desired.Inputs{Instance: object, OperatorNamespace: system, OperatorLabels: desired.OperatorLabels()}
	for i, given := range a.tokens {
		token := &v1alpha1.AccessToken{ObjectMeta: metav1.ObjectMeta{Namespace: given.namespace, Name: fmt.Sprint("t", i)}}
		token.Spec.TargetRef = v1alpha1.TargetRef{Kind: v1alpha1.TargetKind(desired.KindOf(object).Name), Name: object.GetName(), Namespace: home}
		token.Spec.From = given.from
		from, err := desired.TokenPeers(token)
		if err != nil {
			continue // refused, and told so on the token: there is no grant
		}
		in.Grants = append(in.Grants, desired.TokenGranted{
			Token: types.NamespacedName{Namespace: token.Namespace, Name: token.Name}, Grant: desired.Grant{From: from}})
	}
	raw, err := json.Marshal(desired.NetworkPolicy(in))
	if err != nil {
		t.Fatal(err)
	}
	policy := &networkingv1.NetworkPolicy{}
	if err := json.Unmarshal(raw, policy); err != nil {
		t.Fatal(err)
	}
	return policy
}

func (a access) target() string {
	if a.jobs {
		return "jobs"
	}
	return "database"
}

// may says what ought to hold, in the words of the API's documentation and by
// none of the product's code.
func (a access) may(from pod, port int, protocol corev1.Protocol) bool {
	if protocol != corev1.ProtocolTCP {
		return false
	}
	operator := from.namespace == system && from.kind == "operator"
	if a.betweenMembers(from, port) {
		return true
	}
	switch port {
	case desired.PortAdmin:
		return operator
	case desired.PortMetrics:
		return anyOf(a.metrics, from)
	case desired.PortReads:
		return !a.jobs && a.several && a.client(from)
	case desired.PortKeys, desired.PortJobs, desired.PortJobsHTTP:
		if a.jobs != (port != desired.PortKeys) {
			return false
		}
		// The operator looks at the certificate, which both ports of a job queue serve.
		return operator && port != desired.PortJobsHTTP || a.client(from)
	}
	return false
}

func (a access) client(from pod) bool {
	return anyOf(a.clients, from) || slices.ContainsFunc(a.tokens, func(t token) bool { return t.lets(from) })
}

// betweenMembers: members of a group have a port of their own, and hand on what
// clients send.
func (a access) betweenMembers(other pod, port int) bool {
	if !a.several || other.namespace != home || other.kind != a.target() {
		return false
	}
	if a.jobs {
		return port == desired.PortPeers || port == desired.PortJobs || port == desired.PortJobsHTTP
	}
	return port == desired.PortPeers || port == desired.PortKeys
}

// lets: a token of another namespace lets in pods of its own only, and one that
// asks for more lets in nobody.
func (t token) lets(from pod) bool {
	found := false
	for _, p := range t.from {
		if t.namespace != home && p.NamespaceSelector != nil {
			return false
		}
		inside := from.namespace == t.namespace
		if p.NamespaceSelector != nil {
			inside = selects(p.NamespaceSelector, namespaces[from.namespace])
		}
		found = found || inside && (p.PodSelector == nil || selects(p.PodSelector, from.labels()))
	}
	return found
}

func anyOf(peers []networkingv1.NetworkPolicyPeer, from pod) bool {
	for _, p := range peers {
		if p.IPBlock == nil && (token{home, []v1alpha1.TokenPeer{{PodSelector: p.PodSelector, NamespaceSelector: p.NamespaceSelector}}}).lets(from) {
			return true
		}
	}
	return false
}

func selects(s *metav1.LabelSelector, labels map[string]string) bool {
	for k, v := range s.MatchLabels {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// judge goes through the whole matrix, and returns how many ways in there are.
func judge(t *testing.T, a access) int {
	t.Helper()
	policy := matcher.BuildNetworkPolicies(false, []*networkingv1.NetworkPolicy{built(t, a)})
	ways := 0
	for _, other := range pods() {
		for _, member := range pods() {
			if member.kind != a.target() || other == member && !a.several {
				continue
			}
			ours := member.namespace == home
			for _, port := range ports {
				for _, protocol := range protocols {
					into := policy.IsTrafficAllowed(&matcher.Traffic{Source: other.peer(), Destination: member.peer(), ResolvedPort: port, Protocol: protocol}).Ingress.IsAllowed()
					if want := !ours || a.may(other, port, protocol); into != want {
						t.Errorf("%v to %v, %s %d: %t, want %t", other, member, protocol, port, into, want)
					}
					if ours && into {
						ways++
					}
					outOf := policy.IsTrafficAllowed(&matcher.Traffic{Source: member.peer(), Destination: other.peer(), ResolvedPort: port, Protocol: protocol}).Egress.IsAllowed()
					want := port == 53 && protocol != corev1.ProtocolSCTP || protocol == corev1.ProtocolTCP && a.betweenMembers(other, port)
					if want = want || !ours; outOf != want {
						t.Errorf("%v to %v, %s %d: %t, want %t", member, other, protocol, port, outOf, want)
					}
				}
			}
		}
	}
	return ways
}

func app(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
}

func team(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"team": name}}
}

// TestMatrix: who gets in by each way of being let in, counted by hand.
func TestMatrix(t *testing.T) {
	const operator = 2 // its two ports
	all := &metav1.LabelSelector{}
	for name, c := range map[string]struct {
		access access
		ways   int
	}{
		"nobody":                    {access{}, operator},
		"a token of home":           {access{tokens: []token{{home, []v1alpha1.TokenPeer{{PodSelector: app("checkout")}}}}}, operator + 1},
		"a token of elsewhere":      {access{tokens: []token{{"billing", []v1alpha1.TokenPeer{{PodSelector: app("checkout")}}}}}, operator + 1},
		"all pods of elsewhere":     {access{tokens: []token{{"billing", []v1alpha1.TokenPeer{{PodSelector: all}}}}}, operator + 7},
		"nobody, for jobs":          {access{jobs: true}, operator},
		"a token for jobs":          {access{jobs: true, tokens: []token{{home, []v1alpha1.TokenPeer{{PodSelector: app("checkout")}}}}}, operator + 2},
		"a token that names no pod": {access{tokens: []token{{home, nil}}}, operator},
		"a team, by home's token":   {access{tokens: []token{{home, []v1alpha1.TokenPeer{{NamespaceSelector: team("b"), PodSelector: app("web")}}}}}, operator + 2},
		"a team, by another's":      {access{tokens: []token{{"billing", []v1alpha1.TokenPeer{{NamespaceSelector: team("a"), PodSelector: app("web")}}}}}, operator},
		"three members":             {access{several: true}, operator + 2},
		"a token of three":          {access{several: true, tokens: []token{{home, []v1alpha1.TokenPeer{{PodSelector: app("checkout")}}}}}, operator + 4},
		"clients of three":          {access{several: true, clients: []networkingv1.NetworkPolicyPeer{{PodSelector: app("web")}}}, operator + 4},
		"three members of jobs":     {access{several: true, jobs: true}, operator + 3},
		"two tokens, one pod": {access{tokens: []token{{home, []v1alpha1.TokenPeer{{PodSelector: app("web")}}},
			{home, []v1alpha1.TokenPeer{{PodSelector: app("web")}}}}}, operator + 1},
		"clients":  {access{clients: []networkingv1.NetworkPolicyPeer{{PodSelector: app("web")}}}, operator + 1},
		"monitors": {access{metrics: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"watch": "all"}}}}}, operator + 7},
	} {
		t.Run(name, func(t *testing.T) {
			if ways := judge(t, c.access); ways != c.ways {
				t.Errorf("%d ways in, want %d", ways, c.ways)
			}
		})
	}
}

// TestRandomAccess: many lists and tokens at once.
func TestRandomAccess(t *testing.T) {
	const cases = 150
	for seed := range uint64(cases) {
		r := rand.New(rand.NewPCG(seed, 1))
		if a := random(r); judge(t, a) == 0 || t.Failed() {
			t.Fatalf("seed %d: %+v", seed, a)
		}
	}
}

func random(r *rand.Rand) (a access) {
	selector := func(choices ...*metav1.LabelSelector) *metav1.LabelSelector { return choices[r.IntN(len(choices))] }
	podsOf := func() *metav1.LabelSelector {
		return selector(nil, &metav1.LabelSelector{}, app("checkout"), app("web"), app("nobody"))
	}
	spaces := func() *metav1.LabelSelector { return selector(nil, nil, &metav1.LabelSelector{}, team("a"), team("b")) }
	peers := func(n int) (out []v1alpha1.TokenPeer) {
		for range n {
			p := v1alpha1.TokenPeer{PodSelector: podsOf(), NamespaceSelector: spaces()}
			if p.PodSelector == nil && p.NamespaceSelector == nil {
				p.PodSelector = app("web")
			}
			out = append(out, p)
		}
		return out
	}
	native := func(list []v1alpha1.TokenPeer) (out []networkingv1.NetworkPolicyPeer) {
		for _, p := range list {
			out = append(out, networkingv1.NetworkPolicyPeer{PodSelector: p.PodSelector, NamespaceSelector: p.NamespaceSelector})
		}
		return out
	}
	a.jobs, a.several = r.IntN(2) == 0, r.IntN(2) == 0
	a.clients, a.metrics = native(peers(r.IntN(3))), native(peers(r.IntN(3)))
	where := []string{home, home, "billing", "monitoring", "kube-system"}
	for range r.IntN(4) {
		a.tokens = append(a.tokens, token{where[r.IntN(len(where))], peers(r.IntN(3))})
	}
	return a
}
