package desired

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// PortReads is where members of a group show their own state, which may be stale.
const PortReads = 6380

const portNameReads = "reads"

// HasReads says whether members of an object are to be read from, each on its own.
func HasReads(o v1alpha1.Instance) bool {
	return KindOf(o).Reads != nil && o.InstanceSpec().Members() > 1
}

// hasReads is HasReads for as long as there are pods of several.
func (in Inputs) hasReads() bool { return in.kind().Reads != nil && in.members() > 1 }

// ReadsPort says whether a pod has a port for reads that may be stale.
func ReadsPort(pod corev1.PodSpec) bool { return hasPort(pod, portNameReads) }

// ReadsService is the Service of reads that may be stale.
func (n Names) ReadsService() string { return n.name + "-ro" }

// ReadsHost is the name under which applications connect for those.
func (n Names) ReadsHost() string { return fmt.Sprintf("%s.%s.svc", n.ReadsService(), n.namespace) }

// ReadsService spreads reads that may be stale over all members that are ready.
// It is the cluster's alone, and has the clients' port, so that an address differs
// by its host.
func ReadsService(in Inputs) Object {
	names := NamesOf(in.Instance)
	return corev1ac.Service(names.ReadsService(), in.Instance.GetNamespace()).
		WithLabels(Labels(in)).
		WithOwnerReferences(owner(in)).
		WithSpec(corev1ac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithSelector(Selector(in)).
			WithPorts(servicePort(portNameReads, names.ClientPort()).WithTargetPort(intstr.FromString(portNameReads))))
}
