package kvdatabase

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
	"github.com/coffer-dev/coffer/engine/acl"
)

// Annotations of the server's secret: the rotation machine's marks.
const (
	annotationCompleted         = v1alpha1.AnnotationRotateComplete
	annotationAborted           = v1alpha1.AnnotationRotateAbort
	annotationAbortedGeneration = v1alpha1.GroupName + "/aborted-generation"
	annotationAbortedTrigger    = v1alpha1.GroupName + "/aborted-trigger"
	annotationRevokedAt         = v1alpha1.GroupName + "/previous-revoked-at"
)

// decide asks the rotation machine and gathers the inputs of desired.
func (s *scope) decide(context.Context) error {
	s.seen = s.rotationObserved()
	s.decision = rotation.Next(s.now, s.db.Spec.Rotation.OverlapOrDefault(), s.seen, rotation.Requests{
		Rotate:   request(s.db, v1alpha1.AnnotationRotateCredentials),
		Complete: request(s.db, v1alpha1.AnnotationRotateComplete),
		Abort:    request(s.db, v1alpha1.AnnotationRotateAbort),
	})
	s.inputs = s.gather()
	return nil
}

// maxRequest is how much of a request's value is kept as it is.
const maxRequest = 256

// request is the value of an annotation that asks for something once. Several
// are kept among the annotations of one secret, which have a quarter of a
// megabyte together: a long one is told from others by its digest.
func request(db *v1alpha1.KVDatabase, annotation string) string {
	value := db.Annotations[annotation]
	if len(value) <= maxRequest {
		return value
	}
	return "sha256:" + sum([]byte(value))
}

// rotationObserved translates secrets and members for the machine.
func (s *scope) rotationObserved() rotation.Observed {
	o := rotation.Observed{Server: parseServer(s.server)}
	if c := s.connection; c != nil {
		o.Connection = &rotation.Connection{
			Generation: generation(c),
			SHA256:     sum(c.Data[desired.KeyPassword]),
			SwitchedAt: timeOf(c, v1alpha1.AnnotationSwitchedAt),
			Trigger:    c.Annotations[v1alpha1.AnnotationRotationTrigger],
		}
	}
	if p := s.pending; p != nil && generation(p) > 0 && len(p.Data[desired.KeyPassword]) > 0 {
		o.Pending = &rotation.Pending{
			Generation: generation(p),
			SHA256:     sum(p.Data[desired.KeyPassword]),
			Trigger:    p.Annotations[v1alpha1.AnnotationRotationTrigger],
			Since:      p.CreationTimestamp.Time,
		}
	}
	if s.db.Spec.Credentials.SecretRef != nil {
		o.Supplied = &rotation.Supplied{Usable: s.supplied.problem == nil, SHA256: sum([]byte(s.supplied.password))}
	}
	for _, m := range s.members {
		o.Members = append(o.Members, memberOf(m))
	}
	return o
}

