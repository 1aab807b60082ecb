package controllers

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// TestLargeObjectsAreNotKeptInMemory: one namespace's users must not be able to
// use up the memory of the operator of all, by labelling what they fill.
func TestLargeObjectsAreNotKeptInMemory(t *testing.T) {
	mark := map[string]string{v1alpha1.LabelWatch: "true", v1alpha1.LabelManagedBy: "coffer"}
	large := bytes.Repeat([]byte("x"), 1<<20)
	for o, by := range cacheOptions().ByObject {
		switch o.(type) {
		case *corev1.Secret, *corev1.ConfigMap:
		default:
			continue
		}
		for name, fill := range map[string]func(client.Object){
			"data": func(o client.Object) {
				if s, ok := o.(*corev1.Secret); ok {
					s.Data = map[string][]byte{"x": large}
				} else if c, ok := o.(*corev1.ConfigMap); ok {
					c.Data, c.BinaryData = map[string]string{"x": string(large[:1<<19])}, map[string][]byte{"y": large[:1<<19]}
				}
			},
			"annotations": func(o client.Object) { o.SetAnnotations(map[string]string{"x": strings.Repeat("x", cacheable)}) },
			"labels": func(o client.Object) {
				for i := range 10_000 {
					o.GetLabels()[strings.Repeat("x", 40)+string(rune('a'+i%26))+strings.Repeat("y", i%20)+string(rune(i+1000))] = strings.Repeat("v", 63)
				}
			},
			"managed fields": func(o client.Object) {
				o.SetManagedFields([]metav1.ManagedFieldsEntry{{FieldsV1: metav1.NewFieldsV1(string(large))}})
			},
		} {
			object := o.DeepCopyObject().(client.Object)
			object.SetName("x")
			object.SetLabels(map[string]string{})
			for k, v := range mark {
				object.GetLabels()[k] = v
			}
			fill(object)
			kept, err := by.Transform(object)
			if err != nil {
				t.Fatal(err)
			}
			k := kept.(client.Object)
			if size := len(mustMarshal(t, k)); size > 4096 {
				t.Errorf("%T large by its %s: %d bytes are kept", o, name, size)
			}
			if k.GetName() != "x" || k.GetLabels()[v1alpha1.LabelWatch] != "true" || k.GetLabels()[v1alpha1.LabelManagedBy] != "coffer" {
				t.Errorf("%T: it is not known any more whose it is: %v", o, k.GetLabels())
			}
		}
	}
}

func mustMarshal(t *testing.T, o client.Object) []byte {
	t.Helper()
	var raw []byte
	var err error
	switch o := o.(type) {
	case *corev1.Secret:
		raw, err = o.Marshal()
	case *corev1.ConfigMap:
		raw, err = o.Marshal()
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
