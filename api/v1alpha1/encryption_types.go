package v1alpha1

// EncryptionAtRest says whether files on the volume are encrypted.
//
// +kubebuilder:validation:Enum=Enabled;Disabled
type EncryptionAtRest string

// The ways of keeping files.
const (
	// EncryptionEnabled encrypts everything that is written to the volume.
	EncryptionEnabled EncryptionAtRest = "Enabled"
	// EncryptionDisabled leaves it to the storage.
	EncryptionDisabled EncryptionAtRest = "Disabled"
)

// Encryption says under which key the data lies on its volume.
//
// +kubebuilder:validation:XValidation:rule="!has(self.keySecretRef) || !has(self.atRest) || self.atRest == 'Enabled'",message="encryption.keySecretRef needs encryption.atRest Enabled: remove it or the mode"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.atRest) || !has(self.atRest) || oldSelf.atRest == 'Disabled' || self.atRest == 'Enabled'",message="encryption.atRest cannot be taken back: create a new object without it and copy the data"
type Encryption struct {
	// atRest Enabled encrypts the log and the snapshots with AES-256-GCM: each
	// file has a random key of its own, which the key of the secret wraps.
	// Disabled leaves that to the storage; it can become Enabled, and not the
	// other way round. Default Enabled. An instance made before there was
	// encryption takes it up when its pods are replaced the next time.
	// +optional
	// +kubebuilder:default=Enabled
	AtRest EncryptionAtRest `json:"atRest,omitempty"`

	// keySecretRef names the user's own secret of keys, labelled
	// coffer.dev/watch=true: each item is a key as 64 hexadecimal digits (32
	// random bytes: openssl rand -hex 32), but for the item "primary", which
	// holds the name of the one to use. The others are for data that is still
	// under them; status.encryption.keysInUse tells when they may go. To rotate,
	// add a key and name it in "primary"; nothing restarts. Whoever loses the
	// keys has lost the data: the operator keeps no copy. Default: the operator
	// generates the secret <name>-encryption, and a new value of the annotation
	// coffer.dev/rotate-encryption-key rotates its key.
	// +optional
	KeySecretRef *KeySecretRef `json:"keySecretRef,omitempty"`
}

// KeySecretRef names a secret of encryption keys in the object's own namespace.
type KeySecretRef struct {
	// name of the secret. Required.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="encryption.keySecretRef.name must be the name of a Secret (a-z, 0-9, '-' and '.')"
	Name string `json:"name"`
}

// Encrypts says whether what is written to the volume is encrypted.
func (e Encryption) Encrypts() bool { return e.AtRest != EncryptionDisabled }

// EncryptionPhase is where the encryption of the data stands.
//
// +kubebuilder:validation:Enum=Off;Encrypting;Rotating;Idle
type EncryptionPhase string

// The phases of encryption.
const (
	// EncryptionOff: a member does not encrypt. Its pod was made before there
	// was encryption, or encryption.atRest is Disabled.
	EncryptionOff EncryptionPhase = "Off"
	// EncryptionEncrypting: what is written is encrypted; files from before are
	// being replaced.
	EncryptionEncrypting EncryptionPhase = "Encrypting"
	// EncryptionRotating: files are being put under a new key.
	EncryptionRotating EncryptionPhase = "Rotating"
	// EncryptionIdle: every file of every member is under the one key.
	EncryptionIdle EncryptionPhase = "Idle"
)

// EncryptionStatus is what members prove of their files.
type EncryptionStatus struct {
	// phase: Off, Encrypting, Rotating or Idle.
	// +optional
	Phase EncryptionPhase `json:"phase,omitempty"`

	// secret of the keys.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Secret string `json:"secret,omitempty"`

	// key is the id of the key that new files are under: the first 8 bytes of a
	// SHA-256 of the key, in hex. It tells nothing of the key.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Key string `json:"key,omitempty"`

	// keysInUse are the ids of the keys that some file is under: without one of
	// these a member does not start again.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=16
	KeysInUse []string `json:"keysInUse,omitempty"`
}

// Annotations of encryption.
const (
	// AnnotationRotateEncryptionKey on an instance: a new value has the data put
	// under a new key.
	AnnotationRotateEncryptionKey = GroupName + "/rotate-encryption-key"
	// AnnotationEncryptionSecret on a volume's claim: the secret without whose
	// keys the volume cannot be read. While it is there, the operator makes no
	// new secret in the place of a lost one.
	AnnotationEncryptionSecret = GroupName + "/encryption-secret"
	// AnnotationEncryptionKey on a pod: the id of the key that it should use; a
	// change makes the kubelet deliver mounted secrets at once.
	AnnotationEncryptionKey = GroupName + "/encryption-key"
)

// ConditionEncrypted (True is good) says that everything on the volumes is
// encrypted under keys that are at hand, proven by the members' own report.
const ConditionEncrypted = "Encrypted"

// Reasons of ConditionEncrypted, beside those of others.
const (
	// ReasonEncryptionDisabled: spec.encryption.atRest is Disabled.
	ReasonEncryptionDisabled = "EncryptionDisabled"
	// ReasonNotEncrypting: pods were made before there was encryption.
	ReasonNotEncrypting = "NotEncrypting"
	// ReasonEncrypting: files from before are being replaced.
	ReasonEncrypting = "Encrypting"
	// ReasonKeyRotating: files are being put under a new key.
	ReasonKeyRotating = "KeyRotating"
	// ReasonEncryptionKeyLost: the secret of the keys is gone, the data is not.
	ReasonEncryptionKeyLost = "EncryptionKeyLost"
	// ReasonEncryptionKeyMissing: the secret lacks a key that data is under.
	ReasonEncryptionKeyMissing = "EncryptionKeyMissing"
	// ReasonEncryptionKeyInvalid: the secret is not a ring of keys.
	ReasonEncryptionKeyInvalid = "EncryptionKeyInvalid"
)
