package lifecycle

import (
	"errors"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
)

// TestRevisionIsHeld: pods that another version of the operator made stay as
// they are, until that is approved or the user changes what shapes a pod.
func TestRevisionIsHeld(t *testing.T) {
	const held, rendered, stalled = "held", "rendered", "stalled"
	tests := map[string]struct {
		change func(*scope)
		lost   bool // the ConfigMap that keeps the revision
		want   string
	}{
		"the same version": {func(s *scope) { s.inputs.Image = "coffer:1" }, false, rendered},
		"another version":  {func(*scope) {}, false, held},
		"approved":         {func(s *scope) { approve(s, "now") }, false, rendered},
		"approved before":  {func(s *scope) { approve(s, "now"); s.handledRollout = "now" }, false, held},
		"the user wants more": {func(s *scope) {
			s.spec().Resources.Requests = corev1.ResourceList{"cpu": *s.spec().Storage.Size.ToDec()}
		}, false, rendered},
		"the keys are missing":   {func(s *scope) { approve(s, "now"); s.encryption.problem = &instance.Problem{} }, false, held},
		"lost":                   {func(*scope) {}, true, stalled},
		"lost and approved":      {func(s *scope) { approve(s, "now") }, true, rendered},
		"lost, the same version": {func(s *scope) { s.inputs.Image = "coffer:1" }, true, rendered},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := serving()
			s.inputs = desired.Inputs{Instance: s.object, Image: "coffer:1"}
			running := desired.Render(s.inputs)
			s.set = &appsv1.StatefulSet{}
			s.set.Spec.Template.Annotations = map[string]string{v1alpha1.AnnotationRevision: running.Name("db")}
			objects := fake.NewClientBuilder()
			if !tt.lost {
				objects.WithObjects(&corev1.ConfigMap{
					ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: running.Name("db"), Labels: s.applier.Owner.Labels},
					Data:       map[string]string{desired.KeyEngineConfig: running.Engine, desired.KeyTemplate: running.Template},
				})
			}
			s.r.Client = objects.Build()
			s.inputs.Image = "coffer:2"
			tt.change(s)
			got := rendered
			err := s.holdRevision(t.Context())
			var stop *apply.Stalled
			switch {
			case errors.As(err, &stop) && stop.Reason == v1alpha1.ReasonRevisionLost:
				got = stalled
			case err != nil:
				t.Fatal(err)
			case s.inputs.Held != nil && *s.inputs.Held == running:
				got = held
			}
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func approve(s *scope, value string) {
	s.object.SetAnnotations(map[string]string{v1alpha1.AnnotationApproveRollout: value})
}
