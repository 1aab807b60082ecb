package operator

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

func database(namespace, name string, modify ...func(*v1alpha1.KVDatabase)) *v1alpha1.KVDatabase {
	db := &v1alpha1.KVDatabase{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	db.Spec.Storage.Size = resource.MustParse("64Mi")
	for _, m := range modify {
		m(db)
	}
	return db
}

func create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := suite.client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

func get[T client.Object](t *testing.T, namespace, name string, into T) T {
	t.Helper()
	if err := suite.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, into); err != nil {
		t.Fatal(err)
	}
	return into
}

// current is an instance as it is now.
func current[T v1alpha1.Instance](t *testing.T, o T) T {
	t.Helper()
	return get(t, o.GetNamespace(), o.GetName(), o.DeepCopyObject().(T))
}

func awaitReady(t *testing.T, o v1alpha1.Instance) {
	t.Helper()
	eventually(t, o.GetName()+" is ready", func() string {
		now := current(t, o).InstanceStatus()
		if c := meta.FindStatusCondition(now.Conditions, v1alpha1.ConditionReady); c != nil && c.Status == metav1.ConditionTrue {
			return ""
		}
		return "it is not: " + now.Status
	})
}

// awaitProblem waits for a reason on Ready that is also an event, and for words
// in the status column.
func awaitProblem(t *testing.T, o v1alpha1.Instance, reason, words string) {
	t.Helper()
	eventually(t, o.GetName()+" tells "+reason, func() string {
		now := current(t, o).InstanceStatus()
		c := meta.FindStatusCondition(now.Conditions, v1alpha1.ConditionReady)
		if c == nil || c.Status != metav1.ConditionFalse || c.Reason != reason || !strings.Contains(now.Status, words) {
			return fmt.Sprintf("%+v, status %q", c, now.Status)
		}
		return ""
	})
	eventually(t, "an event with that reason", func() string {
		list := &corev1.EventList{}
		if err := suite.client.List(t.Context(), list, client.InNamespace(o.GetNamespace())); err != nil {
			t.Fatal(err)
		}
		for _, e := range list.Items {
			if e.InvolvedObject.Name == o.GetName() && e.Reason == reason {
				return ""
			}
		}
		return "there is none"
	})
}

func annotate(t *testing.T, o v1alpha1.Instance, key, value string) {
	t.Helper()
	change(t, o, func(o v1alpha1.Instance) {
		notes := maps.Clone(o.GetAnnotations())
		if notes == nil {
			notes = map[string]string{}
		}
		notes[key] = value
		o.SetAnnotations(notes)
	})
}

func change[T client.Object](t *testing.T, o T, modify func(T)) {
	t.Helper()
	eventually(t, "change "+o.GetName(), func() string {
		if err := suite.client.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			t.Fatal(err)
		}
		modify(o)
		err := suite.client.Update(t.Context(), o)
		if apierrors.IsConflict(err) {
			return err.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
		return ""
	})
}

func connection(t *testing.T, o v1alpha1.Instance) *corev1.Secret {
	t.Helper()
	return get(t, o.GetNamespace(), o.GetName()+"-connection", &corev1.Secret{})
}

// ping runs a command with a connection secret as an application would.
func ping(t *testing.T, db *v1alpha1.KVDatabase, secret *corev1.Secret) error {
	t.Helper()
	pod := get(t, db.Namespace, db.Name+"-0", &corev1.Pod{})
	c := redis.NewClient(&redis.Options{
		Addr: pod.Status.PodIP + ":6379", Password: string(secret.Data["password"]), MaxRetries: -1, TLSConfig: clientTLS(secret),
	})
	defer c.Close()
	return c.Ping(t.Context()).Err()
}

