package e2e

import (
	"context"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture"
)

// group is a database of several members, and who writes to it.
type group struct {
	db      *v1alpha1.KVDatabase
	conn    *redis.Client
	writers []*writer
}

// newGroup creates a database of three, and connects.
func newGroup(ctx context.Context, name string) *group {
	GinkgoHelper()
	g := &group{db: fixture.Database(shop, name, fixture.WithDeletion(v1alpha1.DeletionDelete), func(db *v1alpha1.KVDatabase) { db.Spec.Replicas = 3 })}
	create(ctx, g.db)
	figure("three members are Ready %s after apply", ready(ctx, g.db).Round(100*time.Millisecond))
	g.settled(ctx, 3)
	src, address := source(ctx, g.db)
	g.conn = redis.NewClient(src.Options(20, address))
	DeferCleanup(func() { _ = g.conn.Close() })
	return g
}

// settled waits until all members are there.
func (g *group) settled(ctx context.Context, n int) {
	GinkgoHelper()
	Eventually(func(m Gomega) {
		m.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(g.db), g.db)).To(Succeed())
		m.Expect(g.db.Status.ReadyReplicas).To(Equal(strconv.Itoa(n) + "/" + strconv.Itoa(n)))
		m.Expect(g.db.Status.Primary).NotTo(BeEmpty())
		m.Expect(meta.IsStatusConditionTrue(g.db.Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue(), g.db.Status.Status)
	}, 3*time.Minute, tick).Should(Succeed())
}

// under has clients write while something is done, and looks whether what was
// acknowledged is there.
func (g *group) under(ctx context.Context, do func()) (acknowledged int, pause time.Duration) {
	GinkgoHelper()
	stop, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var working sync.WaitGroup
	for range 10 {
		w := &writer{prefix: "acked:" + strconv.Itoa(len(g.writers)) + ":"}
		g.writers = append(g.writers, w)
		working.Go(func() { w.run(stop, g.conn) })
	}
	working.Go(func() { pause = longest(stop, g.conn) })
	do()
	cancel()
	working.Wait()
	verify(ctx, g.conn, g.writers)
	for _, w := range g.writers {
		acknowledged += len(w.all())
	}
	return acknowledged, pause
}

// pods of the group, by UID.
func (g *group) pods(ctx context.Context) map[types.UID]corev1.Pod {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(cluster.List(ctx, list, client.InNamespace(shop), client.MatchingLabels{"app.kubernetes.io/instance": g.db.Name})).To(Succeed())
	pods := map[types.UID]corev1.Pod{}
	for _, p := range list.Items {
		pods[p.UID] = p
	}
	return pods
}

// replaced waits until none of the pods is left, and others are ready.
func (g *group) replaced(ctx context.Context, old map[types.UID]corev1.Pod) {
	GinkgoHelper()
	Eventually(func() (left int) {
		for uid := range g.pods(ctx) {
			if _, is := old[uid]; is {
				left++
			}
		}
		return left
	}, 4*time.Minute, tick).Should(BeZero())
	g.settled(ctx, 3)
}

