package operator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

func replicas(n int32) func(*v1alpha1.KVDatabase) {
	return func(db *v1alpha1.KVDatabase) { db.Spec.Replicas = n }
}

// awaitMembers waits until an instance is ready with so many members, and returns
// what it says then.
func awaitMembers(t *testing.T, o v1alpha1.Instance, n int) *v1alpha1.InstanceStatus {
	t.Helper()
	var status *v1alpha1.InstanceStatus
	eventually(t, fmt.Sprint(n, " members"), func() string {
		now := current(t, o)
		status = now.InstanceStatus()
		followers := 0
		for _, m := range status.Members {
			if m.Role == "follower" {
				followers++
			}
		}
		set := &appsv1.StatefulSet{}
		if err := suite.client.Get(t.Context(), client.ObjectKeyFromObject(o), set); err != nil {
			return err.Error()
		}
		want := fmt.Sprintf("%d/%d", n, n)
		if status.ObservedGeneration != now.GetGeneration() || status.ReadyReplicas != want || followers != n-1 || len(status.Members) != n ||
			!strings.HasPrefix(status.Status, "Serving") || int(*set.Spec.Replicas) != n {
			return fmt.Sprintf("%s, %d followers, %d members, %d pods: %s", status.ReadyReplicas, followers, len(status.Members), *set.Spec.Replicas, status.Status)
		}
		return ""
	})
	return status
}

// dial connects to a member, by the connection secret.
func dial(t *testing.T, db *v1alpha1.KVDatabase, member string) *redis.Client {
	t.Helper()
	secret := connection(t, db)
	return dialPort(t, db, member, ":6379", secret, clientTLS(secret))
}

func dialPort(t *testing.T, db *v1alpha1.KVDatabase, member, port string, secret *corev1.Secret, by *tls.Config) *redis.Client {
	t.Helper()
	pod := get(t, db.Namespace, member, &corev1.Pod{})
	c := redis.NewClient(&redis.Options{Addr: pod.Status.PodIP + port, Password: string(secret.Data["password"]), TLSConfig: by, DialTimeout: 2 * time.Second})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// readsAnywhere reads a key from each member's own state, under the name that the
// connection secret has for that.
func readsAnywhere(t *testing.T, db *v1alpha1.KVDatabase, key string) {
	t.Helper()
	eventually(t, "the secret to have a name for reads", func() string {
		if secret := connection(t, db); len(secret.Data["host-ro"]) == 0 || !strings.HasSuffix(string(secret.Data["uri-ro"]), "@db-ro."+db.Namespace+".svc:6379") {
			return fmt.Sprintf("%q", secret.Data["host-ro"])
		}
		return ""
	})
	secret := connection(t, db)
	by := clientTLS(secret)
	by.ServerName = string(secret.Data["host-ro"])
	for _, member := range []string{"db-0", "db-1", "db-2"} {
		c := dialPort(t, db, member, ":6380", secret, by)
		eventually(t, "what was written, read from "+member, func() string {
			if got, err := c.Get(t.Context(), key).Result(); got != key {
				return fmt.Sprint(got, err)
			}
			return ""
		})
		if err := c.Set(t.Context(), key, "other", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "READONLY ") {
			t.Errorf("%s: a write: %v", member, err)
		}
	}
	service := get(t, db.Namespace, "db-ro", &corev1.Service{})
	if p := service.Spec.Ports; len(p) != 1 || p[0].Port != 6379 || p[0].TargetPort.String() != "reads" {
		t.Errorf("the Service's ports: %+v", p)
	}
}

// awaitNoReads waits until nothing is left of reads that may be stale.
func awaitNoReads(t *testing.T, db *v1alpha1.KVDatabase) {
	t.Helper()
	eventually(t, "no reads of one member alone", func() string {
		err := suite.client.Get(t.Context(), client.ObjectKey{Namespace: db.Namespace, Name: "db-ro"}, &corev1.Service{})
		data := connection(t, db).Data
		if !apierrors.IsNotFound(err) || data["host-ro"] != nil || data["uri-ro"] != nil {
			return fmt.Sprintf("%v, %q", err, data["host-ro"])
		}
		return ""
	})
}

// write writes a key by way of a member, however long that takes.
func write(t *testing.T, db *v1alpha1.KVDatabase, member, key string) {
	t.Helper()
	eventually(t, "a write", func() string {
		if err := dial(t, db, member).Set(t.Context(), key, key, 0).Err(); err != nil {
			return err.Error()
		}
		return ""
	})
}

func holds(t *testing.T, db *v1alpha1.KVDatabase, member string, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if got, err := dial(t, db, member).Get(t.Context(), key).Result(); err != nil || got != key {
			t.Errorf("%s by way of %s: %q %v", key, member, got, err)
		}
	}
}

