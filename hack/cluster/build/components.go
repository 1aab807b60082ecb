// Package build makes the local cluster's programs from pinned Go modules and keeps them in the user's cache
// directory, keyed by version, Go version and recipe, so that another clone finds them ready.
package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// component is one module under hack/cluster/components and what is built from it.
type component struct {
	name     string
	module   string            // its version names the cache entry; empty when the program is only our own
	programs map[string]string // file name -> package, in the component's module
	tags     string
	ldflags  func(version string) string
	copyTree map[string]string // folder of the module -> folder of the cache entry
}

// components in the order of building: kubernetes first, it takes longest and fails earliest.
var components = []component{
	{
		name: "kubernetes", module: "k8s.io/kubernetes",
		programs: map[string]string{
			"kube-apiserver":          "k8s.io/kubernetes/cmd/kube-apiserver",
			"kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
			"kube-scheduler":          "k8s.io/kubernetes/cmd/kube-scheduler",
			"kubelet":                 "k8s.io/kubernetes/cmd/kubelet",
			"kube-proxy":              "k8s.io/kubernetes/cmd/kube-proxy",
			"kubectl":                 "k8s.io/kubernetes/cmd/kubectl",
		},
		ldflags: kubernetesVersionFlags,
	},
	{
		name: "containerd", module: "github.com/containerd/containerd/v2",
		programs: map[string]string{
			"containerd":              "github.com/containerd/containerd/v2/cmd/containerd",
			"containerd-shim-runc-v2": "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
			"ctr":                     "github.com/containerd/containerd/v2/cmd/ctr",
		},
		tags: "no_btrfs,no_devmapper,no_zfs",
	},
	{name: "coredns", module: "github.com/coredns/coredns", programs: map[string]string{"coredns": "."}},
	{name: "helm", module: "helm.sh/helm/v4", programs: map[string]string{"helm": "helm.sh/helm/v4/cmd/helm"}},
	{
		name: "certmanager", module: "github.com/cert-manager/cert-manager",
		programs: map[string]string{"cert-manager": "."},
		copyTree: map[string]string{"deploy/crds": "crds"},
	},
	{
		name: "provisioner", module: "sigs.k8s.io/sig-storage-lib-external-provisioner/v13",
		programs: map[string]string{"provisioner": "."},
	},
	{name: "pause", programs: map[string]string{"pause": "."}},
}

// kubernetesVersionFlags stamps the version: without it every component reports v0.0.0.
func kubernetesVersionFlags(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	var flags []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags, "-X", pkg+".gitVersion="+version, "-X", pkg+".gitMajor="+parts[0],
			"-X", pkg+".gitMinor="+parts[1], "-X", pkg+".gitTreeState=clean")
	}
	return strings.Join(flags, " ")
}

// programNames lists the component's programs in a fixed order.
func (c component) programNames() []string {
	names := make([]string, 0, len(c.programs))
	for name := range c.programs {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// version reads the pinned version of the component's module from its go.mod.
func (c component) version(dir string) (string, error) {
	if c.module == "" {
		return "own", nil
	}
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`(?m)^(?:require)?\s*` + regexp.QuoteMeta(c.module) + ` (v\S+)`).FindSubmatch(data)
	if found == nil {
		return "", fmt.Errorf("%s/go.mod does not require %s", dir, c.module)
	}
	return string(found[1]), nil
}

// recipe is a short hash of everything else that decides what is built.
func (c component) recipe(dir string) (string, error) {
	hash := sha256.New()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return "", err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", filepath.Base(file), len(data), data)
	}
	fmt.Fprint(hash, c.tags, c.programNames())
	return hex.EncodeToString(hash.Sum(nil))[:8], nil
}
