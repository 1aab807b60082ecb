package e2e

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/hack/demo/client/connection"
	"github.com/coffer-dev/coffer/test/fixture"
)

func servingSpecs() {
	var db *v1alpha1.KVDatabase
	var address string

	BeforeAll(func(ctx SpecContext) {
		db = fixture.Database(shop, "sessions", fixture.WithDeletion(v1alpha1.DeletionDelete))
		create(ctx, db)
		figure("Ready %s after apply", ready(ctx, db).Round(100*time.Millisecond))
		var err error
		address, err = cluster.Address(ctx, db)
		Expect(err).NotTo(HaveOccurred())
	})

	It("shows what it is in kubectl get", func(ctx SpecContext) {
		out, err := fixture.Kubectl(ctx, "", "get", "kvdatabases", "-n", shop)
		Expect(err).NotTo(HaveOccurred())
		lines := strings.Split(strings.TrimSpace(out), "\n")
		Expect(lines).To(HaveLen(2))
		Expect(strings.Fields(lines[0])).To(Equal([]string{"NAME", "READY", "STATUS", "PRIMARY", "REPLICAS", "ROTATED", "AGE"}))
		Expect(lines[1]).To(MatchRegexp(`^sessions +True +Serving.* +sessions-0 +1/1 +\S+ +\S+`))
		for _, name := range []string{"kvdb", "coffer"} {
			out, err := fixture.Kubectl(ctx, "", "get", name, "-n", shop)
			Expect(err).NotTo(HaveOccurred())
			Expect(out).To(ContainSubstring("sessions"))
		}
	})

	It("refuses TLS 1.2 and plaintext, and goes on serving", func(ctx SpecContext) {
		out, err := exec.CommandContext(ctx, "openssl", "s_client", "-connect", address, "-tls1_2").CombinedOutput()
		Expect(err).To(HaveOccurred(), "%s", out)
		Expect(string(out)).To(ContainSubstring("alert protocol version"))

		conn, err := net.DialTimeout("tcp", address, 5*time.Second)
		Expect(err).NotTo(HaveOccurred())
		defer conn.Close()
		Expect(conn.SetDeadline(time.Now().Add(15 * time.Second))).To(Succeed())
		_, err = conn.Write([]byte("PING\r\n"))
		Expect(err).NotTo(HaveOccurred())
		buf := make([]byte, 512)
		n, _ := conn.Read(buf)
		Expect(string(buf[:n])).NotTo(ContainSubstring("PONG"))
		// After its alert the server closes.
		Eventually(func() error { _, err := conn.Read(buf); return err }, 15*time.Second).Should(HaveOccurred())

		Expect(redisCLI(ctx, db, address, "PING")).To(Equal("PONG"))
	})

	It("serves redis-cli over TLS, by the service and by the pod", func(ctx SpecContext) {
		pod, err := cluster.Pod(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		Expect(redisCLI(ctx, db, address, "SET", "greeting", "hello")).To(Equal("OK"))
		Expect(redisCLI(ctx, db, pod.Status.PodIP+":6379", "GET", "greeting")).To(Equal("hello"))
	})

	It("answers a wrong password with an error and no effect on others", func(ctx SpecContext) {
		ca := caFile(ctx, db)
		out, err := cli(ctx, address, db, ca, strings.Repeat("w", 43), "GET", "greeting")
		Expect(err == nil && !strings.Contains(out, "WRONGPASS") && !strings.Contains(out, "NOAUTH")).To(BeFalse(), out)
		Expect(out).NotTo(ContainSubstring("hello"))
		Expect(redisCLI(ctx, db, address, "GET", "greeting")).To(Equal("hello"))
	})

	It("runs under the restricted profile, without a token, on a read-only root", func(ctx SpecContext) {
		pod, err := cluster.Pod(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
		for _, c := range pod.Spec.Containers {
			Expect(c.SecurityContext.ReadOnlyRootFilesystem).To(HaveValue(BeTrue()))
			for _, m := range c.VolumeMounts {
				Expect(m.MountPath).NotTo(HavePrefix("/var/run/secrets/kubernetes.io"))
			}
		}
	})

	It("would be seen to show a secret", func(ctx SpecContext) { huntSpec(ctx, db) })

	It("serves metrics with the bearer token only", func(ctx SpecContext) {
		pod, err := cluster.Pod(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		token, err := cluster.Secret(ctx, db, db.Name+"-metrics")
		Expect(err).NotTo(HaveOccurred())
		get := func(bearer string) (int, string) {
			return scrape(ctx, pod.Status.PodIP, token.Data["ca.crt"], serverName(db), bearer)
		}
		code, body := get(string(token.Data["token"]))
		Expect(code).To(Equal(200))
		Expect(body).To(ContainSubstring("# HELP coffer_"))
		code, _ = get("wrong")
		Expect(code).To(Equal(401))
	})
}

func serverName(db *v1alpha1.KVDatabase) string {
	return db.Name + "-0." + db.Name + "-members." + db.Namespace + ".svc"
}

func caFile(ctx context.Context, db *v1alpha1.KVDatabase) string {
	GinkgoHelper()
	secret, err := cluster.Connection(ctx, db)
	Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(GinkgoT().TempDir(), "ca.crt")
	Expect(os.WriteFile(path, secret.Data["ca.crt"], 0o600)).To(Succeed())
	return path
}

// redisCLI runs redis-cli as the README says, with the current password.
func redisCLI(ctx context.Context, db *v1alpha1.KVDatabase, address string, args ...string) string {
	GinkgoHelper()
	secret, err := cluster.Connection(ctx, db)
	Expect(err).NotTo(HaveOccurred())
	out, err := cli(ctx, address, db, caFile(ctx, db), string(secret.Data["password"]), args...)
	Expect(err).NotTo(HaveOccurred(), out)
	return out
}

func cli(ctx context.Context, address string, db *v1alpha1.KVDatabase, ca, password string, args ...string) (string, error) {
	GinkgoHelper()
	host, port, err := net.SplitHostPort(address)
	Expect(err).NotTo(HaveOccurred())
	all := append([]string{"--tls", "--cacert", ca, "--sni", db.Name + "." + db.Namespace + ".svc", "-h", host, "-p", port}, args...)
	cmd := exec.CommandContext(ctx, "redis-cli", all...)
	cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+password)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// source opens the database's connection secret as an application that mounts
// it would, kept up to date until the spec ends.
func source(ctx context.Context, db *v1alpha1.KVDatabase) (*connection.Source, string) {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	DeferCleanup(cancel)
	dir := GinkgoT().TempDir()
	Expect(cluster.KeepMounted(ctx, db, dir)).To(Succeed())
	s, err := connection.Open(dir, nil)
	Expect(err).NotTo(HaveOccurred())
	go func() { _ = s.Watch(ctx) }()
	address, err := cluster.Address(ctx, db)
	Expect(err).NotTo(HaveOccurred())
	return s, address
}
