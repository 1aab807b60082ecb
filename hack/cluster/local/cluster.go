// Package local runs a real Kubernetes on this machine: a control plane and its nodes, each in a network namespace
// of its own, reached through a pair of virtual interfaces, so that the machine's own rules and addresses stay as
// they are. Everything the cluster has lives in two directories, these namespaces and one control group; Down removes
// them all, whatever state an interrupted Up left.
package local

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/coffer-dev/coffer/hack/cluster/build"
)

// Cluster is one local cluster of a clone. Clusters with different names run side by side.
type Cluster struct {
	Name     string
	Root     string // of the clone
	Programs *build.Programs

	subnet      string // first three octets of the machine's, the control plane's and the nodes' addresses
	pods        string // first two octets of all pods' addresses
	serviceCIDR string
	apiService  string // first address of serviceCIDR: the service `kubernetes`
}

// New names a cluster: demo or test.
func New(root, name string) (*Cluster, error) {
	switch name {
	case "demo":
		return &Cluster{Name: name, Root: root, subnet: "172.31.250", pods: "10.244",
			serviceCIDR: "10.96.0.0/16", apiService: "10.96.0.1"}, nil
	case "test":
		return &Cluster{Name: name, Root: root, subnet: "172.31.251", pods: "10.245",
			serviceCIDR: "10.97.0.0/16", apiService: "10.97.0.1"}, nil
	}
	return nil, fmt.Errorf("no cluster is called %q: --name is demo or test", name)
}

// base holds the state of all local clusters of the machine.
const base = "/var/lib/coffer-cluster"

func (c *Cluster) stateDir() string           { return filepath.Join(base, c.Name) }
func (c *Cluster) runDir() string             { return "/run/coffer-" + c.Name }
func (c *Cluster) state(name string) string   { return filepath.Join(c.stateDir(), name) }
func (c *Cluster) run(name string) string     { return filepath.Join(c.runDir(), name) }
func (c *Cluster) netns() string              { return c.run("netns") }
func (c *Cluster) cgroup() string             { return "coffer-" + c.Name }
func (c *Cluster) hostIP() string             { return c.subnet + ".1" }
func (c *Cluster) podCIDR() string            { return c.pods + ".0.0/16" }
func (c *Cluster) hostLink() string           { return "cfr-" + c.Name }
func (c *Cluster) cloneDir() string           { return filepath.Join(c.Root, ".cluster", c.Name) }
func (c *Cluster) kubeconfig(u string) string { return c.state(u + ".kubeconfig") }

// ControlIP is the control plane's address.
func (c *Cluster) ControlIP() string { return c.subnet + ".2" }

// Kubeconfig is the administrator's file, in the clone.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.cloneDir(), "admin.kubeconfig") }

// Check says why a local cluster cannot run here, and what to do about it.
func Check(goos string) error {
	const instead = "; on a cluster of your own use: make demo CLUSTER=existing"
	if goos != "linux" {
		return errors.New("a local cluster needs Linux (network namespaces, control groups)" + instead)
	}
	if os.Geteuid() != 0 {
		return errors.New("a local cluster needs root (network namespaces, mounts): run it as root or with sudo" + instead)
	}
	return nil
}

// lock keeps two commands from working on one cluster at once. The file goes with the last unlock of Down.
func (c *Cluster) lock() (unlock func(), err error) {
	path := "/run/coffer-" + c.Name + ".lock"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another command is working on cluster %s (it holds %s): wait for it to end", c.Name, path)
	}
	return func() {
		_ = os.Remove(path)
		_ = f.Close()
	}, nil
}

// owner is the clone that started the cluster which is on the machine, or "".
func (c *Cluster) owner() string {
	data, err := os.ReadFile(c.state("owner"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// refuseForeign protects a running cluster of another clone; one whose clone is gone is nobody's.
func (c *Cluster) refuseForeign() error {
	owner := c.owner()
	if owner == "" || owner == c.Root {
		return nil
	}
	if !exists(filepath.Join(owner, "go.mod")) {
		return nil
	}
	if pids, err := c.processes(); err != nil || len(pids) == 0 {
		return err
	}
	return fmt.Errorf("cluster %s runs already, started from %s: take it down there first", c.Name, owner)
}

// Left says whether something of this cluster is there, running or not.
func (c *Cluster) Left() bool { return c.owner() != "" }

// Status prints which programs run and returns an error unless all of them do.
func (c *Cluster) Status(out io.Writer) error {
	if err := c.refuseForeign(); err != nil {
		return err
	}
	if c.owner() == "" {
		return fmt.Errorf("cluster %s is down", c.Name)
	}
	var dead []string
	for _, name := range c.daemons() {
		pid, alive := c.daemonPID(name)
		state := fmt.Sprintf("running, pid %d", pid)
		if !alive {
			state = "not running, see " + c.logFile(name)
			dead = append(dead, name)
		}
		_, _ = fmt.Fprintf(out, "%-24s %s\n", name, state)
	}
	_, _ = fmt.Fprintf(out, "kubeconfig               %s\n", c.Kubeconfig())
	if len(dead) > 0 {
		return fmt.Errorf("cluster %s lacks %s", c.Name, strings.Join(dead, ", "))
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
