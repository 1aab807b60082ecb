package kube

import (
	"context"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// ask sets an annotation to a value that it never had, and waits until that has
// been carried out.
func (w *world) ask(ctx context.Context, t target, annotation string) error {
	w.asked++
	value := strconv.Itoa(w.asked)
	if err := w.cluster.Annotate(ctx, t.Instance, annotation, value); err != nil {
		return err
	}
	return await(ctx, annotation+" is carried out", func(ctx context.Context) (string, error) {
		err := w.cluster.Reload(ctx, t.Instance)
		return obstacle(t.InstanceStatus().LastHandled[annotation] == value, "%s", t.InstanceStatus().Status), err
	})
}

func (w *world) restart(ctx context.Context, t target) error {
	if err := w.ask(ctx, t, v1alpha1.AnnotationRestart); err != nil {
		return err
	}
	var pods []*corev1.Pod
	for i := range t.members {
		pods = append(pods, &t.members[i])
	}
	return w.replaced(ctx, pods...)
}

func (w *world) switchover(ctx context.Context, t target) error {
	return w.ask(ctx, t, v1alpha1.AnnotationSwitchover)
}

// rotatePassword ends the overlap after clients have had time to read the new one.
func (w *world) rotatePassword(ctx context.Context, t target) error {
	before := t.InstanceStatus().Credentials.Generation
	w.asked++
	if err := w.cluster.Annotate(ctx, t.Instance, v1alpha1.AnnotationRotateCredentials, strconv.Itoa(w.asked)); err != nil {
		return err
	}
	err := await(ctx, "another password is in the secret", func(ctx context.Context) (string, error) {
		secret, err := w.cluster.Connection(ctx, t.Instance)
		return obstacle(err == nil && string(secret.Data["generation"]) == strconv.FormatInt(before+1, 10), "the one before is"), err
	})
	if err != nil {
		return err
	}
	if err := sleep(ctx, 3*time.Second); err != nil {
		return err
	}
	if err := w.cluster.Annotate(ctx, t.Instance, v1alpha1.AnnotationRotateComplete, strconv.Itoa(w.asked)); err != nil {
		return err
	}
	return await(ctx, "the password before is revoked", func(ctx context.Context) (string, error) {
		err := w.cluster.Reload(ctx, t.Instance)
		c := t.InstanceStatus().Credentials
		return obstacle(c.Phase == v1alpha1.PhaseIdle && c.Generation == before+1, "%s: %s", c.Phase, t.InstanceStatus().Status), err
	})
}

func (w *world) renewCertificate(ctx context.Context, t target) error {
	return w.ask(ctx, t, v1alpha1.AnnotationRotateTLS)
}