func memberOf(m instance.Member) rotation.Member {
	out := rotation.Member{Name: m.Name}
	if m.Status == nil {
		return out
	}
	out.Reported, out.Revision = true, m.Status.Credentials.Revision
	for _, u := range m.Status.Credentials.Users {
		if u.Name != desired.ConnectionUser {
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

// parseServer reads the users file. One whose revision does not name its
// content was edited: its verifiers are not to be trusted.
func parseServer(s *corev1.Secret) *rotation.Server {
	if s == nil {
		return nil
	}
	aborted, err := strconv.ParseInt(s.Annotations[annotationAbortedGeneration], 10, 64)
	if err != nil || aborted > rotation.MaxGeneration {
		aborted = 0
	}
	server := &rotation.Server{Marks: rotation.Marks{
		Complete: s.Annotations[annotationCompleted], Abort: s.Annotations[annotationAborted],
		Aborted: aborted, AbortedTrigger: s.Annotations[annotationAbortedTrigger],
		RevokedAt: timeOf(s, annotationRevokedAt),
	}}
	var file acl.File
	if err := json.Unmarshal(s.Data[desired.KeyUsers], &file); err != nil || file.Revision != desired.UsersRevision(file) {
		return server
	}
	server.Revision = file.Revision
	for _, u := range file.Users {
		if u.Name != desired.ConnectionUser {
			continue
		}
		for _, v := range u.Verifiers {
			if v.Generation <= 0 || v.Generation > rotation.MaxGeneration {
				return &rotation.Server{Marks: server.Marks}
			}
			server.Verifiers = append(server.Verifiers, rotation.Verifier{Generation: v.Generation, SHA256: v.SHA256})
		}
	}
	return server
}

// gather gives desired what is, changed by the one action that is due.
func (s *scope) gather() desired.Inputs {
	in := desired.Inputs{
		Database: s.db, Image: s.r.Image,
		OperatorNamespace: s.r.Namespace, OperatorLabels: desired.OperatorLabels(),
		Metrics: s.metricsInput(), Pending: s.pendingInput(), Connection: s.connectionInput(),
		Encryption: s.encryptionInput(),
	}
	if s.set != nil {
		for _, t := range s.set.Spec.VolumeClaimTemplates {
			size := t.Spec.Resources.Requests[corev1.ResourceStorage]
			in.ClaimSize = &size
		}
	}
	for _, name := range s.names.CertificateSecrets() {
		if s.issued[name] != nil {
			in.IssuedSecrets = append(in.IssuedSecrets, name)
		}
	}
	var verifiers []rotation.Verifier
	var marks rotation.Marks
	if o := s.seen.Server; o != nil {
		verifiers, marks = o.Verifiers, o.Marks
	}
	if a := s.decision.Action; a != nil && a.WriteServer != nil {
		verifiers, marks = a.WriteServer.Verifiers, a.WriteServer.Marks
	}
	if len(verifiers) > 0 {
		in.Server = serverInput(verifiers, marks, in.Metrics)
	}
	return in
}

func serverInput(verifiers []rotation.Verifier, m rotation.Marks, metrics *desired.Metrics) *desired.Server {
	out := &desired.Server{Annotations: map[string]string{}}
	for _, v := range verifiers {
		out.Verifiers = append(out.Verifiers, acl.Verifier{Generation: v.Generation, SHA256: v.SHA256})
	}
	if metrics != nil {
		out.MetricsTokens = []acl.Verifier{desired.Verifier(1, metrics.Token)}
	}
	note := func(name, value string) {
		if value != "" {
			out.Annotations[name] = value
		}
	}
	note(annotationCompleted, m.Complete)
	note(annotationAborted, m.Abort)
	note(annotationAbortedTrigger, m.AbortedTrigger)
	if m.Aborted > 0 {
		note(annotationAbortedGeneration, strconv.FormatInt(m.Aborted, 10))
	}
	if !m.RevokedAt.IsZero() {
		note(annotationRevokedAt, m.RevokedAt.UTC().Format(time.RFC3339))
	}
	return out
}

// metricsInput waits for the CA: a token without it is of no use.
func (s *scope) metricsInput() *desired.Metrics {
	admin := s.issued[s.names.AdminTLS()]
	if admin == nil || len(admin.Data[desired.KeyCA]) == 0 {
		return nil
	}
	token := ""
	if s.metrics != nil {
		token = string(s.metrics.Data[desired.KeyToken])
	}
	if len(token) < minPassword {
		token = generate()
	}
	return &desired.Metrics{Token: token, CA: admin.Data[desired.KeyCA]}
}

func (s *scope) pendingInput() *desired.Pending {
	if a := s.decision.Action; a != nil && a.DeletePending {
		return nil
	}
	if a := s.decision.Action; a != nil && a.CreatePending != nil {
		password := s.supplied.password
		if !a.CreatePending.Supplied {
			password = generate()
		}
		return &desired.Pending{Password: password, Generation: a.CreatePending.Generation,
			Annotations: trigger(a.CreatePending.Trigger)}
	}
	if s.seen.Pending == nil {
		return nil
	}
	return &desired.Pending{Password: string(s.pending.Data[desired.KeyPassword]), Generation: s.seen.Pending.Generation,
		Annotations: trigger(s.seen.Pending.Trigger)}
}

// connectionInput is the connection as it is, or switched. One that nobody can
// use any more is left alone until a new secret takes its place.
func (s *scope) connectionInput() *desired.Connection {
	out := &desired.Connection{}
	var at time.Time
	switch a := s.decision.Action; {
	case a != nil && a.Switch != nil:
		source := s.connection
		if s.seen.Pending != nil {
			source = s.pending
		}
		out.Password, out.Generation, at = string(source.Data[desired.KeyPassword]), a.Switch.Generation, a.Switch.SwitchedAt
		out.Annotations = trigger(a.Switch.Trigger)
	case s.seen.Sound():
		c := s.seen.Connection
		out.Password, out.Generation, at = string(s.connection.Data[desired.KeyPassword]), c.Generation, c.SwitchedAt
		out.Annotations = trigger(c.Trigger)
	default:
		return nil
	}
	if !at.IsZero() {
		out.Annotations[v1alpha1.AnnotationSwitchedAt] = at.UTC().Format(time.RFC3339)
	}
	if issued := s.issued[s.names.ServerTLS()]; issued != nil {
		out.CA = issued.Data[desired.KeyCA]
		if leaf := instance.Leaf(issued); leaf != nil {
			out.NotAfter = leaf.NotAfter
		}
	} else if s.connection != nil { // being issued again: keep what applications have
		out.CA = s.connection.Data[desired.KeyCA]
		if t, err := time.Parse(time.RFC3339, string(s.connection.Data[desired.KeyNotAfter])); err == nil {
			out.NotAfter = t
		}
	}
	return out
}

func trigger(value string) map[string]string {
	m := map[string]string{}
	if value != "" {
		m[v1alpha1.AnnotationRotationTrigger] = value
	}
	return m
}

// generate makes a secret of 256 random bits, in characters that need no
// escaping anywhere.
func generate() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// generation is 0 for what is not the number of one.
func generation(s *corev1.Secret) int64 {
	n, err := strconv.ParseInt(string(s.Data[desired.KeyGeneration]), 10, 64)
	if err != nil || n > rotation.MaxGeneration {
		return 0
	}
	return n
}

func timeOf(s *corev1.Secret, annotation string) time.Time {
	t, err := time.Parse(time.RFC3339, s.Annotations[annotation])
	if err != nil {
		return time.Time{}
	}
	return t
}

func sum(secret []byte) string {
	if len(secret) == 0 {
		return ""
	}
	s := sha256.Sum256(secret)
	return hex.EncodeToString(s[:])
}
