package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/hack/demo/client/connection"
	"github.com/coffer-dev/coffer/hack/demo/client/load"
	"github.com/coffer-dev/coffer/test/fixture"
)

// elsewhere is another team's namespace.
const elsewhere = "coffer-e2e-elsewhere"

func tokenSpecs() {
	var db *v1alpha1.KVDatabase
	var address string

	BeforeAll(func(ctx SpecContext) {
		Expect(cluster.Namespace(ctx, elsewhere)).To(Succeed())
		db = fixture.Database(shop, "shared", fixture.WithDeletion(v1alpha1.DeletionDelete))
		create(ctx, db)
		ready(ctx, db)
		var err error
		address, err = cluster.Address(ctx, db)
		Expect(err).NotTo(HaveOccurred())
	})

	It("lets redis-cli do what it permits, and nothing else", func(ctx SpecContext) {
		tok := accessToken(shop, "checkout", "session:*")
		start := time.Now()
		makeToken(ctx, tok)
		granted(ctx, tok)
		figure("token granted %s after apply", fixture.Age(start))
		secret := tokenSecret(ctx, tok)
		as := func(args ...string) string {
			GinkgoHelper()
			out, err := cli(ctx, address, db, caFile(ctx, db), string(secret.Data["password"]), append([]string{"--user", string(secret.Data["username"])}, args...)...)
			Expect(err).NotTo(HaveOccurred(), out)
			return out
		}
		Expect(as("SET", "session:1", "x")).To(Equal("OK"))
		Expect(as("GET", "session:1")).To(Equal("x"))
		Expect(as("GET", "other:1")).To(And(HavePrefix("NOPERM"), ContainSubstring("AccessToken "+shop+"/checkout")))
		Expect(as("FLUSHALL")).To(HavePrefix("NOPERM"))
		out, err := fixture.Kubectl(ctx, "", "get", "atok", "-n", shop)
		Expect(err).NotTo(HaveOccurred())
		Expect(out).To(MatchRegexp(`(?m)^checkout +True +Granted as user checkout +shared +ReadWrite`))
	})

	It("is refused, and its open session closed, within seconds of its deletion", func(ctx SpecContext) {
		tok := accessToken(shop, "leaving", "session:*")
		makeToken(ctx, tok)
		granted(ctx, tok)
		secret := tokenSecret(ctx, tok)
		session := fixture.Client(secret, address)
		defer session.Close()
		Expect(session.Set(ctx, "session:2", "x", 0).Err()).To(Succeed())
		start := time.Now()
		Expect(cluster.Delete(ctx, tok)).To(Succeed())
		Eventually(func() error { return session.Get(ctx, "session:2").Err() }, soon, 50*time.Millisecond).ShouldNot(Succeed())
		figure("open session closed %s after the token's deletion", fixture.Age(start))
		Expect(fixture.Login(ctx, secret, address)).To(MatchError(ContainSubstring("WRONGPASS")))
		Eventually(func() error { return cluster.Get(ctx, client.ObjectKeyFromObject(secret), &corev1.Secret{}) }, soon, tick).
			ShouldNot(Succeed(), "the garbage collector left its secret")
	})

	It("needs the consent of a database in another namespace", func(ctx SpecContext) {
		tok := accessToken(elsewhere, "guest", "session:*")
		tok.Spec.TargetRef.Namespace = shop
		makeToken(ctx, tok)
		Eventually(func(g Gomega) {
			g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(tok), tok)).To(Succeed())
			c := meta.FindStatusCondition(tok.Status.Conditions, v1alpha1.ConditionReady)
			g.Expect(c).NotTo(BeNil())
			g.Expect(c.Reason).To(Equal(v1alpha1.ReasonNamespaceNotAllowed))
		}, soon, tick).Should(Succeed())

		allow(ctx, db, "All")
		granted(ctx, tok)
		secret := tokenSecret(ctx, tok)
		Expect(string(secret.Data["username"])).To(Equal(elsewhere + ".guest"))
		Expect(fixture.Login(ctx, secret, address)).To(Succeed())

		allow(ctx, db, "Same")
		Eventually(func() error { return fixture.Login(ctx, secret, address) }, soon, tick).Should(MatchError(ContainSubstring("WRONGPASS")))
	})

	It("fails no command of 20 clients while its password rotates", func(ctx SpecContext) {
		tok := accessToken(shop, "busy", "*")
		makeToken(ctx, tok)
		granted(ctx, tok)
		dir := GinkgoT().TempDir()
		following, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		Expect(cluster.KeepSecretMounted(following, client.ObjectKey{Namespace: shop, Name: "busy"}, dir)).To(Succeed())
		src, err := connection.Open(dir, nil)
		Expect(err).NotTo(HaveOccurred())
		go func() { _ = src.Watch(following) }()
		pool := redis.NewClient(src.Options(20, address))
		defer pool.Close()
		work := &load.Load{DB: pool, Workers: 20, Run: "token"}
		working, enough := context.WithCancel(context.WithoutCancel(ctx))
		defer enough()
		ended := make(chan struct{})
		go func() { work.Until(working); close(ended) }()
		Eventually(func() int64 { n, _ := work.Counts(); return n }, soon, tick).Should(BeNumerically(">", 200))

		old := tokenSecret(ctx, tok)
		Expect(cluster.Annotate(ctx, tok, v1alpha1.AnnotationRotateCredentials, "once")).To(Succeed())
		start := time.Now()
		Eventually(func() string { return string(tokenSecret(ctx, tok).Data["generation"]) }, soon, 50*time.Millisecond).Should(Equal("2"))
		figure("token's secret switched %s after the annotation", fixture.Age(start))
		Expect(fixture.Login(ctx, old, address)).To(Succeed())
		left := func() (int64, error) { return cluster.SessionsBelow(ctx, db, "busy", 2) }
		Eventually(func(g Gomega) {
			g.Eventually(left, soon, tick).Should(BeZero())
			g.Consistently(left, "500ms", tick/2).Should(BeZero())
		}, soon, tick).Should(Succeed())
		Expect(cluster.Annotate(ctx, tok, v1alpha1.AnnotationRotateComplete, "once")).To(Succeed())
		Eventually(func() error { return fixture.Login(ctx, old, address) }, soon, tick).Should(MatchError(ContainSubstring("WRONGPASS")))
		enough()
		Eventually(ended, soon).Should(BeClosed())
		commands, failed := work.Counts()
		Expect(failed).To(BeZero(), "%v", work.Errors())
		figure("%d commands of 20 clients with a token over a rotation, %d failed", commands, failed)
	})
}

