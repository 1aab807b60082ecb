package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NamespacesFrom says which namespaces are meant.
//
// +kubebuilder:validation:Enum=Same;All;Selector
type NamespacesFrom string

// The ways of meaning namespaces.
const (
	// NamespacesSame is the object's own.
	NamespacesSame NamespacesFrom = "Same"
	// NamespacesAll is every one of the cluster.
	NamespacesAll NamespacesFrom = "All"
	// NamespacesSelector are those with certain labels.
	NamespacesSelector NamespacesFrom = "Selector"
)

// AllowedNamespaces says which namespaces' AccessTokens may name the instance.
//
// +kubebuilder:validation:XValidation:rule="(has(self.from) && self.from == 'Selector') == has(self.selector)",message="allowedNamespaces.selector and allowedNamespaces.from: Selector need each other: write both or neither"
type AllowedNamespaces struct {
	// from: Same is the instance's own namespace only, All every namespace of
	// the cluster, Selector its own and those whose labels match selector.
	// Default Same.
	// +optional
	// +kubebuilder:default=Same
	From NamespacesFrom `json:"from,omitempty"`

	// selector are the labels of the namespaces, as set by whoever administers
	// the cluster. Only with from Selector.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// AuditLevel says what is recorded.
//
// +kubebuilder:validation:Enum=None;Denied;Writes;All
type AuditLevel string

// The audit levels, each with what the one before records.
const (
	// AuditNone records nothing.
	AuditNone AuditLevel = "None"
	// AuditDenied records what was refused: logins, commands, connections.
	AuditDenied AuditLevel = "Denied"
	// AuditWrites records logins, writes and administration too.
	AuditWrites AuditLevel = "Writes"
	// AuditAll records every command.
	AuditAll AuditLevel = "All"
)

// Audit says what is recorded of who did what, from where. Records never hold
// values or secrets.
type Audit struct {
	// level: None; Denied for what was refused; Writes for logins, writes and
	// administration too; All for every command. A change takes effect without
	// a restart. Default Denied.
	// +optional
	// +kubebuilder:default=Denied
	Level AuditLevel `json:"level,omitempty"`

	// retention is how long records are kept on the volume. Default 720h (30
	// days); from 1h to 87600h.
	// +optional
	// +kubebuilder:default="720h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(h|m|s))+$') && duration(self) >= duration('1h') && duration(self) <= duration('87600h')",message="audit.retention must be from 1h to 87600h, written in h, m and s (for example 720h)"
	Retention *metav1.Duration `json:"retention,omitempty"`
}

// DefaultAuditRetention is how long audit records are kept.
const DefaultAuditRetention = 720 * time.Hour

// LevelOrDefault is what is recorded.
func (a Audit) LevelOrDefault() AuditLevel {
	if a.Level == "" {
		return AuditDenied
	}
	return a.Level
}

// RetentionOrDefault is how long records are kept.
func (a Audit) RetentionOrDefault() time.Duration {
	return durationOr(a.Retention, DefaultAuditRetention)
}

// SecretNameOrDefault is the secret that applications mount.
func (t *AccessToken) SecretNameOrDefault() string {
	if t.Spec.SecretName != "" {
		return t.Spec.SecretName
	}
	return t.Name
}

// TargetNamespace is the namespace of what the token gives access to.
func (t *AccessToken) TargetNamespace() string {
	if t.Spec.TargetRef.Namespace != "" {
		return t.Spec.TargetRef.Namespace
	}
	return t.Namespace
}

// NetworkPolicyStatus is who is let through.
type NetworkPolicyStatus struct {
	// peers are who may connect, each with the reason. At most 64 are shown.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Peers []PeerStatus `json:"peers,omitempty"`

	// more is the number of peers that are let through and not shown.
	// +optional
	More int32 `json:"more,omitempty"`
}

// PeerStatus is one peer that is let through.
type PeerStatus struct {
	// who may connect, in words.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Who string `json:"who"`

	// ports that it may connect to, as in "6379".
	// +required
	// +kubebuilder:validation:MaxLength=64
	Ports string `json:"ports"`

	// because names the field or the AccessToken that says so.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Because string `json:"because"`
}

// ConditionAuditing (True is good) says that what spec.audit asks for is
// recorded, by the members' own report; False with reason AuditDisabled where
// nothing is asked for.
const ConditionAuditing = "Auditing"

// Reasons of ConditionAuditing, beside those of others.
const (
	// ReasonAuditDisabled: spec.audit.level is None.
	ReasonAuditDisabled = "AuditDisabled"
	// ReasonAuditLost: a member could not keep every record.
	ReasonAuditLost = "AuditLost"
)
