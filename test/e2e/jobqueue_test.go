package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/hack/demo/client/job"
	"github.com/coffer-dev/coffer/hack/demo/client/queue"
	"github.com/coffer-dev/coffer/hack/demo/client/report"
	"github.com/coffer-dev/coffer/hack/image/images"
	"github.com/coffer-dev/coffer/test/fixture"
	"github.com/coffer-dev/coffer/test/fixture/jobs"
)

func jobQueueSpecs() {
	var q *v1alpha1.JobQueue
	var address string

	connect := func(ctx context.Context) *jobs.Client {
		GinkgoHelper()
		secret, err := cluster.Connection(ctx, q)
		Expect(err).NotTo(HaveOccurred())
		c, err := jobs.Connect(secret, address)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(c.Close)
		return c
	}

	BeforeAll(func(ctx SpecContext) {
		q = fixture.JobQueue(shop, "work", "email", "ticks", "removed")
		q.Spec.DeletionPolicy = v1alpha1.DeletionDelete
		q.Spec.Schedules = []v1alpha1.Schedule{{Name: "tick", Queue: "ticks", Cron: "*/2 * * * * *"}}
		create(ctx, q)
		figure("job queue Ready %s after apply", ready(ctx, q).Round(100*time.Millisecond))
		var err error
		address, err = cluster.Address(ctx, q)
		Expect(err).NotTo(HaveOccurred())
	})

	It("shows what it is in kubectl get", func(ctx SpecContext) {
		out, err := fixture.Kubectl(ctx, "", "get", "jobq", "-n", shop)
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.Fields(strings.SplitN(out, "\n", 2)[0])).To(Equal([]string{"NAME", "READY", "STATUS", "QUEUES", "WAITING", "ACTIVE", "DEAD", "ROTATED", "AGE"}))
		Expect(out).To(MatchRegexp(`(?m)^work +True +Serving.* +3 +\d+ +\d+ +0 +\S+ +\S+`))
	})

	It("fires a schedule on time", func(ctx SpecContext) {
		c := connect(ctx)
		drain(c, "ticks") // those from before there was somebody to pull
		var latest time.Duration
		for range 3 {
			id, _, err := c.Pull("ticks", 4*time.Second)
			Expect(err).NotTo(HaveOccurred())
			Expect(id).NotTo(BeZero(), "no job within two periods")
			latest = max(latest, time.Since(time.Now().Truncate(2*time.Second)))
			Expect(c.Ack(id)).To(Succeed())
		}
		Expect(latest).To(BeNumerically("<", time.Second))
		figure("scheduled jobs pulled within %s of their second", latest.Round(time.Millisecond))
	})

	It("goes by changed settings without a restart, and keeps a removed queue closed until it is drained", func(ctx SpecContext) {
		before, err := cluster.Pod(ctx, q)
		Expect(err).NotTo(HaveOccurred())
		c := connect(ctx)
		_, err = c.Push("removed", "left")
		Expect(err).NotTo(HaveOccurred())
		start := time.Now()
		patch(ctx, q, `[{"op":"remove","path":"/spec/queues/2"},{"op":"add","path":"/spec/undeclaredQueues","value":"Deny"}]`)
		Eventually(func() string {
			_, err := c.Push("removed", "late")
			text, _ := jobs.Refused(err)
			return text
		}, soon, 50*time.Millisecond).ShouldNot(BeEmpty())
		figure("changed queues in force %s after the change", fixture.Age(start))
		condition := func() string {
			Expect(cluster.Reload(ctx, q)).To(Succeed())
			return fixture.Condition(q, v1alpha1.ConditionQueuesClosed)
		}
		Eventually(condition, soon, tick).Should(And(HavePrefix("True QueuesRemoved"), ContainSubstring("removed")))
		Expect(drain(c, "removed")).NotTo(BeZero())
		Eventually(condition, soon, tick).Should(HavePrefix("False NoneClosed"))
		after, err := cluster.Pod(ctx, q)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.UID).To(Equal(before.UID))
		Expect(fixture.Restarts(after)).To(BeZero())
	})

	It("fails no command, loses no job and hands none out twice while credentials rotate under a producer's and a worker's pod", func(ctx SpecContext) {
		before, err := cluster.Pod(ctx, q)
		Expect(err).NotTo(HaveOccurred())
		producer := jobApplication(ctx, queue.Producer, v1alpha1.RoleProducer)
		worker := jobApplication(ctx, queue.Worker, v1alpha1.RoleWorker)
		for _, a := range []*jobPod{producer, worker} {
			Eventually(a.working, soon, tick).Should(BeEmpty())
			patterns, _, _ := a.output.State()
			Expect(patterns).To(ContainSubstring("refused what a " + a.client.Role + " may not do"))
		}
		start := time.Now()
		for _, a := range []*jobPod{producer, worker} {
			a.rotate(ctx)
		}
		figure("both tokens rotated under load in %s", fixture.Age(start))
		producer.stop(ctx)
		_, pushed, _ := producer.output.State()
		Eventually(func() int64 { _, done, _ := worker.output.State(); return done.Commands }, soon, tick).Should(Equal(pushed.Commands), "jobs were lost")
		worker.stop(ctx)
		_, done, _ := worker.output.State()
		for _, last := range []report.Line{pushed, done} {
			Expect(last.Failed).To(BeZero(), "%s", last.Error)
			Expect(last.Doubled).To(BeZero())
		}
		Expect(done.Commands).To(Equal(pushed.Commands))
		after, err := cluster.Pod(ctx, q)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.UID).To(Equal(before.UID))
		figure("%d jobs pushed and carried out in pods over two rotations, 0 failed, 0 lost, 0 doubled", pushed.Commands)
	})

	It("runs an application's code of flashQ in a pod, with its connection options alone changed", func(ctx SpecContext) {
		patch(ctx, q, `[{"op":"replace","path":"/spec/undeclaredQueues","value":"Allow"}]`)
		c := connect(ctx)
		Eventually(func() error { _, err := c.Push("undeclared", nil); return err }, soon, tick).Should(Succeed())
		pageSpec(ctx, q.Name)
	})
}

