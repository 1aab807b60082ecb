package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The defaults that the API server writes into objects, repeated for readers
// of objects that never went through one.
const (
	// DefaultOverlap is how long two credentials both work.
	DefaultOverlap = 10 * time.Minute
	// DefaultDuration is the lifetime of a leaf certificate.
	DefaultDuration = 2160 * time.Hour
	// CertManagerGroup is the default group of an issuer.
	CertManagerGroup = "cert-manager.io"
)

// OverlapOrDefault is how long the old and the new credential both work.
func (r Rotation) OverlapOrDefault() time.Duration {
	return durationOr(r.Overlap, DefaultOverlap)
}

// IntervalOrZero is after which time a rotation starts by itself; zero: never.
func (r Rotation) IntervalOrZero() time.Duration { return durationOr(r.Interval, 0) }

// DurationOrDefault is the lifetime of leaf certificates.
func (t TLS) DurationOrDefault() time.Duration {
	return durationOr(t.Duration, DefaultDuration)
}

// RenewBeforeOrDefault is how long before its end a leaf is renewed: a third
// of its lifetime unless the user says otherwise.
func (t TLS) RenewBeforeOrDefault() time.Duration {
	return durationOr(t.RenewBefore, t.DurationOrDefault()/3)
}

// WithDefaults fills in the kind and group that a user may leave out.
func (r IssuerRef) WithDefaults() IssuerRef {
	if r.Kind == "" {
		r.Kind = "Issuer"
	}
	if r.Group == "" {
		r.Group = CertManagerGroup
	}
	return r
}

// Managed says whether the operator keeps a NetworkPolicy.
func (n NetworkPolicy) Managed() bool {
	return n.Mode != NetworkPolicyDisabled
}

// Members is how many the user wants.
func (s InstanceSpec) Members() int { return max(int(s.Replicas), 1) }

// Retains says whether volumes and secrets outlive the object.
func (s InstanceSpec) Retains() bool {
	return s.DeletionPolicy != DeletionDelete
}

func durationOr(d *metav1.Duration, or time.Duration) time.Duration {
	if d == nil {
		return or
	}
	return d.Duration
}
