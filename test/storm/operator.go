package storm

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture"
)

// lease is whose holder acts as the operator.
const lease = "operator.coffer.dev"

// killOperators kills the operator, as a crash does, and removes its pod, until
// the storm is over: some time after it has taken over, by which it may be in
// the middle of anything. The one that comes instead waits for the lease first.
func (s *storm) killOperators(ctx, raging context.Context, rng *rand.Rand) error {
	for {
		pod, err := s.acting(raging)
		if err != nil || pause(raging, time.Duration(rng.Int64N(int64(s.Calm)+1))) != nil {
			return nil //nolint:nilerr // the storm is over
		}
		if err := s.kill(ctx, pod); err != nil {
			return err
		}
	}
}

// acting waits for a pod of the operator that holds the lease.
func (s *storm) acting(ctx context.Context) (pod *corev1.Pod, err error) {
	for {
		held, pods := &coordinationv1.Lease{}, &corev1.PodList{}
		err := errors.Join(s.cluster.Get(ctx, client.ObjectKey{Namespace: s.System, Name: lease}, held),
			s.cluster.List(ctx, pods, client.InNamespace(s.System), client.MatchingLabels{v1alpha1.LabelName: "coffer"}))
		for i := range pods.Items {
			if err == nil && held.Spec.HolderIdentity != nil && strings.HasPrefix(*held.Spec.HolderIdentity, pods.Items[i].Name+"_") {
				return &pods.Items[i], nil
			}
		}
		if err := pause(ctx, tick); err != nil {
			return nil, err
		}
	}
}

func (s *storm) kill(ctx context.Context, pod *corev1.Pod) error {
	processes, _ := fixture.Processes(pod, "coffer")
	if len(processes) == 0 {
		return nil // it has ended by itself, and is just being started again
	}
	for _, p := range processes {
		if err := p.Kill(); err != nil {
			return err
		}
	}
	s.report.killed()
	return client.IgnoreNotFound(s.cluster.Delete(ctx, pod, client.GracePeriodSeconds(0)))
}
