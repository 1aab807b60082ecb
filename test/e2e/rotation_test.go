package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"crypto/tls"
	"crypto/x509"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/hack/demo/client/load"
	"github.com/coffer-dev/coffer/hack/demo/client/patterns"
	"github.com/coffer-dev/coffer/test/fixture"
)

func rotationSpecs() {
	var db *v1alpha1.KVDatabase

	BeforeAll(func(ctx SpecContext) {
		logging.Disable()
		db = fixture.Database(shop, "rotating", fixture.WithDeletion(v1alpha1.DeletionDelete))
		create(ctx, db)
		ready(ctx, db)
	})

	It("runs an application's five patterns", func(ctx SpecContext) {
		src, address := source(ctx, db)
		client := redis.NewClient(src.Options(5, address))
		defer client.Close()
		for _, p := range patterns.All {
			Expect(p.Run(ctx, client)).To(Succeed(), p.Name)
		}
	})

	It("fails no command of 50 clients while credentials rotate three times", func(ctx SpecContext) {
		before, err := cluster.Pod(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		src, address := source(ctx, db)
		client := redis.NewClient(src.Options(50, address))
		defer client.Close()
		work := &load.Load{DB: client, Workers: 50, Run: "rotation"}
		working, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		ended := make(chan struct{})
		go func() { work.Until(working); close(ended) }()
		Eventually(func() int64 { n, _ := work.Counts(); return n }, soon, tick).Should(BeNumerically(">", 500))

		for round := 1; round <= 3; round++ {
			rotate(ctx, db, address, strconv.Itoa(round))
			_, failed := work.Counts()
			Expect(failed).To(BeZero(), "after rotation %d: %v", round, work.Errors())
		}
		stop()
		Eventually(ended, soon).Should(BeClosed())
		commands, failed := work.Counts()
		Expect(failed).To(BeZero(), "%v", work.Errors())
		after, err := cluster.Pod(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.UID).To(Equal(before.UID))
		Expect(fixture.Restarts(after)).To(BeZero())
		figure("%d commands of 50 clients over 3 rotations, %d failed, 0 restarts", commands, failed)
	})

	It("serves a renewed certificate without a restart, proven by its fingerprint", func(ctx SpecContext) {
		before, err := cluster.Pod(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		ready(ctx, db)
		old := db.Status.TLS.Fingerprint
		Expect(old).To(HaveLen(64))
		address, err := cluster.Address(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		start := time.Now()
		Expect(cluster.Annotate(ctx, db, v1alpha1.AnnotationRotateTLS, "once")).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(cluster.Reload(ctx, db)).To(Succeed())
			g.Expect(db.Status.TLS.Fingerprint).NotTo(Equal(old))
			secret, err := cluster.Connection(ctx, db)
			g.Expect(err).NotTo(HaveOccurred())
			leaf, err := fixture.Handshake(address, string(secret.Data["host"]), secret.Data["ca.crt"])
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(db.Status.TLS.Fingerprint).To(Equal(instance.Fingerprint(leaf)))
			g.Expect(db.Status.LastHandled).To(HaveKeyWithValue(v1alpha1.AnnotationRotateTLS, "once"))
		}, soon, tick).Should(Succeed())
		figure("renewed certificate served and proven %s after rotate-tls", fixture.Age(start))
		ready(ctx, db)
		after, err := cluster.Pod(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.UID).To(Equal(before.UID))
		Expect(fixture.Restarts(after)).To(BeZero())
	})

	It("fails no handshake and no command while the authority changes: the bundle first, then certificates, then the old one goes", func(ctx SpecContext) {
		authoritySpec(ctx, db)
	})
}

// authoritySpec changes the authority of a database under clients that connect
// anew all the time, and looks on in the order of a client: the bundle first,
// then whose certificate is served.
func authoritySpec(ctx context.Context, db *v1alpha1.KVDatabase) {
	GinkgoHelper()
	before, err := cluster.Pod(ctx, db)
	Expect(err).NotTo(HaveOccurred())
	ready(ctx, db)
	generation := db.Status.TLS.CAGeneration
	old, err := cluster.Connection(ctx, db)
	Expect(err).NotTo(HaveOccurred())
	identity, err := cluster.Secret(ctx, db, db.Name+"-operator-tls")
	Expect(err).NotTo(HaveOccurred())

	src, address := source(ctx, db)
	options := src.Options(50, address)
	options.ConnMaxLifetime = time.Second
	pool := redis.NewClient(options)
	defer pool.Close()
	work := &load.Load{DB: pool, Workers: 50, Run: "authority"}
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan struct{})
	go func() { work.Until(working); close(ended) }()
	Eventually(func() int64 { n, _ := work.Counts(); return n }, soon, tick).Should(BeNumerically(">", 500))
	seen := make(chan []string, 1)
	looking, enough := context.WithCancel(working)
	defer enough()
	watched := db.DeepCopy() // db is read again meanwhile
	go func() { seen <- stages(looking, watched, address) }()

	start := time.Now()
	Expect(cluster.Annotate(ctx, db, v1alpha1.AnnotationRotateCA, "under-load")).To(Succeed())
	var both *corev1.Secret
	Eventually(func(g Gomega) {
		both, err = cluster.Connection(ctx, db)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(instance.Authorities(both.Data["ca.crt"])).To(HaveLen(2))
	}, soon, tick).Should(Succeed())
	figure("both authorities handed out %s after rotate-ca", fixture.Age(start))
	Eventually(func() bool { return src.Secret().CA.Equal(poolOf(both)) }, soon, tick).Should(BeTrue(), "the clients have not read it")
	Consistently(func() ([]string, error) { return cluster.Serves(ctx, db, old.Data["ca.crt"]) }, "1s", tick).
		Should(HaveLen(3), "certificates of the new authority before the overlap is over")

	start = time.Now()
	Expect(cluster.Annotate(ctx, db, v1alpha1.AnnotationRotateComplete, "under-load")).To(Succeed())
	Eventually(func(g Gomega) {
		g.Expect(cluster.Reload(ctx, db)).To(Succeed())
		g.Expect(db.Status.LastHandled).To(HaveKeyWithValue(v1alpha1.AnnotationRotateCA, "under-load"))
		g.Expect(db.Status.TLS.Phase).To(Equal(v1alpha1.PhaseIdle))
		g.Expect(db.Status.TLS.CAGeneration).To(Equal(generation + 1))
	}, soon, tick).Should(Succeed())
	figure("the old authority gone %s after rotate-complete", fixture.Age(start))
	Expect(cluster.Serves(ctx, db, old.Data["ca.crt"])).To(BeEmpty())
	_, err = cluster.MemberAs(ctx, db, identity)
	Expect(err).To(MatchError(ContainSubstring("tls: ")), "the admin port lets a certificate of the old authority in")

	time.Sleep(2 * time.Second) // handshakes with what is left
	enough()
	Expect(<-seen).To(Or(
		Equal([]string{"old: old", "old new: old", "old new: new", "new: new"}),
		Equal([]string{"old: old", "old new: old", "new: new"}), // the third passes quickly
	))
	stop()
	Eventually(ended, soon).Should(BeClosed())
	commands, failed := work.Counts()
	Expect(failed).To(BeZero(), "%v", work.Errors())
	dialled := pool.PoolStats().Misses
	Expect(dialled).To(BeNumerically(">", 100), "the clients did not connect anew")
	after, err := cluster.Pod(ctx, db)
	Expect(err).NotTo(HaveOccurred())
	Expect(after.UID).To(Equal(before.UID))
	Expect(fixture.Restarts(after)).To(BeZero())
	figure("%d commands of 50 clients on %d connections over a change of authority, %d failed, 0 restarts", commands, dialled, failed)
}