// versions are the resourceVersions of everything in a namespace.
func versions(t *testing.T, namespace string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, list := range []client.ObjectList{&corev1.SecretList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{}, &corev1.PodList{},
		&corev1.PersistentVolumeClaimList{}, &appsv1.StatefulSetList{}, &networkingv1.NetworkPolicyList{},
		&certmanagerv1.CertificateList{}, &certmanagerv1.IssuerList{}, &v1alpha1.KVDatabaseList{}, &v1alpha1.JobQueueList{}} {
		if err := suite.client.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			o := item.(client.Object)
			out[fmt.Sprintf("%T/%s", o, o.GetName())] = o.GetResourceVersion()
		}
	}
	return out
}

// TestFromObjectToDatabase makes a database, uses it, and shows that nothing is
// written any more once it runs, and that what is edited or deleted comes back.
func TestFromObjectToDatabase(t *testing.T) {
	ns := newNamespace(t)
	startOperator(t) // for all namespaces, and so not beside others
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	if err := ping(t, db, connection(t, db)); err != nil {
		t.Fatal(err)
	}
	now := current(t, db)
	if now.Status.ReadyReplicas != "1/1" || now.Status.Primary != "db-0" || !strings.HasPrefix(now.Status.Status, "Serving, TLS until ") ||
		now.Status.Endpoint != "db."+ns+".svc:6379" || now.Status.TLS.Fingerprint == "" || now.Status.Credentials.Generation != 1 {
		t.Errorf("status: %+v", now.Status)
	}

	t.Run("steady state writes nothing", func(t *testing.T) {
		awaitRest(t, ns)
		before, writes := versions(t, ns), writesIn(ns).Load()
		change(t, get(t, ns, "db-0", &corev1.Pod{}), func(p *corev1.Pod) { p.Labels["poke"] = "1" }) // wakes the operator
		time.Sleep(3 * time.Second)
		after := versions(t, ns)
		delete(before, "*v1.Pod/db-0")
		delete(after, "*v1.Pod/db-0")
		if diff := cmp.Diff(before, after); diff != "" || writesIn(ns).Load() != writes {
			t.Errorf("%d writes in steady state:\n%s", writesIn(ns).Load()-writes, diff)
		}
	})
	t.Run("deleted by hand", func(t *testing.T) { deletedByHand(t, db) })
	t.Run("edited by hand", func(t *testing.T) { editedByHand(t, db) })
	awaitReady(t, db)
	eventually(t, "the connection works", func() string {
		if err := ping(t, db, connection(t, db)); err != nil {
			return err.Error()
		}
		return ""
	})
}

func deletedByHand(t *testing.T, db *v1alpha1.KVDatabase) {
	for _, o := range []client.Object{
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "db"}}, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "db-members"}},
		&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "db"}}, &certmanagerv1.Certificate{ObjectMeta: metav1.ObjectMeta{Name: "db-admin"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db-server"}}, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db-metrics"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db-connection"}},
	} {
		get(t, db.Namespace, o.GetName(), o)
		gone := o.GetUID()
		if err := suite.client.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("%T %s is made again", o, o.GetName()), func() string {
			err := suite.client.Get(t.Context(), client.ObjectKeyFromObject(o), o)
			if err != nil {
				return err.Error()
			}
			if o.GetUID() == gone {
				return "still the old one"
			}
			return ""
		})
	}
}

func editedByHand(t *testing.T, db *v1alpha1.KVDatabase) {
	policy := get(t, db.Namespace, "db", &networkingv1.NetworkPolicy{})
	want := policy.DeepCopy()
	change(t, policy, func(p *networkingv1.NetworkPolicy) {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
	})
	service := get(t, db.Namespace, "db", &corev1.Service{})
	change(t, service, func(s *corev1.Service) {
		s.Spec.Selector["app"] = "else"
		delete(s.Labels, v1alpha1.LabelManagedBy)
	})
	eventually(t, "the edits are undone", func() string {
		get(t, db.Namespace, "db", policy)
		get(t, db.Namespace, "db", service)
		if diff := cmp.Diff(want.Spec, policy.Spec); diff != "" {
			return diff
		}
		if service.Spec.Selector["app"] != "" || service.Labels[v1alpha1.LabelManagedBy] == "" {
			return fmt.Sprint(service.Spec.Selector, service.Labels)
		}
		return ""
	})
}

