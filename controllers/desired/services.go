package desired

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// Ports of a member, all TLS 1.3. They are apart because a NetworkPolicy cannot
// tell paths apart.
const (
	PortKeys    = 6379
	PortAdmin   = 9443
	PortMetrics = 9090

	portNameAdmin   = "admin"
	portNameMetrics = "metrics"
)

// ClientService is what applications connect to.
func ClientService(in Inputs) Object {
	s := in.spec().Service
	kind := s.Type
	if kind == "" {
		kind = v1alpha1.ServiceClusterIP
	}
	spec := corev1ac.ServiceSpec().
		WithType(corev1.ServiceType(kind)).
		WithSelector(Selector(in)).
		WithPorts(servicePorts(in.kind().Ports)...)
	if kind == v1alpha1.ServiceLoadBalancer {
		spec.WithLoadBalancerSourceRanges(s.LoadBalancerSourceRanges...)
	}
	service := corev1ac.Service(NamesOf(in.Instance).ClientService(), in.Instance.GetNamespace()).
		WithLabels(Labels(in)).
		WithOwnerReferences(owner(in)).
		WithSpec(spec)
	if len(s.Annotations) > 0 {
		service.WithAnnotations(annotations(s.Annotations))
	}
	return service
}

// MembersService gives each member a name of its own, from before it is ready:
// members find each other, and the operator them, while they start.
func MembersService(in Inputs) Object {
	ports := append(servicePorts(in.kind().ports(in.grouped())), servicePort(portNameAdmin, PortAdmin), servicePort(portNameMetrics, PortMetrics))
	if in.grouped() {
		ports = append(ports, servicePort(portNamePeers, PortPeers))
	}
	return corev1ac.Service(NamesOf(in.Instance).MembersService(), in.Instance.GetNamespace()).
		WithLabels(Labels(in)).
		WithOwnerReferences(owner(in)).
		WithSpec(corev1ac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithClusterIP(corev1.ClusterIPNone).
			WithPublishNotReadyAddresses(true).
			WithSelector(Selector(in)).
			WithPorts(ports...))
}

func servicePorts(ports []Port) []*corev1ac.ServicePortApplyConfiguration {
	var out []*corev1ac.ServicePortApplyConfiguration
	for _, p := range ports {
		out = append(out, servicePort(p.Name, p.Number))
	}
	return out
}

func servicePort(name string, port int32) *corev1ac.ServicePortApplyConfiguration {
	return corev1ac.ServicePort().
		WithName(name).
		WithProtocol(corev1.ProtocolTCP).
		WithPort(port).
		WithTargetPort(intstr.FromString(name))
}
