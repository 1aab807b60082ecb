package desired

import (
	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// KeyAuthorities in the server's secret: PEM of whom members trust beside the
// CA of their own certificate.
const KeyAuthorities = "authorities.pem"

// NextCA is a CA that is to take the current one's place. Until then it lies
// under a name of its own; what signs is always the secret that the instance's
// Issuer has named from the start, so that nothing else need know of the change.
type NextCA struct {
	Annotations map[string]string
}

// nextCACertificate has cert-manager make the next CA, with a key of its own.
func nextCACertificate(in Inputs) Object {
	names := NamesOf(in.Instance)
	return certificate(in, names.NextCA(), caSpec(in, names.NextCA())).WithAnnotations(annotations(in.NextCA.Annotations))
}

// PreviousCASecret holds the certificates of what signed before, until nobody
// serves a certificate of theirs. Their keys are gone. It never outlives its
// database: one that returns has its leaves issued anew.
func PreviousCASecret(in Inputs) Object {
	return secret(in, NamesOf(in.Instance).PreviousCA(), corev1.SecretTypeOpaque, map[string][]byte{KeyCA: in.PreviousCA}, nil).
		WithOwnerReferences(owner(in))
}

func caSpec(in Inputs, secret string) *certificateSpecification {
	return certificateSpec(in, secret, v1alpha1.IssuerRef{Name: NamesOf(in.Instance).SelfSignedIssuer()}).
		WithIsCA(true).
		WithCommonName("coffer CA "+in.Instance.GetName()).
		WithDuration(metav1.Duration{Duration: caDuration}).
		WithPrivateKey(privateKey(cmv1.RotationPolicyNever)).
		WithUsages(cmv1.UsageCertSign, cmv1.UsageCRLSign)
}