// stages tells, until ctx ends, whom clients trusted and whose certificate they
// then met, each state once when it came.
func stages(ctx context.Context, db *v1alpha1.KVDatabase, address string) (all []string) {
	called := map[string]string{}
	name := func(c *x509.Certificate) string {
		key := instance.Key(c)
		if called[key] == "" {
			called[key] = []string{"old", "new", "a third"}[min(len(called), 2)]
		}
		return called[key]
	}
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		secret, err := cluster.Connection(ctx, db)
		if err != nil {
			continue
		}
		authorities := instance.Authorities(secret.Data["ca.crt"])
		var trusted []string
		for _, c := range authorities {
			trusted = append(trusted, name(c))
		}
		slices.Sort(trusted)
		slices.Reverse(trusted) // old before new
		state := strings.Join(trusted, " ") + ": "
		leaf, err := fixture.Handshake(address, string(secret.Data["host"]), secret.Data["ca.crt"])
		if err != nil {
			state += err.Error()
		} else {
			state += name(instance.Signer(leaf, authorities))
		}
		if len(all) == 0 || all[len(all)-1] != state {
			all = append(all, state)
		}
	}
	return all
}

func poolOf(secret *corev1.Secret) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(secret.Data["ca.crt"])
	return pool
}

// rotate runs one rotation through its phases: switched, nobody left on the
// old credential, completed, old password refused.
func rotate(ctx context.Context, db *v1alpha1.KVDatabase, address, value string) {
	GinkgoHelper()
	secret, err := cluster.Connection(ctx, db)
	Expect(err).NotTo(HaveOccurred())
	old := string(secret.Data["password"])
	generation, err := strconv.ParseInt(string(secret.Data["generation"]), 10, 64)
	Expect(err).NotTo(HaveOccurred())
	start := time.Now()
	Expect(cluster.Annotate(ctx, db, v1alpha1.AnnotationRotateCredentials, value)).To(Succeed())
	Eventually(func(g Gomega) {
		secret, err := cluster.Connection(ctx, db)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(secret.Data["generation"])).To(Equal(fmt.Sprint(generation + 1)))
		g.Expect(string(secret.Data["password"]) == old).To(BeFalse(), "a new generation with the old password")
	}, soon, 50*time.Millisecond).Should(Succeed())
	figure("rotation %s: connection secret switched %s after the annotation", value, fixture.Age(start))

	// Both work during the overlap.
	Expect(login(ctx, db, address, old)).To(Succeed())
	// A connection that is just being made has read the old secret and shows
	// only once it has logged in: nobody must have been on it for a while.
	left := func() (int64, error) { return cluster.SessionsBelow(ctx, db, "default", generation+1) }
	Eventually(func(g Gomega) {
		g.Eventually(left, soon, tick).Should(BeZero())
		g.Consistently(left, "500ms", tick/2).Should(BeZero())
	}, soon, tick).Should(Succeed())
	Expect(cluster.Annotate(ctx, db, v1alpha1.AnnotationRotateComplete, value)).To(Succeed())
	Eventually(func() error { return login(ctx, db, address, old) }, soon, tick).Should(MatchError(ContainSubstring("WRONGPASS")))
	Eventually(func(g Gomega) {
		g.Expect(cluster.Reload(ctx, db)).To(Succeed())
		g.Expect(db.Status.Credentials.Phase).To(Equal(v1alpha1.PhaseIdle))
		g.Expect(db.Status.Credentials.Generation).To(Equal(generation + 1))
		g.Expect(db.Status.Credentials.PreviousRevokedAt).NotTo(BeNil())
		g.Expect(db.Status.LastHandled).To(HaveKeyWithValue(v1alpha1.AnnotationRotateCredentials, value))
	}, soon, tick).Should(Succeed())
}

// login connects once with a password.
func login(ctx context.Context, db *v1alpha1.KVDatabase, address, password string) error {
	secret, err := cluster.Connection(ctx, db)
	if err != nil {
		return err
	}
	return fixture.LoginWith(ctx, secret, address, password)
}

// scrape reads the metrics port as a monitor does.
func scrape(ctx context.Context, ip string, ca []byte, name, bearer string) (int, string) {
	GinkgoHelper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: name}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+ip+":9090/metrics", nil)
	Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", "Bearer "+bearer)
	response, err := transport.RoundTrip(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, string(body)
}
