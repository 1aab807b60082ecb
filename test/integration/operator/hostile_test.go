package operator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// The tests of this file play somebody who may write what is in a namespace, and
// means harm or makes a mess: the operator neither harms others' objects for
// them, nor stops telling what is wrong, nor works without an end.

// awaitCalm waits until the operator makes fewer writes than a loop would.
func awaitCalm(t *testing.T, namespace string) {
	t.Helper()
	eventually(t, "calm", func() string {
		before := writesIn(namespace).Load()
		time.Sleep(2 * time.Second)
		if n := writesIn(namespace).Load() - before; n > 4 {
			return fmt.Sprintf("%d writes in two seconds", n)
		}
		return ""
	})
}

// absent fails when an object is there.
func absent(t *testing.T, namespace, name string, o client.Object) {
	t.Helper()
	if err := suite.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, o); !apierrors.IsNotFound(err) {
		t.Errorf("%T %s is there (%v)", o, name, err)
	}
}

// TestForeignSecretIsNotHandedToCertManager: a Certificate makes cert-manager
// write a Secret, whatever is in it. So none is made over somebody's own.
func TestForeignSecretIsNotHandedToCertManager(t *testing.T) {
	for name, labels := range map[string]map[string]string{"unlabelled": nil, "watched": {v1alpha1.LabelWatch: "true"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := newNamespace(t)
			startOperator(t, ns)
			theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shop-ca", Labels: labels},
				StringData: map[string]string{"tls.key": "the company's"}}
			db := database(ns, "shop")
			create(t, theirs, db)
			awaitProblem(t, db, v1alpha1.ReasonNameTaken, `Secret "shop-ca" exists and is not Coffer's`)
			absent(t, ns, "shop-ca", &certmanagerv1.Certificate{})
			if err := suite.client.Delete(t.Context(), theirs); err != nil {
				t.Fatal(err)
			}
			annotate(t, db, "wake", "up")
			awaitReady(t, db)
		})
	}
}

// TestForeignVolumeIsNotMounted: a StatefulSet takes any claim of the right
// name, and its pod would change the owner of every file on it.
func TestForeignVolumeIsNotMounted(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	theirs := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "data-postgresql-0"}}
	theirs.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	theirs.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	db := database(ns, "postgresql")
	create(t, theirs, db)
	awaitProblem(t, db, v1alpha1.ReasonNameTaken, `PersistentVolumeClaim "data-postgresql-0" exists and is not Coffer's`)
	absent(t, ns, "postgresql", &appsv1.StatefulSet{})
	absent(t, ns, "postgresql-0", &corev1.Pod{})
}

// TestGenerationsAtTheirEnd: the number after the largest is not one, and a
// rotation that starts over with it never ends.
func TestGenerationsAtTheirEnd(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	change(t, get(t, ns, "db-server", &corev1.Secret{}), func(s *corev1.Secret) {
		metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.GroupName+"/aborted-generation", "9223372036854775807")
	})
	annotate(t, db, v1alpha1.AnnotationRotateCredentials, "now")
	awaitCalm(t, ns)
	awaitReady(t, db)
	old := connection(t, db)
	change(t, connection(t, db), func(s *corev1.Secret) { s.Data["generation"] = []byte("9223372036854775807") })
	eventually(t, "another password is made", func() string {
		if string(connection(t, db).Data["password"]) == string(old.Data["password"]) {
			return "not yet"
		}
		return ""
	})
	annotate(t, db, v1alpha1.AnnotationRotateComplete, "now")
	awaitCalm(t, ns)
	awaitReady(t, db)
	if err := ping(t, db, connection(t, db)); err != nil {
		t.Error(err)
	}
}

// TestPendingThatStays: a finalizer on the pending secret holds it back; asking
// for its deletion again and again does not help.
func TestPendingThatStays(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	pending := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "db-pending", Finalizers: []string{"example.com/stay"},
		Labels: connection(t, db).Labels}, StringData: map[string]string{"password": strings.Repeat("x", 40), "generation": "1"}}
	create(t, pending)
	eventually(t, "its deletion is asked for", func() string {
		if get(t, ns, "db-pending", &corev1.Secret{}).DeletionTimestamp == nil {
			return "not yet"
		}
		return ""
	})
	awaitCalm(t, ns)
	change(t, pending, func(s *corev1.Secret) { s.Finalizers = nil })
	awaitReady(t, db)
}

