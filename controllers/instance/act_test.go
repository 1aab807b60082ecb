package instance

import (
	"context"
	"errors"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
)

// specified is a pod made for what the user asked for under that hash.
func specified(name, hash string) Member {
	return Member{Name: name, Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name),
		Annotations: map[string]string{v1alpha1.AnnotationPodSpecHash: hash}}}}
}

// revised is a pod of a revision.
func revised(name, revision string) Member {
	m := specified(name, "new")
	m.Pod.Annotations[v1alpha1.AnnotationRevision] = revision
	return m
}

func TestRoll(t *testing.T) {
	going := specified("db-1", "old")
	now := metav1.Now()
	going.Pod.DeletionTimestamp = &now
	going.Pod.Finalizers = []string{"coffer.dev/test"} // the fake keeps nothing that goes without one
	tests := map[string]struct {
		members  []Member
		observed int64
		want     string
	}{
		"what the user asked for has not changed":               {members: []Member{specified("db-0", "new")}, observed: 2},
		"a pod of the old specification":                        {members: []Member{specified("db-0", "old")}, observed: 2, want: "db-0"},
		"only one of two":                                       {members: []Member{specified("db-0", "old"), specified("db-1", "old")}, observed: 2, want: "db-0"},
		"not while another one is replaced":                     {members: []Member{specified("db-0", "old"), going}, observed: 2},
		"a pod of the same revision":                            {members: []Member{revised("db-0", "db-config-2")}, observed: 2},
		"a pod of another revision":                             {members: []Member{revised("db-0", "db-config-1")}, observed: 2, want: "db-0"},
		"not before the set's controller has seen the template": {members: []Member{specified("db-0", "old")}, observed: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Status: appsv1.StatefulSetStatus{ObservedGeneration: tt.observed}}
			set.Spec.Template.Annotations = map[string]string{v1alpha1.AnnotationPodSpecHash: "new", v1alpha1.AnnotationRevision: "db-config-2"}
			var deleted []string
			c := recorder(t, tt.members, func(o client.Object, uid types.UID) {
				deleted = append(deleted, o.GetName())
				if uid != o.GetUID() {
					t.Errorf("pod %s is deleted whatever its UID: it may be the new one by now", o.GetName())
				}
			})
			got, err := Roll(t.Context(), c, set, tt.members)
			if err != nil || got != tt.want {
				t.Errorf("rolled %q, %v; want %q", got, err, tt.want)
			}
			if len(deleted) > 1 || len(deleted) == 1 && deleted[0] != tt.want || len(deleted) == 0 && tt.want != "" {
				t.Errorf("deleted %v, want %q", deleted, tt.want)
			}
		})
	}
}

// recorder is a client that tells of each deletion and its precondition.
func recorder(t *testing.T, members []Member, deleted func(o client.Object, uid types.UID)) client.Client {
	t.Helper()
	b := fake.NewClientBuilder()
	for _, m := range members {
		b = b.WithObjects(m.Pod.DeepCopy())
	}
	return b.WithInterceptorFuncs(interceptor.Funcs{
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			var all client.DeleteOptions
			all.ApplyOptions(opts)
			var uid types.UID
			if all.Preconditions != nil && all.Preconditions.UID != nil {
				uid = *all.Preconditions.UID
			}
			deleted(o, uid)
			return nil
		},
	}).Build()
}

func TestGrow(t *testing.T) {
	claim := func(name, size string) corev1.PersistentVolumeClaim {
		c := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
		c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
		return c
	}
	claims := []corev1.PersistentVolumeClaim{claim("data-db-0", "2Gi"), claim("data-db-1", "1Gi"), claim("data-db-2", "1Gi")}
	b := fake.NewClientBuilder()
	for i := range claims {
		b = b.WithObjects(claims[i].DeepCopy())
	}
	c := b.Build()
	if got, err := Grow(t.Context(), c, claims, resource.MustParse("1Gi")); err != nil || got != "" {
		t.Errorf("grew %q, %v; a volume never shrinks", got, err)
	}
	if got, err := Grow(t.Context(), c, claims, resource.MustParse("2Gi")); err != nil || got != "data-db-1" {
		t.Errorf("grew %q, %v; want data-db-1", got, err)
	}
	for name, want := range map[string]string{"data-db-0": "2Gi", "data-db-1": "2Gi", "data-db-2": "1Gi"} {
		var have corev1.PersistentVolumeClaim
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, &have); err != nil {
			t.Fatal(err)
		}
		if size := have.Spec.Resources.Requests[corev1.ResourceStorage]; size.String() != want {
			t.Errorf("%s asks for %s, want %s: one claim a pass", name, size.String(), want)
		}
	}
}

func TestGrowThatTheClassForbidsIsStalled(t *testing.T) {
	claim := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data-db-0"}}
	c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return apierrors.NewForbidden(corev1.Resource("persistentvolumeclaims"), "data-db-0", errors.New("only dynamically provisioned pvc can be resized"))
		},
	}).Build()
	_, err := Grow(t.Context(), c, []corev1.PersistentVolumeClaim{claim}, resource.MustParse("2Gi"))
	var stalled *apply.Stalled
	if !errors.As(err, &stalled) || stalled.Reason != v1alpha1.ReasonStorageNotExpandable {
		t.Errorf("got %v", err)
	}
}