// accessToken for the keys of the database "shared".
func accessToken(namespace, name, keys string) *v1alpha1.AccessToken {
	return fixture.Token(namespace, name, "shared", keys)
}

func makeToken(ctx context.Context, tok *v1alpha1.AccessToken) {
	GinkgoHelper()
	Expect(cluster.Create(ctx, tok)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		if CurrentSpecReport().Failed() {
			out, _ := fixture.Kubectl(ctx, "", "get", "accesstoken", tok.Name, "-n", tok.Namespace, "-o", "yaml")
			fmt.Fprintf(GinkgoWriter, "--- token\n%s\n", out)
		}
		Expect(client.IgnoreNotFound(cluster.Delete(ctx, tok))).To(Succeed())
	})
}

func granted(ctx context.Context, tok *v1alpha1.AccessToken) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(tok), tok)).To(Succeed())
		g.Expect(meta.IsStatusConditionTrue(tok.Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue(), "%s", tok.Status.Status)
	}, soon, tick).Should(Succeed())
}

func tokenSecret(ctx context.Context, tok *v1alpha1.AccessToken) *corev1.Secret {
	GinkgoHelper()
	s := &corev1.Secret{}
	Expect(cluster.Get(ctx, client.ObjectKeyFromObject(tok), s)).To(Succeed())
	return s
}

func allow(ctx context.Context, db *v1alpha1.KVDatabase, from string) {
	GinkgoHelper()
	out, err := fixture.Kubectl(ctx, "", "patch", "kvdb", db.Name, "-n", db.Namespace, "--type=merge", "-p", `{"spec":{"allowedNamespaces":{"from":"`+from+`"}}}`)
	Expect(err).NotTo(HaveOccurred(), strings.TrimSpace(out))
}
