package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// InstanceStatus is what every kind that runs the engine reports alike.
type InstanceStatus struct {
	// observedGeneration is the metadata.generation that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are the parts of the state. Ready sums them up.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// status is one line for people: what it does, or what is wrong and what to
	// do about it.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Status string `json:"status,omitempty"`

	// primary is the member that leads: it takes the writes.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Primary string `json:"primary,omitempty"`

	// readyReplicas counts ready members of those wanted, as in "3/3".
	// +optional
	// +kubebuilder:validation:MaxLength=16
	ReadyReplicas string `json:"readyReplicas,omitempty"`

	// endpoint is host:port for clients in the cluster.
	// +optional
	// +kubebuilder:validation:MaxLength=280
	Endpoint string `json:"endpoint,omitempty"`

	// binding names the connection secret (servicebinding.io).
	// +optional
	Binding *Binding `json:"binding,omitempty"`

	// credentials is the state of the password and its rotation.
	// +optional
	Credentials CredentialsStatus `json:"credentials,omitzero"`

	// tls is the certificate that the client port serves, proven by handshake.
	// +optional
	TLS TLSStatus `json:"tls,omitzero"`

	// encryption is what the data on the volumes is under, by the members' report.
	// +optional
	Encryption EncryptionStatus `json:"encryption,omitzero"`

	// accessTokens counts the AccessTokens that are let in.
	// +optional
	AccessTokens int32 `json:"accessTokens,omitempty"`

	// networkPolicy lists who may connect.
	// +optional
	NetworkPolicy NetworkPolicyStatus `json:"networkPolicy,omitzero"`

	// members are the engine's processes as they last reported themselves.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Members []MemberStatus `json:"members,omitempty"`

	// lastHandled maps an annotation that asks for something once (for example
	// coffer.dev/rotate-credentials) to the last value that was carried out.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	LastHandled map[string]string `json:"lastHandled,omitempty"`
}

// Binding names the secret that applications mount.
type Binding struct {
	// name of the secret, in the same namespace.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// RotationPhase is where a rotation stands.
//
// +kubebuilder:validation:Enum=Idle;Preparing;Overlap;Completing
type RotationPhase string

// The rotation phases, in their order.
const (
	// PhaseIdle: one credential, everywhere the same.
	PhaseIdle RotationPhase = "Idle"
	// PhasePreparing: members are learning the new credential; applications
	// still have the old one.
	PhasePreparing RotationPhase = "Preparing"
	// PhaseOverlap: the connection secret holds the new credential; both work.
	PhaseOverlap RotationPhase = "Overlap"
	// PhaseCompleting: members are dropping the old credential.
	PhaseCompleting RotationPhase = "Completing"
)

// CredentialsStatus is the state of the password and its rotation.
type CredentialsStatus struct {
	// generation numbers the password in the connection secret, from 1.
	// +optional
	Generation int64 `json:"generation,omitempty"`

	// phase of the rotation: Idle, Preparing, Overlap or Completing.
	// +optional
	Phase RotationPhase `json:"phase,omitempty"`

	// lastRotated is when the connection secret last got a new password.
	// +optional
	LastRotated *metav1.Time `json:"lastRotated,omitempty"`

	// nextRotation is when the next rotation starts by itself, as
	// spec.rotation.interval and window have it.
	// +optional
	NextRotation *metav1.Time `json:"nextRotation,omitempty"`

	// sessions counts live sessions by the generation that they logged in with,
	// newest first; refreshed at most once a minute, in an overlap every ten
	// seconds.
	// +optional
	// +listType=map
	// +listMapKey=generation
	// +kubebuilder:validation:MaxItems=16
	Sessions []GenerationSessions `json:"sessions,omitempty"`

	// previousRevokedAt is when the password before that stopped working.
	// +optional
	PreviousRevokedAt *metav1.Time `json:"previousRevokedAt,omitempty"`
}

// GenerationSessions counts the sessions of one generation.
type GenerationSessions struct {
	// generation of the password.
	// +required
	Generation int64 `json:"generation"`

	// sessions that logged in with it.
	// +required
	Sessions int64 `json:"sessions"`
}

// TLSStatus is the certificate that the client port serves.
type TLSStatus struct {
	// issuer that signed it, as Kind/name.
	// +optional
	// +kubebuilder:validation:MaxLength=320
	Issuer string `json:"issuer,omitempty"`

	// notAfter is when it ends.
	// +optional
	NotAfter *metav1.Time `json:"notAfter,omitempty"`

	// fingerprint is the SHA-256 of the certificate, in lower-case hex, as seen
	// in a handshake.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Fingerprint string `json:"fingerprint,omitempty"`

	// caGeneration numbers the instance's own certificate authority, from 1.
	// +optional
	CAGeneration int64 `json:"caGeneration,omitempty"`

	// caNotAfter is when the certificate of that authority ends.
	// +optional
	CANotAfter *metav1.Time `json:"caNotAfter,omitempty"`

	// phase of a change of the certificate authority, or of a renewal that
	// coffer.dev/rotate-tls asked for: Idle, Preparing, Overlap or Completing.
	// +optional
	Phase RotationPhase `json:"phase,omitempty"`
}

// MemberStatus is one engine process as it last reported itself.
type MemberStatus struct {
	// name of the member's pod.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// id is the member's number in its group, given once and never again; left
	// out by a member that is alone, or not in the group yet.
	// +optional
	ID int64 `json:"id,omitempty"`

	// role of the member in its group: leader, follower, learner (it gets the
	// data and has no vote yet), blank (its volume holds nothing yet) or
	// starting.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Role string `json:"role,omitempty"`

	// appliedIndex is the last entry of the log that the member has applied;
	// refreshed at most once a minute.
	// +optional
	AppliedIndex int64 `json:"appliedIndex,omitempty"`

	// lag is how many entries of the log the member is behind the leader, as the
	// leader knows it; left out for none. Refreshed at most once a minute, for a
	// learner at each look.
	// +optional
	Lag int64 `json:"lag,omitempty"`

	// credentialGeneration is the newest password generation it accepts.
	// +optional
	CredentialGeneration int64 `json:"credentialGeneration,omitempty"`

	// tlsFingerprint is the SHA-256 of the certificate it serves to clients, in
	// lower-case hex.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TLSFingerprint string `json:"tlsFingerprint,omitempty"`

	// version of the engine.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
}
