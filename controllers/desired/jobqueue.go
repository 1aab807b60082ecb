package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/queue"
)

// Ports of a job queue's members.
const (
	PortJobs     = 6789
	PortJobsHTTP = 6790
)

// KeyQueues in the ConfigMap of the queues is the engine's queues file.
const KeyQueues = "queues.json"

const (
	volumeQueues = "queues"
	queuesMount  = "/etc/coffer/queues"
)

// maxQueuesBytes bounds the queues file: the operator's cache keeps no larger
// objects.
const maxQueuesBytes = 192 << 10

var jobQueue = Kind{
	Name: v1alpha1.KindJobQueue, Label: "jobqueue", Short: "jobq",
	Ports:          []Port{{"jobs", PortJobs}, {"jobs-http", PortJobsHTTP}},
	UsersVersion:   acl.JobsFileVersion,
	ConnectionType: bindingTypes + "coffer-jobs",
	New:            func() v1alpha1.Instance { return &v1alpha1.JobQueue{} },

	permitAll: func(u *acl.User, version int) {
		u.Commands, u.Keys = []string{}, []string{}
		if version >= acl.JobsFileVersion {
			u.Jobs = []acl.JobRule{{Queues: []string{"*"}, Operations: []string{acl.AnyOperation}}}
		}
	},
	connect: func(data map[string][]byte) {
		data[KeyToken] = data[KeyPassword]
		data[keyURI] = fmt.Appendf(nil, "https://%s:%d", data[keyHost], PortJobsHTTP)
	},
	configure: func(_ v1alpha1.Instance, c *config.Config) {
		c.Listen.Keys = ""
		c.Listen.Jobs, c.Listen.JobsHTTP = fmt.Sprintf(":%d", PortJobs), fmt.Sprintf(":%d", PortJobsHTTP)
		c.Files.Queues = queuesMount
	},
}

// Queues is what the engine is to go by, as the spec has it, and what it would
// not take of that; nil for a kind that has no queues. Its revision names its
// content.
func Queues(o v1alpha1.Instance) (*queue.Settings, error) {
	q, ok := o.(*v1alpha1.JobQueue)
	if !ok {
		return nil, nil
	}
	s := &queue.Settings{Version: queue.SettingsVersion, Undeclared: string(q.Spec.UndeclaredQueues)}
	for i := range q.Spec.Queues {
		s.Queues = append(s.Queues, queueSettings(&q.Spec.Queues[i]))
	}
	for _, c := range q.Spec.Schedules {
		s.Schedules = append(s.Schedules, queue.Schedule{
			Name: c.Name, Queue: c.Queue, Cron: c.Cron, TimeZone: c.TimeZone, Every: milliseconds(c.Every), Data: raw(c.Data),
		})
	}
	text := mustJSON(s)
	sum := sha256.Sum256(text)
	s.Revision = hex.EncodeToString(sum[:8])
	if len(text) > maxQueuesBytes {
		return s, fmt.Errorf("spec.queues and spec.schedules have %d KiB together, at most %d may be: use fewer queues or shorter schemas",
			len(text)>>10, maxQueuesBytes>>10)
	}
	if problem := s.Validate(); problem != nil {
		return s, fmt.Errorf("spec.%w", problem)
	}
	return s, nil
}

// QueuesRevision is what members are to go by; empty while they are to go on as
// they do.
func QueuesRevision(o v1alpha1.Instance) string {
	if s, err := Queues(o); s != nil && err == nil {
		return s.Revision
	}
	return ""
}

func queueSettings(q *v1alpha1.Queue) queue.QueueSettings {
	s := queue.QueueSettings{
		Name: q.Name, Schema: raw(q.Schema), EncryptFields: q.EncryptFields, Lease: milliseconds(q.Lease),
		Retries:    retrySettings(q.Retries),
		Retention:  queue.RetentionSettings{Completed: keep(q.Retention.Completed), Failed: keep(q.Retention.Failed)},
		DeadLetter: q.DeadLetter, DeletionPolicy: string(q.DeletionPolicy),
	}
	if r := q.RateLimit; r != nil {
		s.RateLimit = &queue.RateLimit{Max: r.Max, Per: milliseconds(r.Per)}
		if r.Per == nil {
			s.RateLimit.Per = time.Second.Milliseconds()
		}
	}
	if q.Concurrency != nil {
		s.Concurrency = int64(*q.Concurrency)
	}
	if q.MaxWaiting != nil {
		s.MaxWaiting = *q.MaxWaiting
	}
	return s
}

// retrySettings: what users write as zero, attempts without end and no delay,
// the engine tells from what is not written.
func retrySettings(r v1alpha1.QueueRetries) queue.RetrySettings {
	s := queue.RetrySettings{Backoff: string(r.Backoff), Delay: milliseconds(r.Delay)}
	if r.MaxAttempts != nil {
		if s.MaxAttempts = *r.MaxAttempts; s.MaxAttempts == 0 {
			s.MaxAttempts = queue.None
		}
	}
	if r.Delay != nil && s.Delay == 0 {
		s.Delay = queue.None
	}
	return s
}

func keep(k v1alpha1.Keep) queue.Keep {
	out := queue.Keep{MaxAge: milliseconds(k.MaxAge)}
	if k.MaxCount != nil {
		out.MaxCount = *k.MaxCount
	}
	return out
}

func milliseconds(d *metav1.Duration) int64 {
	if d == nil {
		return 0
	}
	return d.Milliseconds()
}

func raw(j *apiextensionsv1.JSON) []byte {
	if j == nil {
		return nil
	}
	return j.Raw
}

// QueuesConfigMap holds the queues file that members mount. Unlike a revision's
// it changes, and members take it up while they run.
func QueuesConfigMap(in Inputs, s *queue.Settings) Object {
	return corev1ac.ConfigMap(NamesOf(in.Instance).QueuesConfigMap(), in.Instance.GetNamespace()).
		WithLabels(Labels(in)).
		WithOwnerReferences(owner(in)).
		WithData(map[string]string{KeyQueues: string(mustJSON(s))})
}

// queuesVolume may be empty: what the engine goes by is in its log, and a pod is
// not to wait for what cannot be written.
func queuesVolume(in Inputs) *corev1ac.VolumeApplyConfiguration {
	return corev1ac.Volume().WithName(volumeQueues).
		WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(NamesOf(in.Instance).QueuesConfigMap()).
			WithOptional(true).WithDefaultMode(readableByGroup))
}
