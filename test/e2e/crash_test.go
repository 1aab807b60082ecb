package e2e

import (
	"context"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture"
)

// writer writes numbered keys and remembers which were acknowledged.
type writer struct {
	prefix string
	mu     sync.Mutex
	acked  []string
}

func (w *writer) run(stop context.Context, db *redis.Client) {
	ctx := context.WithoutCancel(stop)
	for n := 0; stop.Err() == nil; n++ {
		key := w.prefix + strconv.Itoa(n)
		if err := db.Set(ctx, key, key, 0).Err(); err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		w.mu.Lock()
		w.acked = append(w.acked, key)
		w.mu.Unlock()
	}
}

func (w *writer) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.acked...)
}

func crashSpecs() {
	It("loses no acknowledged write when the engine is killed under load", func(ctx SpecContext) {
		db := fixture.Database(shop, "crashing", fixture.WithStorage("1Gi"), fixture.WithDeletion(v1alpha1.DeletionDelete))
		create(ctx, db)
		ready(ctx, db)
		src, address := source(ctx, db)
		conn := redis.NewClient(src.Options(20, address))
		defer conn.Close()
		stop, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		var working sync.WaitGroup
		var writers []*writer
		for i := range 20 {
			w := &writer{prefix: "acked:" + strconv.Itoa(i) + ":"}
			writers = append(writers, w)
			working.Go(func() { w.run(stop, conn) })
		}
		total := func() (n int) {
			for _, w := range writers {
				n += len(w.all())
			}
			return n
		}
		n := rounds(3)
		for round := range n {
			before := total()
			Eventually(total, soon, tick).Should(BeNumerically(">", before+200))
			kill(ctx, db, round > 0)
			Eventually(func() error { return conn.Ping(ctx).Err() }, soon, tick).Should(Succeed())
			verify(ctx, conn, writers)
		}
		cancel()
		working.Wait()
		verify(ctx, conn, writers)
		figure("%d rounds of kill -9 under load: all of %d acknowledged writes are there", n, total())
	})
}

// kill ends the engine as a crash does. The kubelet restarts a container of
// the same pod with growing delays, so that from the second round on the pod
// is replaced too, after its process has died.
func kill(ctx context.Context, db *v1alpha1.KVDatabase, replace bool) {
	GinkgoHelper()
	pod, err := cluster.Pod(ctx, db)
	Expect(err).NotTo(HaveOccurred())
	processes, err := fixture.Processes(pod, "coffer-engine")
	Expect(err).NotTo(HaveOccurred())
	for _, p := range processes {
		Expect(p.Kill()).To(Succeed())
	}
	for _, p := range processes {
		Eventually(p.Gone, 10*time.Second, 5*time.Millisecond).Should(BeTrue())
	}
	if replace {
		Expect(cluster.Delete(ctx, pod, client.GracePeriodSeconds(0))).To(Succeed())
		Eventually(func(g Gomega) {
			now, err := cluster.Pod(ctx, db)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(now.UID).NotTo(Equal(pod.UID))
			g.Expect(now.Status.Phase).To(Equal(corev1.PodRunning))
		}, soon, tick).Should(Succeed())
	}
}

// verify reads every acknowledged write back.
func verify(ctx context.Context, db *redis.Client, writers []*writer) {
	GinkgoHelper()
	for _, w := range writers {
		keys := w.all()
		for len(keys) > 0 {
			n := min(len(keys), 500)
			values, err := db.MGet(ctx, keys[:n]...).Result()
			Expect(err).NotTo(HaveOccurred())
			for i, v := range values {
				Expect(v).To(Equal(keys[i]), "an acknowledged write is lost")
			}
			keys = keys[n:]
		}
	}
}
