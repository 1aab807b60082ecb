package storm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/hack/demo/client/job"
	"github.com/coffer-dev/coffer/hack/demo/client/report"
	"github.com/coffer-dev/coffer/test/fixture"
)

// application is a pod that mounts one secret and uses the database by it.
type application struct {
	*storm
	client job.Client
	pod    string
	output *report.Output

	mu        sync.Mutex
	delivered time.Time // when delivery was last asked for
}

func (a *application) start(ctx context.Context) error {
	if out, err := fixture.Kubectl(ctx, a.client.Manifest(), "apply", "--filename", "-"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	err := await(ctx, a.client.Name+" runs", func(ctx context.Context) (string, error) {
		pods, err := a.cluster.Logs.CoreV1().Pods(a.Namespace).List(ctx, metav1.ListOptions{LabelSelector: a.client.Selector()})
		if err != nil || len(pods.Items) == 0 {
			return "no pod yet", err
		}
		a.pod = pods.Items[0].Name
		return notYet(pods.Items[0].Status.Phase != corev1.PodPending, "%s", pods.Items[0].Status.Phase), nil
	})
	if err != nil {
		return err
	}
	// Its end shows in the output, so that nothing else should end the stream.
	stream, err := a.cluster.Logs.CoreV1().Pods(a.Namespace).GetLogs(a.pod, &corev1.PodLogOptions{Follow: true}).Stream(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	a.output = report.Follow(stream)
	return nil
}

// working says what keeps it from doing so.
func (a *application) working() (obstacle string, err error) {
	_, last, other := a.output.State()
	return notYet(last.Commands > 0, "without a command: %s", other), nil
}

// problem is a failed command, or an end that was not asked for.
func (a *application) problem() error {
	_, last, other := a.output.State()
	if last.Failed > 0 {
		return fmt.Errorf("%s: %d commands failed, the first: %s", a.client.Name, last.Failed, last.Error)
	}
	select {
	case <-a.output.Ended():
		return fmt.Errorf("%s ended early: %s", a.client.Name, other)
	default:
		return nil
	}
}

// has says whether the application uses what the secret holds of credentials, and of authorities.
func (a *application) has(secret *corev1.Secret) (credentials, authorities bool) {
	_, last, _ := a.output.State()
	sum := sha256.Sum256([]byte(strings.TrimSpace(string(secret.Data["ca.crt"]))))
	return last.Generation == string(secret.Data["generation"]), last.Authorities == hex.EncodeToString(sum[:])
}

// waiting is for the application to take up what its secret holds; unless
// kubelets are left alone, this one is asked to deliver.
func (a *application) waiting(ctx context.Context, has, unasked bool) (obstacle string, err error) {
	if has {
		return "", nil
	}
	if !unasked {
		err = a.deliver(ctx)
	}
	return "the kubelet has not delivered it", err
}

// redeliver is when to ask again: a kubelet that looked before its own watch
// told it of the new secret delivers the old one.
const redeliver = 5 * time.Second

// deliver has the kubelet look at the mounted secret now.
func (a *application) deliver(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.delivered) < redeliver {
		return nil
	}
	a.delivered = time.Now()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: a.pod}}
	return a.cluster.Annotate(ctx, pod, job.Deliver, a.delivered.Format(time.RFC3339Nano))
}

// stopApplications ends them as they end by themselves, with their last words.
func (s *storm) stopApplications(ctx context.Context) error {
	s.note("stopping applications")
	for _, a := range s.applications() {
		stop := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: a.client.StopConfigMap()}, Data: map[string]string{"stop": "now"}}
		if err := s.cluster.Create(ctx, stop); err != nil {
			return err
		}
	}
	var problems []error
	for _, a := range s.applications() {
		err := await(ctx, a.client.Name+" ends", func(ctx context.Context) (string, error) {
			if _, last, _ := a.output.State(); last.Done {
				return "", nil
			}
			return "it works", a.deliver(ctx)
		})
		problems = append(problems, err, a.ended(ctx))
	}
	return errors.Join(problems...)
}

// ended holds the pod to a clean end.
func (a *application) ended(ctx context.Context) error {
	pod := &corev1.Pod{}
	err := await(ctx, a.client.Name+" has ended", func(ctx context.Context) (string, error) {
		err := a.cluster.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: a.pod}, pod)
		return notYet(pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed, "%s", pod.Status.Phase), err
	})
	if err == nil && pod.Status.Phase == corev1.PodFailed {
		_, last, other := a.output.State()
		err = fmt.Errorf("%s failed: %s %s", a.client.Name, last.Error, other)
	}
	return err
}
