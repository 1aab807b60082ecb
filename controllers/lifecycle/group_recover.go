package lifecycle

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
)

// leftAlone reads claims and pods live, and says whether nothing is left of all
// members but one: no claim that has a number, and no pod from before its claim.
func (s *scope) leftAlone(ctx context.Context, ordinal int) (bool, error) {
	mine := []client.ListOption{client.InNamespace(s.object.GetNamespace()), client.MatchingLabels(desired.Selector(desired.Inputs{Instance: s.object}))}
	claims, pods := &corev1.PersistentVolumeClaimList{}, &corev1.PodList{}
	if err := s.r.Live.List(ctx, claims, mine...); err != nil {
		return false, fmt.Errorf("list claims: %w", err)
	}
	if err := s.r.Live.List(ctx, pods, mine...); err != nil {
		return false, fmt.Errorf("list pods: %w", err)
	}
	made := map[string]time.Time{}
	for _, c := range claims.Items {
		if c.Name == s.names.Claim(ordinal) {
			continue
		}
		if c.DeletionTimestamp != nil || number(c, v1alpha1.AnnotationMember) != 0 {
			return false, nil
		}
		made[c.Name] = c.CreationTimestamp.Time
	}
	for _, p := range pods.Items {
		i, ok := s.names.Ordinal(p.Name)
		if !ok || i == ordinal {
			continue
		}
		if at, ok := made[s.names.Claim(i)]; !ok || p.CreationTimestamp.Time.Before(at) {
			return false, nil
		}
	}
	return true, nil
}
