package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// InstanceSpec is what every kind that runs the engine is asked for alike.
//
// +kubebuilder:validation:XValidation:rule="!has(self.rotation) || !has(self.rotation.interval) || !has(self.credentials) || !has(self.credentials.secretRef)",message="rotation.interval needs a generated password: remove it, or credentials.secretRef (with which the password is rotated by changing that Secret)"
type InstanceSpec struct {
	// replicas is how many members keep a copy of the data: 1, 3 or 5. A write is
	// acknowledged once most of them have it (durability says how), and survives
	// the loss of the others: with 3 members of one, with 5 of two. Clients use the same
	// address whichever member leads. It can change at any time; members join
	// and leave one after the other, and the volume of one that has left is
	// removed. Default 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XValidation:rule="self in [1, 3, 5]",message="replicas must be 1, 3 or 5: an even number survives the loss of no more members than the odd one below it"
	Replicas int32 `json:"replicas,omitempty"`

	// storage is the volume that keeps the data. Required.
	// +required
	Storage Storage `json:"storage"`

	// resources are the compute resources of each member's pod: requests and
	// limits. Default: requests of 100m CPU and 256Mi memory, a limit of 1Gi
	// memory; all of these are replaced when anything is given here. A limit of
	// memory is at least 128Mi.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="resources.claims is not supported: write resources.requests and resources.limits"
	// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || !('memory' in self.requests) || !('memory' in self.limits) || quantity(string(self.requests['memory'])).compareTo(quantity(string(self.limits['memory']))) <= 0",message="resources.requests.memory must not exceed resources.limits.memory"
	// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || !('cpu' in self.requests) || !('cpu' in self.limits) || quantity(string(self.requests['cpu'])).compareTo(quantity(string(self.limits['cpu']))) <= 0",message="resources.requests.cpu must not exceed resources.limits.cpu"
	// +kubebuilder:validation:XValidation:rule="!has(self.limits) || !('memory' in self.limits) || quantity(string(self.limits['memory'])).compareTo(quantity('128Mi')) >= 0",message="resources.limits.memory must be at least 128Mi: with less, a member that fills up is killed before it refuses writes"
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`

	// scheduling chooses the nodes that members may run on. Default: any.
	// +optional
	Scheduling *Scheduling `json:"scheduling,omitempty"`

	// durability says when a write is acknowledged. Always: after fsync; an
	// acknowledged write survives a crash and a power failure. EverySecond:
	// after write(2) with an fsync every second; up to about a second of writes can
	// be lost with the node's power. With several members nothing is lost as long
	// as most of their nodes keep their power: one that comes back from a crash of
	// its node is sent the data anew. Default Always.
	// +optional
	// +kubebuilder:default=Always
	Durability Durability `json:"durability,omitempty"`

	// tls says where the certificate of the client port comes from and how long
	// it lives. TLS 1.3 is always on; there is no plaintext port. A new value of
	// the annotation coffer.dev/rotate-tls renews the certificates.
	// +optional
	// +kubebuilder:default={}
	TLS TLS `json:"tls,omitzero"`

	// rotation says how and when credentials change hands. A new value of the annotation
	// coffer.dev/rotate-credentials starts a rotation, one of
	// coffer.dev/rotate-complete ends its overlap now, one of
	// coffer.dev/rotate-abort gives it up before applications have seen it.
	// +optional
	// +kubebuilder:default={}
	Rotation Rotation `json:"rotation,omitzero"`

	// networkPolicy says who may connect. By default nobody but the operator.
	// +optional
	// +kubebuilder:default={}
	NetworkPolicy NetworkPolicy `json:"networkPolicy,omitzero"`

	// service says how clients reach the instance.
	// +optional
	// +kubebuilder:default={}
	Service Service `json:"service,omitzero"`

	// credentials says where the password comes from. Default: one of 256
	// random bits is generated.
	// +optional
	Credentials Credentials `json:"credentials,omitzero"`

	// encryption says under which key the data lies on its volume.
	// +optional
	// +kubebuilder:default={}
	Encryption Encryption `json:"encryption,omitzero"`

	// allowedNamespaces says which namespaces' AccessTokens may name the
	// instance. Default: those of its own.
	// +optional
	// +kubebuilder:default={}
	AllowedNamespaces AllowedNamespaces `json:"allowedNamespaces,omitzero"`

	// audit says what is recorded of who did what, and for how long.
	// +optional
	// +kubebuilder:default={}
	Audit Audit `json:"audit,omitzero"`

	// deletionPolicy says what becomes of volumes and secrets when the object
	// is deleted. Retain keeps them, and a new object of the same name takes
	// them up again. Delete removes them. Default Retain.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// Storage is the volume of each member.
//
// +kubebuilder:validation:XValidation:rule="has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",message="storage.storageClassName cannot change: create a new object with the other class and copy the data"
type Storage struct {
	// size of the volume, in bytes (for example 10Gi). From 64Mi to 64Ti. It
	// can grow where the storage class allows expansion; it never shrinks.
	// +required
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('64Mi')) >= 0 && quantity(string(self)).compareTo(quantity('64Ti')) <= 0",message="storage.size must be from 64Mi to 64Ti",messageExpression="'storage.size must be from 64Mi to 64Ti, not ' + string(self)"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity(string(oldSelf))) >= 0",message="storage can only grow: create a new object and copy the data to shrink",messageExpression="'storage can only grow (' + string(oldSelf) + ' to ' + string(self) + '): create a new object and copy the data to shrink'"
	Size resource.Quantity `json:"size"`

	// storageClassName is the StorageClass that provides the volume. Default:
	// the cluster's default class. Cannot change.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	StorageClassName *string `json:"storageClassName,omitempty"`
}

// Scheduling chooses the nodes that members may run on.
type Scheduling struct {
	// nodeSelector are labels that a node must have. At most 32.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations are the taints that members put up with. At most 32.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// affinity draws members to nodes or pods, or keeps them apart.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// priorityClassName is the PriorityClass of the pods. Default: the
	// cluster's default.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
}

// Durability says when a write is acknowledged.
//
// +kubebuilder:validation:Enum=Always;EverySecond
type Durability string

// The durabilities.
const (
	// DurabilityAlways acknowledges a write after fsync.
	DurabilityAlways Durability = "Always"
	// DurabilityEverySecond acknowledges after write(2), with an fsync every second.
	DurabilityEverySecond Durability = "EverySecond"
)

// TLS says where the client port's certificate comes from and how long it lives.
//
// +kubebuilder:validation:XValidation:rule="!has(self.renewBefore) || !has(self.duration) || duration(self.renewBefore) < duration(self.duration)",message="tls.renewBefore must be shorter than tls.duration"
type TLS struct {
	// issuerRef is the cert-manager issuer that signs the client port's
	// certificate. Default: a certificate authority of the instance's own,
	// whose certificate clients find as ca.crt in the connection secret. The
	// admin port always uses the instance's own.
	// +optional
	IssuerRef *IssuerRef `json:"issuerRef,omitempty"`

	// duration is the lifetime of the instance's leaf certificates. Default
	// 2160h (90 days); from 1h to 87600h.
	// +optional
	// +kubebuilder:default="2160h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(h|m|s))+$') && duration(self) >= duration('1h') && duration(self) <= duration('87600h')",message="tls.duration must be from 1h to 87600h, written in h, m and s (for example 2160h)"
	Duration *metav1.Duration `json:"duration,omitempty"`

	// renewBefore is how long before its end a certificate is renewed. Default:
	// a third of duration; at least 5m and shorter than duration.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(h|m|s))+$') && duration(self) >= duration('5m')",message="tls.renewBefore must be at least 5m, written in h, m and s (for example 720h)"
	RenewBefore *metav1.Duration `json:"renewBefore,omitempty"`
}

// IssuerRef names a cert-manager issuer.
//
// +kubebuilder:validation:XValidation:rule="self.group != 'cert-manager.io' || self.kind in ['Issuer', 'ClusterIssuer']",message="tls.issuerRef.kind must be Issuer or ClusterIssuer (an issuer that is not cert-manager's own needs tls.issuerRef.group too)"
type IssuerRef struct {
	// name of the issuer. Required.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// kind of the issuer: Issuer, in the same namespace, or ClusterIssuer.
	// Default Issuer.
	// +optional
	// +kubebuilder:default=Issuer
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// group of the issuer's kind. Default cert-manager.io.
	// +optional
	// +kubebuilder:default="cert-manager.io"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`
}

