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
	"slices"
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
	Name    string
	Ordinal int
	// Pod is nil while it does not exist.
	Pod *corev1.Pod
	// Status is what the member says of itself; nil when Err says why not.
	Status *adminapi.Status
	Err    error
	// Unopened is what a member says that has no state as yet, and so proves
	// nothing: it starts, or waits to be added to a group. Err is set then.
	Unopened *adminapi.Status
	// AdminFingerprint is of the certificate that the admin port showed with it.
	AdminFingerprint string
	// Fingerprint is of the certificate that the client port served to a
	// handshake just now; empty when HandshakeErr says why not. Of a member that
	// does not lead it is what itself says: a handshake would be the leader's.
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

// Members are those that are wanted and, of a group, those whose pods still
// exist. Nobody has been asked yet.
func Members(names desired.Names, wanted int, pods []corev1.Pod) []Member {
	out := make([]Member, wanted)
	for i := range out {
		out[i] = Member{Name: names.Member(i), Ordinal: i}
	}
	for j := range pods {
		i, ok := names.Ordinal(pods[j].Name)
		switch {
		case ok && i < wanted:
			out[i].Pod = &pods[j]
		case ok && desired.Grouped(pods[j].Spec):
			out = append(out, Member{Name: pods[j].Name, Ordinal: i, Pod: &pods[j]})
		}
	}
	slices.SortFunc(out, func(a, b Member) int { return a.Ordinal - b.Ordinal })
	return out
}

// Observe asks the members that have an address, all at once; a nil identity
// asks nobody. With handshakes it also looks at what the client port serves.
func Observe(ctx context.Context, names desired.Names, members []Member, id *Identity, handshakes bool) {
	var wg sync.WaitGroup
	for i := range members {
		wg.Go(func() { ask(ctx, &members[i], names, id, handshakes) })
	}
	wg.Wait()
}

func ask(ctx context.Context, m *Member, names desired.Names, id *Identity, handshake bool) {
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
	asker := clientOf(*m, names, id)
	defer asker.Close()
	status, shown, err := asker.Status(ctx)
	if err == nil && (status.Member != m.Name || status.Instance != names.Instance()) {
		// Members' certificates hold a name for all of them.
		err = fmt.Errorf("says that it is %q of %q", status.Member, status.Instance)
	}
	switch {
	case err != nil:
		m.Err = fmt.Errorf("member %s: %w", m.Name, err)
	case status.Role == RoleStarting || status.Role == RoleBlank:
		m.Unopened, m.AdminFingerprint = &status, shown
		m.Err = fmt.Errorf("member %s is %s: %s", m.Name, status.Role, status.Reason)
	default:
		m.Status, m.AdminFingerprint = &status, shown
	}
	if handshake && m.follows() {
		m.Fingerprint = status.TLS.Fingerprint
	} else if handshake {
		m.Fingerprint, m.HandshakeErr = engineclient.Fingerprint(ctx, address(m.Pod, int(names.ClientPort())), names.Host())
	}
}

func clientOf(m Member, names desired.Names, id *Identity) *engineclient.Client {
	return engineclient.New(engineclient.Options{
		Address: address(m.Pod, desired.PortAdmin), ServerName: names.MemberHost(m.Ordinal), Certificate: id.Certificate, Authorities: id.Roots,
	})
}

// Roles, as members say.
const (
	RoleLeader   = "leader"
	RoleStarting = "starting"
	RoleBlank    = "blank"
)

// Says is what a member says, whether or not it has any state; nil while it does
// not answer.
func (m Member) Says() *adminapi.Status {
	if m.Unopened != nil {
		return m.Unopened
	}
	return m.Status
}

// Leads says whether a member says that it does.
func (m Member) Leads() bool { return m.Status != nil && m.Status.Role == RoleLeader }

// follows: it is of a group and does not lead, so hands on what clients send.
func (m Member) follows() bool { return m.Status != nil && m.Status.Group != nil && !m.Leads() }

// Change has a member change its group. Asking again does no harm.
func Change(ctx context.Context, names desired.Names, m Member, id *Identity, change adminapi.GroupChange) error {
	if m.Says() == nil {
		return m.Err
	}
	asker := clientOf(m, names, id)
	defer asker.Close()
	if err := asker.Change(ctx, change); err != nil {
		return fmt.Errorf("member %s: %w", m.Name, err)
	}
	return nil
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
