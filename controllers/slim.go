package controllers

import (
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// cacheable is the largest content that the cache keeps of one object. What the
// operator and cert-manager write has a few kilobytes.
const cacheable = 256 << 10

// slim keeps large Secrets and ConfigMaps out of memory: whoever may write them
// in one namespace may label as many as they like for us, and the operator that
// they exhaust is everybody's. Such an object keeps what tells whose it is; all
// that is read from a Secret for good is read live.
func slim(o any) (any, error) {
	object, ok := o.(client.Object)
	if !ok {
		return o, nil
	}
	size := sizeOfMeta(object)
	switch content := o.(type) {
	case *corev1.Secret:
		for k, v := range content.Data {
			size += len(k) + len(v)
		}
		if size > cacheable {
			content.Data = nil
		}
	case *corev1.ConfigMap:
		for k, v := range content.Data {
			size += len(k) + len(v)
		}
		for k, v := range content.BinaryData {
			size += len(k) + len(v)
		}
		if size > cacheable {
			content.Data, content.BinaryData = nil, nil
		}
	}
	if size > cacheable {
		object.SetAnnotations(nil)
		object.SetManagedFields(nil)
		object.SetLabels(identity(object.GetLabels()))
	}
	return o, nil
}

func sizeOfMeta(o client.Object) int {
	size := 0
	for _, m := range []map[string]string{o.GetAnnotations(), o.GetLabels()} {
		for k, v := range m {
			size += len(k) + len(v)
		}
	}
	for _, m := range o.GetManagedFields() {
		if m.FieldsV1 != nil {
			size += len(m.FieldsV1.GetRawString())
		}
	}
	return size
}

// identity are the labels that say whose an object is.
func identity(all map[string]string) map[string]string {
	out := map[string]string{}
	for _, k := range []string{v1alpha1.LabelWatch, v1alpha1.LabelName, v1alpha1.LabelInstance, v1alpha1.LabelComponent,
		v1alpha1.LabelPartOf, v1alpha1.LabelManagedBy} {
		if v, ok := all[k]; ok {
			out[k] = v
		}
	}
	return out
}
