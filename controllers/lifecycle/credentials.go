package lifecycle

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
	"github.com/coffer-dev/coffer/engine/acl"
)

// decide asks the rotation machine and gathers the inputs of desired.
func (s *scope) decide(context.Context) error {
	s.seen = s.rotationObserved()
	policy, err := rotation.PolicyOf(s.spec().Rotation, string(s.object.GetUID()))
	if err != nil {
		s.window = &instance.Problem{Reason: v1alpha1.ReasonWindowInvalid, Message: err.Error()}
	}
	s.decision = rotation.Next(s.now, policy, s.seen, credentials.Requests(s.object))
	s.inputs = s.gather()
	return nil
}

// rotationObserved translates secrets and members for the machine.
func (s *scope) rotationObserved() rotation.Observed {
	o := rotation.Observed{
		Server:     parseServer(s.server),
		Connection: credentials.Connection(s.connection),
		Pending:    credentials.Pending(s.pending),
	}
	if s.spec().Credentials.SecretRef != nil {
		o.Supplied = &rotation.Supplied{Usable: s.supplied.problem == nil, SHA256: credentials.Sum([]byte(s.supplied.password))}
	}
	for _, m := range s.members {
		o.Members = append(o.Members, credentials.Member(m, desired.ConnectionUser))
	}
	return o
}

// parseServer reads the users file. One whose revision does not name its
// content was edited: its verifiers are not to be trusted.
func parseServer(s *corev1.Secret) *rotation.Server {
	if s == nil {
		return nil
	}
	server := &rotation.Server{Marks: credentials.Marks(s)}
	var file acl.File
	if err := json.Unmarshal(s.Data[desired.KeyUsers], &file); err != nil || file.Revision != desired.UsersRevision(file) {
		return server
	}
	if server.Verifiers = credentials.Verifiers(file, desired.ConnectionUser); len(server.Verifiers) > 0 {
		server.Revision = file.Revision
	}
	return server
}

// gather gives desired what is, changed by the one action that is due.
func (s *scope) gather() desired.Inputs {
	in := desired.Inputs{
		Instance: s.object, Image: s.r.Image,
		OperatorNamespace: s.r.Namespace, OperatorLabels: desired.OperatorLabels(),
		Members: s.group.decision.Pods, Grouped: s.group.grouped, Restart: s.restart(),
		Metrics: s.metricsInput(), Connection: s.connectionInput(),
		Pending:    credentials.PendingInput(s.pending, s.decision, s.supplied.password),
		Encryption: s.encryptionInput(), NextCA: s.nextCAInput(), PreviousCA: s.previousCAInput(),
	}
	if s.set != nil {
		for _, t := range s.set.Spec.VolumeClaimTemplates {
			size := t.Spec.Resources.Requests[corev1.ResourceStorage]
			in.ClaimSize = &size
		}
	}
	for _, name := range s.names.CertificateSecrets() {
		if s.issued[name] != nil {
			in.IssuedSecrets = append(in.IssuedSecrets, s.issuedSecret(name))
		}
	}
	if in.NextCA != nil && s.authority.next != nil {
		in.IssuedSecrets = append(in.IssuedSecrets, s.issuedSecret(s.names.NextCA()))
	}
	if verifiers, marks := credentials.Server(s.seen, s.decision); len(verifiers) > 0 {
		in.Server = serverInput(verifiers, marks, in.Metrics)
		in.Server.Authorities = s.memberAuthorities()
		in.Server.Version = s.usersVersion()
	}
	if in.Server == nil || in.Server.Version >= s.r.Kind.UsersVersion {
		in.Grants = s.grants
	}
	return in
}

// issuedSecret finds the Certificate that a secret was written for.
func (s *scope) issuedSecret(name string) desired.IssuedSecret {
	out := desired.IssuedSecret{Name: name}
	for _, c := range append(slices.Collect(maps.Values(s.certificates)), s.authority.nextCertificate) {
		if c != nil && c.Spec.SecretName == name && c.DeletionTimestamp == nil {
			out.Certificate, out.UID = c.Name, c.UID
		}
	}
	return out
}

func serverInput(verifiers []rotation.Verifier, m rotation.Marks, metrics *desired.Metrics) *desired.Server {
	out := &desired.Server{Verifiers: credentials.ACL(verifiers), Annotations: credentials.Annotations(m)}
	if metrics != nil {
		out.MetricsTokens = []acl.Verifier{desired.Verifier(1, metrics.Token)}
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
		token = credentials.Generate()
	}
	return &desired.Metrics{Token: token, CA: instance.Bundle(s.bundle())}
}

// offersReads: applications may be told of the Service of reads that may be stale
// once pods have the port, and every member serves a certificate that names it.
// They are told until there is one member.
func (s *scope) offersReads() bool {
	if !desired.HasReads(s.object) || s.set == nil || !desired.ReadsPort(s.set.Spec.Template.Spec) {
		return false
	}
	if s.connection != nil && len(s.connection.Data[desired.KeyReadsHost]) > 0 {
		return true
	}
	served := instance.Leaf(s.issued[s.names.ServerTLS()])
	return served != nil && served.VerifyHostname(s.names.ReadsHost()) == nil && len(s.members) > 0 &&
		s.leafState(leaf{s.names.ServerCertificate(), s.names.ServerTLS()}).Lagging == ""
}

// connectionInput adds to the credential what clients need beside it.
func (s *scope) connectionInput() *desired.Connection {
	out := credentials.ConnectionInput(s.connection, s.pending, s.seen, s.decision)
	if out == nil {
		return nil
	}
	out.Reads = s.offersReads()
	if issued := s.issued[s.names.ServerTLS()]; issued != nil {
		out.CA = issued.Data[desired.KeyCA]
		if s.spec().TLS.IssuerRef == nil {
			out.CA = instance.Bundle(s.bundle())
		}
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
