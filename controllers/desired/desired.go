// Package desired says what the objects of an instance should look like: one
// pure function for each, from values to an apply configuration. No client,
// clock, environment or randomness; what differs from pass to pass (secrets,
// what was observed) comes in Inputs. Golden YAML lies in testdata.
//
// Which secrets there are and when each is written is for the rotation machine
// to say: a secret whose content is not in Inputs is not built.
package desired

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/acl"
)

// Object is what is handed to server-side apply.
type Object = runtime.ApplyConfiguration

// Inputs is everything that the objects depend on.
type Inputs struct {
	// Instance is the user's object: its kind, name, namespace, UID and spec.
	Instance v1alpha1.Instance

	// Image runs the engine: a reference with tag or digest.
	Image string

	// OperatorNamespace and OperatorLabels select the operator's pods, which the
	// NetworkPolicy lets in. An empty namespace (an operator outside the
	// cluster) lets in nobody.
	OperatorNamespace string
	OperatorLabels    map[string]string

	// Members is how many pods there are to be where that is more than the user
	// wants: a member that goes is taken out of its group first.
	Members int
	// Grouped: the pods that run are made for a group of several.
	Grouped bool
	// Restart names the last restart that was asked for; empty for none.
	Restart string

	// ClaimSize is the size in the live StatefulSet's claim template, which
	// cannot change; nil when there is none yet. Volumes grow by their claims.
	ClaimSize *resource.Quantity

	// IssuedSecrets are the secrets among CertificateSecrets that exist. Only
	// these can be given an owner: writing one that does not exist would make
	// it, and cert-manager is to do that.
	IssuedSecrets []IssuedSecret

	// NextCA is nil when no CA is to take over; PreviousCA is empty when none goes.
	NextCA     *NextCA
	PreviousCA []byte // PEM

	// Held is the revision that the pods run and are to go on running; nil when
	// they are to be what this version renders.
	Held *Revision

	// Grants are those of the AccessTokens that are let in.
	Grants []TokenGranted

	// Each of these is nil when the secret is not to be written in this pass.
	Encryption *Encryption
	Pending    *Pending
	Server     *Server
	Metrics    *Metrics
	Connection *Connection
}

// Pending is a password that no member has proven yet.
type Pending struct {
	Password    string
	Generation  int64
	Annotations map[string]string
}

// Server is what members accept: verifiers, never a password.
type Server struct {
	// Verifiers of the user "default", oldest first.
	Verifiers []acl.Verifier
	// MetricsTokens are the verifiers of the scraping token.
	MetricsTokens []acl.Verifier
	// Version of the users file: the newest that every member reads. Version 1
	// has no room for tokens and audit.
	Version int
	// Authorities, in PEM, whose certificates the admin port accepts beside those
	// of its own certificate's CA; empty when there are no others.
	Authorities []byte
	Annotations map[string]string
}

// Metrics is what a monitor needs to scrape.
type Metrics struct {
	Token string
	// CA is the certificate, in PEM, that signs the metrics port's.
	CA []byte
}

// Connection is what an application needs to connect.
type Connection struct {
	Password   string
	Generation int64
	// CA is the certificate, in PEM, that the client port's chain ends in;
	// empty when the issuer tells none and the system's roots are to be used.
	CA []byte
	// NotAfter is when the served certificate ends; zero when not yet known.
	NotAfter time.Time
	// Reads: clients may use the Service of reads that may be stale.
	Reads       bool
	Annotations map[string]string
}

func (in Inputs) spec() *v1alpha1.InstanceSpec { return in.Instance.InstanceSpec() }

func (in Inputs) kind() *Kind { return KindOf(in.Instance) }

// All builds every object in the order in which they are to be applied: what
// another needs comes first, members learn a password before an application
// does. The network is closed before all else: a client that is taken off the
// list is kept out even while somebody refuses one of the other objects.
func All(in Inputs) []Object {
	var objects []Object
	if in.spec().NetworkPolicy.Managed() {
		objects = append(objects, NetworkPolicy(in))
	}
	objects = append(objects, Certificates(in)...)
	objects = append(objects, CertificateSecretOwners(in)...)
	if in.Encryption != nil {
		objects = append(objects, EncryptionSecret(in))
	}
	if in.Pending != nil {
		objects = append(objects, PendingSecret(in))
	}
	if in.Server != nil {
		objects = append(objects, ServerSecret(in))
	}
	if in.Metrics != nil {
		objects = append(objects, MetricsSecret(in))
	}
	if s, err := Queues(in.Instance); s != nil && err == nil {
		objects = append(objects, QueuesConfigMap(in, s))
	}
	objects = append(objects, EngineConfigMap(in), MembersService(in), ClientService(in), StatefulSet(in))
	if in.members() > 1 {
		objects = append(objects, DisruptionBudget(in))
	}
	if in.hasReads() {
		objects = append(objects, ReadsService(in))
	}
	if in.Connection != nil {
		objects = append(objects, ConnectionSecret(in))
	}
	return objects
}