// NetworkPolicyMode says whether the operator keeps a NetworkPolicy.
//
// +kubebuilder:validation:Enum=Managed;Disabled
type NetworkPolicyMode string

// The network policy modes.
const (
	// NetworkPolicyManaged denies all but what is listed.
	NetworkPolicyManaged NetworkPolicyMode = "Managed"
	// NetworkPolicyDisabled leaves the network to somebody else.
	NetworkPolicyDisabled NetworkPolicyMode = "Disabled"
)

// NetworkPolicy says who may connect.
//
// +kubebuilder:validation:XValidation:rule="self.mode == 'Managed' || (!has(self.clients) && !has(self.metricsFrom))",message="networkPolicy.clients and networkPolicy.metricsFrom need networkPolicy.mode Managed: remove them or the mode"
type NetworkPolicy struct {
	// mode Managed keeps a NetworkPolicy that denies everything in both
	// directions but the listed peers, the operator and DNS. Disabled keeps
	// none: anything that reaches the pod may try to log in. Default Managed.
	// +optional
	// +kubebuilder:default=Managed
	Mode NetworkPolicyMode `json:"mode,omitempty"`

	// clients are the peers that may connect to the client port, as in a
	// NetworkPolicy's "from". A podSelector alone selects pods of the same
	// namespace. Default: none. At most 30.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=30
	// +kubebuilder:validation:items:XValidation:rule="has(self.ipBlock) ? !has(self.podSelector) && !has(self.namespaceSelector) : has(self.podSelector) || has(self.namespaceSelector)",message="a peer has an ipBlock, or a podSelector and/or a namespaceSelector ({} selects all)"
	// +kubebuilder:validation:items:XValidation:rule="!has(self.ipBlock) || isCIDR(self.ipBlock.cidr)",message="ipBlock.cidr must be a CIDR such as 10.0.0.0/8 or 2001:db8::/32"
	Clients []networkingv1.NetworkPolicyPeer `json:"clients,omitempty"`

	// metricsFrom are the peers that may connect to the metrics port, 9090, and
	// to no other. Default: none. At most 30.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=30
	// +kubebuilder:validation:items:XValidation:rule="has(self.ipBlock) ? !has(self.podSelector) && !has(self.namespaceSelector) : has(self.podSelector) || has(self.namespaceSelector)",message="a peer has an ipBlock, or a podSelector and/or a namespaceSelector ({} selects all)"
	// +kubebuilder:validation:items:XValidation:rule="!has(self.ipBlock) || isCIDR(self.ipBlock.cidr)",message="ipBlock.cidr must be a CIDR such as 10.0.0.0/8 or 2001:db8::/32"
	MetricsFrom []networkingv1.NetworkPolicyPeer `json:"metricsFrom,omitempty"`
}