func TestForeignObjectsAreLeftAlone(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "db-connection"}, StringData: map[string]string{"password": "theirs"}}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
	create(t, theirs, service)
	db, web := database(ns, "db"), database(ns, "web")
	create(t, db, web)
	awaitProblem(t, db, v1alpha1.ReasonNameTaken, `Secret "db-connection" exists and is not Coffer's`)
	awaitProblem(t, web, v1alpha1.ReasonNameTaken, `Service "web" exists and is not Coffer's`)
	if got := connection(t, db); string(got.Data["password"]) != "theirs" || len(got.Labels) != 0 {
		t.Errorf("their secret was changed: %v", got.Labels)
	}
	if got := get(t, ns, "web", &corev1.Service{}); got.Spec.Ports[0].Port != 80 || len(got.Spec.Ports) != 1 {
		t.Errorf("their service was changed: %+v", got.Spec)
	}
}

// TestDeletionPolicy looks at what the garbage collector and the StatefulSet's
// controller will act on, and that what was retained is taken up again.
func TestDeletionPolicy(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	owned := func(name string) bool {
		return len(get(t, ns, name, &corev1.Secret{}).OwnerReferences) > 0
	}
	check := func(want bool, retention appsv1.PersistentVolumeClaimRetentionPolicyType) {
		t.Helper()
		eventually(t, "owners and retention", func() string {
			for _, name := range []string{"db-connection", "db-server", "db-metrics", "db-ca"} {
				if owned(name) != want {
					return fmt.Sprintf("%s owned: %v", name, !want)
				}
			}
			// cert-manager would issue again what goes before its Certificate.
			for _, name := range []string{"db-server-tls", "db-admin-tls", "db-operator-tls"} {
				if refs := get(t, ns, name, &corev1.Secret{}).OwnerReferences; len(refs) != 2 || refs[0].Kind == refs[1].Kind {
					return fmt.Sprintf("%s owned by %v", name, refs)
				}
			}
			if got := get(t, ns, "db", &appsv1.StatefulSet{}).Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted; got != retention {
				return "retention " + string(got)
			}
			return ""
		})
	}
	check(false, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	change(t, current(t, db), func(db *v1alpha1.KVDatabase) { db.Spec.DeletionPolicy = v1alpha1.DeletionDelete })
	check(true, appsv1.DeletePersistentVolumeClaimRetentionPolicyType)
	change(t, current(t, db), func(db *v1alpha1.KVDatabase) { db.Spec.DeletionPolicy = v1alpha1.DeletionRetain })
	check(false, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)

	password := connection(t, db).Data["password"]
	if err := suite.client.Delete(t.Context(), current(t, db)); err != nil {
		t.Fatal(err)
	}
	// What the garbage collector would remove now.
	for _, o := range []client.Object{&appsv1.StatefulSet{}, &corev1.Pod{}} {
		if err := suite.client.DeleteAllOf(t.Context(), o, client.InNamespace(ns), client.GracePeriodSeconds(0)); err != nil {
			t.Fatal(err)
		}
	}
	again := database(ns, "db")
	create(t, again)
	awaitReady(t, again)
	if got := connection(t, again); string(got.Data["password"]) != string(password) {
		t.Error("the retained secret was not taken up again")
	}
	if err := ping(t, again, connection(t, again)); err != nil {
		t.Error(err)
	}
}

// TestRotation rotates three times; in the middle of each the operator is
// stopped and another one started. A client that reads the connection secret
// at any moment gets in.
func TestRotation(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	stop := startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	pod := get(t, ns, "db-0", &corev1.Pod{}).UID
	for round := range 3 {
		old := connection(t, db)
		annotate(t, db, v1alpha1.AnnotationRotateCredentials, fmt.Sprint("round-", round))
		time.Sleep(time.Duration(round*40) * time.Millisecond)
		stop()
		if err := ping(t, db, connection(t, db)); err != nil {
			t.Fatalf("round %d, operator stopped: %v", round, err)
		}
		stop = startOperator(t, ns)
		eventually(t, "the connection is switched", func() string {
			now := connection(t, db)
			for _, s := range []*corev1.Secret{old, now} {
				if err := ping(t, db, s); err != nil {
					t.Fatalf("round %d, generation %s: %v", round, s.Data["generation"], err)
				}
			}
			if string(now.Data["generation"]) == string(old.Data["generation"]) {
				return "it is not"
			}
			return ""
		})
		annotate(t, db, v1alpha1.AnnotationRotateComplete, fmt.Sprint("round-", round))
		eventually(t, "the old password is refused", func() string {
			if err := ping(t, db, old); err == nil {
				return "it is accepted"
			}
			return ""
		})
		if err := ping(t, db, connection(t, db)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "at rest", func() string {
		now := current(t, db)
		want := map[string]string{v1alpha1.AnnotationRotateCredentials: "round-2", v1alpha1.AnnotationRotateComplete: "round-2"}
		if now.Status.Credentials.Generation != 4 || now.Status.Credentials.Phase != v1alpha1.PhaseIdle || !maps.Equal(now.Status.LastHandled, want) {
			return fmt.Sprintf("%+v %v", now.Status.Credentials, now.Status.LastHandled)
		}
		return ""
	})
	if get(t, ns, "db-0", &corev1.Pod{}).UID != pod {
		t.Error("the pod was replaced")
	}
	if err := suite.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "db-pending"}, &corev1.Secret{}); !apierrors.IsNotFound(err) {
		t.Errorf("the pending secret is left: %v", err)
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	stop := startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	old := connection(t, db)
	stop()
	// Both at once: the rotation begins and is given up before it gets anywhere.
	change(t, current(t, db), func(db *v1alpha1.KVDatabase) {
		db.Annotations = map[string]string{v1alpha1.AnnotationRotateCredentials: "a", v1alpha1.AnnotationRotateAbort: "a"}
	})
	startOperator(t, ns)
	eventually(t, "handled", func() string {
		if h := current(t, db).Status.LastHandled[v1alpha1.AnnotationRotateAbort]; h != "a" {
			return h
		}
		return ""
	})
	awaitReady(t, db)
	if err := ping(t, db, old); err != nil {
		t.Error(err)
	}
}

func TestRotateTLS(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	before := current(t, db).Status.TLS.Fingerprint
	pod := get(t, ns, "db-0", &corev1.Pod{}).UID
	annotate(t, db, v1alpha1.AnnotationRotateTLS, "now")
	eventually(t, "another certificate is served, and the request is used up", func() string {
		status := current(t, db).Status
		if status.TLS.Fingerprint == before {
			return "still the old one"
		}
		if status.LastHandled[v1alpha1.AnnotationRotateTLS] != "now" {
			return fmt.Sprintf("handled %v", status.LastHandled)
		}
		return ""
	})
	awaitReady(t, db)
	if get(t, ns, "db-0", &corev1.Pod{}).UID != pod {
		t.Error("the pod was replaced")
	}
	if err := ping(t, db, connection(t, db)); err != nil {
		t.Error(err)
	}
}

func TestSuppliedSecret(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db", func(db *v1alpha1.KVDatabase) { db.Spec.Credentials.SecretRef = &v1alpha1.SecretRef{Name: "mine"} })
	create(t, db)
	awaitProblem(t, db, v1alpha1.ReasonSecretNotFound, `Secret "mine" not found: create it`)
	mine := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "mine", Labels: map[string]string{v1alpha1.LabelWatch: "true"}},
		StringData: map[string]string{"password": "short"}}
	create(t, mine)
	awaitProblem(t, db, v1alpha1.ReasonSecretInvalid, "it needs at least 32")
	first, second := strings.Repeat("p@ss/", 8), strings.Repeat("w0rd:", 8)
	change(t, mine, func(s *corev1.Secret) { s.Data["password"] = []byte(first) })
	awaitReady(t, db)
	old := connection(t, db)
	if string(old.Data["password"]) != first {
		t.Fatal("the connection does not hold the user's password")
	}
	change(t, mine, func(s *corev1.Secret) { s.Data["password"] = []byte(second) })
	eventually(t, "the new password is rotated in", func() string {
		if got := string(connection(t, db).Data["password"]); got != second {
			return "not yet"
		}
		return ""
	})
	for _, s := range []*corev1.Secret{old, connection(t, db)} {
		if err := ping(t, db, s); err != nil {
			t.Errorf("generation %s: %v", s.Data["generation"], err)
		}
	}
	if got := get(t, ns, "mine", &corev1.Secret{}); len(got.OwnerReferences) > 0 || len(got.Labels) != 1 {
		t.Error("the user's secret was written")
	}
}

