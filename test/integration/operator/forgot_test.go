package operator

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// keepWriting writes through a member until it is stopped.
func keepWriting(t *testing.T, db *v1alpha1.KVDatabase, member string) (stop func()) {
	t.Helper()
	c, done := dial(t, db, member), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			_ = c.Incr(ctx, "unsynced").Err() // the member may be gone
		}
	}()
	return func() { cancel(); <-done }
}

// losePower kills members that say to have what is in their hosts' memory alone,
// has that be lost, and takes their pods.
func losePower(t *testing.T, db *v1alpha1.KVDatabase, members ...string) {
	t.Helper()
	stop := keepWriting(t, db, members[0]) // a member at rest forgets nothing
	unsynced := func(member string) error {
		identity, err := os.ReadFile(filepath.Join(suite.dir, "data", db.Namespace, member, "identity.json"))
		if err == nil && !strings.Contains(string(identity), `"unsynced"`) {
			err = fmt.Errorf("%s has what it has on its volume: %s", member, identity)
		}
		return err
	}
	var processes []int
	for _, member := range members {
		eventually(t, member+" has unsynced writes", func() string {
			if err := unsynced(member); err != nil {
				return err.Error()
			}
			return ""
		})
		processes = append(processes, processOf(t, db, member))
		if err := os.WriteFile(filepath.Join(suite.dir, "data", db.Namespace, member, "FORGOT"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, pid := range processes {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	for _, member := range members {
		if err := suite.client.Delete(t.Context(), get(t, db.Namespace, member, &corev1.Pod{})); err != nil {
			t.Fatal(err)
		}
	}
}

// processOf is the process of a member's engine.
func processOf(t *testing.T, db *v1alpha1.KVDatabase, member string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(suite.dir, string(get(t, db.Namespace, member, &corev1.Pod{}).UID), "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestMembersForget: one joins anew by itself, with the volume that it has; when
// most of them forgot, somebody does what the condition says.
func TestMembersForget(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db", replicas(3), func(db *v1alpha1.KVDatabase) { db.Spec.Durability = v1alpha1.DurabilityEverySecond })
	create(t, db)
	number := func(member string) int64 {
		for _, m := range awaitMembers(t, db, 3).Members {
			if m.Name == member {
				return m.ID
			}
		}
		return 0
	}
	old, claim := number("db-1"), get(t, ns, "data-db-1", &corev1.PersistentVolumeClaim{}).UID
	write(t, db, "db-0", "first")
	losePower(t, db, "db-1")
	eventually(t, "the member under another number", func() string {
		for _, m := range current(t, db).Status.Members {
			if m.Name == "db-1" && m.ID != old && m.ID != 0 {
				return ""
			}
		}
		return current(t, db).Status.Status
	})
	if now := number("db-1"); now == old || get(t, ns, "data-db-1", &corev1.PersistentVolumeClaim{}).UID != claim {
		t.Errorf("member %d, then %d, or on another volume", old, now)
	}
	holds(t, db, "db-1", "first")

	losePower(t, db, "db-0", "db-1", "db-2")
	var command []string
	eventually(t, "the condition to say what can be done", func() string {
		c := meta.FindStatusCondition(current(t, db).Status.Conditions, v1alpha1.ConditionDegraded)
		if c == nil || c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonQuorumLost {
			return fmt.Sprintf("%+v", c)
		}
		if command = regexp.MustCompile("`kubectl annotate kvdb db (\\S+)=(db-\\d@\\d+) --overwrite`").FindStringSubmatch(c.Message); command == nil || strings.Contains(c.Message, "never come back") {
			return c.Message
		}
		return ""
	})
	annotate(t, current(t, db), command[1], command[2])
	awaitMembers(t, db, 3)
	holds(t, db, "db-2", "first")
}
