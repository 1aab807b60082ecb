// Package instance is what every kind that runs the engine does alike: it asks
// members what they are, makes kubelets deliver secrets at once, replaces a pod
// whose specification is out of date, and grows volumes. Observing is free of
// writes; each act is one write, and a pass does at most one.
package instance

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/engine/adminapi"
	engineclient "github.com/coffer-dev/coffer/engine/client"
)

// askTimeout bounds how long one member may take to answer: a member that is
// gone must not hold up the others' reconciliation.
const askTimeout = 2 * time.Second

// Member is one member with all that is known of it.
type Member struct {
	Name string
	// Pod is nil while it does not exist.
	Pod *corev1.Pod
	// Status is what the member says of itself; nil when Err says why not.
	Status *adminapi.Status
	Err    error
	// AdminFingerprint is of the certificate that the admin port showed with it.
	AdminFingerprint string
	// Fingerprint is of the certificate that the client port served to a
	// handshake just now; empty when HandshakeErr says why not.
	Fingerprint  string
	HandshakeErr error
}

// Identity is how the operator shows itself to an instance's members.
type Identity struct {
	Certificate tls.Certificate
	Roots       *x509.CertPool
}

// ParseIdentity reads the TLS secret of the operator's client certificate. The
// members' certificates may be of its CA or of further authorities.
func ParseIdentity(s *corev1.Secret, further []*x509.Certificate) (*Identity, error) {
	if s == nil {
		return nil, errors.New("the operator's client certificate has not been issued yet")
	}
	certificate, err := tls.X509KeyPair(s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", s.Name, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.Data["ca.crt"]) {
		return nil, fmt.Errorf("secret %s has no certificate under ca.crt", s.Name)
	}
	for _, c := range further {
		roots.AddCert(c)
	}
	return &Identity{Certificate: certificate, Roots: roots}, nil
}

// Observe asks the instance's members that have an address, all at once; a nil
// identity asks nobody. With handshakes it also looks at what the client port
// serves.
func Observe(ctx context.Context, names desired.Names, pods []corev1.Pod, id *Identity, handshakes bool) []Member {
	out := make([]Member, desired.Members)
	var wg sync.WaitGroup
	for i := range out {
		out[i].Name = names.Member(i)
		for j := range pods {
			if pods[j].Name == out[i].Name {
				out[i].Pod = &pods[j]
			}
		}
		wg.Go(func() { ask(ctx, &out[i], names.MemberHost(i), names, id, handshakes) })
	}
	wg.Wait()
	return out
}

func ask(ctx context.Context, m *Member, host string, names desired.Names, id *Identity, handshake bool) {
	switch {
	case m.Pod == nil:
		m.Err = errors.New("its pod does not exist")
	case m.Pod.Status.PodIP == "" || m.Pod.Status.Phase != corev1.PodRunning:
		m.Err = errors.New("its pod does not run yet")
	case id == nil:
		m.Err = errors.New("the operator's client certificate has not been issued yet")
	}
	if m.Err != nil {
		m.HandshakeErr = m.Err
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	asker := engineclient.New(engineclient.Options{
		Address: address(m.Pod, desired.PortAdmin), ServerName: host, Certificate: id.Certificate, Authorities: id.Roots,
	})
	defer asker.Close()
	status, shown, err := asker.Status(ctx)
	if err == nil && (status.Member != m.Name || status.Instance != names.Instance()) {
		// Members' certificates hold a name for all of them.
		err = fmt.Errorf("says that it is %q of %q", status.Member, status.Instance)
	}
	if err != nil {
		m.Err = fmt.Errorf("member %s: %w", m.Name, err)
	} else {
		m.Status, m.AdminFingerprint = &status, shown
	}
	if handshake {
		m.Fingerprint, m.HandshakeErr = engineclient.Fingerprint(ctx, address(m.Pod, int(names.ClientPort())), names.Host())
	}
}

func address(p *corev1.Pod, port int) string {
	return net.JoinHostPort(p.Status.PodIP, strconv.Itoa(port))
}

// Fingerprint is the SHA-256 of a certificate's DER, in lower-case hex.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// Leaf is the first certificate of a TLS secret; nil when there is none.
func Leaf(s *corev1.Secret) *x509.Certificate {
	if s == nil {
		return nil
	}
	block, _ := pem.Decode(s.Data[corev1.TLSCertKey])
	if block == nil {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return c
}
