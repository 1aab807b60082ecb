package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture"
)

func repairSpecs() {
	var db *v1alpha1.KVDatabase

	BeforeAll(func(ctx SpecContext) {
		db = fixture.Database(shop, "mended", fixture.WithDeletion(v1alpha1.DeletionDelete))
		create(ctx, db)
		ready(ctx, db)
	})

	DescribeTable("is undone when an object is deleted", func(ctx SpecContext, suffix string, object client.Object) {
		gone(ctx, db.Name+suffix, object)
	},
		Entry("the client Service", "", &corev1.Service{}),
		Entry("the headless Service", "-members", &corev1.Service{}),
		Entry("the NetworkPolicy", "", &networkingv1.NetworkPolicy{}),
		Entry("the StatefulSet", "", &appsv1.StatefulSet{}),
		Entry("the server's secret", "-server", &corev1.Secret{}),
	)

	It("is undone when an object is edited", func(ctx SpecContext) {
		edit := func(object client.Object, name, patch string, back func() bool) {
			GinkgoHelper()
			object.SetName(name)
			object.SetNamespace(shop)
			Expect(cluster.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(patch)))).To(Succeed())
			Eventually(func(g Gomega) {
				g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
				g.Expect(back()).To(BeTrue())
			}, soon, tick).Should(Succeed())
		}
		service := &corev1.Service{}
		edit(service, db.Name, `{"spec":{"selector":{"app.kubernetes.io/instance":"another"}}}`, func() bool {
			return service.Spec.Selector[v1alpha1.LabelInstance] == db.Name
		})
		policy := &networkingv1.NetworkPolicy{}
		edit(policy, db.Name, `{"spec":{"policyTypes":["Ingress"]}}`, func() bool { return len(policy.Spec.PolicyTypes) == 2 })
		set := &appsv1.StatefulSet{}
		edit(set, db.Name, `{"spec":{"replicas":0}}`, func() bool { return set.Spec.Replicas != nil && *set.Spec.Replicas == 1 })
	})

	It("leaves a database that serves", func(ctx SpecContext) {
		ready(ctx, db)
		address, err := cluster.Address(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() (string, error) {
			secret, err := cluster.Connection(ctx, db)
			if err != nil {
				return "", err
			}
			return cli(ctx, address, db, caFile(ctx, db), string(secret.Data["password"]), "PING")
		}, soon, tick).Should(Equal("PONG"))
	})

	It("spares an object of the same name that is somebody else's", func(ctx SpecContext) {
		theirs := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "taken"}, Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "theirs"}, Ports: []corev1.ServicePort{{Port: 80}}}}
		Expect(cluster.Create(ctx, theirs)).To(Succeed())
		other := fixture.Database(shop, "taken", fixture.WithDeletion(v1alpha1.DeletionDelete))
		create(ctx, other)
		says(ctx, other, v1alpha1.ReasonNameTaken, "taken")
		Expect(cluster.Get(ctx, client.ObjectKeyFromObject(theirs), theirs)).To(Succeed())
		Expect(theirs.Spec.Selector).To(Equal(map[string]string{"app": "theirs"}))
		Expect(cluster.Delete(ctx, theirs)).To(Succeed())
		ready(ctx, other)
	})
}

// gone deletes the object and waits until another of its name is there.
func gone(ctx context.Context, name string, object client.Object) {
	GinkgoHelper()
	key := client.ObjectKey{Namespace: shop, Name: name}
	Expect(cluster.Get(ctx, key, object)).To(Succeed())
	old := object.GetUID()
	Expect(cluster.Delete(ctx, object)).To(Succeed())
	Eventually(func(g Gomega) {
		g.Expect(cluster.Get(ctx, key, object)).To(Succeed())
		g.Expect(object.GetUID()).NotTo(Equal(old))
	}, soon, tick).Should(Succeed())
}
