package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/coffer-dev/coffer/hack/cluster/progress"
	"github.com/coffer-dev/coffer/hack/image/images"
)

// runExisting uses the cluster of the current kubeconfig context. The images reach it in one of three ways: pushed by
// the user to the names in IMAGE and CLIENT_IMAGE; as archives, by the command in LOAD, which gets a file's name as
// its last argument; or, on a kind cluster, by `kind load`.
func runExisting(ctx context.Context, root, verb string, out *progress.Printer) error {
	d := &demo{root: root, ref: cmp.Or(os.Getenv("IMAGE"), images.Coffer), clientRef: cmp.Or(os.Getenv("CLIENT_IMAGE"), images.DemoClient)}
	for program, path := range map[string]*string{"kubectl": &d.kubectl, "helm": &d.helm} {
		found, err := exec.LookPath(program)
		if err != nil {
			return fmt.Errorf("CLUSTER=existing needs %s on the PATH: install it, or run `go -C hack/cluster run . build` and add %s/.cluster/bin", program, root)
		}
		*path = found
	}
	current, err := d.kube(ctx, "config", "current-context")
	if err != nil {
		return fmt.Errorf("no kubeconfig context is selected: %w", err)
	}
	current = strings.TrimSpace(current)
	if verb == "down" {
		return out.Run("removing the demo from "+current, func(s *progress.Step) error { return d.remove(ctx, s) })
	}
	if d.load, err = loader(current); err != nil {
		return err
	}
	fmt.Printf("Coffer demo on the cluster of context %s: namespaces coffer-system and shop. Undo with `make demo-down CLUSTER=existing`.\n", current)
	out.Total = 1 + demoSteps
	err = out.Run("cert-manager", func(*progress.Step) error {
		found, err := d.kube(ctx, "get", "crd", "certificates.cert-manager.io", "--ignore-not-found", "--output=name")
		if err != nil {
			return fmt.Errorf("the cluster of context %s does not answer: %w", current, err)
		}
		if strings.TrimSpace(found) == "" {
			return errors.New("the cluster lacks cert-manager: install it as https://cert-manager.io/docs/installation/ says")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.show(ctx, out)
}

// loader decides how images reach the nodes; nil when the user has pushed them.
func loader(kubeContext string) (func(context.Context, string) error, error) {
	if command := strings.Fields(os.Getenv("LOAD")); len(command) > 0 {
		return func(ctx context.Context, archive string) error {
			_, err := output(ctx, nil, command[0], append(command[1:], archive)...)
			return err
		}, nil
	}
	if os.Getenv("IMAGE") != "" {
		if os.Getenv("CLIENT_IMAGE") == "" {
			return nil, errors.New("IMAGE is set: push both of dist's archives (make image) and set CLIENT_IMAGE too, the name of the demo client's image")
		}
		return nil, nil
	}
	if name, isKind := strings.CutPrefix(kubeContext, "kind-"); isKind {
		return func(ctx context.Context, archive string) error {
			_, err := output(ctx, nil, "kind", "load", "image-archive", archive, "--name", name)
			return err
		}, nil
	}
	return nil, errors.New(`how do the images reach the nodes? One of:
  a registry:       make image IMAGE=registry.example/coffer:dev CLIENT_IMAGE=registry.example/coffer-demo-client:dev
                    push the archives in dist/, then: make demo CLUSTER=existing IMAGE=… CLIENT_IMAGE=…
  archive files:    make demo CLUSTER=existing LOAD='minikube image load'   (any command that takes a file's name)
  a kind cluster:   select its context (kind-…); nothing else is needed`)
}

// remove takes back what show installed. Definitions stay while others use them.
func (d *demo) remove(ctx context.Context, step *progress.Step) error {
	step.Note("database and client")
	if _, err := d.kube(ctx, "delete", "namespace", namespace, "--ignore-not-found", "--timeout=3m"); err != nil {
		return err
	}
	step.Note("operator")
	if _, err := output(ctx, nil, d.helm, "uninstall", release, "--namespace", systemNamespace, "--ignore-not-found", "--wait"); err != nil {
		return err
	}
	for _, kind := range []string{"kvdatabases", "jobqueues", "accesstokens"} {
		left, err := d.kube(ctx, "get", kind, "--all-namespaces", "--output=name")
		if err != nil || strings.TrimSpace(left) != "" {
			continue
		}
		if _, err := d.kube(ctx, "delete", "crd", kind+".coffer.dev", "--ignore-not-found"); err != nil {
			return err
		}
	}
	_, err := d.kube(ctx, "delete", "namespace", systemNamespace, "--ignore-not-found", "--timeout=3m")
	return err
}
