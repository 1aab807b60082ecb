package lifecycle

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
)

// apply writes what differs, in desired's order. The StatefulSet is first made
// once everything that its pods mount exists: a kubelet that misses a secret
// tries again only after a growing pause.
func (s *scope) apply(ctx context.Context) error {
	var objects []desired.Object
	for _, o := range desired.All(s.inputs) {
		if _, isSet := o.(*appsv1ac.StatefulSetApplyConfiguration); isSet && s.set == nil && !s.mountable() {
			continue
		}
		objects = append(objects, o)
	}
	changes, err := s.applier.All(ctx, objects)
	s.changes = changes
	if err != nil {
		return apply.StalledBy(err)
	}
	if a := s.decision.Action; a != nil && a.DeletePending {
		if err := s.applier.Delete(ctx, s.pending); err != nil {
			return fmt.Errorf("remove the pending secret: %w", err)
		}
	}
	s.applied = true
	return nil
}

func (s *scope) mountable() bool {
	return s.keysMountable() && s.inputs.Server != nil && s.inputs.Metrics != nil &&
		s.issued[s.names.ServerTLS()] != nil && s.issued[s.names.AdminTLS()] != nil
}

// prune removes what is no longer desired, once the StatefulSet's controller
// has seen the current template: until then it may still make a pod that mounts
// an older configuration.
func (s *scope) prune(ctx context.Context) error {
	if len(s.changes) > 0 || s.set == nil || s.set.Status.ObservedGeneration != s.set.Generation {
		return nil
	}
	kinds := []client.ObjectList{&corev1.ConfigMapList{}, &corev1.ServiceList{}, &networkingv1.NetworkPolicyList{}, &policyv1.PodDisruptionBudgetList{}}
	_, err := s.applier.Prune(ctx, desired.All(s.inputs), kinds, apply.UsedByPods(s.pods))
	if err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	return nil
}

// deliver has the kubelets bring changed secrets to members that lag. A
// revision that is being replaced in this very pass is not worth delivering.
func (s *scope) deliver(ctx context.Context) error {
	revision := ""
	if s.decision.Deliver && s.decision.Action == nil {
		revision = s.seen.Server.Revision
	}
	if err := instance.Deliver(ctx, s.r.Client, s.now, s.members, instance.Revisions{
		Users: revision, TLS: s.tlsFingerprint(), AdminTLS: s.fingerprint(s.names.AdminTLS()), EncryptionKey: s.encryptionKey(),
		Queues: desired.QueuesRevision(s.object), Settings: desired.Settings(s.object).Revision,
		Authorities: credentials.Sum(s.memberAuthorities()), Distrusting: s.lagging(),
	}); err != nil {
		return fmt.Errorf("deliver secrets: %w", err)
	}
	return nil
}

func (s *scope) roll(ctx context.Context) error {
	if s.group.grouped {
		return s.rollGroup(ctx)
	}
	var err error
	if s.rolled, err = instance.Roll(ctx, s.r.Client, s.set, s.members); err != nil {
		return fmt.Errorf("roll: %w", err)
	}
	return nil
}

// grow is the last step and another kind of imperative act: it waits while a pod
// is being replaced, or members change.
func (s *scope) grow(ctx context.Context) error {
	if s.rolled != "" || s.group.done != nil {
		return nil
	}
	var err error
	if s.grown, err = instance.Grow(ctx, s.r.Client, s.claims, s.spec().Storage.Size); err != nil {
		return fmt.Errorf("grow: %w", err)
	}
	return nil
}
