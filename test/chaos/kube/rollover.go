package kube

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/hack/image/images"
	"github.com/coffer-dev/coffer/test/fixture"
)

const (
	// nextTag is another build of the same image, which a rollout goes to.
	nextTag = "next"
	// leadersDeleted is how often a leader's pod is, of the database and the queue.
	leadersDeleted = 20
)

// Rollover is what an operator of clusters does to a group in a year: leaders'
// pods are deleted, the image is rolled, and every node is drained and comes back.
func Rollover(ctx context.Context, cluster *fixture.Cluster, o Options) (*Report, error) {
	file, err := images.BuildCoffer(ctx, o.Root, "coffer:"+nextTag)
	if err != nil {
		return nil, err
	}
	_, err = fixture.Run(ctx, "", "go", "-C", filepath.Join(o.Root, "hack", "cluster"), "run", ".", "load-image", "--name", "test", file)
	if err != nil {
		return nil, err
	}
	return run(ctx, cluster, o, (*world).rollover)
}

func (w *world) rollover(ctx context.Context) error {
	deleteLeader := fault{"leader's pod deleted", func(w *world, ctx context.Context, t target) error { return w.remove(ctx, t.leader, 0) }}
	for range leadersDeleted {
		for _, o := range w.instances() {
			if err := w.strikeAt(ctx, deleteLeader, o); err != nil {
				return err
			}
		}
	}
	if err := fixture.Install(ctx, filepath.Join(w.Root, "charts", "coffer"), nextTag, w.System); err != nil {
		return err
	}
	for _, o := range w.instances() {
		if err := w.strikeAt(ctx, fault{"image rolled", (*world).roll}, o); err != nil {
			return err
		}
	}
	for _, n := range w.nodes {
		drained := fault{"node drained", func(w *world, ctx context.Context, t target) error {
			t.victim = &corev1.Pod{Spec: corev1.PodSpec{NodeName: n.Name()}}
			return w.drain(ctx, t)
		}}
		if err := w.strike(ctx, drained); err != nil {
			return err
		}
	}
	return nil
}

// roll approves the image of the operator that is there now.
func (w *world) roll(ctx context.Context, t target) error {
	err := await(ctx, "a rollout is pending", func(ctx context.Context) (string, error) {
		err := w.cluster.Reload(ctx, t.Instance)
		now := fixture.Condition(t.Instance, v1alpha1.ConditionRolloutPending)
		return obstacle(len(now) > 4 && now[:4] == "True", "%s", now), err
	})
	if err != nil {
		return err
	}
	if err := w.cluster.Annotate(ctx, t.Instance, v1alpha1.AnnotationApproveRollout, time.Now().Format(time.RFC3339Nano)); err != nil {
		return err
	}
	return await(ctx, "all members have the other image", func(ctx context.Context) (string, error) {
		pods, err := w.members(ctx, t.Instance)
		for _, p := range pods {
			if image := p.Spec.Containers[0].Image; image != "coffer:"+nextTag {
				return fmt.Sprintf("%s has %s", p.Name, image), nil
			}
		}
		return "", err
	})
}
