package desired

import (
	"fmt"
	"strconv"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// Names are the names of an instance's objects.
type Names struct {
	namespace, name string
	port            int32
}

// NamesOf the instance's objects.
func NamesOf(o v1alpha1.Instance) Names {
	return Names{o.GetNamespace(), o.GetName(), KindOf(o).Ports[0].Number}
}

// Instance is the instance as members know it: namespace/name.
func (n Names) Instance() string { return n.namespace + "/" + n.name }

// StatefulSet is also the prefix of its pods.
func (n Names) StatefulSet() string { return n.name }

// Member is a member's pod.
func (n Names) Member(ordinal int) string { return n.name + "-" + strconv.Itoa(ordinal) }

// Claim is a member's volume claim, as the StatefulSet's controller names it.
func (n Names) Claim(ordinal int) string { return VolumeData + "-" + n.Member(ordinal) }

// ClientService is what applications connect to.
func (n Names) ClientService() string { return n.name }

// MembersService is the headless one.
func (n Names) MembersService() string { return n.name + "-members" }

// NetworkPolicy of the members.
func (n Names) NetworkPolicy() string { return n.name }

// DisruptionBudget of the members.
func (n Names) DisruptionBudget() string { return n.name }

// ConnectionSecret is what applications mount.
func (n Names) ConnectionSecret() string { return n.name + "-connection" }

// ServerSecret is the users file that members mount.
func (n Names) ServerSecret() string { return n.name + "-server" }

// MetricsSecret is what a monitor needs.
func (n Names) MetricsSecret() string { return n.name + "-metrics" }

// PendingSecret exists while a new password is being made known to members.
func (n Names) PendingSecret() string { return n.name + "-pending" }

// EncryptionSecret is the generated ring of keys.
func (n Names) EncryptionSecret() string { return n.name + "-encryption" }

// QueuesConfigMap is the queues file that a job queue's members mount.
func (n Names) QueuesConfigMap() string { return n.name + "-queues" }

// SelfSignedIssuer signs the instance's own CA.
func (n Names) SelfSignedIssuer() string { return n.name + "-selfsigned" }

// CA is the Certificate, Issuer and secret of the CA that signs.
func (n Names) CA() string { return n.name + "-ca" }

// NextCA is the Certificate and secret of a CA that is to take over.
func (n Names) NextCA() string { return n.name + "-ca-next" }

// PreviousCA is the secret with the certificates of a CA that goes.
func (n Names) PreviousCA() string { return n.name + "-ca-previous" }

// ServerCertificate is what the client port serves.
func (n Names) ServerCertificate() string { return n.name + "-server" }

// ServerTLS is its secret.
func (n Names) ServerTLS() string { return n.name + "-server-tls" }

// AdminCertificate is what admin, metrics and peers' ports serve.
func (n Names) AdminCertificate() string { return n.name + "-admin" }

// AdminTLS is its secret.
func (n Names) AdminTLS() string { return n.name + "-admin-tls" }

// OperatorCertificate is what the operator shows to the admin port.
func (n Names) OperatorCertificate() string { return n.name + "-operator" }

// OperatorTLS is its secret.
func (n Names) OperatorTLS() string { return n.name + "-operator-tls" }

// CertificateSecrets are the secrets that cert-manager writes for the instance.
func (n Names) CertificateSecrets() []string {
	return []string{n.CA(), n.ServerTLS(), n.AdminTLS(), n.OperatorTLS()}
}

// Host is the name under which applications connect.
func (n Names) Host() string { return fmt.Sprintf("%s.%s.svc", n.name, n.namespace) }

// ClientPort is where they do: the first of the kind's.
func (n Names) ClientPort() int32 { return n.port }

// Endpoint is Host with the port.
func (n Names) Endpoint() string { return n.Host() + ":" + strconv.Itoa(int(n.port)) }

// MemberHost is the DNS name by which the operator knows a member.
func (n Names) MemberHost(ordinal int) string {
	return fmt.Sprintf("%s.%s.%s.svc", n.Member(ordinal), n.MembersService(), n.namespace)
}

// OperatorHost is the DNS name in the operator's client certificate, the only
// one that the instance's admin port lets in.
func (n Names) OperatorHost() string {
	return fmt.Sprintf("operator.%s.%s.%s", n.name, n.namespace, v1alpha1.GroupName)
}
