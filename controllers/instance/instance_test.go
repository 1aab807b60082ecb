package instance

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

func podWith(s corev1.PodStatus) *corev1.Pod { return &corev1.Pod{Status: s} }

func waitingFor(reason string) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Image: "coffer:1",
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}}}
}

func killed() corev1.PodStatus {
	s := waitingFor("CrashLoopBackOff")
	s.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}
	return s
}

func again() corev1.PodStatus {
	s := killed()
	s.ContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	return s
}

func unscheduled(message string) corev1.PodStatus {
	return corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse,
		Reason: corev1.PodReasonUnschedulable, Message: message}}}
}

func TestPodProblem(t *testing.T) {
	now := metav1.Now()
	tests := map[string]struct {
		pod     *corev1.Pod
		reason  string
		words   string
		passing bool
	}{
		"no pod":     {nil, v1alpha1.ReasonStarting, "`kubectl describe statefulset db`", true},
		"terminates": {&corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &now}}, v1alpha1.ReasonRolling, "is being replaced", true},
		"no node": {podWith(unscheduled("0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No victims.")),
			v1alpha1.ReasonUnschedulable, "available: 1 Insufficient cpu: check spec.resources", false},
		"no volume":             {podWith(unscheduled("unbound immediate PersistentVolumeClaims")), v1alpha1.ReasonVolumePending, "wrong spec.storage.storageClassName", false},
		"no image":              {podWith(waitingFor("ImagePullBackOff")), v1alpha1.ReasonImagePull, `image "coffer:1"`, false},
		"crashes":               {podWith(waitingFor("CrashLoopBackOff")), v1alpha1.ReasonCrashing, "kubectl logs --previous db-0", false},
		"has too little memory": {podWith(killed()), v1alpha1.ReasonCrashing, "(exit code 137, OOMKilled): it needs more than spec.resources.limits.memory", false},
		"starts again":          {podWith(again()), v1alpha1.ReasonStarting, "starting again: it ended (exit code 137, OOMKilled)", true},
		"starts":                {podWith(corev1.PodStatus{}), v1alpha1.ReasonStarting, "is starting", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := PodProblem("db-0", test.pod)
			if p == nil || p.Reason != test.reason || p.Passing != test.passing || !strings.Contains(p.Message, test.words) {
				t.Errorf("%+v", p)
			}
		})
	}
	ready := podWith(corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}})
	if p := PodProblem("db-0", ready); p != nil {
		t.Errorf("a ready pod has a problem: %+v", p)
	}
}

func TestUnresized(t *testing.T) {
	claim := func(phase corev1.PersistentVolumeClaimPhase, capacity string) corev1.PersistentVolumeClaim {
		return corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data-db-0"}, Status: corev1.PersistentVolumeClaimStatus{
			Phase: phase, Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(capacity)}}}
	}
	tests := map[string]struct {
		claim corev1.PersistentVolumeClaim
		words string
	}{
		"as asked":    {claim(corev1.ClaimBound, "1Gi"), ""},
		"larger":      {claim(corev1.ClaimBound, "2Gi"), ""},
		"smaller yet": {claim(corev1.ClaimBound, "512Mi"), "grows from 512Mi to 1Gi"},
		"no volume":   {claim(corev1.ClaimPending, "0"), "no volume is bound"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, message := Unresized([]corev1.PersistentVolumeClaim{test.claim}, resource.MustParse("1Gi"))
			if (got == "") != (test.words == "") || !strings.Contains(message, test.words) {
				t.Errorf("%q %q", got, message)
			}
		})
	}
}

func TestDeliveryIsAskedForOnceAndAgainOnlyWhereItHelps(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	want := map[string]string{v1alpha1.AnnotationUsersRevision: "2"}
	annotated := func(revision string, at time.Time) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
			v1alpha1.AnnotationUsersRevision: revision, annotationDeliveredAt: at.UTC().Format(time.RFC3339)}}}
	}
	refusing := &adminapi.Status{Credentials: adminapi.Credentials{Error: "invalid users file"}}
	tests := map[string]struct {
		member Member
		want   bool
	}{
		"never":                     {Member{Pod: &corev1.Pod{}}, false},
		"another revision":          {Member{Pod: annotated("1", now)}, false},
		"just now":                  {Member{Pod: annotated("2", now)}, true},
		"long ago, in vain":         {Member{Pod: annotated("2", now.Add(-time.Minute))}, false},
		"long ago, and was refused": {Member{Pod: annotated("2", now.Add(-time.Minute)), Status: refusing}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := asked(test.member, now, want); got != test.want {
				t.Errorf("asked = %v", got)
			}
		})
	}
}

// TestLineIsASentence: but for one that begins with a field's name, which is
// written as its user writes it.
func TestLineIsASentence(t *testing.T) {
	for message, want := range map[string]string{
		"pod work-0 is starting":          "Pod work-0 is starting",
		"spec.schedules[0].cron: no time": "spec.schedules[0].cron: no time",
	} {
		if got := Line(message); got != want {
			t.Errorf("%s", got)
		}
	}
}
