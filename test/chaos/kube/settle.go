package kube

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/chaos/clients"
	"github.com/coffer-dev/coffer/test/fixture"
)

// steady is how long all must be well to be believed: the status is of a moment ago.
const steady = 2 * time.Second

// settled waits until all members of both are there, and clients are answered.
func (w *world) settled(ctx context.Context, members int) error {
	for _, o := range w.instances() {
		var since time.Time
		err := await(ctx, o.GetName()+" has all its members", func(ctx context.Context) (string, error) {
			trouble, err := w.trouble(ctx, o, members)
			switch {
			case trouble != "" || err != nil:
				since = time.Time{}
			case since.IsZero():
				since = time.Now()
			}
			if trouble == "" && time.Since(since) < steady {
				trouble = "not for long"
			}
			return trouble, err
		})
		if err != nil {
			return err
		}
	}
	return w.answered(ctx)
}

// trouble is what an instance lacks.
func (w *world) trouble(ctx context.Context, o v1alpha1.Instance, members int) (string, error) {
	if err := w.cluster.Reload(ctx, o); err != nil {
		return "", err
	}
	s := o.InstanceStatus()
	if s.ReadyReplicas != fmt.Sprintf("%d/%d", members, members) || len(s.Members) != members || s.Primary == "" || !fixture.Ready(o) {
		return fmt.Sprintf("%s ready of %d, %q leads: %s", s.ReadyReplicas, len(s.Members), s.Primary, s.Status), nil
	}
	pods, err := w.members(ctx, o)
	if len(pods) != members {
		return fmt.Sprintf("%d pods", len(pods)), err
	}
	for i := range pods {
		if p := &pods[i]; p.DeletionTimestamp != nil || !ready(p) {
			return p.Name + " is not ready", err
		}
	}
	return "", err
}

func ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// answered waits for another write and another job to be acknowledged.
func (w *world) answered(ctx context.Context) error {
	if w.keys == nil || w.jobs == nil {
		return nil
	}
	for what, p := range map[string]*clients.Pulse{"write": w.keys.Writes, "job": w.jobs.Pushes} {
		before := p.Count()
		err := await(ctx, "another "+what+" is acknowledged", func(context.Context) (string, error) {
			return obstacle(p.Count() > before, "none is"), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pulse is that of an instance's clients.
func (w *world) pulse(o v1alpha1.Instance) *clients.Pulse {
	if o == v1alpha1.Instance(w.database) {
		return w.keys.Writes
	}
	return w.jobs.Pushes
}

// obstacle is what await wants: nothing once it holds.
func obstacle(holds bool, format string, args ...any) string {
	if holds {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// await polls until there is nothing in the way and no error.
func await(ctx context.Context, what string, look func(context.Context) (string, error)) error {
	deadline := time.Now().Add(patience)
	for {
		obstacle, err := look(ctx)
		if err == nil && obstacle == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s: %s: %w", what, patience, obstacle, err)
		}
		if err := sleep(ctx, tick); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
