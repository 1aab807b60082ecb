package accesstoken

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/rotation"
)

// apply writes what differs: the new password where nobody mounts it, then what
// the target is to accept, and what the application reads last.
func (s *scope) apply(ctx context.Context) error {
	in := s.inputs
	for _, step := range []struct {
		due     bool
		applier apply.Applier
		object  func(desired.TokenInputs) desired.Object
	}{
		{in.Pending != nil, s.mine, desired.TokenPendingObject},
		{in.Grant != nil, s.theirs, desired.GrantObject},
		{in.Connection != nil, s.mine, desired.TokenConnectionObject},
	} {
		if !step.due {
			continue
		}
		change, err := step.applier.One(ctx, step.object(in))
		if err != nil {
			return apply.StalledBy(err)
		}
		if change != nil {
			s.changes = append(s.changes, *change)
		}
	}
	if a := s.decision.Action; a != nil && a.DeletePending {
		if err := s.mine.Delete(ctx, s.pending); err != nil {
			return fmt.Errorf("remove the pending secret: %w", err)
		}
	}
	s.applied = true
	return nil
}

// prune removes the secret of a name that the token had before, once the
// password in it is refused: until then, applications may still read it.
func (s *scope) prune(ctx context.Context) error {
	if s.decision.Phase != rotation.Idle || s.decision.Action != nil || s.seen.Connection == nil {
		return nil
	}
	list := &corev1.SecretList{}
	if err := s.r.Client.List(ctx, list, client.InNamespace(s.token.Namespace), client.MatchingLabels(s.mine.Owner.Labels)); err != nil {
		return fmt.Errorf("list the token's secrets: %w", err)
	}
	for i := range list.Items {
		secret := &list.Items[i]
		if secret.Name == s.token.SecretNameOrDefault() || secret.Name == desired.TokenPendingSecret(s.token) || !owns(s.token, secret) {
			continue
		}
		if err := s.mine.Delete(ctx, secret); err != nil {
			return fmt.Errorf("remove the secret of a former name: %w", err)
		}
	}
	return nil
}
