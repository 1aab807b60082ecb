package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
)

// holdRevision keeps the pods' revision where only the operator would change
// it: what the user did not ask for waits for approve-rollout. A change of the
// user's brings all that waits with it.
func (s *scope) holdRevision(ctx context.Context) error {
	asked := credentials.Request(s.object, v1alpha1.AnnotationApproveRollout)
	approved := asked != "" && asked != s.handledRollout
	running, err := s.runningRevision(ctx)
	if err != nil {
		return err
	}
	next := desired.Render(s.inputs)
	switch {
	case running != nil && s.encryption.problem != nil:
		s.inputs.Held = running // a pod that is made anew now could not read its volume
	case running == nil || *running == next || running.PodSpecHash() != desired.PodSpecHash(s.inputs) || approved:
		s.handledRollout = asked
	default:
		s.inputs.Held = running
		s.waiting = running.Changes(next)
	}
	return nil
}

// runningRevision is what pods are made from: nil before there are any, and for
// those that were made before revisions were kept. The template says which it
// is; where somebody edited that, a pod does.
func (s *scope) runningRevision(ctx context.Context) (*desired.Revision, error) {
	var names []string
	if s.set != nil {
		names = append(names, s.set.Spec.Template.Annotations[v1alpha1.AnnotationRevision])
	}
	for _, p := range s.pods {
		names = append(names, p.Annotations[v1alpha1.AnnotationRevision])
	}
	lost := ""
	for _, name := range names {
		if name == "" {
			continue
		}
		kept, err := apply.Lookup(ctx, s.r.Client, s.key(name), &corev1.ConfigMap{})
		if err != nil {
			return nil, err
		}
		if kept != nil && s.applier.Owns(kept) {
			revision, err := desired.RevisionOf(kept)
			if err == nil {
				return &revision, nil
			}
			if !errors.Is(err, desired.ErrNoRevision) {
				return nil, err
			}
		}
		lost = name
	}
	if lost == "" || lost == desired.Render(s.inputs).Name(s.object.GetName()) || s.wantsOtherPods() {
		return nil, nil
	}
	return nil, lostRevision(lost)
}

// wantsOtherPods: the user has approved a rollout, or changed what shapes a pod.
func (s *scope) wantsOtherPods() bool {
	asked := credentials.Request(s.object, v1alpha1.AnnotationApproveRollout)
	if asked != "" && asked != s.handledRollout {
		return true
	}
	return slices.ContainsFunc(s.pods, func(p corev1.Pod) bool {
		return p.Annotations[v1alpha1.AnnotationPodSpecHash] != desired.PodSpecHash(s.inputs)
	})
}

// lostRevision stops where the pods' revision was deleted by hand and this
// version cannot make it again: to go on would replace pods that nobody asked
// to replace.
func lostRevision(name string) error {
	return &apply.Stalled{Reason: v1alpha1.ReasonRevisionLost, Err: fmt.Errorf(
		"ConfigMap %q, from which an earlier version of the operator made the pods, is gone: restore it, or have them replaced by a new value of the annotation %s",
		name, v1alpha1.AnnotationApproveRollout)}
}
