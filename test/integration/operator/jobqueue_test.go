package operator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture/jobs"
)

func jobQueue(namespace, name string, queues ...string) *v1alpha1.JobQueue {
	q := &v1alpha1.JobQueue{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	q.Spec.Storage.Size = resource.MustParse("64Mi")
	for _, name := range queues {
		q.Spec.Queues = append(q.Spec.Queues, v1alpha1.Queue{Name: name})
	}
	return q
}

// connect logs in to a job queue with a secret, as an application would.
func connect(t *testing.T, q *v1alpha1.JobQueue, secret *corev1.Secret) (*jobs.Client, error) {
	t.Helper()
	pod := get(t, q.Namespace, q.Name+"-0", &corev1.Pod{})
	c, err := jobs.Connect(secret, pod.Status.PodIP+":"+string(secret.Data["port"]))
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

func connected(t *testing.T, q *v1alpha1.JobQueue) *jobs.Client {
	t.Helper()
	c, err := connect(t, q, connection(t, q))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// awaitCondition waits for a condition that begins with these words.
func awaitCondition(t *testing.T, o v1alpha1.Instance, kind, want string) {
	t.Helper()
	eventually(t, kind+" of "+o.GetName(), func() string {
		c := meta.FindStatusCondition(current(t, o).InstanceStatus().Conditions, kind)
		if c == nil {
			return "absent"
		}
		if got := fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message); !strings.HasPrefix(got, want) {
			return got
		}
		return ""
	})
}

// TestFromObjectToJobQueue makes a job queue, uses it, and shows that nothing is
// written any more once it runs.
func TestFromObjectToJobQueue(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	q := jobQueue(ns, "work", "email")
	create(t, q)
	awaitReady(t, q)
	c := connected(t, q)
	id, err := c.Push("email", map[string]any{"to": "a@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := c.Pull("email", time.Second); err != nil || got != id {
		t.Fatalf("pulled %d, %v; want %d", got, err, id)
	}
	if err := c.Ack(id); err != nil {
		t.Fatal(err)
	}
	now := current(t, q)
	if now.Status.ReadyReplicas != "1/1" || now.Status.Primary != "work-0" || now.Status.Endpoint != "work."+ns+".svc:6789" ||
		now.Status.TLS.Fingerprint == "" || len(now.Status.Queues) != 1 || now.Status.Queues[0].Name != "email" || !now.Status.Queues[0].Declared {
		t.Errorf("status: %+v", now.Status)
	}
	awaitCondition(t, q, v1alpha1.ConditionQueuesApplied, "True Proven")
	awaitCondition(t, q, v1alpha1.ConditionAuditing, "True")
	awaitCondition(t, q, v1alpha1.ConditionEncrypted, "True")
	awaitRest(t, ns)
	before, writes := versions(t, ns), writesIn(ns).Load()
	change(t, get(t, ns, "work-0", &corev1.Pod{}), func(p *corev1.Pod) { p.Labels["poke"] = "1" }) // wakes the operator
	time.Sleep(3 * time.Second)
	after := versions(t, ns)
	delete(before, "*v1.Pod/work-0")
	delete(after, "*v1.Pod/work-0")
	if diff := cmp.Diff(before, after); diff != "" || writesIn(ns).Load() != writes {
		t.Errorf("%d writes in steady state:\n%s", writesIn(ns).Load()-writes, diff)
	}
}

// TestKindsDoNotShareAName: a job queue that is called as a database is keeps
// off what is the database's, and says so.
func TestKindsDoNotShareAName(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "same")
	create(t, db)
	awaitReady(t, db)
	q := jobQueue(ns, "same")
	create(t, q)
	awaitProblem(t, q, v1alpha1.ReasonNameTaken, "belongs to kvdatabase same: choose another name")
	awaitReady(t, db)
	if err := ping(t, db, connection(t, db)); err != nil {
		t.Error(err)
	}
	if err := suite.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "same-queues"}, &corev1.ConfigMap{}); !apierrors.IsNotFound(err) {
		t.Errorf("something of the job queue was written: %v", err)
	}
}

