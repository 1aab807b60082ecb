package local

import "fmt"

// daemons names the programs of a running cluster.
func (c *Cluster) daemons() []string {
	names := []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "coredns", "provisioner", "cert-manager"}
	for _, n := range c.Nodes() {
		for _, program := range []string{"containerd", "kubelet", "kube-proxy"} {
			names = append(names, n.daemon(program))
		}
	}
	return names
}

func (c *Cluster) startDaemons(names ...string) error {
	for _, name := range names {
		if err := c.start(c.netns(), name, c.daemonArgs(name)...); err != nil {
			return fmt.Errorf("starting %s: %w", name, err)
		}
	}
	return nil
}

// daemonArgs is the command line of a program of the control plane, or of an add-on beside it.
func (c *Cluster) daemonArgs(name string) []string {
	program := c.Programs.Path(name)
	switch name {
	case "etcd":
		return []string{"etcd", "--data-dir", c.state("etcd"),
			"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
			"--listen-peer-urls", "http://127.0.0.1:2380",
			// The cluster is thrown away with the machine's next start anyway.
			"--unsafe-no-fsync"}
	case "kube-apiserver":
		return append([]string{program}, c.apiserverFlags()...)
	case "kube-controller-manager":
		conf := c.kubeconfig("controller-manager")
		return []string{program, "--kubeconfig=" + conf, "--authentication-kubeconfig=" + conf, "--authorization-kubeconfig=" + conf,
			"--service-account-private-key-file=" + c.pki("sa.key"), "--root-ca-file=" + c.pki("ca.crt"),
			"--cluster-signing-cert-file=" + c.pki("ca.crt"), "--cluster-signing-key-file=" + c.pki("ca.key"),
			"--use-service-account-credentials=true", "--cluster-cidr=" + c.podCIDR(), "--leader-elect=false"}
	case "kube-scheduler":
		conf := c.kubeconfig("scheduler")
		return []string{program, "--kubeconfig=" + conf, "--authentication-kubeconfig=" + conf,
			"--authorization-kubeconfig=" + conf, "--leader-elect=false"}
	case "coredns":
		return []string{program, "-conf", c.state("Corefile")}
	case "provisioner":
		return []string{program, "-kubeconfig=" + c.kubeconfig("addons"), "-dir=" + c.state("volumes")}
	case "cert-manager":
		return []string{program, "-kubeconfig=" + c.kubeconfig("addons")}
	}
	panic("no such program: " + name)
}

func (c *Cluster) pki(file string) string { return c.state("pki/" + file) }

func (c *Cluster) apiserverFlags() []string {
	return []string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--service-cluster-ip-range=" + c.serviceCIDR,
		"--advertise-address=" + c.ControlIP(), "--bind-address=0.0.0.0", "--secure-port=6443",
		"--client-ca-file=" + c.pki("ca.crt"),
		"--tls-cert-file=" + c.pki("apiserver.crt"), "--tls-private-key-file=" + c.pki("apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.pki("sa.pub"), "--service-account-signing-key-file=" + c.pki("sa.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--kubelet-client-certificate=" + c.pki("admin.crt"), "--kubelet-client-key=" + c.pki("admin.key"),
		"--kubelet-certificate-authority=" + c.pki("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
	}
}

// corefile knows the cluster's names and denies that there are others: nodes have no way to the world, and a
// resolver that refused instead would look like a broken one. Two servers, as the plugin that denies is always asked
// before the one that knows.
func (c *Cluster) corefile() string {
	return fmt.Sprintf(`cluster.local in-addr.arpa {
    bind %[1]s
    errors
    ready %[1]s:8181
    kubernetes {
        kubeconfig %[2]s
        ttl 5
    }
}
. {
    bind %[1]s
    errors
    template ANY ANY {
        rcode NXDOMAIN
    }
}
`, c.ControlIP(), c.kubeconfig("addons"))
}

// baseManifests are the objects every cluster starts with.
const baseManifests = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: coffer-kube-proxy}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:node-proxier"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:kube-proxy"}]
---
apiVersion: v1
kind: Namespace
metadata: {name: cert-manager}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: local.coffer.dev/loop
reclaimPolicy: Delete
volumeBindingMode: WaitForFirstConsumer
allowVolumeExpansion: true
`
