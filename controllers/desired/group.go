package desired

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/config"
)

// MaxMembers is how many an instance can have.
const MaxMembers = 5

// PortPeers is where members of a group reach each other.
const PortPeers = 7443

const portNamePeers = "peers"

// members is how many pods there are to be.
func (in Inputs) members() int32 {
	return int32(max(in.spec().Members(), in.Members)) //nolint:gosec // at most MaxMembers
}

// grouped says whether members are made for a group of several. One that was
// made so stays so: to have its last member alone again would replace its pod.
func (in Inputs) grouped() bool { return in.spec().Members() > 1 || in.Grouped }

// Grouped says whether a pod is made for a group.
func Grouped(pod corev1.PodSpec) bool {
	return hasPort(pod, portNamePeers)
}

func hasPort(pod corev1.PodSpec, name string) bool {
	for _, c := range pod.Containers {
		if slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == name }) {
			return true
		}
	}
	return false
}

// Ordinal of a member's pod; false for what is no member's.
func (n Names) Ordinal(pod string) (int, bool) {
	digits, ok := strings.CutPrefix(pod, n.name+"-")
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil && i >= 0 && i < MaxMembers && strconv.Itoa(i) == digits
}

// PeersHost is the DNS name in the members' certificates that they know each
// other by.
func (n Names) PeersHost() string {
	return fmt.Sprintf("peers.%s.%s.%s", n.name, n.namespace, v1alpha1.GroupName)
}

// peersConfig is how members find each other.
func peersConfig(in Inputs) config.Peers {
	names := NamesOf(in.Instance)
	return config.Peers{
		Listen:  fmt.Sprintf(":%d", PortPeers),
		Address: fmt.Sprintf("%s-%s.%s.%s.svc:%d", names.StatefulSet(), config.Ordinal, names.MembersService(), in.Instance.GetNamespace(), PortPeers),
		Name:    names.PeersHost(),
	}
}

// spread keeps members on nodes of their own where there are enough. Who says
// otherwise, by an affinity, is not contradicted.
func spread(in Inputs, pod *corev1ac.PodSpecApplyConfiguration) {
	if s := in.spec().Scheduling; !in.grouped() || s != nil && s.Affinity != nil {
		return
	}
	pod.WithTopologySpreadConstraints(corev1ac.TopologySpreadConstraint().
		WithMaxSkew(1).
		WithTopologyKey(corev1.LabelHostname).
		WithWhenUnsatisfiable(corev1.ScheduleAnyway).
		WithLabelSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(in))))
}

// DisruptionBudget lets nodes be drained one member at a time: the others are
// a quorum. A member alone has none: it would only block a drain.
func DisruptionBudget(in Inputs) Object {
	return policyv1ac.PodDisruptionBudget(NamesOf(in.Instance).DisruptionBudget(), in.Instance.GetNamespace()).
		WithLabels(Labels(in)).
		WithOwnerReferences(owner(in)).
		WithSpec(policyv1ac.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(in))))
}

// admitMembers lets members reach each other: their peers' port, and those of
// clients, whose connections they hand on to the leader.
func admitMembers(in Inputs, spec *networkingv1ac.NetworkPolicySpecApplyConfiguration) {
	if !in.grouped() {
		return
	}
	members := networkingv1ac.NetworkPolicyPeer().WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(in)))
	ports := append([]int32{PortPeers}, numbers(in.kind().Ports)...)
	out := networkingv1ac.NetworkPolicyEgressRule().WithTo(members)
	for _, p := range ports {
		out.WithPorts(policyPort(corev1.ProtocolTCP, p))
	}
	spec.WithEgress(out).WithIngress(ingress([]*networkingv1ac.NetworkPolicyPeerApplyConfiguration{members}, ports...))
}