// TestQueuesChangeWithoutARestart, and what the engine does not take leaves them
// as they were, with words for it.
func TestQueuesChangeWithoutARestart(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	q := jobQueue(ns, "work", "email")
	q.Spec.UndeclaredQueues = v1alpha1.UndeclaredDeny
	create(t, q)
	awaitReady(t, q)
	pod := get(t, ns, "work-0", &corev1.Pod{})
	c := connected(t, q)
	if _, err := c.Push("sms", "x"); err == nil {
		t.Error("pushed to a queue that is not declared")
	}

	change(t, q, func(q *v1alpha1.JobQueue) { q.Spec.Queues = append(q.Spec.Queues, v1alpha1.Queue{Name: "sms"}) })
	eventually(t, "the new queue takes jobs", func() string {
		if _, err := c.Push("sms", "x"); err != nil {
			return err.Error()
		}
		return ""
	})

	never := v1alpha1.Schedule{Name: "never", Queue: "sms", Cron: "0 0 31 2 *"}
	change(t, q, func(q *v1alpha1.JobQueue) { q.Spec.Schedules = []v1alpha1.Schedule{never} })
	awaitProblem(t, q, v1alpha1.ReasonQueuesInvalid, "schedules[0].cron")
	awaitCondition(t, q, v1alpha1.ConditionQueuesApplied, "False QueuesInvalid")
	if _, err := c.Push("sms", "x"); err != nil {
		t.Errorf("what was in force is no more: %v", err)
	}
	change(t, q, func(q *v1alpha1.JobQueue) { q.Spec.Schedules = nil })
	awaitReady(t, q)
	if now := get(t, ns, "work-0", &corev1.Pod{}); now.UID != pod.UID {
		t.Error("the pod was replaced")
	}
}

// TestSchemasOfQueues: a push that does not fit is refused, and a schema that is
// none leaves what was there, with words for it.
func TestSchemasOfQueues(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	q := jobQueue(ns, "work", "sms")
	q.Spec.Queues[0].Schema = schema(`{"type":"string","maxLength":3}`)
	create(t, q)
	awaitReady(t, q)
	c := connected(t, q)
	if _, err := c.Push("sms", "abc"); err != nil {
		t.Error(err)
	}
	if _, err := c.Push("sms", "four"); err == nil {
		t.Error("the schema lets in what it does not describe")
	}
	change(t, q, func(q *v1alpha1.JobQueue) { q.Spec.Queues[0].Schema = schema(`{"type":"no such type"}`) })
	awaitProblem(t, q, v1alpha1.ReasonQueuesInvalid, "schema")
	if _, err := c.Push("sms", "four"); err == nil {
		t.Error("what was in force is no more")
	}
	change(t, q, func(q *v1alpha1.JobQueue) { q.Spec.Queues[0].Schema = nil })
	awaitReady(t, q)
	if _, err := c.Push("sms", "four"); err != nil {
		t.Error(err)
	}
}

func schema(text string) *apiextensionsv1.JSON { return &apiextensionsv1.JSON{Raw: []byte(text)} }

// TestRemovedQueueIsClosedUntilItIsDrained, and one that is to be deleted goes
// with its jobs.
func TestRemovedQueueIsClosedUntilItIsDrained(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	q := jobQueue(ns, "work", "stays", "drained", "deleted")
	q.Spec.Queues[2].DeletionPolicy = v1alpha1.DeletionDelete
	create(t, q)
	awaitReady(t, q)
	c := connected(t, q)
	for _, name := range []string{"drained", "deleted"} {
		if _, err := c.Push(name, 1); err != nil {
			t.Fatal(err)
		}
	}
	change(t, q, func(q *v1alpha1.JobQueue) { q.Spec.Queues = q.Spec.Queues[:1] })
	awaitCondition(t, q, v1alpha1.ConditionQueuesClosed, "True QueuesRemoved: no longer in spec.queues and closed for pushes until their jobs are done: drained (")
	awaitReady(t, q)
	if _, err := c.Push("drained", 2); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("pushed to a queue that was removed: %v", err)
	}
	for _, status := range current(t, q).Status.Queues {
		if status.Name == "drained" && (status.State != v1alpha1.QueueClosed || status.Declared) || status.Name == "deleted" {
			t.Errorf("%+v", status)
		}
	}
	id, _, err := c.Pull("drained", time.Second)
	if err != nil || id == 0 {
		t.Fatalf("the job of a closed queue is not handed out: %v", err)
	}
	if err := c.Ack(id); err != nil {
		t.Fatal(err)
	}
	awaitCondition(t, q, v1alpha1.ConditionQueuesClosed, "False NoneClosed")
}

