package desired

import (
	"time"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmv1ac "github.com/cert-manager/cert-manager/pkg/client/applyconfigurations/certmanager/v1"
	cmmetav1ac "github.com/cert-manager/cert-manager/pkg/client/applyconfigurations/meta/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// caDuration is the lifetime of an instance's CA. cert-manager renews it well
// before; its key stays (rotationPolicy Never), so that leaves and trust
// bundles stay good.
const caDuration = 10 * 365 * 24 * time.Hour

type certificateSpecification = cmv1ac.CertificateSpecApplyConfiguration

// Certificates builds the instance's own CA and the certificates that it signs.
// Only the client port's may come from somebody else's issuer: whoever controls
// that one must not be able to pass for the operator.
func Certificates(in Inputs) []Object {
	objects := []Object{
		selfSignedIssuer(in),
		caCertificate(in),
		caIssuer(in),
		serverCertificate(in),
		adminCertificate(in),
		operatorCertificate(in),
	}
	if in.NextCA != nil {
		objects = append(objects, nextCACertificate(in))
	}
	if len(in.PreviousCA) > 0 {
		objects = append(objects, PreviousCASecret(in))
	}
	return objects
}

// IssuedSecret is what cert-manager wrote, and for which Certificate: one without
// a UID is not there.
type IssuedSecret struct {
	Name, Certificate string
	UID               types.UID
}

// CertificateSecretOwners gives the secrets that cert-manager wrote their owners:
// cert-manager leaves them behind otherwise. The CA's follows deletionPolicy,
// because clients trust it: a database that returns is to come back with it.
//
// The Certificate is an owner beside the database, so that the garbage collector
// takes a secret last: cert-manager would issue again what goes before it.
func CertificateSecretOwners(in Inputs) []Object {
	names := NamesOf(in.Instance)
	var objects []Object
	for _, issued := range in.IssuedSecrets {
		// The type is written too, so that a secret that vanished meanwhile is
		// refused (a TLS secret needs its keys) and not made empty.
		secret := corev1ac.Secret(issued.Name, in.Instance.GetNamespace()).WithType(corev1.SecretTypeTLS)
		if issued.Name != names.CA() || !in.spec().Retains() {
			secret.WithOwnerReferences(plainOwner(in))
			if issued.UID != "" {
				secret.WithOwnerReferences(metav1ac.OwnerReference().
					WithAPIVersion(cmv1.SchemeGroupVersion.String()).WithKind(cmv1.CertificateKind).
					WithName(issued.Certificate).WithUID(issued.UID))
			}
		}
		objects = append(objects, secret)
	}
	return objects
}

func selfSignedIssuer(in Inputs) Object {
	return issuer(in, NamesOf(in.Instance).SelfSignedIssuer(),
		cmv1ac.IssuerSpec().WithSelfSigned(cmv1ac.SelfSignedIssuer()))
}

func caIssuer(in Inputs) Object {
	names := NamesOf(in.Instance)
	return issuer(in, names.CA(), cmv1ac.IssuerSpec().WithCA(cmv1ac.CAIssuer().WithSecretName(names.CA())))
}

func issuer(in Inputs, name string, spec *cmv1ac.IssuerSpecApplyConfiguration) Object {
	return cmv1ac.Issuer(name, in.Instance.GetNamespace()).
		WithLabels(Labels(in)).
		WithOwnerReferences(owner(in)).
		WithSpec(spec)
}

func caCertificate(in Inputs) Object {
	name := NamesOf(in.Instance).CA()
	return certificate(in, name, caSpec(in, name))
}

func serverCertificate(in Inputs) Object {
	names := NamesOf(in.Instance)
	ref := v1alpha1.IssuerRef{Name: names.CA()}
	if given := in.spec().TLS.IssuerRef; given != nil {
		ref = *given
	}
	return certificate(in, names.ServerCertificate(),
		leafSpec(in, names.ServerTLS(), ref, cmv1.UsageServerAuth).WithDNSNames(clientNames(in)...))
}

// clientNames are the names under which clients may connect. An issuer of
// somebody else's is not asked for names without a namespace, which mean
// something different in each.
func clientNames(in Inputs) []string {
	names := NamesOf(in.Instance)
	services := []string{names.ClientService()}
	if in.hasReads() {
		services = append(services, names.ReadsService())
	}
	var list []string
	for _, name := range services {
		inside := name + "." + in.Instance.GetNamespace()
		list = append(list, inside+".svc", inside+".svc.cluster.local")
		if in.spec().TLS.IssuerRef == nil {
			list = append(list, name, inside)
		}
	}
	return append(list, in.spec().Service.Hostnames...)
}

// adminCertificate is also what members of a group show each other.
func adminCertificate(in Inputs) Object {
	names := NamesOf(in.Instance)
	spec := leafSpec(in, names.AdminTLS(), v1alpha1.IssuerRef{Name: names.CA()}, cmv1.UsageServerAuth).
		WithDNSNames(names.MemberHost(0), "*."+names.MembersService()+"."+in.Instance.GetNamespace()+".svc")
	if in.grouped() {
		spec.WithUsages(cmv1.UsageClientAuth).WithDNSNames(names.PeersHost())
	}
	return certificate(in, names.AdminCertificate(), spec)
}

func operatorCertificate(in Inputs) Object {
	names := NamesOf(in.Instance)
	return certificate(in, names.OperatorCertificate(),
		leafSpec(in, names.OperatorTLS(), v1alpha1.IssuerRef{Name: names.CA()}, cmv1.UsageClientAuth).
			WithDNSNames(names.OperatorHost()))
}

func leafSpec(in Inputs, secret string, ref v1alpha1.IssuerRef, usage cmv1.KeyUsage) *certificateSpecification {
	tls := in.spec().TLS
	return certificateSpec(in, secret, ref).
		WithDuration(metav1.Duration{Duration: tls.DurationOrDefault()}).
		WithRenewBefore(metav1.Duration{Duration: tls.RenewBeforeOrDefault()}).
		WithPrivateKey(privateKey(cmv1.RotationPolicyAlways)).
		WithUsages(cmv1.UsageDigitalSignature, usage)
}

func certificateSpec(in Inputs, secret string, ref v1alpha1.IssuerRef) *certificateSpecification {
	ref = ref.WithDefaults()
	return cmv1ac.CertificateSpec().
		WithSecretName(secret).
		WithSecretTemplate(cmv1ac.CertificateSecretTemplate().WithLabels(watched(in))).
		WithIssuerRef(cmmetav1ac.IssuerReference().WithName(ref.Name).WithKind(ref.Kind).WithGroup(ref.Group)).
		WithRevisionHistoryLimit(1)
}

func privateKey(policy cmv1.PrivateKeyRotationPolicy) *cmv1ac.CertificatePrivateKeyApplyConfiguration {
	return cmv1ac.CertificatePrivateKey().
		WithAlgorithm(cmv1.ECDSAKeyAlgorithm).
		WithSize(256).
		WithRotationPolicy(policy)
}

func certificate(in Inputs, name string, spec *certificateSpecification) *cmv1ac.CertificateApplyConfiguration {
	return cmv1ac.Certificate(name, in.Instance.GetNamespace()).
		WithLabels(Labels(in)).
		WithOwnerReferences(owner(in)).
		WithSpec(spec)
}
