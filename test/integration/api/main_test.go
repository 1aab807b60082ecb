// Package api holds the rules of the CRDs against a real kube-apiserver: what
// it defaults, what it refuses, and in which words.
package api

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

const (
	namespace = "rules"
	root      = "../../.."
)

// server is the API server that every test talks to.
var server struct {
	client    client.Client
	discovery discovery.DiscoveryInterface
	assets    string
	config    string
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/integration/api:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	server.assets = os.Getenv("KUBEBUILDER_ASSETS")
	if server.assets == "" {
		return 1, fmt.Errorf("KUBEBUILDER_ASSETS is not set: it names the directory of kube-apiserver, etcd, kubectl and helm; run `make test-integration`, which builds them and sets it")
	}
	for _, program := range []string{"kube-apiserver", "etcd", "kubectl", "helm"} {
		if _, err := os.Stat(filepath.Join(server.assets, program)); err != nil {
			return 1, fmt.Errorf("KUBEBUILDER_ASSETS: %w: run `make test-integration`, which builds it", err)
		}
	}
	certManager, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager").Output()
	if err != nil {
		return 1, fmt.Errorf("find cert-manager's CRDs in the module cache: %w", err)
	}
	env := &envtest.Environment{
		CRDDirectoryPaths: []string{
			filepath.Join(root, "config", "crd", "bases"),
			filepath.Join(strings.TrimSpace(string(certManager)), "deploy", "crds"),
		},
		ErrorIfCRDPathMissing: true,
	}
	// Stopped in any case: Start may fail with the servers running.
	defer func() {
		if err := env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop kube-apiserver and etcd:", err)
		}
	}()
	config, err := env.Start()
	if err != nil {
		return 1, fmt.Errorf("start kube-apiserver and etcd: %w", err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, certmanagerv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return 1, err
		}
	}
	if server.client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return 1, err
	}
	if server.discovery, err = discovery.NewDiscoveryClientForConfig(config); err != nil {
		return 1, err
	}
	if err := server.client.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "coffer-api-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	server.config = filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(server.config, env.KubeConfig, 0o600); err != nil {
		return 1, err
	}
	return m.Run(), nil
}