func uids(t *testing.T, o v1alpha1.Instance) map[string]types.UID {
	t.Helper()
	pods := &corev1.PodList{}
	if err := suite.client.List(t.Context(), pods, client.InNamespace(o.GetNamespace())); err != nil {
		t.Fatal(err)
	}
	out := map[string]types.UID{}
	for _, p := range pods.Items {
		out[p.Name] = p.UID
	}
	return out
}

func awaitNoClaim(t *testing.T, db *v1alpha1.KVDatabase, names ...string) {
	t.Helper()
	for _, name := range names {
		eventually(t, name+" is deleted", func() string {
			err := suite.client.Get(t.Context(), client.ObjectKey{Namespace: db.Namespace, Name: name}, &corev1.PersistentVolumeClaim{})
			if !apierrors.IsNotFound(err) {
				return fmt.Sprint("it is there: ", err)
			}
			return ""
		})
	}
}

// TestReplicas: a database from one member to three, five and back; a rolling
// restart, a switchover and a lost volume between.
func TestReplicas(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	write(t, db, "db-0", "alone")

	change(t, current(t, db), replicas(3))
	awaitMembers(t, db, 3)
	holds(t, db, "db-2", "alone")
	readsAnywhere(t, db, "alone")
	if budget := get(t, ns, "db", &policyv1.PodDisruptionBudget{}); budget.Spec.MaxUnavailable.IntValue() != 1 {
		t.Errorf("budget %+v", budget.Spec)
	}

	annotate(t, current(t, db), v1alpha1.AnnotationSwitchover, "db-2")
	eventually(t, "db-2 leads", func() string {
		if s := current(t, db).Status; s.Primary != "db-2" || s.LastHandled[v1alpha1.AnnotationSwitchover] != "db-2" {
			return s.Primary + " leads: " + s.Status
		}
		return ""
	})
	write(t, db, "db-0", "switched")

	before := uids(t, db)
	annotate(t, current(t, db), v1alpha1.AnnotationRestart, "monday")
	eventually(t, "every pod is made anew", func() string {
		for name, uid := range uids(t, db) {
			if before[name] == uid {
				return name + " is not"
			}
		}
		if s := current(t, db).Status; s.LastHandled[v1alpha1.AnnotationRestart] != "monday" {
			return "it is not told: " + s.Status
		}
		return ""
	})
	awaitMembers(t, db, 3)
	write(t, db, "db-1", "restarted")

	loseVolume(t, db, "db-1")
	awaitMembers(t, db, 3)
	holds(t, db, "db-1", "alone", "switched", "restarted")

	change(t, current(t, db), replicas(5))
	awaitMembers(t, db, 5)
	change(t, current(t, db), replicas(1))
	awaitMembers(t, db, 1)
	awaitNoClaim(t, db, "data-db-4", "data-db-3", "data-db-2", "data-db-1")
	awaitNoReads(t, db)
	holds(t, db, "db-0", "alone", "switched", "restarted")
	if err := suite.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "db"}, &policyv1.PodDisruptionBudget{}); !apierrors.IsNotFound(err) {
		t.Errorf("a member that is alone has a budget: %v", err)
	}
}

// loseVolume deletes a member's claim and its pod, as somebody does who moves it
// to other storage.
func loseVolume(t *testing.T, db *v1alpha1.KVDatabase, member string) {
	t.Helper()
	claim := get(t, db.Namespace, "data-"+member, &corev1.PersistentVolumeClaim{})
	for _, o := range []client.Object{claim, get(t, db.Namespace, member, &corev1.Pod{})} {
		if err := suite.client.Delete(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "another volume", func() string {
		now := &corev1.PersistentVolumeClaim{}
		if err := suite.client.Get(t.Context(), client.ObjectKeyFromObject(claim), now); err != nil || now.UID == claim.UID {
			return fmt.Sprint("it is the old one: ", err)
		}
		return ""
	})
}

// TestReplicasFromTheStart: three blank members become one group, whose leader is
// replaced like any other's.
func TestReplicasFromTheStart(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db", replicas(3))
	create(t, db)
	status := awaitMembers(t, db, 3)
	write(t, db, "db-0", "first")
	if err := suite.client.Delete(t.Context(), get(t, ns, status.Primary, &corev1.Pod{})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another one leads", func() string {
		if now := current(t, db).Status; now.Primary == status.Primary || now.Primary == "" {
			return now.Primary + ": " + now.Status
		}
		return ""
	})
	awaitMembers(t, db, 3)
	write(t, db, status.Primary, "second")
	holds(t, db, "db-1", "first", "second")
}

