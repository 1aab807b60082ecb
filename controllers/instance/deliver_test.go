package instance

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// TestDeliver annotates the pods that lag, and no other.
func TestDeliver(t *testing.T) {
	wanted := Revisions{Users: "u2", TLS: "f2", EncryptionKey: "k2", Queues: "q2", Settings: "s2"}
	current := adminapi.Status{Credentials: adminapi.Credentials{Revision: "u2"}, Encryption: adminapi.Encryption{Primary: "k2"}, Settings: &adminapi.Settings{Revision: "s2"}}
	for name, tt := range map[string]struct {
		lag  func(*Member)
		want map[string]string
	}{
		"nothing":     {func(*Member) {}, nil},
		"users":       {func(m *Member) { m.Status.Credentials.Revision = "u1" }, map[string]string{v1alpha1.AnnotationUsersRevision: "u2"}},
		"certificate": {func(m *Member) { m.Fingerprint = "f1" }, map[string]string{v1alpha1.AnnotationTLSRevision: "f2"}},
		"key":         {func(m *Member) { m.Status.Encryption.Primary = "k1" }, map[string]string{v1alpha1.AnnotationEncryptionKey: "k2"}},
		"queues":      {func(m *Member) { m.Status.Jobs = &adminapi.Jobs{SettingsRevision: "q1"} }, map[string]string{annotationQueues: "q2"}},
		"settings":    {func(m *Member) { m.Status.Settings = &adminapi.Settings{} }, map[string]string{annotationSettings: "s2"}},
		"no settings": {func(m *Member) { m.Status.Settings = nil }, nil},
		"no jobs":     {func(m *Member) { m.Status.Jobs = nil }, nil},
		"no keys":     {func(m *Member) { m.Status.Encryption.Primary = "" }, nil},
		"no answer":   {func(m *Member) { m.Status, m.Fingerprint = nil, "" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			status := current
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-0", UID: "u"}}
			m := Member{Name: "db-0", Pod: pod, Status: &status, Fingerprint: "f2"}
			tt.lag(&m)
			c := fake.NewClientBuilder().WithObjects(pod.DeepCopy()).Build()
			if err := Deliver(t.Context(), c, time.Unix(1_700_000_000, 0), []Member{m}, wanted); err != nil {
				t.Fatal(err)
			}
			var got corev1.Pod
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(pod), &got); err != nil {
				t.Fatal(err)
			}
			delete(got.Annotations, annotationDeliveredAt)
			if len(got.Annotations) != len(tt.want) {
				t.Errorf("annotated with %v, want %v", got.Annotations, tt.want)
			}
			for k, v := range tt.want {
				if got.Annotations[k] != v {
					t.Errorf("%s is %q, want %q", k, got.Annotations[k], v)
				}
			}
		})
	}
}
