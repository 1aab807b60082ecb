// Package credentials is the side of a rotation that lies in secrets: it tells
// the rotation machine what a credential's secrets say, and says what they are
// to hold once the one action that is due has been carried out. Every kind that
// has a credential rotates it through here, whatever its verifiers are kept in.
package credentials

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
	"github.com/coffer-dev/coffer/engine/acl"
)

// maxRequest is how much of a request's value is kept as it is.
const maxRequest = 256

// Request is the value of an annotation that asks for something once. Several
// are kept among the annotations of one secret, which have a quarter of a
// megabyte together: a long one is told from others by its digest.
func Request(o client.Object, annotation string) string {
	value := o.GetAnnotations()[annotation]
	if len(value) <= maxRequest {
		return value
	}
	return "sha256:" + Sum([]byte(value))
}

// Requests are all that concern a credential.
func Requests(o client.Object) rotation.Requests {
	return rotation.Requests{
		Rotate:   Request(o, v1alpha1.AnnotationRotateCredentials),
		Complete: Request(o, v1alpha1.AnnotationRotateComplete),
		Abort:    Request(o, v1alpha1.AnnotationRotateAbort),
	}
}

// Connection is what the secret that applications mount says; nil without one.
func Connection(s *corev1.Secret) *rotation.Connection {
	if s == nil {
		return nil
	}
	return &rotation.Connection{
		Generation: Generation(s),
		SHA256:     Sum(s.Data[desired.KeyPassword]),
		SwitchedAt: TimeOf(s, v1alpha1.AnnotationSwitchedAt),
		Trigger:    s.Annotations[v1alpha1.AnnotationRotationTrigger],
	}
}

// Pending is what the secret that waits says; nil without a usable one.
func Pending(s *corev1.Secret) *rotation.Pending {
	if s == nil || Generation(s) <= 0 || len(s.Data[desired.KeyPassword]) == 0 {
		return nil
	}
	return &rotation.Pending{
		Generation: Generation(s),
		SHA256:     Sum(s.Data[desired.KeyPassword]),
		Trigger:    s.Annotations[v1alpha1.AnnotationRotationTrigger],
		Since:      s.CreationTimestamp.Time,
	}
}

// Member is what a member says of the credential of one user.
func Member(m instance.Member, user string) rotation.Member {
	out := rotation.Member{Name: m.Name}
	if m.Status == nil {
		return out
	}
	out.Reported, out.Revision = true, m.Status.Credentials.Revision
	for _, u := range m.Status.Credentials.Users {
		if u.Name != user {
			continue
		}
		for _, g := range u.Generations {
			if g.Accepted {
				out.Accepted = append(out.Accepted, g.Number)
			}
		}
	}
	return out
}

// Verifiers are those of a user in a file; none when one of them has a number
// that no rotation gives.
func Verifiers(file acl.File, user string) []rotation.Verifier {
	var out []rotation.Verifier
	for _, u := range file.Users {
		if u.Name != user {
			continue
		}
		for _, v := range u.Verifiers {
			if v.Generation <= 0 || v.Generation > rotation.MaxGeneration {
				return nil
			}
			out = append(out, rotation.Verifier{Generation: v.Generation, SHA256: v.SHA256})
		}
	}
	return out
}

// ACL are verifiers as the engine reads them.
func ACL(verifiers []rotation.Verifier) []acl.Verifier {
	var out []acl.Verifier
	for _, v := range verifiers {
		out = append(out, acl.Verifier{Generation: v.Generation, SHA256: v.SHA256})
	}
	return out
}

// Server is what the verifiers and marks are to be: as they are, or as the
// action that is due leaves them.
func Server(o rotation.Observed, d rotation.Decision) ([]rotation.Verifier, rotation.Marks) {
	if d.Action != nil && d.Action.WriteServer != nil {
		return d.Action.WriteServer.Verifiers, d.Action.WriteServer.Marks
	}
	if o.Server == nil {
		return nil, rotation.Marks{}
	}
	return o.Server.Verifiers, o.Server.Marks
}

// PendingInput is the secret that waits as it is, made, or nil when there is to
// be none. A supplied password is the user's own; empty where we generate.
func PendingInput(pending *corev1.Secret, d rotation.Decision, supplied string) *desired.Pending {
	if a := d.Action; a != nil && a.DeletePending {
		return nil
	}
	if a := d.Action; a != nil && a.CreatePending != nil {
		password := supplied
		if !a.CreatePending.Supplied {
			password = Generate()
		}
		return &desired.Pending{Password: password, Generation: a.CreatePending.Generation, Annotations: Trigger(a.CreatePending.Trigger)}
	}
	p := Pending(pending)
	if p == nil {
		return nil
	}
	return &desired.Pending{Password: string(pending.Data[desired.KeyPassword]), Generation: p.Generation, Annotations: Trigger(p.Trigger)}
}

// ConnectionInput is the connection as it is, or switched; what is beside the
// credential is the caller's to add. It is nil for one that nobody can use any
// more: that is left alone until a new secret takes its place.
func ConnectionInput(connection, pending *corev1.Secret, o rotation.Observed, d rotation.Decision) *desired.Connection {
	out := &desired.Connection{}
	var at time.Time
	switch a := d.Action; {
	case a != nil && a.Switch != nil:
		source := connection
		if o.Pending != nil {
			source = pending
		}
		out.Password, out.Generation, at = string(source.Data[desired.KeyPassword]), a.Switch.Generation, a.Switch.SwitchedAt
		out.Annotations = Trigger(a.Switch.Trigger)
	case o.Sound():
		c := o.Connection
		out.Password, out.Generation, at = string(connection.Data[desired.KeyPassword]), c.Generation, c.SwitchedAt
		out.Annotations = Trigger(c.Trigger)
	default:
		return nil
	}
	if !at.IsZero() {
		out.Annotations[v1alpha1.AnnotationSwitchedAt] = at.UTC().Format(time.RFC3339)
	}
	return out
}

// Trigger notes which request a secret answers.
func Trigger(value string) map[string]string {
	m := map[string]string{}
	if value != "" {
		m[v1alpha1.AnnotationRotationTrigger] = value
	}
	return m
}

// Generate makes a secret of 256 random bits, in characters that need no
// escaping anywhere.
func Generate() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Generation is 0 for what is not the number of one.
func Generation(s *corev1.Secret) int64 {
	n, err := strconv.ParseInt(string(s.Data[desired.KeyGeneration]), 10, 64)
	if err != nil || n > rotation.MaxGeneration {
		return 0
	}
	return n
}

// TimeOf reads an annotation that is a time; zero when it is none.
func TimeOf(o client.Object, annotation string) time.Time {
	t, err := time.Parse(time.RFC3339, o.GetAnnotations()[annotation])
	if err != nil {
		return time.Time{}
	}
	return t
}

// Sum is the SHA-256 of a secret in lower-case hex; empty for none.
func Sum(secret []byte) string {
	if len(secret) == 0 {
		return ""
	}
	s := sha256.Sum256(secret)
	return hex.EncodeToString(s[:])
}

// Newest is the highest generation that a member accepts; 0 without one.
func Newest(m rotation.Member) int64 {
	if len(m.Accepted) == 0 {
		return 0
	}
	return slices.Max(m.Accepted)
}
