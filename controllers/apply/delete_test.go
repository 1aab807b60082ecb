package apply

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// TestDeleteIsOfTheObjectThatWasRead: between reading and deleting, another
// object may have taken the name.
func TestDeleteIsOfTheObjectThatWasRead(t *testing.T) {
	var asked types.UID
	c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Delete: func(_ context.Context, _ client.WithWatch, _ client.Object, opts ...client.DeleteOption) error {
			var all client.DeleteOptions
			all.ApplyOptions(opts)
			if all.Preconditions != nil && all.Preconditions.UID != nil {
				asked = *all.Preconditions.UID
			}
			return nil
		},
	}).Build()
	read := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-pending", UID: "read"}}
	if err := (Applier{Client: c}).Delete(t.Context(), read); err != nil {
		t.Fatal(err)
	}
	if asked != "read" {
		t.Errorf("deletes whatever has the name (UID %q)", asked)
	}
}
