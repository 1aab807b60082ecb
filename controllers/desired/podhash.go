package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"reflect"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/config"
)

// asked is what the user can ask of a pod, and nothing that an operator's
// version decides. A value that equals its default is left out, so that a
// default which a later version adds or repeats does not change the hash.
type asked struct {
	Requests        corev1.ResourceList  `json:"requests,omitempty"`
	Limits          corev1.ResourceList  `json:"limits,omitempty"`
	Scheduling      *v1alpha1.Scheduling `json:"scheduling,omitempty"`
	Durability      v1alpha1.Durability  `json:"durability,omitempty"`
	MaxClients      int64                `json:"maxClients,omitempty"`
	MaxRequestBytes int64                `json:"maxRequestBytes,omitempty"`
	MaxKeyBytes     int64                `json:"maxKeyBytes,omitempty"`
	Memory          config.Memory        `json:"memory,omitzero"`
	KeySecret       string               `json:"keySecret,omitempty"`
	Unencrypted     bool                 `json:"unencrypted,omitempty"`
	// Grouped, not how many: pods stay as they are when more join them.
	Grouped bool `json:"grouped,omitempty"`
}

const (
	defaultMaxClients      = 10_000
	defaultMaxRequestBytes = 256 << 20
)

// PodSpecHash tells whether a pod is the one that the user asks for. A user's
// change changes it and rolls the pod; a new operator with another image or
// other defaults does not.
func PodSpecHash(in Inputs) string {
	sum := sha256.Sum256(mustJSON(askedOf(in)))
	return hex.EncodeToString(sum[:8])
}

func askedOf(in Inputs) asked {
	spec := in.spec()
	a := asked{
		Requests:   spec.Resources.Requests,
		Limits:     spec.Resources.Limits,
		Scheduling: spec.Scheduling,
	}
	if a.Scheduling != nil && reflect.ValueOf(*a.Scheduling).IsZero() {
		a.Scheduling = nil
	}
	if spec.Durability != v1alpha1.DurabilityAlways {
		a.Durability = spec.Durability
	}
	a.Grouped = in.grouped()
	a.Unencrypted = !spec.Encryption.Encrypts()
	if ref := spec.Encryption.KeySecretRef; ref != nil {
		a.KeySecret = ref.Name
	}
	if db, ok := in.Instance.(*v1alpha1.KVDatabase); ok {
		a.limits(db.Spec.Limits)
		a.Memory = engineMemory(db.Spec.Memory)
	}
	return a
}

func (a *asked) limits(l *v1alpha1.KVDatabaseLimits) {
	if l == nil {
		return
	}
	if l.MaxClients != nil && *l.MaxClients != defaultMaxClients {
		a.MaxClients = int64(*l.MaxClients)
	}
	if l.MaxRequestBytes != nil && l.MaxRequestBytes.Value() != defaultMaxRequestBytes {
		a.MaxRequestBytes = l.MaxRequestBytes.Value()
	}
	if l.MaxKeyBytes != nil {
		a.MaxKeyBytes = l.MaxKeyBytes.Value()
	}
}
