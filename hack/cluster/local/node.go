package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/coffer-dev/coffer/hack/cluster/progress"
)

// MaxNodes is how many nodes a cluster can have.
const MaxNodes = 9

// Node is a network namespace with a container runtime, a kubelet and a kube-proxy of its own.
type Node struct {
	*Cluster
	number int // from 1
}

// Name is the node's in Kubernetes.
func (n Node) Name() string { return "coffer-" + n.Cluster.Name + "-" + strconv.Itoa(n.number) }

// Netns is the file that its network namespace is mounted on.
func (n Node) Netns() string { return n.run("netns") }

// IP is its address.
func (n Node) IP() string { return n.subnet + "." + strconv.Itoa(10+n.number) }

// PodCIDR is the range of its pods' addresses.
func (n Node) PodCIDR() string { return n.pods + "." + strconv.Itoa(n.number) + ".0/24" }

func (n Node) state(name string) string {
	return filepath.Join(n.Cluster.state("nodes"), strconv.Itoa(n.number), name)
}
func (n Node) run(name string) string {
	return filepath.Join(n.Cluster.run(strconv.Itoa(n.number)), name)
}
func (n Node) socket() string            { return n.run("containerd.sock") }
func (n Node) cgroup() string            { return filepath.Join(n.Cluster.cgroup(), strconv.Itoa(n.number)) }
func (n Node) daemon(name string) string { return name + "-" + strconv.Itoa(n.number) }
func (n Node) identity() string          { return n.daemon("kubelet") }

// Nodes are those whose directories Up has made.
func (c *Cluster) Nodes() (all []Node) {
	for number := 1; number <= MaxNodes; number++ {
		if n := (Node{c, number}); exists(n.state("")) {
			all = append(all, n)
		}
	}
	return all
}

// makeNodes makes the directories of that many.
func (c *Cluster) makeNodes(count int) error {
	for number := 1; number <= count; number++ {
		n := Node{c, number}
		for _, dir := range []string{n.run(""), n.state("cni"), n.state("podlogs"), n.state("volume-plugins")} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
	}
	return nil
}

// startNodes returns when all are Ready.
func (c *Cluster) startNodes(ctx context.Context, step *progress.Step) error {
	if _, err := c.kubectl(ctx, []byte(baseManifests), "apply", "-f", "-"); err != nil {
		return err
	}
	// kubelet ends if its runtime does not answer yet, and needs the pause image for its first pod.
	step.Note("containerd")
	for _, n := range c.Nodes() {
		if err := n.waitRuntime(ctx); err != nil {
			return err
		}
		if err := n.loadPause(ctx); err != nil {
			return err
		}
		if err := n.startDaemons("kubelet", "kube-proxy"); err != nil {
			return err
		}
	}
	step.Note("kubelet and kube-proxy")
	for _, n := range c.Nodes() {
		err := c.waitFor(ctx, n.daemon("kubelet"), 2*time.Minute, func() error {
			_, err := c.kubectl(ctx, nil, "wait", "--for=condition=Ready", "--timeout=10s", "node/"+n.Name())
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (n Node) waitRuntime(ctx context.Context) error {
	return n.waitFor(ctx, n.daemon("containerd"), time.Minute, func() error {
		_, err := n.ctr(ctx, "version")
		return err
	})
}

func (n Node) startDaemons(names ...string) error {
	for _, name := range names {
		if err := n.start(n.Netns(), n.daemon(name), n.daemonArgs(name)...); err != nil {
			return fmt.Errorf("starting %s: %w", n.daemon(name), err)
		}
	}
	return nil
}

func (n Node) daemonArgs(name string) []string {
	program := n.Programs.Path(name)
	switch name {
	case "containerd":
		return []string{program, "--config", n.state("containerd.toml")}
	case "kubelet":
		return []string{program, "--config=" + n.state("kubelet.yaml"), "--kubeconfig=" + n.kubeconfig(n.identity()),
			"--hostname-override=" + n.Name(), "--node-ip=" + n.IP(),
			"--root-dir=" + n.state("kubelet"), "--cert-dir=" + n.state("pki")}
	case "kube-proxy":
		return []string{program, "--kubeconfig=" + n.kubeconfig("proxy"), "--hostname-override=" + n.Name(),
			"--cluster-cidr=" + n.podCIDR(), "--proxy-mode=iptables", "--conntrack-max-per-core=0"}
	}
	panic("no such program: " + name)
}

// writeConfigs writes the configuration files that the node's programs read.
func (n Node) writeConfigs() error {
	for file, text := range map[string]string{
		"containerd.toml":     n.containerdConfig(),
		"kubelet.yaml":        n.kubeletConfig(),
		"cni/10-ptp.conflist": n.cniConfig(),
	} {
		if err := os.WriteFile(n.state(file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// containerdConfig keeps everything containerd and its shims write inside our directories. The shims' sockets need
// a short path (a socket's is at most 108 bytes), so they are in the run directory.
func (n Node) containerdConfig() string {
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
`, n.state("containerd"), n.run("containerd"), n.socket(), n.run("s"), pauseRef, n.run("runc"), n.state("cni"))
}

// kubeletConfig has what one node in a corner of a machine needs. How often secrets are looked at (syncFrequency)
// stays at kubelet's default, as in the clusters of our users.
func (n Node) kubeletConfig() string {
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
`, n.pki("ca.crt"), n.pki(n.identity()+".crt"), n.pki(n.identity()+".key"), n.ControlIP(), "unix://"+n.socket(), n.cgroup(),
		n.state("podlogs"), n.state("volume-plugins"))
}

// cniConfig gives each pod a link of its own to the node. No bridge: service traffic between two pods of one bridge
// would pass beside the rules unless a kernel module is loaded for the whole machine.
func (n Node) cniConfig() string {
	return fmt.Sprintf(`{"cniVersion": "1.0.0", "name": %q, "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]],
   "routes": [{"dst": "0.0.0.0/0"}], "dataDir": %q}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
`, n.networkName(), n.PodCIDR(), n.run("cni"))
}
