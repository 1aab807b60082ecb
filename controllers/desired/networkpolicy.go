package desired

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"
)

const portDNS = 53

// NetworkPolicy closes the members' pods in both directions but for: listed
// clients, those of AccessTokens and the operator to the client ports, the
// operator to the admin port, monitors to the metrics port, members of a group
// to each other, and DNS. The kubelet's probes come from the pod's own node,
// which no NetworkPolicy keeps out.
func NetworkPolicy(in Inputs) Object {
	policy := in.spec().NetworkPolicy
	spec := networkingv1ac.NetworkPolicySpec().
		WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(in))).
		WithPolicyTypes(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress).
		// DNS servers are not always pods of kube-system: port 53 anywhere.
		WithEgress(networkingv1ac.NetworkPolicyEgressRule().
			WithPorts(policyPort(corev1.ProtocolUDP, portDNS), policyPort(corev1.ProtocolTCP, portDNS)))
	if in.OperatorNamespace != "" {
		spec.WithIngress(ingress([]*networkingv1ac.NetworkPolicyPeerApplyConfiguration{operatorPeer(in)}, in.kind().Ports[0].Number, PortAdmin))
	}
	admitMembers(in, spec)
	// A rule without peers would let in everybody: no peers, no rule.
	if clients := clientPeers(in); len(clients) > 0 {
		spec.WithIngress(ingress(peers(clients), numbers(in.kind().ports(in.hasReads()))...))
	}
	if len(policy.MetricsFrom) > 0 {
		spec.WithIngress(ingress(peers(policy.MetricsFrom), PortMetrics))
	}
	return networkingv1ac.NetworkPolicy(NamesOf(in.Instance).NetworkPolicy(), in.Instance.GetNamespace()).
		WithLabels(Labels(in)).
		WithOwnerReferences(owner(in)).
		WithSpec(spec)
}

// clientPeers are the listed clients and those of tokens, each once.
func clientPeers(in Inputs) []networkingv1.NetworkPolicyPeer {
	all := slices.Clone(in.spec().NetworkPolicy.Clients)
	for _, g := range in.Grants {
		all = append(all, g.Grant.From...)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(p networkingv1.NetworkPolicyPeer) bool {
		key := string(mustJSON(p))
		again := seen[key]
		seen[key] = true
		return again
	})
}

func operatorPeer(in Inputs) *networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	return networkingv1ac.NetworkPolicyPeer().
		WithNamespaceSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{corev1.LabelMetadataName: in.OperatorNamespace})).
		WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(in.OperatorLabels))
}

func peers(list []networkingv1.NetworkPolicyPeer) []*networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	out := make([]*networkingv1ac.NetworkPolicyPeerApplyConfiguration, len(list))
	for i := range list {
		out[i] = as[networkingv1ac.NetworkPolicyPeerApplyConfiguration](list[i])
	}
	return out
}

func ingress(from []*networkingv1ac.NetworkPolicyPeerApplyConfiguration, ports ...int32) *networkingv1ac.NetworkPolicyIngressRuleApplyConfiguration {
	rule := networkingv1ac.NetworkPolicyIngressRule().WithFrom(from...)
	for _, p := range ports {
		rule.WithPorts(policyPort(corev1.ProtocolTCP, p))
	}
	return rule
}

func policyPort(protocol corev1.Protocol, port int32) *networkingv1ac.NetworkPolicyPortApplyConfiguration {
	return networkingv1ac.NetworkPolicyPort().WithProtocol(protocol).WithPort(intstr.FromInt32(port))
}
