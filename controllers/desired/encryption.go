package desired

import (
	corev1 "k8s.io/api/core/v1"
)

// volumeKeys is the pod's volume of encryption keys.
const volumeKeys = "encryption-keys"

// keysMount is where the engine finds them.
const keysMount = "/etc/coffer/keys"

// Encryption is the ring of keys that the operator has generated.
type Encryption struct {
	// Data are the files that members mount (package engine/vault).
	Data        map[string][]byte
	Annotations map[string]string
}

// EncryptionSecretOf names the secret of the instance's keys: the user's own or
// the operator's; empty where nothing is encrypted.
func EncryptionSecretOf(in Inputs) string {
	e := in.spec().Encryption
	switch {
	case !e.Encrypts():
		return ""
	case e.KeySecretRef != nil:
		return e.KeySecretRef.Name
	}
	return NamesOf(in.Instance).EncryptionSecret()
}

// KeySecretOf is the secret of keys that a pod mounts; empty when it encrypts
// nothing.
func KeySecretOf(spec corev1.PodSpec) string {
	for _, v := range spec.Volumes {
		if v.Name == volumeKeys && v.Secret != nil {
			return v.Secret.SecretName
		}
	}
	return ""
}

// KeySecretInForce is the secret of keys that pods are made with, which may be
// those of a revision that is held.
func KeySecretInForce(in Inputs) string {
	t, err := revision(in).template()
	if err != nil {
		return ""
	}
	return KeySecretOf(*as[corev1.PodSpec](t.Spec))
}

// EncryptionSecret keeps the keys without which the volume cannot be read: it
// stays as long as the volume does.
func EncryptionSecret(in Inputs) Object {
	e := in.Encryption
	return kept(in, secret(in, NamesOf(in.Instance).EncryptionSecret(), corev1.SecretTypeOpaque, e.Data, e.Annotations))
}
