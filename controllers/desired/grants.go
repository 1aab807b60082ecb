package desired

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// What a target takes of tokens. Their users share one file with the database's
// own, of at most a megabyte, and their peers one NetworkPolicy: whoever may
// make tokens in another namespace must not be able to fill either.
const (
	MaxGrants     = 500
	MaxGrantBytes = 512 << 10
	// maxGrantBytes bounds one token's grant, as JSON.
	maxGrantBytes = 64 << 10
	// maxFromBytes bounds one token's peers, as JSON.
	maxFromBytes = 8 << 10
)

// TokenGranted is a grant with the token that it is of.
type TokenGranted struct {
	Token types.NamespacedName
	Grant Grant
}

// FittingGrants are those that fit, in a fixed order: those of the target's own
// namespace first, then the older one. What cannot be read is not among them.
func FittingGrants(secrets []corev1.Secret) []TokenGranted {
	sorted := slices.Clone(secrets)
	slices.SortFunc(sorted, func(a, b corev1.Secret) int {
		return cmp.Or(compareBool(foreign(&a), foreign(&b)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	var out []TokenGranted
	size := 0
	for i := range sorted {
		g, err := ParseGrant(&sorted[i])
		if err != nil {
			continue
		}
		size += len(sorted[i].Data[KeyGrant])
		if len(out) == MaxGrants || size > MaxGrantBytes {
			break
		}
		out = append(out, TokenGranted{Token: TokenOf(&sorted[i]), Grant: g})
	}
	return out
}

func foreign(s *corev1.Secret) bool { return TokenOf(s).Namespace != s.Namespace }

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// TokenPeers are the peers that a token lets through, with the namespace that
// each means written out. A token of another namespace opens its target to pods
// of its own namespace only.
func TokenPeers(t *v1alpha1.AccessToken) ([]networkingv1.NetworkPolicyPeer, error) {
	var out []networkingv1.NetworkPolicyPeer
	for i, p := range t.Spec.From {
		peer := networkingv1.NetworkPolicyPeer{PodSelector: p.PodSelector, NamespaceSelector: p.NamespaceSelector}
		if t.Namespace != t.TargetNamespace() {
			if p.NamespaceSelector != nil {
				return nil, fmt.Errorf("spec.from[%d].namespaceSelector: a token of another namespace than its target's may let through pods of its own only: remove it", i)
			}
			peer.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: t.Namespace}}
		}
		out = append(out, peer)
	}
	return out, ValidatePeers(out)
}

// ValidatePeers says what the API server would refuse in a NetworkPolicy: one
// bad selector would keep the whole policy from being applied.
func ValidatePeers(peers []networkingv1.NetworkPolicyPeer) error {
	if raw, err := json.Marshal(peers); err != nil || len(raw) > maxFromBytes {
		return fmt.Errorf("spec.from has %d bytes, at most %d may be: use fewer or shorter selectors", len(raw), maxFromBytes)
	}
	for i, p := range peers {
		at := field.NewPath("spec", "from").Index(i)
		if p.PodSelector == nil && p.NamespaceSelector == nil || p.IPBlock != nil {
			return fmt.Errorf("%s: needs a podSelector or a namespaceSelector", at)
		}
		errs := selectorErrors(p.PodSelector, at.Child("podSelector"))
		errs = append(errs, selectorErrors(p.NamespaceSelector, at.Child("namespaceSelector"))...)
		if len(errs) > 0 {
			return errors.New(errs[0].Error())
		}
	}
	return nil
}

func selectorErrors(s *metav1.LabelSelector, at *field.Path) field.ErrorList {
	if s == nil {
		return nil
	}
	return metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, at)
}

// maxWords bounds a peer's description, as the CRD does.
const maxWords = 256

// PeersInWords are all that the NetworkPolicy lets in, each with its reason.
func PeersInWords(in Inputs) []v1alpha1.PeerStatus {
	var out []v1alpha1.PeerStatus
	add := func(who, ports, because string) {
		out = append(out, v1alpha1.PeerStatus{Who: clip(who), Ports: ports, Because: clip(because)})
	}
	if !in.spec().NetworkPolicy.Managed() {
		return nil
	}
	clients := portsInWords(numbers(in.kind().ports(in.hasReads())))
	if in.OperatorNamespace != "" {
		add("the operator's pods in namespace "+in.OperatorNamespace, fmt.Sprintf("%d, %d", in.kind().Ports[0].Number, PortAdmin), "the operator asks members for their state")
	}
	for _, p := range in.spec().NetworkPolicy.Clients {
		add(peerInWords(p, in.Instance.GetNamespace()), clients, "spec.networkPolicy.clients")
	}
	for _, g := range in.Grants {
		for _, p := range g.Grant.From {
			add(peerInWords(p, in.Instance.GetNamespace()), clients, TokenSource(g.Token))
		}
	}
	for _, p := range in.spec().NetworkPolicy.MetricsFrom {
		add(peerInWords(p, in.Instance.GetNamespace()), fmt.Sprint(PortMetrics), "spec.networkPolicy.metricsFrom")
	}
	return out
}

func portsInWords(ports []int32) string {
	var words []string
	for _, p := range ports {
		words = append(words, strconv.Itoa(int(p)))
	}
	return strings.Join(words, ", ")
}

// peerInWords reads a peer aloud, as a NetworkPolicy of that namespace means it.
func peerInWords(p networkingv1.NetworkPolicyPeer, namespace string) string {
	if b := p.IPBlock; b != nil {
		if len(b.Except) > 0 {
			return "addresses of " + b.CIDR + " but " + strings.Join(b.Except, ", ")
		}
		return "addresses of " + b.CIDR
	}
	pods := "every pod"
	if p.PodSelector != nil && !empty(p.PodSelector) {
		pods = "pods with " + metav1.FormatLabelSelector(p.PodSelector)
	}
	switch {
	case p.NamespaceSelector == nil:
		return pods + " of namespace " + namespace
	case empty(p.NamespaceSelector):
		return pods + " of every namespace"
	case len(p.NamespaceSelector.MatchLabels) == 1 && len(p.NamespaceSelector.MatchExpressions) == 0 && p.NamespaceSelector.MatchLabels[corev1.LabelMetadataName] != "":
		return pods + " of namespace " + p.NamespaceSelector.MatchLabels[corev1.LabelMetadataName]
	}
	return pods + " of namespaces with " + metav1.FormatLabelSelector(p.NamespaceSelector)
}

func empty(s *metav1.LabelSelector) bool { return len(s.MatchLabels)+len(s.MatchExpressions) == 0 }

func clip(text string) string {
	if len(text) <= maxWords {
		return text
	}
	return strings.ToValidUTF8(text[:maxWords-len("…")], "") + "…"
}
