package e2e

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/coffer-dev/coffer/test/fixture"
	"github.com/coffer-dev/coffer/test/storm"
)

// stormSpecs have the short form of `make storm`.
func stormSpecs() {
	o := storm.Options{Namespace: "coffer-e2e-storm", System: system, Databases: 2, Tokens: 1, Clients: 20,
		Duration: 30 * time.Second, Calm: 10 * time.Second, Seed: 1}

	BeforeAll(func() {
		DeferCleanup(func(ctx SpecContext) {
			Expect(cluster.Delete(ctx, namespaceOf(o.Namespace))).To(Succeed())
		})
	})

	It("fails no command of 20 clients while everything rotates and the operator is killed", func(ctx SpecContext) {
		report, err := storm.Run(ctx, cluster, o)
		if err == nil {
			err = report.Err()
		}
		if err != nil {
			fmt.Fprint(GinkgoWriter, fixture.Explain(ctx, o.Namespace, system, o.Names()...))
		}
		Expect(err).NotTo(HaveOccurred(), "%s", report)
		figure("%s", report)
	})
}