func TestIssuer(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db", func(db *v1alpha1.KVDatabase) { db.Spec.TLS.IssuerRef = &v1alpha1.IssuerRef{Name: "corp-ca"} })
	create(t, db)
	awaitProblem(t, db, v1alpha1.ReasonIssuerNotFound, `Issuer "corp-ca" not found: create it or remove spec.tls.issuerRef`)
	issuer := &certmanagerv1.Issuer{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "corp-ca"}}
	issuer.Spec.SelfSigned = &certmanagerv1.SelfSignedIssuer{}
	create(t, issuer)
	awaitReady(t, db)
	if got := current(t, db).Status.TLS.Issuer; got != "Issuer/corp-ca" {
		t.Errorf("issuer %q", got)
	}
}

// TestRoll: what the user asks of a pod rolls it; another operator's image does not.
func TestRoll(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	pod := get(t, ns, "db-0", &corev1.Pod{}).UID
	change(t, current(t, db), func(db *v1alpha1.KVDatabase) { db.Spec.NetworkPolicy.Mode = v1alpha1.NetworkPolicyDisabled })
	eventually(t, "the policy is removed", func() string {
		err := suite.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "db"}, &networkingv1.NetworkPolicy{})
		if apierrors.IsNotFound(err) {
			return ""
		}
		return fmt.Sprint("still there, ", err)
	})
	if get(t, ns, "db-0", &corev1.Pod{}).UID != pod {
		t.Error("the pod was replaced for nothing")
	}
	change(t, current(t, db), func(db *v1alpha1.KVDatabase) { db.Spec.Durability = v1alpha1.DurabilityEverySecond })
	eventually(t, "the pod is replaced", func() string {
		p := &corev1.Pod{}
		if err := suite.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "db-0"}, p); err != nil || p.UID == pod {
			return fmt.Sprint("not yet ", err)
		}
		return ""
	})
	awaitReady(t, db)
	eventually(t, "the old configuration is removed", func() string {
		list := &corev1.ConfigMapList{}
		if err := suite.client.List(t.Context(), list, client.InNamespace(ns), client.MatchingLabels{v1alpha1.LabelInstance: "db"}); err != nil || len(list.Items) != 1 {
			return fmt.Sprint(len(list.Items), " of them ", err)
		}
		return ""
	})
}

func TestStorageThatCannotGrow(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	change(t, current(t, db), func(db *v1alpha1.KVDatabase) { db.Spec.Storage.Size = resource.MustParse("128Mi") })
	awaitProblem(t, db, v1alpha1.ReasonStorageNotExpandable, "set allowVolumeExpansion on its StorageClass")
	if !meta.IsStatusConditionTrue(current(t, db).Status.Conditions, v1alpha1.ConditionAvailable) {
		t.Error("it serves and does not say so")
	}
}