// jobToken is for queues of the job queue that is called work.
func jobToken(namespace, name string, role v1alpha1.JobRole, queues ...string) *v1alpha1.AccessToken {
	tok := &v1alpha1.AccessToken{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	tok.Spec.TargetRef = v1alpha1.TargetRef{Kind: v1alpha1.TargetJobQueue, Name: "work"}
	tok.Spec.Jobs = &v1alpha1.JobRules{Role: role, Queues: queues}
	return tok
}

// TestTokensForJobs: each role may do what it is for, on its own queues, until
// its token is gone; one for a database of that name is for none.
func TestTokensForJobs(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	q := jobQueue(ns, "work", "email", "other")
	producer, worker := jobToken(ns, "producer", v1alpha1.RoleProducer, "email"), jobToken(ns, "worker", v1alpha1.RoleWorker, "email")
	producer.Spec.From = []v1alpha1.TokenPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}}
	astray := token(ns, "astray", func(tok *v1alpha1.AccessToken) { tok.Spec.TargetRef.Name = "work" })
	create(t, q, producer, worker, astray)
	awaitGranted(t, producer)
	awaitGranted(t, worker)
	clients := map[string]*jobs.Client{}
	for _, tok := range []*v1alpha1.AccessToken{producer, worker} {
		secret := secretOf(t, tok)
		if secret.Type != "servicebinding.io/coffer-jobs" || string(secret.Data["token"]) == "" || string(secret.Data["username"]) != tok.Name {
			t.Errorf("secret of type %s", secret.Type)
		}
		c, err := connect(t, q, secret)
		if err != nil {
			t.Fatal(err)
		}
		clients[tok.Name] = c
	}
	if _, err := clients["producer"].Push("email", 1); err != nil {
		t.Error(err)
	}
	if id, _, err := clients["worker"].Pull("email", time.Second); err != nil || id == 0 {
		t.Errorf("the worker pulled %d: %v", id, err)
	} else if err := clients["worker"].Ack(id); err != nil {
		t.Error(err)
	}
	for what, try := range map[string]func() error{
		"the producer pulls":             func() error { _, _, err := clients["producer"].Pull("email", 0); return err },
		"the producer pushes to another": func() error { _, err := clients["producer"].Push("other", 1); return err },
		"the worker pushes":              func() error { _, err := clients["worker"].Push("email", 1); return err },
		"the worker empties the queue": func() error {
			_, err := clients["worker"].Do(jobs.Request{"cmd": "OBLITERATE", "queue": "email"})
			return err
		},
		"the worker pulls from another": func() error { _, _, err := clients["worker"].Pull("other", 0); return err },
		"the producer changes what is limited": func() error {
			_, err := clients["producer"].Do(jobs.Request{"cmd": "RATELIMIT", "queue": "email", "limit": 1})
			return err
		},
	} {
		if text, refused := jobs.Refused(try()); !refused || !strings.Contains(text, "permission denied") {
			t.Errorf("%s: %q", what, text)
		}
	}
	peers := current(t, q).Status.NetworkPolicy.Peers
	if len(peers) != 2 || peers[1].Ports != "6789, 6790" || peers[1].Because != "AccessToken "+ns+"/producer" {
		t.Errorf("let through: %+v", peers)
	}
	if now := reread(t, astray); !strings.Contains(now.Status.Status, `KVDatabase "work" not found`) {
		t.Errorf("a token for a database: %s", now.Status.Status)
	}
	old := secretOf(t, worker)
	if err := suite.client.Delete(t.Context(), worker); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the worker is locked out", func() string {
		if _, err := connect(t, q, old); err == nil {
			return "it is let in"
		}
		return ""
	})
	if _, err := clients["producer"].Push("email", 1); err != nil {
		t.Errorf("the other token's session: %v", err)
	}
}

// TestJobQueueRotates: a client that reads the secret at any moment gets in, and
// jobs are where they were.
func TestJobQueueRotates(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	q := jobQueue(ns, "work", "email")
	create(t, q)
	awaitReady(t, q)
	old := connection(t, q)
	id, err := connected(t, q).Push("email", 1)
	if err != nil {
		t.Fatal(err)
	}
	annotate(t, q, v1alpha1.AnnotationRotateCredentials, "now")
	eventually(t, "the secret has another token", func() string {
		now := connection(t, q)
		if _, err := connect(t, q, now); err != nil {
			t.Fatalf("generation %s: %v", now.Data["generation"], err)
		}
		if string(now.Data["token"]) == string(old.Data["token"]) {
			return "generation " + string(now.Data["generation"])
		}
		return ""
	})
	if _, err := connect(t, q, old); err != nil {
		t.Errorf("the old token within the overlap: %v", err)
	}
	annotate(t, q, v1alpha1.AnnotationRotateComplete, "now")
	eventually(t, "the old token is refused", func() string {
		if _, err := connect(t, q, old); err == nil {
			return "it is let in"
		}
		return ""
	})
	if got, _, err := connected(t, q).Pull("email", time.Second); err != nil || got != id {
		t.Errorf("pulled %d, %v; want %d", got, err, id)
	}
}

// TestJobQueueIsMadeAcrossADeathAfterAnyWrite is of making job queues: another
// operator goes on to the end.
func TestJobQueueIsMadeAcrossADeathAfterAnyWrite(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	for writes := int64(2); writes <= 20; writes += 6 { // every one of the 20-odd is tried for databases
		q := jobQueue(ns, fmt.Sprint("work", writes), "email")
		create(t, q)
		live(t, ns, writes)
		stop := startOperator(t, ns)
		awaitReady(t, q)
		if _, err := connected(t, q).Push("email", 1); err != nil {
			t.Fatalf("made across a death after %d writes: %v", writes, err)
		}
		stop()
	}
}
