package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/desired"
)

// observeGrants reads what AccessTokens ask for. A grant counts for as long as
// its token lives and names this database: the token's own reconciler removes
// it then, but nobody's access hangs on that one being there.
func (s *scope) observeGrants(ctx context.Context) error {
	list := &corev1.SecretList{}
	if err := s.r.Client.List(ctx, list, client.InNamespace(s.object.GetNamespace()), client.MatchingLabels{
		v1alpha1.LabelGrant: "true", v1alpha1.LabelName: s.r.Kind.Label, v1alpha1.LabelInstance: s.object.GetName(),
	}); err != nil {
		return fmt.Errorf("list grants: %w", err)
	}
	var living []corev1.Secret
	for i := range list.Items {
		token, err := s.livingToken(ctx, &list.Items[i])
		if err != nil {
			return err
		}
		if token != nil {
			living = append(living, list.Items[i])
			s.tokens = append(s.tokens, token)
		}
	}
	s.grants = desired.FittingGrants(living)
	return nil
}

// livingToken is the token of a grant, if it is there, is the one that the grant
// was made for, and still names this database; nil otherwise.
func (s *scope) livingToken(ctx context.Context, grant *corev1.Secret) (*v1alpha1.AccessToken, error) {
	if grant.DeletionTimestamp != nil {
		return nil, nil
	}
	token, err := apply.Lookup(ctx, s.r.Client, desired.TokenOf(grant), &v1alpha1.AccessToken{})
	if err != nil || token == nil {
		return nil, err
	}
	if string(token.UID) == grant.Annotations[v1alpha1.AnnotationTokenUID] && token.DeletionTimestamp == nil &&
		string(token.Spec.TargetRef.Kind) == s.r.Kind.Name && token.Spec.TargetRef.Name == s.object.GetName() && token.TargetNamespace() == s.object.GetNamespace() {
		return token, nil
	}
	return nil, nil
}

// usersVersion is the newest version of the users file that every member reads.
// A pod that does not exist yet will; of a member that does not answer, nothing
// is known but what it has.
func (s *scope) usersVersion() int {
	if s.set == nil {
		return s.r.Kind.UsersVersion
	}
	version, silent := s.r.Kind.UsersVersion, false
	for _, m := range s.members {
		if m.Status == nil {
			silent = true
			continue
		}
		version = min(version, max(m.Status.Credentials.FileVersion, 1))
	}
	if silent && version == s.r.Kind.UsersVersion {
		return max(s.writtenVersion(), 1)
	}
	return version
}

// writtenVersion is that of the users file as it is; 0 without one.
func (s *scope) writtenVersion() int {
	if s.server == nil {
		return 0
	}
	var head struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(s.server.Data[desired.KeyUsers], &head) != nil || head.Version > s.r.Kind.UsersVersion {
		return 0
	}
	return head.Version
}

// tooOld: a member runs an engine from before there were tokens and audit.
func (s *scope) tooOld() bool {
	return s.inputs.Server != nil && s.inputs.Server.Version < s.r.Kind.UsersVersion
}

// maxPeersShown is what the CRD has room for.
const maxPeersShown = 64

// accessStatus shows who is let in, as it was last applied.
func (s *scope) accessStatus(after *v1alpha1.InstanceStatus) {
	if !s.applied || s.inputs.Instance == nil {
		return
	}
	after.AccessTokens = int32(len(s.inputs.Grants)) //nolint:gosec // desired.MaxGrants bounds it
	peers := desired.PeersInWords(s.inputs)
	after.NetworkPolicy = v1alpha1.NetworkPolicyStatus{Peers: peers}
	if n := len(peers); n > maxPeersShown {
		after.NetworkPolicy = v1alpha1.NetworkPolicyStatus{Peers: peers[:maxPeersShown], More: int32(n - maxPeersShown)} //nolint:gosec // bounded by MaxGrants and the CRD
	}
}
