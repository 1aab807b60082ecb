// Package operator holds the operator against a real kube-apiserver and etcd.
// What a cluster adds is played by the suite, with real parts: it signs
// certificates where cert-manager would, and where a kubelet would, it runs the
// real engine as a process on a loopback address of its own. Like a kubelet
// that nobody nudges, it brings a changed secret to a running engine only when
// the pod's annotations change.
package operator

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/coffer-dev/coffer/controllers"
)

// suite is what every test shares.
var suite struct {
	config *rest.Config
	client client.Client
	engine string // the program
	writes atomic.Int64
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/integration/operator:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctrl.SetLogger(zap.New(zap.UseDevMode(true)))
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		return 1, fmt.Errorf("KUBEBUILDER_ASSETS is not set: run `make test-integration`, which builds kube-apiserver and sets it")
	}
	for _, program := range []string{"kube-apiserver", "etcd"} {
		if _, err := os.Stat(filepath.Join(assets, program)); err != nil {
			return 1, fmt.Errorf("KUBEBUILDER_ASSETS: %w: run `make test-integration`, which builds it", err)
		}
	}
	dir, err := os.MkdirTemp("", "coffer-operator-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	suite.engine = filepath.Join(dir, "coffer-engine")
	build := exec.Command("go", "build", "-o", suite.engine, "./engine")
	build.Dir = filepath.Join("..", "..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the engine: %w\n%s", err, out)
	}
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager").Output()
	if err != nil {
		return 1, fmt.Errorf("find cert-manager's module: %w", err)
	}
	env := &envtest.Environment{
		CRDDirectoryPaths: []string{
			filepath.Join("..", "..", "..", "config", "crd", "bases"),
			filepath.Join(strings.TrimSpace(string(module)), "deploy", "crds"),
		},
		ErrorIfCRDPathMissing: true,
	}
	if suite.config, err = env.Start(); err != nil {
		return 1, fmt.Errorf("start kube-apiserver and etcd: %w", err)
	}
	defer func() {
		if err := env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop kube-apiserver and etcd:", err)
		}
	}()
	scheme, err := controllers.Scheme()
	if err != nil {
		return 1, err
	}
	if suite.client, err = client.New(suite.config, client.Options{Scheme: scheme}); err != nil {
		return 1, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	played := play(ctx, dir)
	code := m.Run()
	cancel()
	played.Wait()
	return code, nil
}

// counting counts the operator's writes; its lease and events are not about
// objects, and its questions what it may do leave nothing behind. (There is no
// leader election here.)
type counting struct{ next http.RoundTripper }

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/events") && !strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews") {
		suite.writes.Add(1)
	}
	return c.next.RoundTrip(r)
}

// startOperator runs the operator as its command does, and returns how to stop it.
func startOperator(t *testing.T) (stop func()) {
	t.Helper()
	return startVersion(t, "coffer:test")
}

// startVersion is startOperator for a version of another image.
func startVersion(t *testing.T, image string) (stop func()) {
	t.Helper()
	return startWrapped(t, image, func(next http.RoundTripper) http.RoundTripper { return counting{next} })
}

// startWrapped is startVersion with something between it and the API server.
func startWrapped(t *testing.T, image string, wrap func(http.RoundTripper) http.RoundTripper) (stop func()) {
	t.Helper()
	config := rest.CopyConfig(suite.config)
	config.Wrap(wrap)
	manager, err := controllers.NewManager(config, controllers.Options{
		Image: image, Namespace: "coffer-system", MetricsAddress: "0",
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("operator: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// newNamespace gives a test a place of its own.
func newNamespace(t *testing.T) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := suite.client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

// eventually fails the test when check still says something after a while.
func eventually(t *testing.T, what string, check func() string) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		wrong := check()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s", what, wrong)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
