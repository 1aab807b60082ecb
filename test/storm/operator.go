package storm

import (
	"context"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture"
)

// killOperators kills the operator, as a crash does, and removes its pod, until
// the storm is over. The one that comes instead waits for the lease first.
func (s *storm) killOperators(ctx, raging context.Context, rng *rand.Rand) error {
	least := s.Calm / 5
	for {
		if pause(raging, least+time.Duration(rng.Int64N(int64(s.Calm-least)+1))) != nil {
			return nil
		}
		pods := &corev1.PodList{}
		err := s.cluster.List(ctx, pods, client.InNamespace(s.System), client.MatchingLabels{v1alpha1.LabelName: "coffer"})
		if err != nil {
			return err
		}
		for i := range pods.Items {
			if err := s.kill(ctx, &pods.Items[i]); err != nil {
				return err
			}
		}
	}
}

func (s *storm) kill(ctx context.Context, pod *corev1.Pod) error {
	processes, _ := fixture.Processes(pod, "coffer")
	if len(processes) == 0 {
		return nil // it is just starting, or ending
	}
	for _, p := range processes {
		if err := p.Kill(); err != nil {
			return err
		}
	}
	s.report.killed()
	return client.IgnoreNotFound(s.cluster.Delete(ctx, pod, client.GracePeriodSeconds(0)))
}
