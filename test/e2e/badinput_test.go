package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture"
)

func badInputSpecs() {
	DescribeTable("is refused at apply, with what to write instead", func(ctx SpecContext, name, spec, want string) {
		yaml := "apiVersion: coffer.dev/v1alpha1\nkind: KVDatabase\nmetadata: {name: " + name + ", namespace: " + shop + "}\nspec: " + spec + "\n"
		out, err := fixture.Kubectl(ctx, yaml, "apply", "-f", "-")
		Expect(err).To(HaveOccurred(), out)
		Expect(out).To(ContainSubstring(want))
	},
		Entry("a volume too small", "bad", "{storage: {size: 1Mi}}", "storage.size must be from 64Mi to 64Ti"),
		Entry("no volume", "bad", "{}", "spec.storage"),
		Entry("an unknown field", "bad", "{storage: {size: 1Gi}, shards: 3}", "shards"),
		Entry("an even number of members", "bad", "{storage: {size: 1Gi}, replicas: 2}", "replicas must be 1, 3 or 5"),
		Entry("an unknown durability", "bad", "{storage: {size: 1Gi}, durability: Never}", `"Always", "EverySecond"`),
		Entry("an unknown issuer kind", "bad", "{storage: {size: 1Gi}, tls: {issuerRef: {name: x, kind: Notary}}}", "ClusterIssuer"),
		Entry("an overlap too short", "bad", "{storage: {size: 1Gi}, rotation: {overlap: 1s}}", "rotation.overlap must be from 5m to 24h"),
		Entry("source ranges without a load balancer", "bad", "{storage: {size: 1Gi}, service: {loadBalancerSourceRanges: [10.0.0.0/8]}}", "LoadBalancer"),
		Entry("a name too long", strings.Repeat("n", 53), "{storage: {size: 1Gi}}", "at most 52 characters"),
	)

	It("refuses to shrink a volume", func(ctx SpecContext) {
		db := fixture.Database(shop, "shrinking", fixture.WithDeletion(v1alpha1.DeletionDelete))
		create(ctx, db)
		out, err := fixture.Kubectl(ctx, "", "patch", "kvdb", db.Name, "-n", shop, "--type=merge", "-p", `{"spec":{"storage":{"size":"64Mi"}}}`)
		Expect(err).To(HaveOccurred())
		Expect(out).To(ContainSubstring("storage can only grow (256Mi to 64Mi)"))
	})

	It("says that an issuer is missing, and heals when it comes", func(ctx SpecContext) {
		db := fixture.Database(shop, "foreign-ca", fixture.WithIssuer("corp-ca"), fixture.WithDeletion(v1alpha1.DeletionDelete))
		create(ctx, db)
		says(ctx, db, v1alpha1.ReasonIssuerNotFound, "corp-ca")

		issuer := &cmv1.Issuer{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "corp-ca"}}
		issuer.Spec.SelfSigned = &cmv1.SelfSignedIssuer{}
		Expect(cluster.Create(ctx, issuer)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(cluster.Delete(ctx, issuer)).To(Succeed()) })
		figure("healed %s after the issuer came", ready(ctx, db).Round(100*time.Millisecond))
		address, err := cluster.Address(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		Expect(redisCLI(ctx, db, address, "PING")).To(Equal("PONG"))
	})

	It("says what a user's secret lacks, and takes it up when it is right", func(ctx SpecContext) {
		db := fixture.Database(shop, "own-secret", fixture.WithDeletion(v1alpha1.DeletionDelete), func(db *v1alpha1.KVDatabase) {
			db.Spec.Credentials.SecretRef = &v1alpha1.SecretRef{Name: "from-vault"}
		})
		create(ctx, db)
		says(ctx, db, v1alpha1.ReasonSecretNotFound, "from-vault")

		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "from-vault", Labels: map[string]string{v1alpha1.LabelWatch: "true"}},
			StringData: map[string]string{"password": "short"}}
		Expect(cluster.Create(ctx, secret)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(cluster.Delete(ctx, secret)).To(Succeed()) })
		says(ctx, db, v1alpha1.ReasonSecretInvalid, "needs at least 32")

		password := rand.Text() + rand.Text()
		secret.StringData = map[string]string{"password": password}
		Expect(cluster.Update(ctx, secret)).To(Succeed())
		ready(ctx, db)
		address, err := cluster.Address(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		Expect(login(ctx, db, address, password)).To(Succeed())
	})

	It("refuses writes on a full volume, goes on reading, and heals when there is space", func(ctx SpecContext) {
		db := fixture.Database(shop, "full", fixture.WithStorage("96Mi"), fixture.WithDeletion(v1alpha1.DeletionDelete))
		create(ctx, db)
		ready(ctx, db)
		src, address := source(ctx, db)
		conn := redis.NewClient(src.Options(4, address))
		defer conn.Close()
		Eventually(func() error { return conn.Set(ctx, "kept", "yes", 0).Err() }, soon, tick).Should(Succeed())
		pod, err := cluster.Pod(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		free, err := cluster.FillVolume(ctx, pod)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(free)
		value := strings.Repeat("v", 1<<16)
		Eventually(func() error { return conn.Set(ctx, "more", value, 0).Err() }, soon, time.Millisecond).Should(MatchError(ContainSubstring("MISCONF")))
		Expect(conn.Get(ctx, "kept").Val()).To(Equal("yes"))
		says(ctx, db, v1alpha1.ReasonVolumeFull, "full")

		start := time.Now()
		Expect(free()).To(Succeed())
		Eventually(func() error { return conn.Set(ctx, "after", "relief", 0).Err() }, soon, tick).Should(Succeed())
		figure("writes again %s after a full volume had space", fixture.Age(start))
		ready(ctx, db)
		Expect(conn.Get(ctx, "kept").Val()).To(Equal("yes"))
	})
}

// says waits for a reason and a text among the database's conditions, and for
// an event of that reason.
func says(ctx context.Context, db *v1alpha1.KVDatabase, reason, text string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(cluster.Reload(ctx, db)).To(Succeed())
		var all []string
		for _, c := range db.Status.Conditions {
			all = append(all, fixture.Condition(db, c.Type))
		}
		g.Expect(all).To(ContainElement(And(ContainSubstring(reason), ContainSubstring(text))))
		g.Expect(db.Status.Status).To(ContainSubstring(text))
	}, soon, tick).Should(Succeed())
	Eventually(func() (string, error) {
		return fixture.Kubectl(ctx, "", "get", "events.events.k8s.io", "-n", db.Namespace, "-o",
			fmt.Sprintf(`jsonpath={range .items[?(@.regarding.name==%q)]}{.reason}{"\n"}{end}`, db.Name))
	}, soon, time.Second).Should(ContainSubstring(reason))
}