// TestGroupGoesOnFromOne: the majority of the volumes is lost, and somebody does
// what the condition says; what the one member has is there, on three again.
func TestGroupGoesOnFromOne(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db", replicas(3))
	create(t, db)
	awaitMembers(t, db, 3)
	write(t, db, "db-0", "first")
	for _, member := range []string{"db-0", "db-1"} {
		for _, o := range []client.Object{get(t, ns, "data-"+member, &corev1.PersistentVolumeClaim{}), get(t, ns, member, &corev1.Pod{})} {
			if err := suite.client.Delete(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
	}
	annotate(t, current(t, db), v1alpha1.AnnotationRecoverFrom, "db-2@1") // unread
	var command []string
	eventually(t, "the condition to say what can be done", func() string {
		now := current(t, db)
		c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionDegraded)
		if c == nil || c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonQuorumLost || now.Status.LastHandled[v1alpha1.AnnotationRecoverFrom] != "db-2@1" {
			return fmt.Sprintf("%+v", c)
		}
		if command = regexp.MustCompile("`kubectl annotate kvdb db (\\S+)=(db-2@\\d+) --overwrite`").FindStringSubmatch(c.Message); command == nil {
			return c.Message
		}
		return ""
	})
	annotate(t, current(t, db), command[1], command[2])
	status := awaitMembers(t, db, 3)
	if status.LastHandled[v1alpha1.AnnotationRecoverFrom] != command[2] {
		t.Errorf("carried out: %v", status.LastHandled)
	}
	for _, m := range status.Members {
		if m.ID < 256 {
			t.Errorf("%s is still member %d of the group before", m.Name, m.ID)
		}
	}
	write(t, db, "db-1", "second")
	holds(t, db, "db-0", "first", "second")
}

// TestGroupRotates: passwords, certificates and the authority of three members,
// who trust each other by it, change without a pod being replaced.
func TestGroupRotates(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	q := jobQueue(ns, "work", "email")
	q.Spec.Replicas = 3
	create(t, q)
	before := awaitMembers(t, q, 3)
	pods := uids(t, q)
	after := func(what string, done func(now *v1alpha1.InstanceStatus) bool) {
		t.Helper()
		eventually(t, what, func() string {
			if now := current(t, q).InstanceStatus(); !done(now) {
				return fmt.Sprintf("%+v %+v %v: %s", now.Credentials, now.TLS, now.LastHandled, now.Status)
			}
			return ""
		})
	}
	annotate(t, q, v1alpha1.AnnotationRotateCredentials, "now")
	after("another password", func(now *v1alpha1.InstanceStatus) bool { return now.Credentials.Generation == 2 })
	annotate(t, q, v1alpha1.AnnotationRotateTLS, "now")
	after("another certificate", func(now *v1alpha1.InstanceStatus) bool {
		return now.TLS.Fingerprint != before.TLS.Fingerprint && now.LastHandled[v1alpha1.AnnotationRotateTLS] == "now"
	})
	annotate(t, q, v1alpha1.AnnotationRotateCA, "now")
	after("two authorities", func(now *v1alpha1.InstanceStatus) bool { return now.TLS.Phase == v1alpha1.PhaseOverlap })
	annotate(t, q, v1alpha1.AnnotationRotateComplete, "now")
	after("another authority", func(now *v1alpha1.InstanceStatus) bool {
		return now.TLS.CAGeneration == 2 && now.LastHandled[v1alpha1.AnnotationRotateCA] == "now"
	})
	awaitMembers(t, q, 3)
	if now := uids(t, q); !maps.Equal(now, pods) {
		t.Errorf("pods were replaced: %v %v", pods, now)
	}
}

// TestOperatorDiesWhileMembersChange before each of its writes in turn: at the
// end all is as wanted, and nothing is lost.
func TestOperatorDiesWhileMembersChange(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	db := database(ns, "db", replicas(3))
	create(t, db)
	deaths := 0
	for writes := int64(30); live(t, ns, writes); writes = 7 {
		if deaths++; deaths > 40 {
			t.Fatalf("it does not end: %s", current(t, db).Status.Status)
		}
	}
	startOperator(t, ns)
	awaitMembers(t, db, 3)
	write(t, db, "db-0", "kept")
	change(t, current(t, db), replicas(1))
	awaitMembers(t, db, 1)
	holds(t, db, "db-0", "kept")
}

func clientTLS(secret *corev1.Secret) *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(secret.Data["ca.crt"])
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: string(secret.Data["host"])}
}
