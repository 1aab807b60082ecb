package e2e

import (
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

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

// skewedGroupSpecs put them together on a group, whose members are of two versions
// for a while.
func skewedGroupSpecs() {
	var g *group
	var pods map[types.UID]corev1.Pod

	of := func(ctx context.Context, tag string) {
		GinkgoHelper()
		for _, pod := range g.pods(ctx) {
			Expect(pod.Spec.Containers[0].Image).To(HaveSuffix(":"+tag), pod.Name)
		}
	}
	untouched := func(ctx context.Context) {
		GinkgoHelper()
		Eventually(func(m Gomega) {
			m.Expect(cluster.Reload(ctx, g.db)).To(Succeed())
			m.Expect(fixture.Condition(g.db, v1alpha1.ConditionRolloutPending)).To(HavePrefix("True OperatorChanged"))
		}, soon, tick).Should(Succeed())
		g.under(ctx, func() { time.Sleep(5 * time.Second) }) // the operator looks at it all the while
		g.settled(ctx, 3)
		for uid := range g.pods(ctx) {
			Expect(pods).To(HaveKey(uid))
		}
	}

	BeforeAll(func(ctx SpecContext) {
		installVersion(ctx, filepath.Join(previousTree, "charts", "coffer"), "previous")
		DeferCleanup(func(ctx SpecContext) { install(ctx) })
		g = newGroup(ctx, "skewed-group")
		pods = g.pods(ctx)
		of(ctx, "previous")
	})

	It("leaves a group of the previous engine as it is", func(ctx SpecContext) {
		install(ctx)
		untouched(ctx)
	})

	It("replaces the previous engine member by member under load, once the rollout is approved", func(ctx SpecContext) {
		total, pause := g.under(ctx, func() {
			Expect(cluster.Annotate(ctx, g.db, v1alpha1.AnnotationApproveRollout, "now")).To(Succeed())
			g.replaced(ctx, pods)
		})
		of(ctx, "dev")
		pods = g.pods(ctx)
		figure("an engine rolled over a group under load: all of %d acknowledged writes are there, the longest time without one was %s", total, pause.Round(time.Millisecond))
	})

	It("is left as it is by the previous operator", func(ctx SpecContext) {
		installVersion(ctx, filepath.Join(previousTree, "charts", "coffer"), "previous")
		untouched(ctx)
		of(ctx, "dev")
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
