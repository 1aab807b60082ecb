package instance

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
)

// Grow asks for a larger volume where a claim asks for less than size: one
// claim a pass. It returns the claim's name.
func Grow(ctx context.Context, c client.Client, claims []corev1.PersistentVolumeClaim, size resource.Quantity) (string, error) {
	for i := range claims {
		claim := &claims[i]
		requested := claim.Spec.Resources.Requests[corev1.ResourceStorage]
		if claim.DeletionTimestamp != nil || requested.Cmp(size) >= 0 {
			continue
		}
		patch, err := json.Marshal(map[string]any{"spec": map[string]any{"resources": map[string]any{
			"requests": map[string]any{string(corev1.ResourceStorage): size.String()}}}})
		if err != nil {
			return "", fmt.Errorf("marshal patch: %w", err)
		}
		err = c.Patch(ctx, claim.DeepCopy(), client.RawPatch(types.MergePatchType, patch))
		if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
			return "", &apply.Stalled{Reason: v1alpha1.ReasonStorageNotExpandable, Err: fmt.Errorf(
				"volume %s cannot grow to %s: set allowVolumeExpansion on its StorageClass, or take spec.storage.size back (%w)", claim.Name, size.String(), err)}
		}
		if err != nil {
			return "", fmt.Errorf("grow claim %s: %w", claim.Name, err)
		}
		return claim.Name, nil
	}
	return "", nil
}

// Unresized names the first claim that has less capacity than size, with what
// is said about it; empty when all are large enough.
func Unresized(claims []corev1.PersistentVolumeClaim, size resource.Quantity) (name, message string) {
	for _, c := range claims {
		if c.Status.Phase != corev1.ClaimBound {
			return c.Name, "no volume is bound to " + c.Name + " yet"
		}
		capacity := c.Status.Capacity[corev1.ResourceStorage]
		if capacity.Cmp(size) >= 0 {
			continue
		}
		message = fmt.Sprintf("volume %s grows from %s to %s", c.Name, capacity.String(), size.String())
		for _, s := range c.Status.Conditions {
			if s.Status == corev1.ConditionTrue && s.Message != "" {
				message += ": " + s.Message
			}
		}
		return c.Name, message
	}
	return "", ""
}