// TestStatusFilledByHand: entries of somebody else's do not crowd out ours.
func TestStatusFilledByHand(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	eventually(t, "the status is filled", func() string {
		now := current(t, db)
		now.Status.LastHandled = map[string]string{}
		now.Status.Conditions = nil
		for i := range 32 {
			now.Status.LastHandled[fmt.Sprint("theirs-", i)] = "x"
			now.Status.Conditions = append(now.Status.Conditions, metav1.Condition{Type: fmt.Sprint("Theirs", i), Status: metav1.ConditionTrue,
				Reason: "X", LastTransitionTime: metav1.Now()})
		}
		if err := suite.client.Status().Update(t.Context(), now); err != nil {
			return err.Error()
		}
		return ""
	})
	annotate(t, db, v1alpha1.AnnotationRotateCredentials, "now")
	eventually(t, "the status is ours again", func() string {
		now := current(t, db)
		if meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha1.ConditionReady) && now.Status.LastHandled[v1alpha1.AnnotationRotateCredentials] == "now" {
			return ""
		}
		return fmt.Sprint(len(now.Status.Conditions), " conditions, ", len(now.Status.LastHandled), " handled")
	})
}

// TestRefusalOfSomethingHuge: the API server repeats what it refuses, and a
// status with that would be refused too.
func TestRefusalOfSomethingHuge(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	many := map[string]string{}
	for i := range 32 {
		many[fmt.Sprint(i, strings.Repeat(" no such key", 80))] = strings.Repeat("no such value ", 80)
	}
	for name, selector := range map[string]map[string]string{"many": many, "long": {strings.Repeat("no such key ", 10_000): "x"}} {
		db := database(ns, name, func(db *v1alpha1.KVDatabase) { db.Spec.Scheduling = &v1alpha1.Scheduling{NodeSelector: selector} })
		create(t, db)
		awaitProblem(t, db, v1alpha1.ReasonApplyFailed, "StatefulSet")
	}
	awaitCalm(t, ns)
}

// TestPasswordThatNoClientCanSend: before a client has logged in, the engine
// reads little from it; a longer password would be proven and then of no use.
func TestPasswordThatNoClientCanSend(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	mine := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "mine", Labels: map[string]string{v1alpha1.LabelWatch: "true"}},
		StringData: map[string]string{"password": strings.Repeat("x", 20_000)}}
	db := database(ns, "db", func(db *v1alpha1.KVDatabase) { db.Spec.Credentials.SecretRef = &v1alpha1.SecretRef{Name: "mine"} })
	create(t, mine, db)
	awaitProblem(t, db, v1alpha1.ReasonSecretInvalid, "at most")
	change(t, mine, func(s *corev1.Secret) { s.Data["password"] = []byte(strings.Repeat("é", 512)) })
	awaitReady(t, db)
	if err := ping(t, db, connection(t, db)); err != nil {
		t.Error(err)
	}
}

// TestLongRequests: requests are kept beside the secrets that they are about,
// where there is room for a quarter of a megabyte.
func TestLongRequests(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	long := strings.Repeat("x", 200_000)
	for i, name := range []string{v1alpha1.AnnotationRotateCredentials, v1alpha1.AnnotationRotateComplete, v1alpha1.GroupName + "/rotate-abort"} {
		change(t, db, func(db *v1alpha1.KVDatabase) { db.Annotations = map[string]string{name: fmt.Sprint(i, long)} })
		eventually(t, name+" is handled", func() string {
			now := current(t, db)
			if now.Status.LastHandled[name] == "" || !meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha1.ConditionReady) {
				return now.Status.Status
			}
			return ""
		})
	}
	awaitCalm(t, ns)
}

// TestHostnameOfAnotherNamespace: an issuer that others trust must not be made
// to sign their names by somebody who may only make databases.
func TestHostnameOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	issuer := &certmanagerv1.Issuer{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "corp-ca"}}
	issuer.Spec.SelfSigned = &certmanagerv1.SelfSignedIssuer{}
	create(t, issuer)
	for i, name := range []string{"payments.bank.svc", "db-0.payments.bank.svc.cluster.local"} {
		db := database(ns, fmt.Sprint("db", i), func(db *v1alpha1.KVDatabase) {
			db.Spec.TLS.IssuerRef = &v1alpha1.IssuerRef{Name: "corp-ca"}
			db.Spec.Service.Hostnames = []string{name}
		})
		create(t, db)
		awaitProblem(t, db, v1alpha1.ReasonHostnameNotAllowed, name)
		absent(t, ns, db.Name+"-server", &certmanagerv1.Certificate{})
	}
	db := database(ns, "mine", func(db *v1alpha1.KVDatabase) {
		db.Spec.TLS.IssuerRef = &v1alpha1.IssuerRef{Name: "corp-ca"}
		db.Spec.Service.Hostnames = []string{"alias." + ns + ".svc", "db.example.com"}
	})
	create(t, db)
	awaitReady(t, db)
}
