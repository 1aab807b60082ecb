// Package operator holds the operator against a real kube-apiserver and etcd.
// What a cluster adds is played by the suite, with real parts: it signs
// certificates where cert-manager would, and where a kubelet would, it runs the
// real engine as a process on a loopback address of its own. Like a kubelet
// that nobody nudges, it brings a changed secret to a running engine only when
// the pod's annotations change.
package operator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers"
)

// suite is what every test shares. Tests run side by side, each with an operator
// that watches the namespaces of that test.
var suite struct {
	config *rest.Config
	client client.Client
	engine string   // the program
	dir    string   // of the volumes, in data/, by namespace and pod
	writes sync.Map // namespace -> *atomic.Int64, made by operators
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/integration/operator:", err)
		code = 1
	}
	os.Exit(code)
}

// run keeps what the operators log apart, where it does not bury which test
// failed, and leaves it when one did.
func run(m *testing.M) (code int, err error) {
	log, err := os.CreateTemp("", "coffer-operator-*.log")
	if err != nil {
		return 1, err
	}
	ctrl.SetLogger(zap.New(zap.UseDevMode(true), zap.WriteTo(log)))
	defer func() {
		if code == 0 && err == nil {
			os.Remove(log.Name())
		} else {
			fmt.Fprintln(os.Stderr, "what the operators logged:", log.Name())
		}
	}()
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
	suite.dir, suite.engine = dir, filepath.Join(dir, "coffer-engine")
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
	code = m.Run()
	cancel()
	played.Wait()
	return code, panicked()
}

// panicked: a panic of a reconciler is caught and tried again, and the test that
// caused it may be none the wiser.
func panicked() error {
	families, err := metrics.Registry.Gather()
	if err != nil {
		return err
	}
	for _, family := range families {
		for _, m := range family.Metric {
			if n := m.GetCounter().GetValue(); family.GetName() == "controller_runtime_reconcile_panics_total" && n > 0 {
				return fmt.Errorf("%v panics of the %s reconciler: look for \"Observed a panic\" in the log", n, m.Label[0].GetValue())
			}
		}
	}
	return nil
}

// writing says whether a request is one of the operator's writes. Events are
// not about objects, and its questions what it may do leave nothing behind.
// (There is no leader election here.)
func writing(r *http.Request) bool {
	return r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/events") && !strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews")
}

// counting counts an operator's writes by namespace.
type counting struct{ next http.RoundTripper }

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, in, ok := strings.Cut(r.URL.Path, "/namespaces/"); ok && writing(r) {
		namespace, _, _ := strings.Cut(in, "/")
		writesIn(namespace).Add(1)
	}
	return c.next.RoundTrip(r)
}

// writesIn counts what operators have written in a namespace.
func writesIn(namespace string) *atomic.Int64 {
	n, _ := suite.writes.LoadOrStore(namespace, &atomic.Int64{})
	return n.(*atomic.Int64)
}

// mortal gives an operator so many writes; then it is as good as dead.
type mortal struct {
	next http.RoundTripper
	left *atomic.Int64
}

var errDead = errors.New("the operator has died")

func (m mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	if writing(r) && m.left.Add(-1) < 0 {
		return nil, errDead
	}
	return m.next.RoundTrip(r)
}

// startOperator runs the operator as its command does, and returns how to stop it.
func startOperator(t *testing.T, namespaces ...string) (stop func()) {
	t.Helper()
	return startVersion(t, "coffer:test", namespaces...)
}

// startVersion is startOperator for a version of another image.
func startVersion(t *testing.T, image string, namespaces ...string) (stop func()) {
	t.Helper()
	return startWrapped(t, image, func(next http.RoundTripper) http.RoundTripper { return counting{next} }, namespaces...)
}

// startWrapped is startVersion with something between it and the API server.
func startWrapped(t *testing.T, image string, wrap func(http.RoundTripper) http.RoundTripper, namespaces ...string) (stop func()) {
	t.Helper()
	config := rest.CopyConfig(suite.config)
	config.Wrap(wrap)
	manager, err := controllers.NewManager(config, controllers.Options{
		Image: image, Namespace: "coffer-system", MetricsAddress: "0", WatchNamespaces: namespaces,
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

// live runs an operator until it has died of one write more than these, or has
// made none for a while; it says whether it died.
func live(t *testing.T, namespace string, writes int64) (died bool) {
	t.Helper()
	left := &atomic.Int64{}
	left.Store(writes)
	stop := startWrapped(t, "coffer:test", func(next http.RoundTripper) http.RoundTripper { return mortal{next, left} }, namespace)
	until := time.Now().Add(5 * time.Second) // its start is the slow part
	for last := writes; left.Load() >= 0 && time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if now := left.Load(); now != last {
			last, until = now, time.Now().Add(2*time.Second)
		}
	}
	stop()
	return left.Load() < 0
}

// newNamespace gives a test a place of its own. Call it before startOperator:
// what the cluster is played for is removed once the operator has stopped.
func newNamespace(t *testing.T) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := suite.client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, o := range []client.Object{&v1alpha1.AccessToken{}, &v1alpha1.KVDatabase{}, &v1alpha1.JobQueue{}, &certmanagerv1.Certificate{}, &certmanagerv1.Issuer{}, &appsv1.StatefulSet{}, &corev1.Pod{}} {
			if err := suite.client.DeleteAllOf(context.Background(), o, client.InNamespace(ns.Name), client.GracePeriodSeconds(0)); err != nil {
				t.Errorf("clean up: %v", err)
			}
		}
	})
	return ns.Name
}

// eventually fails the test when check still says something after a while, which
// is long: how fast it goes is the machine's.
func eventually(t *testing.T, what string, check func() string) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
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
