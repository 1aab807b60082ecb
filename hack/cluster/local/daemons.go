package local

import (
	"fmt"
	"os"
)

// daemonOrder names the programs of a running cluster.
var daemonOrder = []string{
	"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
	"containerd", "kubelet", "kube-proxy", "coredns", "provisioner", "cert-manager",
}

func (c *Cluster) startDaemons(names ...string) error {
	for _, name := range names {
		if err := c.start(name, c.daemonArgs(name)...); err != nil {
			return fmt.Errorf("starting %s: %w", name, err)
		}
	}
	return nil
}

// daemonArgs is the command line of a program.
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
			"--use-service-account-credentials=true", "--cluster-cidr=" + c.podCIDR, "--leader-elect=false"}
	case "kube-scheduler":
		conf := c.kubeconfig("scheduler")
		return []string{program, "--kubeconfig=" + conf, "--authentication-kubeconfig=" + conf,
			"--authorization-kubeconfig=" + conf, "--leader-elect=false"}
	case "containerd":
		return []string{program, "--config", c.state("containerd.toml")}
	case "kubelet":
		return []string{program, "--config=" + c.state("kubelet.yaml"), "--kubeconfig=" + c.kubeconfig("kubelet"),
			"--hostname-override=" + c.node(), "--node-ip=" + c.nodeIP(),
			"--root-dir=" + c.state("kubelet"), "--cert-dir=" + c.state("pki")}
	case "kube-proxy":
		return []string{program, "--kubeconfig=" + c.kubeconfig("proxy"), "--hostname-override=" + c.node(),
			"--cluster-cidr=" + c.podCIDR, "--proxy-mode=iptables", "--conntrack-max-per-core=0"}
	case "coredns":
		return []string{program, "-conf", c.state("Corefile")}
	case "provisioner":
		return []string{program, "-kubeconfig=" + c.kubeconfig("addons"), "-dir=" + c.state("volumes"), "-node=" + c.node()}
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
		"--advertise-address=" + c.nodeIP(), "--bind-address=0.0.0.0", "--secure-port=6443",
		"--client-ca-file=" + c.pki("ca.crt"),
		"--tls-cert-file=" + c.pki("apiserver.crt"), "--tls-private-key-file=" + c.pki("apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.pki("sa.pub"), "--service-account-signing-key-file=" + c.pki("sa.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--kubelet-client-certificate=" + c.pki("admin.crt"), "--kubelet-client-key=" + c.pki("admin.key"),
		"--kubelet-certificate-authority=" + c.pki("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
	}
}

// writeConfigs writes the configuration files that the programs read.
func (c *Cluster) writeConfigs() error {
	for file, text := range map[string]string{
		"containerd.toml":     c.containerdConfig(),
		"kubelet.yaml":        c.kubeletConfig(),
		"Corefile":            c.corefile(),
		"cni/10-ptp.conflist": c.cniConfig(),
	} {
		if err := os.WriteFile(c.state(file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// containerdConfig keeps everything containerd and its shims write inside our directories. The shims' sockets need
// a short path (a socket's is at most 108 bytes), so they are in the run directory.
func (c *Cluster) containerdConfig() string {
	return fmt.Sprintf(`version = 3
root = %[1]q
state = %[2]q
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]
[grpc]
  address = %[3]q
[plugins.'io.containerd.shim.v1.manager']
  socket_dir = %[4]q
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = %[5]q
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
      Root = %[6]q
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = %[7]q
`, c.state("containerd"), c.run("containerd"), c.socket(), c.run("s"), pauseRef, c.run("runc"), c.state("cni"))
}

// kubeletConfig has what one node in a corner of a machine needs. How often secrets are looked at (syncFrequency)
// stays at kubelet's default, as in the clusters of our users.
func (c *Cluster) kubeletConfig() string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[1]q}}
authorization: {mode: Webhook}
tlsCertFile: %[2]q
tlsPrivateKeyFile: %[3]q
clusterDNS: [%[4]q]
clusterDomain: cluster.local
containerRuntimeEndpoint: %[5]q
cgroupDriver: cgroupfs
cgroupRoot: /%[6]s
failCgroupV1: false
failSwapOn: false
evictionHard: {memory.available: "50Mi", nodefs.available: "1%%", imagefs.available: "1%%"}
imageGCHighThresholdPercent: 100
resolvConf: /dev/null
podLogsDir: %[7]q
volumePluginDir: %[8]q
`, c.pki("ca.crt"), c.pki("kubelet.crt"), c.pki("kubelet.key"), c.nodeIP(), "unix://"+c.socket(), c.cgroup(),
		c.state("podlogs"), c.state("volume-plugins"))
}

// corefile knows the cluster's names and denies that there are others: the node has no way to the world, and a
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
`, c.nodeIP(), c.kubeconfig("addons"))
}

// cniConfig gives each pod a link of its own to the node. No bridge: service traffic between two pods of one bridge
// would pass beside the rules unless a kernel module is loaded for the whole machine.
func (c *Cluster) cniConfig() string {
	return fmt.Sprintf(`{"cniVersion": "1.0.0", "name": %q, "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]],
   "routes": [{"dst": "0.0.0.0/0"}], "dataDir": %q}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
`, c.networkName(), c.podCIDR, c.run("cni"))
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