// jobPod is an application of the job queue "work" in a pod, with a token of its own.
type jobPod struct {
	client job.Client
	token  *v1alpha1.AccessToken
	pod    *corev1.Pod
	output *report.Output
}

func jobApplication(ctx context.Context, role string, as v1alpha1.JobRole) *jobPod {
	GinkgoHelper()
	a := &jobPod{
		client: job.Client{Name: "job-" + role, Namespace: shop, Image: images.DemoClient, Secret: role, Clients: 8, Pause: 10 * time.Millisecond, Queue: "email", Role: role},
		token:  fixture.JobToken(shop, role, "work", as, "email"),
	}
	a.token.Spec.From = []v1alpha1.TokenPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": a.client.Name}}}}
	makeToken(ctx, a.token)
	granted(ctx, a.token)
	out, err := fixture.Kubectl(ctx, a.client.Manifest(), "apply", "--filename", "-")
	Expect(err).NotTo(HaveOccurred(), out)
	DeferCleanup(func(ctx SpecContext) {
		_, err := fixture.Kubectl(ctx, "", "delete", "job", a.client.Name, "-n", shop, "--ignore-not-found")
		Expect(err).NotTo(HaveOccurred())
	})
	Eventually(func(g Gomega) {
		pods, err := cluster.Logs.CoreV1().Pods(shop).List(ctx, metav1.ListOptions{LabelSelector: a.client.Selector()})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(pods.Items).To(HaveLen(1))
		a.pod = &pods.Items[0]
		g.Expect(a.pod.Status.Phase).NotTo(Equal(corev1.PodPending))
	}, soon, tick).Should(Succeed())
	// Its end shows in the output, so that nothing else should end the stream.
	stream, err := cluster.Logs.CoreV1().Pods(shop).GetLogs(a.pod.Name, &corev1.PodLogOptions{Follow: true}).Stream(context.WithoutCancel(ctx))
	Expect(err).NotTo(HaveOccurred())
	a.output = report.Follow(stream)
	return a
}

// working says what keeps it from doing so.
func (a *jobPod) working() string {
	_, last, other := a.output.State()
	if last.Commands > 20 && last.Failed == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %+v %s", a.client.Name, last, other)
}

// deliver has the kubelet look at the pod's mounts at once.
func (a *jobPod) deliver(ctx context.Context) {
	GinkgoHelper()
	Expect(cluster.Annotate(ctx, a.pod, job.Deliver, time.Now().Format(time.RFC3339Nano))).To(Succeed())
}

// rotate takes the token through one rotation: nobody is left on the old
// credential before it goes.
func (a *jobPod) rotate(ctx context.Context) {
	GinkgoHelper()
	old := tokenSecret(ctx, a.token)
	Expect(cluster.Annotate(ctx, a.token, v1alpha1.AnnotationRotateCredentials, "once")).To(Succeed())
	Eventually(func() string { return string(tokenSecret(ctx, a.token).Data["generation"]) }, soon, 50*time.Millisecond).Should(Equal("2"))
	q := fixture.JobQueue(shop, "work")
	Eventually(func(g Gomega) {
		a.deliver(ctx)
		left := func() (int64, error) { return cluster.SessionsBelow(ctx, q, a.token.Name, 2) }
		g.Eventually(left, "5s", tick).Should(BeZero())
		g.Consistently(left, "500ms", tick/2).Should(BeZero())
	}, soon, tick).Should(Succeed())
	Expect(cluster.Annotate(ctx, a.token, v1alpha1.AnnotationRotateComplete, "once")).To(Succeed())
	address, err := cluster.Address(ctx, q)
	Expect(err).NotTo(HaveOccurred())
	Eventually(func() error {
		c, err := jobs.Connect(old, address)
		if err == nil {
			c.Close()
		}
		return err
	}, soon, tick).Should(HaveOccurred())
}

// stop ends it as it ends by itself, with its last words.
func (a *jobPod) stop(ctx context.Context) {
	GinkgoHelper()
	stop := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: a.client.StopConfigMap()}, Data: map[string]string{"stop": "now"}}
	Expect(cluster.Create(ctx, stop)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(cluster.Delete(ctx, stop)).To(Succeed()) })
	Eventually(func() bool {
		_, last, _ := a.output.State()
		if !last.Done {
			a.deliver(ctx)
		}
		return last.Done
	}, soon, time.Second).Should(BeTrue())
}

// drain carries out all jobs of a queue and says how many.
func drain(c *jobs.Client, queue string) (n int) {
	GinkgoHelper()
	for ; ; n++ {
		id, _, err := c.Pull(queue, 0)
		Expect(err).NotTo(HaveOccurred())
		if id == 0 {
			return n
		}
		Expect(c.Ack(id)).To(Succeed())
	}
}

// patch changes an instance by JSON patch.
func patch(ctx context.Context, q *v1alpha1.JobQueue, text string) {
	GinkgoHelper()
	out, err := fixture.Kubectl(ctx, "", "patch", "jobq", q.Name, "-n", q.Namespace, "--type=json", "-p", text)
	Expect(err).NotTo(HaveOccurred(), out)
}
