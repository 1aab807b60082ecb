package desired

import (
	"maps"

	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// Values of labels.
const (
	product         = "coffer"
	componentEngine = "engine"
)

// OperatorLabels are on the operator's pods, and on no other, however it was
// installed: the chart and config/manager set them.
func OperatorLabels() map[string]string {
	return map[string]string{
		v1alpha1.LabelName:      product,
		v1alpha1.LabelComponent: "operator",
	}
}

// Labels are on every object of an instance.
func Labels(in Inputs) map[string]string {
	return map[string]string{
		v1alpha1.LabelName:      in.kind().Label,
		v1alpha1.LabelInstance:  in.Instance.GetName(),
		v1alpha1.LabelComponent: componentEngine,
		v1alpha1.LabelPartOf:    product,
		v1alpha1.LabelManagedBy: product,
	}
}

// Selector are the labels that select the members' pods. They can never change.
func Selector(in Inputs) map[string]string {
	return map[string]string{
		v1alpha1.LabelName:      in.kind().Label,
		v1alpha1.LabelInstance:  in.Instance.GetName(),
		v1alpha1.LabelComponent: componentEngine,
	}
}

// watched are the labels of secrets: those that the operator's cache holds.
func watched(in Inputs) map[string]string {
	labels := Labels(in)
	labels[v1alpha1.LabelWatch] = "true"
	return labels
}

// owner makes the garbage collector remove an object with its instance.
func owner(in Inputs) *metav1ac.OwnerReferenceApplyConfiguration {
	return plainOwner(in).WithController(true).WithBlockOwnerDeletion(true)
}

// plainOwner is for objects that may have a controller already.
func plainOwner(in Inputs) *metav1ac.OwnerReferenceApplyConfiguration {
	gvk := v1alpha1.GroupVersion.WithKind(in.kind().Name)
	return metav1ac.OwnerReference().
		WithAPIVersion(gvk.GroupVersion().String()).
		WithKind(gvk.Kind).
		WithName(in.Instance.GetName()).
		WithUID(in.Instance.GetUID())
}

// annotations copies, so that an object never shares a map with its input.
func annotations(m map[string]string) map[string]string { return maps.Clone(m) }
