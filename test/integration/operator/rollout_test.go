package operator

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// awaitWaiting waits until the database tells, or no longer tells, that a
// rollout waits, and returns what it says.
func awaitWaiting(t *testing.T, db *v1alpha1.KVDatabase, waits bool) string {
	t.Helper()
	message := ""
	eventually(t, "RolloutPending", func() string {
		c := meta.FindStatusCondition(current(t, db).Status.Conditions, v1alpha1.ConditionRolloutPending)
		if c == nil || (c.Status == metav1.ConditionTrue) != waits {
			return "not as expected yet"
		}
		message = c.Message
		return ""
	})
	return message
}

func imageOf(t *testing.T, db *v1alpha1.KVDatabase) (template, pod string, uid types.UID) {
	t.Helper()
	set := get(t, db.Namespace, db.Name, &appsv1.StatefulSet{})
	eventually(t, "there is a pod", func() string {
		p := &corev1.Pod{}
		if err := suite.client.Get(t.Context(), types.NamespacedName{Namespace: db.Namespace, Name: db.Name + "-0"}, p); err != nil {
			return err.Error()
		}
		pod, uid = p.Spec.Containers[0].Image, p.UID
		return ""
	})
	return set.Spec.Template.Spec.Containers[0].Image, pod, uid
}

// TestNewVersionWaits holds an upgraded operator to leave pods alone: their
// template stays, whatever is edited or lost meanwhile, until it is approved or
// the user changes what shapes a pod.
func TestNewVersionWaits(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	stop := startVersion(t, "coffer:v1", ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	awaitWaiting(t, db, false)
	_, _, pod := imageOf(t, db)
	stop()

	stop = startVersion(t, "coffer:v2", ns)
	if m := awaitWaiting(t, db, true); !strings.Contains(m, "image coffer:v2 instead of coffer:v1") {
		t.Errorf("the condition says %q", m)
	}
	awaitReady(t, db)
	if line := current(t, db).Status.Status; !strings.Contains(line, "waits for approval") {
		t.Errorf("the status is %q", line)
	}

	// An edit by hand is repaired to the old version, and a lost pod is the old one's.
	change(t, get(t, ns, "db", &appsv1.StatefulSet{}), func(s *appsv1.StatefulSet) {
		s.Spec.Template.Spec.Containers[0].Image = "coffer:mine"
		delete(s.Spec.Template.Annotations, v1alpha1.AnnotationRevision)
	})
	eventually(t, "the template is repaired", func() string {
		if image, _, _ := imageOf(t, db); image != "coffer:v1" {
			return image
		}
		return ""
	})
	if _, _, uid := imageOf(t, db); uid != pod {
		t.Error("the pod was replaced for an edit of the template")
	}
	if err := suite.client.Delete(t.Context(), get(t, ns, "db-0", &corev1.Pod{})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lost pod comes back as it was", func() string {
		if _, image, uid := imageOf(t, db); uid == pod || image != "coffer:v1" {
			return image
		}
		return ""
	})
	awaitReady(t, db)

	annotate(t, current(t, db), v1alpha1.AnnotationApproveRollout, "yes")
	awaitImage(t, db, "coffer:v2")
	if awaitWaiting(t, db, false); current(t, db).Status.LastHandled[v1alpha1.AnnotationApproveRollout] != "yes" {
		t.Error("the approval is not recorded")
	}
	stop()

	// An old approval is none for the next version; a change of the user's is.
	startVersion(t, "coffer:v3", ns)
	awaitWaiting(t, db, true)
	change(t, current(t, db), func(db *v1alpha1.KVDatabase) { db.Spec.Durability = v1alpha1.DurabilityEverySecond })
	awaitImage(t, db, "coffer:v3")
	awaitWaiting(t, db, false)
}

func awaitImage(t *testing.T, db *v1alpha1.KVDatabase, want string) {
	t.Helper()
	eventually(t, "a pod of "+want, func() string {
		if _, image, _ := imageOf(t, db); image != want {
			return image
		}
		return ""
	})
	awaitReady(t, db)
}

// TestLostRevision: what cannot be made again is not replaced unasked.
func TestLostRevision(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	stop := startVersion(t, "coffer:v1", ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	_, _, pod := imageOf(t, db)
	kept := get(t, ns, "db", &appsv1.StatefulSet{}).Spec.Template.Annotations[v1alpha1.AnnotationRevision]
	stop()
	if err := suite.client.Delete(t.Context(), get(t, ns, kept, &corev1.ConfigMap{})); err != nil {
		t.Fatal(err)
	}
	startVersion(t, "coffer:v2", ns)
	awaitProblem(t, db, v1alpha1.ReasonRevisionLost, kept)
	if image, _, uid := imageOf(t, db); uid != pod || image != "coffer:v1" {
		t.Errorf("replaced by %s", image)
	}
	annotate(t, current(t, db), v1alpha1.AnnotationApproveRollout, "yes")
	awaitImage(t, db, "coffer:v2")
}

// TestLostRevisionYieldsToTheUser: who asks for other pods has them replaced.
func TestLostRevisionYieldsToTheUser(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	stop := startVersion(t, "coffer:v1", ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	kept := get(t, ns, "db", &appsv1.StatefulSet{}).Spec.Template.Annotations[v1alpha1.AnnotationRevision]
	stop()
	if err := suite.client.Delete(t.Context(), get(t, ns, kept, &corev1.ConfigMap{})); err != nil {
		t.Fatal(err)
	}
	startVersion(t, "coffer:v2", ns)
	awaitProblem(t, db, v1alpha1.ReasonRevisionLost, kept)
	change(t, current(t, db), func(db *v1alpha1.KVDatabase) { db.Spec.Durability = v1alpha1.DurabilityEverySecond })
	awaitImage(t, db, "coffer:v2")
}
