package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture"
	"github.com/coffer-dev/coffer/test/fixture/rights"
)

// scopeSpecs confine the operator of the suite to one namespace and put a
// second one, for another namespace, beside it.
func scopeSpecs() {
	const ours, theirs, second = "coffer-e2e-a", "coffer-e2e-b", "coffer-second"

	may := func(ctx context.Context, golden, operator, account, namespace string) {
		GinkgoHelper()
		list, err := rights.List(ctx, "kubectl", "", "system:serviceaccount:"+operator+":"+account, namespace)
		Expect(err).NotTo(HaveOccurred())
		diff, err := rights.Diff(golden, list)
		Expect(err).NotTo(HaveOccurred())
		Expect(diff).To(BeEmpty(), "%s in %s", account, namespace)
	}

	It("of the whole cluster has the rights that somebody has looked at", func(ctx SpecContext) {
		may(ctx, "cluster-watched", system, "coffer-operator", shop)
		may(ctx, "cluster-coffer-system", system, "coffer-operator", system)
	})

	It("has its rights there and nowhere else, beside another one", func(ctx SpecContext) {
		for _, ns := range []string{ours, theirs} {
			Expect(cluster.Namespace(ctx, ns)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) {
				Expect(cluster.Delete(ctx, namespaceOf(ns))).To(Succeed())
			})
		}
		DeferCleanup(func(ctx SpecContext) { install(ctx) })
		install(ctx, "rbac.scope=namespaced", "watchNamespaces={"+ours+"}")
		out, err := fixture.Helm(ctx, "upgrade", "--install", "second", "../../charts/coffer", "--namespace", second, "--create-namespace",
			"--set", "image.repository=coffer,image.tag=dev,crds.enabled=false,rbac.scope=namespaced,watchNamespaces={"+theirs+"}", "--wait", "--timeout", "3m")
		Expect(err).NotTo(HaveOccurred(), out)
		DeferCleanup(func(ctx SpecContext) {
			out, err := fixture.Helm(ctx, "uninstall", "second", "--namespace", second, "--wait", "--timeout", "2m")
			Expect(err).NotTo(HaveOccurred(), out)
		})
		may(ctx, "namespaced-watched", system, "coffer-operator", ours)
		may(ctx, "namespaced-elsewhere", system, "coffer-operator", theirs)
		may(ctx, "namespaced-elsewhere", system, "coffer-operator", shop)
		may(ctx, "namespaced-coffer-system", system, "coffer-operator", system)
		may(ctx, "namespaced-watched", second, "second-coffer-operator", theirs)
		may(ctx, "namespaced-elsewhere", second, "second-coffer-operator", ours)

		for ns, operator := range map[string]string{ours: system, theirs: second} {
			db := fixture.Database(ns, "scoped", fixture.WithDeletion(v1alpha1.DeletionDelete))
			create(ctx, db)
			ready(ctx, db)
			address, err := cluster.Address(ctx, db)
			Expect(err).NotTo(HaveOccurred())
			rotate(ctx, db, address, "scoped")
			// Whose it is stands in the policy: who may reach its admin port.
			policy := &networkingv1.NetworkPolicy{}
			Expect(cluster.Get(ctx, client.ObjectKeyFromObject(db), policy)).To(Succeed())
			from := policy.Spec.Ingress[0].From[0].NamespaceSelector.MatchLabels
			Expect(from).To(HaveKeyWithValue(corev1.LabelMetadataName, operator))
		}
		// While both operators, what they log and the databases are there.
		hunt(ctx)
	})
}

func namespaceOf(name string) *corev1.Namespace {
	ns := &corev1.Namespace{}
	ns.Name = name
	return ns
}
