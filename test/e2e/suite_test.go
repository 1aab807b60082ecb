// Package e2e holds the product, installed by its chart on a real cluster with
// real cert-manager controllers, to what its documentation promises.
package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture"
)

const (
	system = "coffer-system"
	shop   = "coffer-e2e"

	// soon bounds everything that must happen; what is promised to happen
	// faster is measured and printed, not asserted, on shared machines.
	soon = 2 * time.Minute
	tick = 200 * time.Millisecond
)

var cluster *fixture.Cluster

func TestE2E(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Coffer, end to end")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	cluster, err = fixture.Connect(ctx)
	Expect(err).NotTo(HaveOccurred())
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	DeferCleanup(stop)
	Expect(secrets.follow(following)).To(Succeed())
	install(ctx)
	Expect(cluster.Namespace(ctx, shop)).To(Succeed())
}, NodeTimeout(5*time.Minute))

// install puts the chart in, or upgrades it with further values.
func install(ctx context.Context, values ...string) {
	GinkgoHelper()
	installVersion(ctx, "../../charts/coffer", "dev", values...)
}

// installVersion is install for another version.
func installVersion(ctx context.Context, chart, tag string, values ...string) {
	GinkgoHelper()
	Expect(fixture.Install(ctx, chart, tag, system, values...)).To(Succeed())
}

// ready waits until the instance is and its Service is reachable from here; it
// returns how long the first took.
func ready(ctx context.Context, o v1alpha1.Instance) time.Duration {
	GinkgoHelper()
	start := time.Now()
	Eventually(func(g Gomega) {
		g.Expect(cluster.Reload(ctx, o)).To(Succeed())
		g.Expect(fixture.Ready(o)).To(BeTrue(), "%s", fixture.Condition(o, v1alpha1.ConditionReady))
	}, soon, tick).Should(Succeed())
	took := time.Since(start)
	address, err := cluster.Address(ctx, o)
	Expect(err).NotTo(HaveOccurred())
	// A Service's address is refused until kube-proxy has heard of a ready pod.
	Eventually(func() error {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	}, soon, tick).Should(Succeed())
	return took
}

// create applies the instance and removes it, whatever its policy, at the end
// of its container.
func create(ctx context.Context, o v1alpha1.Instance) {
	GinkgoHelper()
	Expect(cluster.Create(ctx, o)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		if CurrentSpecReport().Failed() {
			fmt.Fprint(GinkgoWriter, fixture.Explain(ctx, o.GetNamespace(), system, o.GetName()))
		}
		Expect(client.IgnoreNotFound(cluster.Delete(ctx, o))).To(Succeed())
	})
}

// rounds is ROUNDS, or few.
func rounds(few int) int {
	n := few
	if v := os.Getenv("ROUNDS"); v != "" {
		_, err := fmt.Sscan(v, &n)
		Expect(err).NotTo(HaveOccurred(), "ROUNDS")
	}
	return n
}

// figure prints one measured value where a reader of the test's output finds it.
func figure(format string, args ...any) {
	AddReportEntry("figure: " + fmt.Sprintf(format, args...))
}

// In one order, because the last specs take the operator away.
var _ = Describe("Coffer", Ordered, ContinueOnFailure, func() {
	for _, part := range []struct {
		name  string
		specs func()
	}{
		{"a database", servingSpecs},
		{"a rotation", rotationSpecs},
		{"a token", tokenSpecs},
		{"a job queue", jobQueueSpecs},
		{"a storm", stormSpecs},
		{"a crash", crashSpecs},
		{"several members", replicasSpecs},
		{"bad input", badInputSpecs},
		{"a change by hand", repairSpecs},
		{"two versions", skewSpecs},
		{"two versions in a group", skewedGroupSpecs},
		{"an operator of some namespaces", scopeSpecs},
		{"a life", lifecycleSpecs},
	} {
		Describe(part.name, func() {
			part.specs()
			// While everything that the specs made is there.
			It("shows no secret that there was anywhere but in Secrets", func(ctx SpecContext) { hunt(ctx) })
		})
	}
})
