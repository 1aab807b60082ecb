package operator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// awaitEncrypted waits until every file is under one key, of that secret, and
// returns the key's id.
func awaitEncrypted(t *testing.T, db *v1alpha1.KVDatabase, secret, not string) (id string) {
	t.Helper()
	eventually(t, db.Name+" is encrypted", func() string {
		s := current(t, db).Status
		c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionEncrypted)
		e := s.Encryption
		if c == nil || c.Status != metav1.ConditionTrue || e.Phase != v1alpha1.EncryptionIdle || e.Secret != secret || e.Key == not || !slices.Equal(e.KeysInUse, []string{e.Key}) {
			return fmt.Sprintf("%+v, %+v", c, e)
		}
		id = e.Key
		return ""
	})
	return id
}

// podOf is the pod's UID; empty while there is none.
func podOf(t *testing.T, db *v1alpha1.KVDatabase) types.UID {
	t.Helper()
	var pod corev1.Pod
	if err := suite.client.Get(t.Context(), client.ObjectKey{Namespace: db.Namespace, Name: db.Name + "-0"}, &pod); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return pod.UID
}

// TestEncryptionKey holds the operator to a key of its own, which it rotates
// without replacing a pod and never makes anew.
func TestEncryptionKey(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	first := awaitEncrypted(t, db, "db-encryption", "")
	pod := podOf(t, db)
	secret := get(t, ns, "db-encryption", &corev1.Secret{})
	if len(secret.OwnerReferences) != 0 || secret.Labels[v1alpha1.LabelWatch] != "true" {
		t.Errorf("owners %v, labels %v: it must outlive the database as its volume does", secret.OwnerReferences, secret.Labels)
	}
	eventually(t, "the claim tells which secret it needs", func() string {
		claim := get(t, ns, "data-db-0", &corev1.PersistentVolumeClaim{})
		if claim.Annotations[v1alpha1.AnnotationEncryptionSecret] != "db-encryption" {
			return fmt.Sprint(claim.Annotations)
		}
		return ""
	})

	annotate(t, db, v1alpha1.AnnotationRotateEncryptionKey, "monday")
	awaitEncrypted(t, db, "db-encryption", first)
	eventually(t, "the old key is dropped", func() string {
		rotated := get(t, ns, "db-encryption", &corev1.Secret{})
		if len(rotated.Data) != 2 || current(t, db).Status.LastHandled[v1alpha1.AnnotationRotateEncryptionKey] != "monday" {
			return fmt.Sprint(slices.Collect(maps.Keys(rotated.Data)))
		}
		return ""
	})
	if podOf(t, db) != pod {
		t.Error("the pod was replaced")
	}

	// A lost secret is not made anew, and nothing is replaced without it.
	kept := get(t, ns, "db-encryption", &corev1.Secret{})
	if err := suite.client.Delete(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	awaitProblem(t, db, v1alpha1.ReasonEncryptionKeyLost, `Secret "db-encryption" is gone`)
	change(t, db, func(db *v1alpha1.KVDatabase) { db.Spec.Durability = v1alpha1.DurabilityEverySecond })
	eventually(t, "the change is seen", func() string {
		if now := current(t, db); now.Status.ObservedGeneration != now.Generation {
			return "not yet"
		}
		return ""
	})
	if podOf(t, db) != pod {
		t.Error("a pod was replaced that cannot read its volume any more")
	}
	if err := ping(t, db, connection(t, db)); err != nil {
		t.Errorf("it does not serve on: %v", err)
	}
	kept.ResourceVersion, kept.UID = "", ""
	create(t, kept)
	awaitReady(t, db)
	eventually(t, "what was held back is carried out", func() string {
		if now := podOf(t, db); now == pod || now == "" {
			return "not replaced yet"
		}
		return ""
	})
	awaitReady(t, db)
	awaitEncrypted(t, db, "db-encryption", first)
}

// TestEncryptionKeyOfTheUsers: it is never written, must be labelled, and must
// keep the keys that data is under.
func TestEncryptionKeyOfTheUsers(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	key := func(n int) []byte { return fmt.Appendf(nil, "%064x", n) }
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "theirs"},
		Data: map[string][]byte{"primary": []byte("a\n"), "a": key(1)}}
	db := database(ns, "db", func(db *v1alpha1.KVDatabase) {
		db.Spec.Encryption.KeySecretRef = &v1alpha1.KeySecretRef{Name: "theirs"}
	})
	create(t, db)
	awaitProblem(t, db, v1alpha1.ReasonSecretNotFound, `Secret "theirs" not found`)
	create(t, theirs)
	awaitProblem(t, db, v1alpha1.ReasonSecretNotFound, "kubectl label secret theirs")
	change(t, theirs, func(s *corev1.Secret) { s.Labels = map[string]string{v1alpha1.LabelWatch: "true"} })
	awaitReady(t, db)
	first := awaitEncrypted(t, db, "theirs", "")
	pod := podOf(t, db)

	change(t, theirs, func(s *corev1.Secret) { s.Data = map[string][]byte{"primary": []byte("b"), "b": key(2)} })
	awaitProblem(t, db, v1alpha1.ReasonEncryptionKeyMissing, "lacks key "+first)
	change(t, theirs, func(s *corev1.Secret) {
		s.Data = map[string][]byte{"primary": []byte("b"), "b": key(2), "a": key(1)}
	})
	second := awaitEncrypted(t, db, "theirs", first)
	change(t, theirs, func(s *corev1.Secret) { delete(s.Data, "a") })
	awaitReady(t, db)

	// From a key of theirs to one of ours: not without theirs in it.
	change(t, db, func(db *v1alpha1.KVDatabase) { db.Spec.Encryption.KeySecretRef = nil })
	awaitProblem(t, db, v1alpha1.ReasonEncryptionKeyMissing, `Secret "theirs": name it in spec.encryption.keySecretRef`)
	change(t, db, func(db *v1alpha1.KVDatabase) {
		db.Spec.Encryption.KeySecretRef = &v1alpha1.KeySecretRef{Name: "theirs"}
	})
	awaitReady(t, db)
	if podOf(t, db) != pod || strings.TrimSpace(second) == "" {
		t.Error("the pod was replaced")
	}
}

// TestEncryptionKeyFollowsTheVolume: see deletionPolicy.
func TestEncryptionKeyFollowsTheVolume(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db", func(db *v1alpha1.KVDatabase) { db.Spec.DeletionPolicy = v1alpha1.DeletionDelete })
	create(t, db)
	awaitReady(t, db)
	if secret := get(t, ns, "db-encryption", &corev1.Secret{}); len(secret.OwnerReferences) != 1 {
		t.Errorf("owners %v", secret.OwnerReferences)
	}
	change(t, db, func(db *v1alpha1.KVDatabase) { db.Spec.DeletionPolicy = v1alpha1.DeletionRetain })
	eventually(t, "it stays", func() string {
		if secret := get(t, ns, "db-encryption", &corev1.Secret{}); len(secret.OwnerReferences) != 0 {
			return "it would go with the database"
		}
		return ""
	})
}
