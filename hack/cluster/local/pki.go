package local

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// pkiLife is how long the cluster's certificates last; it is started afresh long before.
const pkiLife = 365 * 24 * time.Hour

// authority signs the certificates of one cluster.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// identity is a program or person that the API server knows by its certificate.
type identity struct {
	file          string // base name of files
	user          string
	groups        []string
	hosts         []string // for those that serve
	hasKubeconfig bool
}

// writePKI makes the authority, every certificate and the kubeconfig files.
func (c *Cluster) writePKI() error {
	dir := c.state("pki")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, err := newAuthority(dir)
	if err != nil {
		return err
	}
	if err := newKeyPair(filepath.Join(dir, "sa")); err != nil {
		return err
	}
	masters := []string{"system:masters"}
	ids := []identity{
		{file: "apiserver", user: "kube-apiserver", hosts: []string{"localhost", "kubernetes", "kubernetes.default",
			"kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "127.0.0.1", c.apiService, c.ControlIP()}},
		{file: "admin", user: "admin", groups: masters, hasKubeconfig: true},
		{file: "controller-manager", user: "system:kube-controller-manager", hasKubeconfig: true},
		{file: "scheduler", user: "system:kube-scheduler", hasKubeconfig: true},
		{file: "proxy", user: "system:kube-proxy", hasKubeconfig: true},
		// The cluster's add-ons are administrators: what they may do is not what this cluster is for.
		{file: "addons", user: "coffer-addons", groups: masters, hasKubeconfig: true},
	}
	for _, n := range c.Nodes() {
		ids = append(ids, identity{file: n.identity(), user: "system:node:" + n.Name(), groups: []string{"system:nodes"},
			hosts: []string{n.Name(), n.IP()}, hasKubeconfig: true})
	}
	for _, id := range ids {
		if err := ca.issue(id); err != nil {
			return fmt.Errorf("certificate %s: %w", id.file, err)
		}
		if id.hasKubeconfig {
			if err := c.writeKubeconfig(id.file); err != nil {
				return err
			}
		}
	}
	admin, err := os.ReadFile(c.kubeconfig("admin"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.cloneDir(), 0o755); err != nil {
		return err
	}
	return os.WriteFile(c.Kubeconfig(), admin, 0o600)
}

func newAuthority(dir string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := certificate("kubernetes-ca")
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	ca := &authority{dir: dir, cert: template, key: key}
	return ca, ca.write("ca", template, key)
}

func (a *authority) issue(id identity) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template, err := certificate(id.user)
	if err != nil {
		return err
	}
	template.Subject.Organization = id.groups
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	for _, host := range id.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.write(id.file, template, key)
}

func certificate(commonName string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(pkiLife),
	}, nil
}

func (a *authority) write(file string, template *x509.Certificate, key *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(a.dir, file+".crt"), "CERTIFICATE", der); err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(a.dir, file+".key"), "EC PRIVATE KEY", private)
}

// newKeyPair writes base.key and base.pub: what service account tokens are signed and checked with.
func newKeyPair(base string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := writePEM(base+".pub", "PUBLIC KEY", public); err != nil {
		return err
	}
	return writePEM(base+".key", "EC PRIVATE KEY", private)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// writeKubeconfig writes a file that stands on its own: certificates and key are in it.
func (c *Cluster) writeKubeconfig(file string) error {
	read := func(name string) (data []byte, err error) { return os.ReadFile(c.state(filepath.Join("pki", name))) }
	ca, err := read("ca.crt")
	if err != nil {
		return err
	}
	cert, err := read(file + ".crt")
	if err != nil {
		return err
	}
	key, err := read(file + ".key")
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	name := "coffer-" + c.Name
	config.Clusters[name] = &clientcmdapi.Cluster{Server: "https://" + c.ControlIP() + ":6443", CertificateAuthorityData: ca}
	config.AuthInfos[file] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: file}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, c.kubeconfig(file))
}