// ServiceType is how the client Service is exposed.
//
// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
type ServiceType string

// The service types.
const (
	// ServiceClusterIP is reachable inside the cluster only.
	ServiceClusterIP ServiceType = "ClusterIP"
	// ServiceNodePort is reachable through a port of every node.
	ServiceNodePort ServiceType = "NodePort"
	// ServiceLoadBalancer is reachable through the cloud's load balancer.
	ServiceLoadBalancer ServiceType = "LoadBalancer"
)

// Service says how clients reach the instance.
//
// +kubebuilder:validation:XValidation:rule="!has(self.loadBalancerSourceRanges) || self.type == 'LoadBalancer'",message="service.loadBalancerSourceRanges needs service.type LoadBalancer"
type Service struct {
	// type of the client Service: ClusterIP, NodePort or LoadBalancer. Peers
	// outside the cluster need an ipBlock in networkPolicy.clients as well.
	// Default ClusterIP.
	// +optional
	// +kubebuilder:default=ClusterIP
	Type ServiceType `json:"type,omitempty"`

	// annotations of the client Service, for a load balancer's controller. At
	// most 32.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Annotations map[string]string `json:"annotations,omitempty"`

	// loadBalancerSourceRanges are the CIDRs that the load balancer lets in.
	// Only with type LoadBalancer. At most 64.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self)",message="service.loadBalancerSourceRanges must be CIDRs such as 203.0.113.0/24",messageExpression="'service.loadBalancerSourceRanges must be CIDRs such as 203.0.113.0/24, not ' + self"
	LoadBalancerSourceRanges []string `json:"loadBalancerSourceRanges,omitempty"`

	// hostnames are further DNS names that clients use; they become names of
	// the client port's certificate. At most 16.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$') && !isIP(self)",message="service.hostnames must be lower-case DNS names such as db.example.com",messageExpression="'service.hostnames must be lower-case DNS names such as db.example.com, not ' + self"
	Hostnames []string `json:"hostnames,omitempty"`
}

// Credentials says where the password comes from.
type Credentials struct {
	// secretRef names a secret of the same namespace that holds the password
	// under the key "password", at least 32 characters, labelled
	// coffer.dev/watch=true. The operator reads it and never writes it; a
	// changed password is rotated in with an overlap. Applications still mount
	// the connection secret, which is switched once the members accept the new
	// password. Default: a password is generated.
	// +optional
	SecretRef *SecretRef `json:"secretRef,omitempty"`
}

// SecretRef names a secret in the object's own namespace.
type SecretRef struct {
	// name of the secret. Required.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="credentials.secretRef.name must be the name of a Secret (a-z, 0-9, '-' and '.')"
	Name string `json:"name"`
}

// DeletionPolicy says what becomes of volumes and secrets.
//
// +kubebuilder:validation:Enum=Retain;Delete
type DeletionPolicy string

// The deletion policies.
const (
	// DeletionRetain keeps volumes and secrets.
	DeletionRetain DeletionPolicy = "Retain"
	// DeletionDelete removes volumes and secrets with the object.
	DeletionDelete DeletionPolicy = "Delete"
)
