package lifecycle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/membership"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// leftOne is a pass over three members of which db-2 is left and is to go on: the
// cache shows nothing of the others but empty volumes.
func leftOne(t *testing.T) *scope {
	t.Helper()
	return grouped(t, func(s *scope) {
		s.object.SetAnnotations(map[string]string{v1alpha1.AnnotationRecoverFrom: "db-2@100"})
		for i := range 2 {
			s.members[i].Status, s.members[i].Pod = nil, nil
			delete(s.claims[i].Annotations, v1alpha1.AnnotationMember)
		}
		g := s.members[2].Status.Group
		g.Leader, g.LastIndex, g.LastTerm = "", 100, 4
	})
}

// TestAMemberGoesOnWhenNothingElseIsLeft, as the API server says: a cache that is
// behind shows nothing of a claim or a pod of the old group.
func TestAMemberGoesOnWhenNothingElseIsLeft(t *testing.T) {
	at := metav1.NewTime(time.Unix(1_600_000_000, 0))
	for name, c := range map[string]struct {
		claim func(*corev1.PersistentVolumeClaim)
		pod   *corev1.Pod
		asked bool
	}{
		"nothing": {asked: true},
		"a claim that has a number": {claim: func(c *corev1.PersistentVolumeClaim) {
			c.Annotations = map[string]string{v1alpha1.AnnotationMember: "1"}
		}},
		"a claim that goes": {claim: func(c *corev1.PersistentVolumeClaim) {
			c.DeletionTimestamp, c.Finalizers = &at, []string{"kubernetes.io/pvc-protection"}
		}},
		"a pod for a claim before":        {pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-0", CreationTimestamp: metav1.NewTime(at.Add(-time.Hour))}}},
		"a pod for an empty volume":       {pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-0", CreationTimestamp: at}}, asked: true},
		"a pod whose claim is gone":       {pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-4", CreationTimestamp: at}}},
		"the pod of the one that goes on": {pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-2"}}, asked: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := leftOne(t)
			if act := s.group.decision.Act; act == nil || act.Change.Operation != adminapi.GroupRecover {
				t.Fatalf("decided %+v: %s", act, s.group.decision.Message)
			}
			b := fake.NewClientBuilder()
			for i := range s.claims {
				claim := s.claims[i].DeepCopy()
				claim.Labels, claim.CreationTimestamp = s.applier.Owner.Labels, at
				claim.Labels[v1alpha1.LabelComponent] = "engine"
				if i == 0 && c.claim != nil {
					c.claim(claim)
				}
				b = b.WithObjects(claim)
			}
			if c.pod != nil {
				c.pod.Namespace, c.pod.Labels = "shop", s.applier.Owner.Labels
				b = b.WithObjects(c.pod)
			}
			s.r.Live = b.Build()
			s.members[2].Status, s.members[2].Err = nil, fmt.Errorf("asked") //nolint:err113 // what ends it here
			if err := s.actGroup(t.Context()); err != nil {
				t.Fatal(err)
			}
			if asked := s.group.refused != nil; asked != c.asked {
				t.Errorf("asked: %t, want %t", asked, c.asked)
			}
		})
	}
}

// TestARecoveryIsRefusedOnce, with an event; taken off, it can be asked for again.
func TestARecoveryIsRefusedOnce(t *testing.T) {
	asked := func(s *scope) { s.object.SetAnnotations(map[string]string{v1alpha1.AnnotationRecoverFrom: "db-2@100"}) }
	s := grouped(t, asked)
	told := events.NewFakeRecorder(10)
	s.r.Events = told
	s.announceGroup("")
	if event := <-told.Events; !strings.Contains(event, "Warning RecoveryRefused") || !strings.Contains(event, "a majority is there: db-1 leads") {
		t.Error(event)
	}
	handled := s.lastHandled()
	if handled[v1alpha1.AnnotationRecoverFrom] != "db-2@100" {
		t.Errorf("handled %v", handled)
	}
	before := func(s *scope) {
		s.before().LastHandled = handled
		s.handledRecovery = handled[v1alpha1.AnnotationRecoverFrom]
	}
	if s = grouped(t, asked, before); s.group.decision.Refused != "" || s.lastHandled()[v1alpha1.AnnotationRecoverFrom] == "" {
		t.Errorf("refused once more: %s", s.group.decision.Refused)
	}
	if s = grouped(t, before); s.lastHandled()[v1alpha1.AnnotationRecoverFrom] != "" {
		t.Error("what was taken off counts as carried out for good")
	}
}

// TestARecoveryIsCarriedOutOnce: the request is used up with the act.
func TestARecoveryIsCarriedOutOnce(t *testing.T) {
	s := leftOne(t)
	act := &membership.Act{Kind: membership.Mark, Ordinal: 2, ID: 3, Recover: "db-2@100"}
	c := claimsOf(s)
	s.r.Client = c
	if err := s.carryOut(t.Context(), act); err != nil || s.handledRecovery != "db-2@100" {
		t.Errorf("%q: %v", s.handledRecovery, err)
	}
}
