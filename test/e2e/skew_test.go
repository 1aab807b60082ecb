package e2e

import (
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture"
)

// previousTree is where hack/previous leaves the version before this one.
var previousTree = filepath.Join("..", "..", ".cluster", "previous")

// skewSpecs put an operator and an engine one version apart together, both ways
// round, on one database.
func skewSpecs() {
	var db *v1alpha1.KVDatabase
	var pod *corev1.Pod
	var address string

	engine := func(ctx context.Context) string {
		GinkgoHelper()
		status, err := cluster.Member(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		return status.EngineVersion
	}
	serves := func(ctx context.Context) {
		GinkgoHelper()
		ready(ctx, db)
		now, err := cluster.Pod(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.UID).To(Equal(pod.UID))
		Expect(fixture.Restarts(now)).To(BeZero())
		Expect(redisCLI(ctx, db, address, "GET", "kept")).To(Equal("over versions"))
	}
	pending := func(ctx context.Context) func(Gomega) {
		return func(g Gomega) {
			g.Expect(cluster.Reload(ctx, db)).To(Succeed())
			g.Expect(fixture.Condition(db, v1alpha1.ConditionRolloutPending)).To(HavePrefix("True OperatorChanged"))
		}
	}

	BeforeAll(func(ctx SpecContext) {
		if _, err := os.Stat(previousTree); err != nil {
			Fail("the previous version is not built: run hack/previous, as make test-e2e does: " + err.Error())
		}
		installVersion(ctx, filepath.Join(previousTree, "charts", "coffer"), "previous")
		DeferCleanup(func(ctx SpecContext) { install(ctx) })
		db = fixture.Database(shop, "skewed", fixture.WithDeletion(v1alpha1.DeletionDelete))
		create(ctx, db)
		ready(ctx, db)
		var err error
		address, err = cluster.Address(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		Expect(redisCLI(ctx, db, address, "SET", "kept", "over versions")).To(Equal("OK"))
		pod, err = cluster.Pod(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		Expect(engine(ctx)).To(Equal("previous"))
	})

	It("lets this operator keep the previous engine, rotate under it and bring it back as it was", func(ctx SpecContext) {
		install(ctx)
		Eventually(pending(ctx), soon, tick).Should(Succeed())
		serves(ctx)
		rotate(ctx, db, address, "skew-1")
		serves(ctx)

		Expect(cluster.Delete(ctx, pod)).To(Succeed())
		replaced(ctx, db, &pod)
		Expect(engine(ctx)).To(Equal("previous"))
		Eventually(pending(ctx), soon, tick).Should(Succeed())
		serves(ctx)
	})

	It("opens what the previous engine wrote, once the rollout is approved", func(ctx SpecContext) {
		start := time.Now()
		Expect(cluster.Annotate(ctx, db, v1alpha1.AnnotationApproveRollout, "now")).To(Succeed())
		replaced(ctx, db, &pod)
		Expect(engine(ctx)).To(Equal("dev"))
		figure("approved rollout done in %s", fixture.Age(start))
		serves(ctx)
		rotate(ctx, db, address, "skew-2")
	})

	It("lets the previous operator keep this engine and rotate under it", func(ctx SpecContext) {
		installVersion(ctx, filepath.Join(previousTree, "charts", "coffer"), "previous")
		Eventually(pending(ctx), soon, tick).Should(Succeed())
		serves(ctx)
		rotate(ctx, db, address, "skew-3")
		Expect(engine(ctx)).To(Equal("dev"))
		serves(ctx)
	})
}

// replaced waits until another pod than the last serves, and puts it in its place.
func replaced(ctx context.Context, db *v1alpha1.KVDatabase, last **corev1.Pod) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		now, err := cluster.Pod(ctx, db)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(now.UID).NotTo(Equal((*last).UID))
		g.Expect(now.Status.PodIP).NotTo(BeEmpty())
		*last = now
	}, soon, tick).Should(Succeed())
	ready(ctx, db)
}
