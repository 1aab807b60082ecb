package desired

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/queue"
)

// jobs makes the smallest job queue of the smallest database.
func jobs(modify ...func(*v1alpha1.JobQueue)) func(*Inputs) {
	return func(in *Inputs) {
		db := database(*in)
		q := &v1alpha1.JobQueue{ObjectMeta: *db.ObjectMeta.DeepCopy()}
		q.Spec.InstanceSpec = *db.Spec.InstanceSpec.DeepCopy()
		for _, m := range modify {
			m(q)
		}
		in.Instance, in.Server.Version = q, acl.JobsFileVersion
	}
}

func lasting(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

// everyQueue uses every field that job queues have of their own.
func everyQueue(q *v1alpha1.JobQueue) {
	q.Spec.UndeclaredQueues = v1alpha1.UndeclaredDeny
	q.Spec.Queues = []v1alpha1.Queue{{
		Name: "jobs:email", RateLimit: &v1alpha1.QueueRateLimit{Max: 1000, Per: lasting(time.Hour)}, Concurrency: ptr.To(int32(20)),
		Schema:        &apiextensionsv1.JSON{Raw: []byte(`{"type":"object","required":["to"]}`)},
		EncryptFields: []string{"card.number"},
		Retries:       v1alpha1.QueueRetries{MaxAttempts: ptr.To(int32(5)), Backoff: v1alpha1.BackoffFixed, Delay: lasting(2 * time.Second)},
		Lease:         lasting(time.Minute),
		Retention: v1alpha1.QueueRetention{Completed: v1alpha1.Keep{MaxAge: lasting(24 * time.Hour), MaxCount: ptr.To(int64(100))},
			Failed: v1alpha1.Keep{MaxAge: lasting(720 * time.Hour)}},
		MaxWaiting: ptr.To(int64(1_000_000)), DeadLetter: "dead", DeletionPolicy: v1alpha1.DeletionDelete,
	}, {Name: "dead"}}
	q.Spec.Schedules = []v1alpha1.Schedule{
		{Name: "nightly", Queue: "jobs:email", Cron: "0 3 * * *", TimeZone: "Europe/Berlin", Data: &apiextensionsv1.JSON{Raw: []byte(`{"kind":"daily"}`)}},
		{Name: "often", Queue: "jobs:email", Every: lasting(10 * time.Minute)},
	}
}

// TestQueues: what users write, in the words of the engine.
func TestQueues(t *testing.T) {
	for name, c := range map[string]struct {
		modify func(*v1alpha1.Queue)
		want   string
	}{
		"defaults are the engine's": {func(*v1alpha1.Queue) {}, `{"name":"a"}`},
		"a second":                  {func(q *v1alpha1.Queue) { q.RateLimit = &v1alpha1.QueueRateLimit{Max: 5} }, `{"name":"a","rateLimit":{"max":5,"perMilliseconds":1000}}`},
		"without end":               {func(q *v1alpha1.Queue) { q.Retries.MaxAttempts = ptr.To(int32(0)) }, `{"name":"a","retries":{"maxAttempts":-1}}`},
		"at once":                   {func(q *v1alpha1.Queue) { q.Retries.Delay = lasting(0) }, `{"name":"a","retries":{"delayMilliseconds":-1}}`},
		"part of a second":          {func(q *v1alpha1.Queue) { q.Lease = lasting(1500 * time.Millisecond) }, `{"name":"a","leaseMilliseconds":1500}`},
	} {
		q := v1alpha1.Queue{Name: "a"}
		c.modify(&q)
		s, err := Queues(&v1alpha1.JobQueue{Spec: v1alpha1.JobQueueSpec{Queues: []v1alpha1.Queue{q}}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(s.Queues[0]); err != nil || string(got) != c.want {
			t.Errorf("%s: %s, want %s (%v)", name, got, c.want, err)
		}
	}
	if s, err := Queues(&v1alpha1.KVDatabase{}); s != nil || err != nil {
		t.Error("a database has queues")
	}
}

// TestQueuesRevision: it names the content, and nothing else.
func TestQueuesRevision(t *testing.T) {
	of := func(modify ...func(*v1alpha1.JobQueue)) string {
		in := inputs(jobs(append([]func(*v1alpha1.JobQueue){everyQueue}, modify...)...))
		return QueuesRevision(in.Instance)
	}
	before := of()
	if before == "" || of(func(q *v1alpha1.JobQueue) { q.Name, q.Spec.Durability = "other", v1alpha1.DurabilityEverySecond }) != before {
		t.Error("the same queues have another revision")
	}
	if of(func(q *v1alpha1.JobQueue) { q.Spec.Queues[0].MaxWaiting = nil }) == before {
		t.Error("other queues have the same revision")
	}
}

// TestQueuesThatAreTooLarge are not written: the operator's cache would not
// keep them, nor the engine take them.
func TestQueuesThatAreTooLarge(t *testing.T) {
	in := inputs(jobs(func(q *v1alpha1.JobQueue) {
		q.Spec.Queues = []v1alpha1.Queue{{Name: "a", Schema: &apiextensionsv1.JSON{Raw: []byte(`{"$comment":"` + strings.Repeat("x", maxQueuesBytes) + `"}`)}}}
	}))
	if _, err := Queues(in.Instance); err == nil || !strings.Contains(err.Error(), "192 may be") {
		t.Errorf("%v", err)
	}
	for _, o := range All(in) {
		if g, _ := decode(t, o); g.Metadata.Name == "sessions-queues" {
			t.Error("written")
		}
	}
	if QueuesRevision(in.Instance) != "" {
		t.Error("members are to have them")
	}
}

// TestDefaultsOfQueuesAreTheEngines: kubectl explain says what the engine does.
func TestDefaultsOfQueuesAreTheEngines(t *testing.T) {
	if queue.DefaultLease != 30_000 || queue.DefaultAttempts != 3 || queue.DefaultBackoff != 1000 || queue.DefaultKeepCompleted != 10_000 {
		t.Error("the engine's defaults changed: api/v1alpha1/jobqueue_types.go names them")
	}
	if queue.MaxRate < 1_000_000 || queue.MaxDuration < (87600*time.Hour).Milliseconds() || queue.MaxQueueName < 256 || queue.MaxName < 256 {
		t.Error("the engine takes less than the API allows")
	}
}

// TestJobsOfTokens: roles and rules, in the words of the engine; a database's
// users file has no room for them.
func TestJobsOfTokens(t *testing.T) {
	token := &v1alpha1.AccessToken{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "mailer"}}
	for name, c := range map[string]struct {
		rules v1alpha1.JobRules
		want  string
	}{
		"worker":   {v1alpha1.JobRules{Role: v1alpha1.RoleWorker, Queues: []string{"a"}}, `[{"queues":["a"],"operations":["Pull","Ack","Fail","Progress","Read"]}]`},
		"producer": {v1alpha1.JobRules{Role: v1alpha1.RoleProducer, Queues: []string{"a", "b*"}}, `[{"queues":["a","b*"],"operations":["Push","Read","Cancel"]}]`},
		"admin":    {v1alpha1.JobRules{Role: v1alpha1.RoleJobsAdmin, Queues: []string{"*"}}, `[{"queues":["*"],"operations":["*"]}]`},
		"rules": {v1alpha1.JobRules{Rules: []v1alpha1.JobRule{{Queues: []string{"a"}, Operations: []v1alpha1.JobOperation{"Push", "Decrypt"}}, {Queues: []string{"b"}, Operations: []v1alpha1.JobOperation{"*"}}}},
			`[{"queues":["a"],"operations":["Push","Decrypt"]},{"queues":["b"],"operations":["*"]}]`},
	} {
		token.Spec.Jobs = &c.rules
		g := TokenGrant(token, "shop", nil, time.Time{})
		g.User.Verifiers = []acl.Verifier{Verifier(1, newPassword)}
		if got := string(mustJSON(g.User.Jobs)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if err := KindOf(&v1alpha1.JobQueue{}).ValidateGrant(g); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := KindOf(&v1alpha1.KVDatabase{}).ValidateGrant(g); err == nil {
			t.Errorf("%s: a database takes it", name)
		}
	}
}

// TestConnectionOfJobs: clients of jobs send the secret alone, as a token.
func TestConnectionOfJobs(t *testing.T) {
	data := connectionData(inputs(jobs()).Instance, "mailer", Connection{Password: newPassword, Generation: 3})
	for key, want := range map[string]string{"type": "coffer-jobs", "host": "sessions.shop.svc", "port": "6789", "username": "mailer", "token": newPassword, "uri": "https://sessions.shop.svc:6790"} {
		if got := string(data[key]); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}