func replicasSpecs() {
	var many *group
	var db *v1alpha1.KVDatabase
	var conn *redis.Client

	BeforeAll(func(ctx SpecContext) {
		many = newGroup(ctx, "many")
		db, conn = many.db, many.conn
	})

	It("is read from every member by a Service of its own", func(ctx SpecContext) {
		Expect(conn.Set(ctx, "spread", "over all", 0).Err()).To(Succeed())
		service := &corev1.Service{}
		Expect(cluster.Get(ctx, client.ObjectKey{Namespace: shop, Name: db.Name + "-ro"}, service)).To(Succeed())
		var secret *corev1.Secret
		Eventually(func(g Gomega) {
			var err error
			secret, err = cluster.Connection(ctx, db)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(secret.Data).To(HaveKey("uri-ro"))
		}, soon, tick).Should(Succeed())
		secret = secret.DeepCopy()
		secret.Data["host"] = secret.Data["host-ro"] // by which the certificate is verified
		members := map[string]bool{}
		Eventually(func(g Gomega) {
			c := fixture.Client(secret, net.JoinHostPort(service.Spec.ClusterIP, "6379"))
			defer func() { _ = c.Close() }()
			g.Expect(c.Get(ctx, "spread").Val()).To(Equal("over all"))
			g.Expect(c.Set(ctx, "spread", "here", 0).Err()).To(MatchError(HavePrefix("READONLY ")))
			_, member, _ := strings.Cut(c.Info(ctx, "replication").Val(), "coffer_member:")
			member, _, _ = strings.Cut(member, "\r\n")
			members[member] = true
			g.Expect(members).To(HaveLen(3))
		}, soon, tick).Should(Succeed())
	})

	It("keeps what was acknowledged when the pod of who leads is killed under load", func(ctx SpecContext) {
		n := rounds(2)
		total, pause := many.under(ctx, func() {
			for range n {
				many.settled(ctx, 3)
				before := db.Status.Primary
				pod := &corev1.Pod{}
				Expect(cluster.Get(ctx, client.ObjectKey{Namespace: shop, Name: before}, pod)).To(Succeed())
				processes, err := fixture.Processes(pod, "coffer-engine")
				Expect(err).NotTo(HaveOccurred())
				for _, p := range processes {
					Expect(p.Kill()).To(Succeed())
				}
				Expect(cluster.Delete(ctx, pod, client.GracePeriodSeconds(0))).To(Succeed())
				Eventually(func(g Gomega) {
					g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(db), db)).To(Succeed())
					g.Expect(db.Status.Primary).NotTo(BeElementOf("", before))
				}, soon, tick).Should(Succeed())
			}
			many.settled(ctx, 3)
		})
		figure("%d leaders killed under load: all of %d acknowledged writes are there, the longest time without one was %s", n, total, pause.Round(time.Millisecond))
	})

	It("is restarted member by member, and hands the leadership over", func(ctx SpecContext) {
		old := many.pods(ctx)
		Expect(old).To(HaveLen(3))
		total, pause := many.under(ctx, func() {
			kubectl(ctx, "annotate", "kvdatabase", db.Name, "-n", shop, v1alpha1.AnnotationRestart+"=now")
			many.replaced(ctx, old)
		})
		figure("a rolling restart under load: all of %d acknowledged writes are there, the longest time without one was %s", total, pause.Round(time.Millisecond))
	})

	It("takes a member in again whose volume is lost", func(ctx SpecContext) {
		many.settled(ctx, 3)
		name := "many-1"
		if db.Status.Primary == name {
			name = "many-2"
		}
		many.under(ctx, func() {
			claim := &corev1.PersistentVolumeClaim{}
			Expect(cluster.Get(ctx, client.ObjectKey{Namespace: shop, Name: "data-" + name}, claim)).To(Succeed())
			pod := &corev1.Pod{}
			Expect(cluster.Get(ctx, client.ObjectKey{Namespace: shop, Name: name}, pod)).To(Succeed())
			Expect(cluster.Delete(ctx, claim)).To(Succeed())
			Expect(cluster.Delete(ctx, pod, client.GracePeriodSeconds(0))).To(Succeed())
			Eventually(func(g Gomega) {
				now := &corev1.PersistentVolumeClaim{}
				g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(claim), now)).To(Succeed())
				g.Expect(now.UID).NotTo(Equal(claim.UID))
			}, soon, tick).Should(Succeed())
			many.settled(ctx, 3)
		})
	})

	It("goes on from one member when the volumes of the others are lost", func(ctx SpecContext) {
		many.settled(ctx, 3)
		Eventually(func(g Gomega) { // all have all: what is acknowledged needs two of them only
			g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(db), db)).To(Succeed())
			for _, m := range db.Status.Members {
				g.Expect(m.Lag).To(BeZero(), m.Name)
			}
		}, time.Minute, tick).Should(Succeed())
		for _, name := range []string{"many-0", "many-1"} {
			Expect(cluster.Delete(ctx, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "data-" + name}})).To(Succeed())
			Expect(cluster.Delete(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name}}, client.GracePeriodSeconds(0))).To(Succeed())
		}
		var command []string
		Eventually(func(g Gomega) {
			g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(db), db)).To(Succeed())
			c := meta.FindStatusCondition(db.Status.Conditions, v1alpha1.ConditionDegraded)
			g.Expect(c.Reason).To(Equal(v1alpha1.ReasonQuorumLost), db.Status.Status)
			command = regexp.MustCompile("`kubectl (annotate kvdb many \\S+=many-2@\\d+ --overwrite)`").FindStringSubmatch(c.Message)
			g.Expect(command).NotTo(BeNil(), c.Message)
		}, soon, tick).Should(Succeed())
		asked := time.Now()
		kubectl(ctx, append(strings.Fields(command[1]), "-n", shop)...)
		Eventually(func() error { return conn.Get(ctx, "pulse").Err() }, soon, tick).Should(Succeed())
		figure("a majority of volumes lost: clients were served %s after the command", time.Since(asked).Round(100*time.Millisecond))
		many.settled(ctx, 3)
		verify(ctx, conn, many.writers)
		many.under(ctx, func() { time.Sleep(2 * time.Second) })
	})

	It("shrinks to one member, which has all", func(ctx SpecContext) {
		kubectl(ctx, "patch", "kvdatabase", db.Name, "-n", shop, "--type=merge", "-p", `{"spec":{"replicas":1}}`)
		many.settled(ctx, 1)
		Eventually(func(g Gomega) {
			claims := &corev1.PersistentVolumeClaimList{}
			g.Expect(cluster.List(ctx, claims, client.InNamespace(shop), client.MatchingLabels{"app.kubernetes.io/instance": db.Name})).To(Succeed())
			g.Expect(claims.Items).To(HaveLen(1))
			g.Expect(cluster.Get(ctx, client.ObjectKey{Namespace: shop, Name: db.Name + "-ro"}, &corev1.Service{})).To(MatchError(ContainSubstring("not found")))
		}, soon, tick).Should(Succeed())
		Eventually(func() error { return conn.Ping(ctx).Err() }, soon, tick).Should(Succeed())
		verify(ctx, conn, many.writers)
	})
}

func kubectl(ctx context.Context, args ...string) {
	GinkgoHelper()
	out, err := fixture.Kubectl(ctx, "", args...)
	Expect(err).NotTo(HaveOccurred(), out)
}

// longest is the longest time between two acknowledged writes of one client that
// tries at once again.
func longest(stop context.Context, conn *redis.Client) (pause time.Duration) {
	last := time.Now()
	for n := 0; stop.Err() == nil; n++ {
		if conn.Set(context.WithoutCancel(stop), "pulse", n, 0).Err() != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		pause = max(pause, time.Since(last))
		last = time.Now()
	}
	return pause
}
