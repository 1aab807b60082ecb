package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"crypto/tls"
	"crypto/x509"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

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
