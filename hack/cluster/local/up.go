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

// Up starts the cluster afresh, after removing what is left of an earlier one of this name, and returns when the
// node is Ready, volumes can be made and cert-manager runs.
func (c *Cluster) Up(ctx context.Context, programs *build.Programs, out *progress.Printer) error {
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
		{"control plane (" + filepath.Base(programs.Dir("kubernetes")) + ")", c.controlPlane},
		{"node", c.startNode},
		{"volumes, DNS, cert-manager", c.addOns},
	}
	for _, s := range steps {
		if err := out.Run(s.title, func(step *progress.Step) error { return s.work(ctx, step) }); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) controlPlane(ctx context.Context, step *progress.Step) error {
	if err := rememberHost(); err != nil {
		return err
	}
	for _, dir := range []string{c.runDir(), c.stateDir(), c.state("log"), c.state("pid"), c.state("cni"),
		c.state("volumes"), c.state("podlogs"), c.state("volume-plugins")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(c.state("owner"), []byte(c.Root), 0o600); err != nil {
		return err
	}
	step.Note("network and certificates")
	if err := errors.Join(c.makeNetwork(ctx), c.makeCgroups(), c.writePKI(), c.writeConfigs()); err != nil {
		return err
	}
	step.Note("etcd and kube-apiserver")
	if err := c.startDaemons("etcd", "kube-apiserver", "containerd"); err != nil {
		return err
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

func (c *Cluster) startNode(ctx context.Context, step *progress.Step) error {
	// kubelet ends if its runtime does not answer yet, and needs the pause image for its first pod.
	step.Note("containerd")
	err := c.waitFor(ctx, "containerd", time.Minute, func() error {
		_, err := c.ctr(ctx, "version")
		return err
	})
	if err != nil {
		return err
	}
	if err := c.loadPause(ctx); err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, []byte(baseManifests), "apply", "-f", "-"); err != nil {
		return err
	}
	step.Note("kubelet and kube-proxy")
	if err := c.startDaemons("kubelet", "kube-proxy"); err != nil {
		return err
	}
	return c.waitFor(ctx, "kubelet", 2*time.Minute, func() error {
		_, err := c.kubectl(ctx, nil, "wait", "--for=condition=Ready", "--timeout=10s", "node/"+c.node())
		return err
	})
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
		return c.inNodeRun(ctx, "bash", "-c", "exec 3<>/dev/tcp/"+c.nodeIP()+"/8181 && printf 'GET /ready HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q ' 200 ' <&3")
	})
}
