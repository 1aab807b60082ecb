package operator

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// TestRetentionChangesWithoutARestart: rules come, change and go in the pod that
// runs, and the condition says when they are in force.
func TestRetentionChangesWithoutARestart(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	create(t, db)
	awaitReady(t, db)
	awaitCondition(t, db, v1alpha1.ConditionSettingsApplied, "True Proven")
	pod := get(t, ns, "db-0", &corev1.Pod{})
	c := dial(t, db, "db-0")
	write := func(key string) {
		t.Helper()
		if err := c.Set(t.Context(), key, "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	awaitEnd := func(key string, within time.Duration) {
		t.Helper()
		eventually(t, "an expiry of "+key, func() string { return ends(t, c, key, within) })
	}
	write("user:1")
	write("other")

	change(t, db, func(db *v1alpha1.KVDatabase) {
		db.Spec.Retention = []v1alpha1.RetentionRule{{Match: "user:*", MaxAge: metav1.Duration{Duration: time.Hour}}}
	})
	awaitEnd("user:1", time.Hour)
	awaitCondition(t, db, v1alpha1.ConditionSettingsApplied, "True Proven")
	change(t, db, func(db *v1alpha1.KVDatabase) { db.Spec.Retention[0].MaxAge.Duration = 2 * time.Minute })
	eventually(t, "the rule's change", func() string {
		write("user:2")
		time.Sleep(300 * time.Millisecond)
		return ends(t, c, "user:2", 2*time.Minute)
	})
	if wrong := ends(t, c, "user:1", time.Hour); wrong != "" {
		t.Errorf("what had an expiry has another: %s", wrong)
	}

	change(t, db, func(db *v1alpha1.KVDatabase) { db.Spec.Retention = nil })
	eventually(t, "the rule's end", func() string {
		write("user:3")
		time.Sleep(300 * time.Millisecond)
		if ttl := c.TTL(t.Context(), "user:3").Val(); ttl != -1 {
			return "it ends in " + ttl.String()
		}
		return ""
	})
	awaitReady(t, db)
	if ttl := c.TTL(t.Context(), "other").Val(); ttl != -1 {
		t.Errorf("a key that no rule matches ends in %v", ttl)
	}
	if now := get(t, ns, "db-0", &corev1.Pod{}); now.UID != pod.UID {
		t.Error("the pod was replaced")
	}
}

// ends says what is wrong with a key's end, which is to be within this time and not
// much sooner.
func ends(t *testing.T, c *redis.Client, key string, within time.Duration) string {
	t.Helper()
	ttl, err := c.TTL(t.Context(), key).Result()
	if err != nil || ttl > within || ttl < within-within/2 {
		return "TTL " + ttl.String()
	}
	return ""
}
