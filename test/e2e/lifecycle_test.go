package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture"
)

func lifecycleSpecs() {
	It("with Delete ends with nothing left", func(ctx SpecContext) {
		db := fixture.Database(shop, "brief", fixture.WithDeletion(v1alpha1.DeletionDelete))
		create(ctx, db)
		ready(ctx, db)
		remove(ctx, db)
		Eventually(func(g Gomega) {
			claims, secrets := &corev1.PersistentVolumeClaimList{}, &corev1.SecretList{}
			g.Expect(cluster.List(ctx, claims, owned(db)...)).To(Succeed())
			g.Expect(cluster.List(ctx, secrets, owned(db)...)).To(Succeed())
			g.Expect(names(claims.Items)).To(BeEmpty())
			g.Expect(names(secrets.Items)).To(BeEmpty())
		}, soon, tick).Should(Succeed())
	})

	It("with Retain keeps data and password for a database of that name", func(ctx SpecContext) {
		db := fixture.Database(shop, "lasting")
		create(ctx, db)
		ready(ctx, db)
		address, err := cluster.Address(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		Expect(redisCLI(ctx, db, address, "SET", "kept", "over deletion")).To(Equal("OK"))
		secret, err := cluster.Connection(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		password, ca := string(secret.Data["password"]), string(secret.Data["ca.crt"])
		remove(ctx, db)

		claim := &corev1.PersistentVolumeClaim{}
		Consistently(func() error {
			return cluster.Get(ctx, client.ObjectKey{Namespace: shop, Name: "data-" + db.Name + "-0"}, claim)
		}, "3s", tick).Should(Succeed())
		_, err = cluster.Connection(ctx, db)
		Expect(err).NotTo(HaveOccurred())

		again := fixture.Database(shop, "lasting")
		create(ctx, again)
		ready(ctx, again)
		address, err = cluster.Address(ctx, again)
		Expect(err).NotTo(HaveOccurred())
		secret, err = cluster.Connection(ctx, again)
		Expect(err).NotTo(HaveOccurred())
		// Not Equal: its failure would print a password.
		Expect(string(secret.Data["password"]) == password).To(BeTrue(), "the password changed")
		Expect(string(secret.Data["ca.crt"])).To(Equal(ca))
		Expect(redisCLI(ctx, again, address, "GET", "kept")).To(Equal("over deletion"))
	})

	Describe("of the operator", func() {
		var db *v1alpha1.KVDatabase
		var pod *corev1.Pod

		BeforeAll(func(ctx SpecContext) {
			db = fixture.Database(shop, "steady", fixture.WithDeletion(v1alpha1.DeletionDelete))
			create(ctx, db)
			ready(ctx, db)
			address, err := cluster.Address(ctx, db)
			Expect(err).NotTo(HaveOccurred())
			Expect(redisCLI(ctx, db, address, "SET", "kept", "over upgrades")).To(Equal("OK"))
			pod, err = cluster.Pod(ctx, db)
			Expect(err).NotTo(HaveOccurred())
		})

		untouched := func(ctx context.Context) {
			GinkgoHelper()
			now, err := cluster.Pod(ctx, db)
			Expect(err).NotTo(HaveOccurred())
			Expect(now.UID).To(Equal(pod.UID))
			Expect(fixture.Restarts(now)).To(Equal(fixture.Restarts(pod)))
			address, err := cluster.Address(ctx, db)
			Expect(err).NotTo(HaveOccurred())
			Expect(redisCLI(ctx, db, address, "GET", "kept")).To(Equal("over upgrades"))
		}

		It("upgrades without restarting a data pod", func(ctx SpecContext) {
			before := &appsv1.DeploymentList{}
			Expect(cluster.List(ctx, before, client.InNamespace(system))).To(Succeed())
			Expect(before.Items).To(HaveLen(1))
			install(ctx, "replicaCount=2")
			after := &appsv1.DeploymentList{}
			Expect(cluster.List(ctx, after, client.InNamespace(system))).To(Succeed())
			Expect(after.Items[0].Generation).To(BeNumerically(">", before.Items[0].Generation))
			ready(ctx, db)
			untouched(ctx)
		})

		It("uninstalls and leaves definitions, objects and data; a new install takes over", func(ctx SpecContext) {
			out, err := fixture.Helm(ctx, "uninstall", "coffer", "--namespace", system, "--wait", "--timeout", "2m")
			Expect(err).NotTo(HaveOccurred(), out)
			Eventually(func(g Gomega) {
				left := &appsv1.DeploymentList{}
				g.Expect(cluster.List(ctx, left, client.InNamespace(system))).To(Succeed())
				g.Expect(left.Items).To(BeEmpty())
			}, soon, tick).Should(Succeed())
			out, err = fixture.Kubectl(ctx, "", "get", "crd", "kvdatabases.coffer.dev")
			Expect(err).NotTo(HaveOccurred(), out)
			Expect(cluster.Reload(ctx, db)).To(Succeed())
			untouched(ctx)

			install(ctx)
			ready(ctx, db)
			untouched(ctx)
			Expect(cluster.Annotate(ctx, db, v1alpha1.AnnotationRotateCredentials, "after")).To(Succeed())
			Eventually(func(g Gomega) {
				g.Expect(cluster.Reload(ctx, db)).To(Succeed())
				g.Expect(db.Status.Credentials.Generation).To(BeNumerically(">", 1))
			}, soon, tick).Should(Succeed())
		})
	})
}

// remove deletes the database and waits until its pod is gone too: nothing of
// it may be stuck.
func remove(ctx context.Context, db *v1alpha1.KVDatabase) {
	GinkgoHelper()
	Expect(cluster.Delete(ctx, db)).To(Succeed())
	Eventually(func() bool { return apierrors.IsNotFound(cluster.Reload(ctx, db)) }, soon, tick).Should(BeTrue())
	Eventually(func() bool {
		_, err := cluster.Pod(ctx, db)
		return apierrors.IsNotFound(err)
	}, soon, tick).Should(BeTrue())
}

func owned(db *v1alpha1.KVDatabase) []client.ListOption {
	return []client.ListOption{client.InNamespace(db.Namespace), client.MatchingLabels{v1alpha1.LabelInstance: db.Name}}
}

// names of objects: a failure then prints no contents.
func names[T any, P interface {
	*T
	client.Object
}](items []T) (all []string) {
	for i := range items {
		all = append(all, P(&items[i]).GetName())
	}
	return all
}
