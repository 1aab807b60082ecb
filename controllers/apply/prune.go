package apply

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Prune deletes the instance's objects of the listed kinds that are not among
// the desired ones, but for those that keep holds back. Kinds that carry data
// (secrets, claims, the StatefulSet) are not for the caller to list.
func (a Applier) Prune(ctx context.Context, desired []runtime.ApplyConfiguration, kinds []client.ObjectList, keep func(client.Object) bool) ([]Change, error) {
	wanted := map[schema.GroupKind]map[string]bool{}
	for _, o := range desired {
		p, err := parse(o)
		if err != nil {
			return nil, err
		}
		if wanted[p.gvk.GroupKind()] == nil {
			wanted[p.gvk.GroupKind()] = map[string]bool{}
		}
		wanted[p.gvk.GroupKind()][p.key.Name] = true
	}
	var changes []Change
	for _, list := range kinds {
		if err := a.Client.List(ctx, list, client.InNamespace(a.Owner.Namespace), client.MatchingLabels(a.Owner.Labels)); err != nil {
			return changes, fmt.Errorf("list for pruning: %w", err)
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			return changes, fmt.Errorf("read the list for pruning: %w", err)
		}
		for _, item := range items {
			o, ok := item.(client.Object)
			if !ok {
				continue
			}
			gvk, err := apiutil.GVKForObject(o, a.Client.Scheme())
			if err != nil {
				return changes, fmt.Errorf("kind of %s: %w", o.GetName(), err)
			}
			if wanted[gvk.GroupKind()][o.GetName()] || appliedEntry(o) == nil || o.GetDeletionTimestamp() != nil || keep(o) {
				continue
			}
			if err := a.Delete(ctx, o); err != nil {
				return changes, err
			}
			changes = append(changes, Change{Kind: gvk.Kind, Name: o.GetName()})
		}
	}
	return changes, nil
}

// Delete removes exactly the object that was read: not one that took its name
// meanwhile.
func (a Applier) Delete(ctx context.Context, o client.Object) error {
	uid := o.GetUID()
	err := a.Client.Delete(ctx, o, client.Preconditions{UID: &uid})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %T %s: %w", o, o.GetName(), err)
	}
	return nil
}

// UsedByPods holds back the ConfigMaps that a pod mounts: a pod keeps the
// configuration of its own revision for as long as it lives.
func UsedByPods(pods []corev1.Pod) func(client.Object) bool {
	used := map[string]bool{}
	for _, p := range pods {
		for _, v := range p.Spec.Volumes {
			if v.ConfigMap != nil {
				used[v.ConfigMap.Name] = true
			}
		}
	}
	return func(o client.Object) bool {
		_, ok := o.(*corev1.ConfigMap)
		return ok && used[o.GetName()]
	}
}
