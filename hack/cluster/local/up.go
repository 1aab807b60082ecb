package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/coffer-dev/coffer/hack/cluster/build"
	"github.com/coffer-dev/coffer/hack/cluster/progress"
)

// Steps is how many steps Up reports.
const Steps = 3

// Up starts the cluster afresh with that many nodes, after removing what is left of an earlier one of this name, and
// returns when they are Ready, volumes can be made and cert-manager runs.
func (c *Cluster) Up(ctx context.Context, programs *build.Programs, nodes int, out *progress.Printer) error {
	if nodes < 1 || nodes > MaxNodes {
		return fmt.Errorf("--nodes is %d: it can be 1 to %d", nodes, MaxNodes)
	}
	c.Programs = programs
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.refuseForeign(); err != nil {
		return err
	}
	if err := c.clean(ctx); err != nil {
		return fmt.Errorf("cleaning up what an earlier cluster left: %w", err)
	}
	steps := []struct {
		title string
		work  func(context.Context, *progress.Step) error
	}{
		{"control plane (" + filepath.Base(programs.Dir("kubernetes")) + ")", func(ctx context.Context, step *progress.Step) error {
			return c.controlPlane(ctx, nodes, step)
		}},
		{fmt.Sprintf("nodes (%d)", nodes), c.startNodes},
		{"volumes, DNS, cert-manager", c.addOns},
	}
	for _, s := range steps {
		if err := out.Run(s.title, func(step *progress.Step) error { return s.work(ctx, step) }); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) controlPlane(ctx context.Context, nodes int, step *progress.Step) error {
	if err := rememberHost(); err != nil {
		return err
	}
	for _, dir := range []string{c.runDir(), c.stateDir(), c.state("log"), c.state("pid"), c.state("volumes")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(c.state("owner"), []byte(c.Root), 0o600); err != nil {
		return err
	}
	if err := c.makeNodes(nodes); err != nil {
		return err
	}
	step.Note("network and certificates")
	if err := errors.Join(c.makeNetwork(ctx), c.makeCgroups(), c.writePKI(), c.writeConfigs()); err != nil {
		return err
	}
	step.Note("etcd and kube-apiserver")
	if err := c.startDaemons("etcd", "kube-apiserver"); err != nil {
		return err
	}
	for _, n := range c.Nodes() {
		if err := n.startDaemons("containerd"); err != nil {
			return err
		}
	}
	err := c.waitFor(ctx, "kube-apiserver", 2*time.Minute, func() error {
		_, err := c.kubectl(ctx, nil, "get", "--raw", "/readyz")
		return err
	})
	if err != nil {
		return err
	}
	return c.startDaemons("kube-controller-manager", "kube-scheduler")
}

// writeConfigs writes the configuration files that programs read.
func (c *Cluster) writeConfigs() error {
	for _, n := range c.Nodes() {
		if err := n.writeConfigs(); err != nil {
			return err
		}
	}
	return os.WriteFile(c.state("Corefile"), []byte(c.corefile()), 0o600)
}

func (c *Cluster) addOns(ctx context.Context, step *progress.Step) error {
	crds := filepath.Join(c.Programs.Dir("certmanager"), "crds")
	files, err := filepath.Glob(filepath.Join(crds, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no definitions of cert-manager in %s: %w", crds, err)
	}
	args := []string{"apply", "--server-side"}
	for _, file := range files {
		args = append(args, "-f", file)
	}
	step.Note("definitions of cert-manager")
	if _, err := c.kubectl(ctx, nil, args...); err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, nil, "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"); err != nil {
		return err
	}
	if err := c.startDaemons("coredns", "provisioner", "cert-manager"); err != nil {
		return err
	}
	step.Note("default service account")
	err = c.waitFor(ctx, "kube-controller-manager", time.Minute, func() error {
		_, err := c.kubectl(ctx, nil, "-n", "default", "get", "serviceaccount", "default")
		return err
	})
	if err != nil {
		return err
	}
	step.Note("DNS")
	return c.waitFor(ctx, "coredns", time.Minute, func() error {
		return command(ctx, "bash", "-c", "exec 3<>/dev/tcp/"+c.ControlIP()+"/8181 && printf 'GET /ready HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q ' 200 ' <&3")
	})
}
