package desired

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// three members of the smallest database.
func three(in *Inputs) {
	steady(in)
	in.spec().NetworkPolicy.Mode = v1alpha1.NetworkPolicyManaged
	in.spec().Replicas = 3
}

// left is what is made of a group that its user wants to be one member again.
func left(pods int) func(*Inputs) {
	return func(in *Inputs) {
		three(in)
		in.spec().Replicas, in.Grouped, in.Members = 1, true, pods
	}
}

// TestAloneIsAsBefore: to write the default out changes nothing.
func TestAloneIsAsBefore(t *testing.T) {
	before := render(t, All(inputs()))
	after := render(t, All(inputs(func(in *Inputs) { in.spec().Replicas = 1 })))
	if string(before) != string(after) {
		t.Error("replicas: 1 is not what there was without it")
	}
}

// TestPodsOfAGroupStay: how many there are is nothing that replaces a pod.
func TestPodsOfAGroupStay(t *testing.T) {
	of3 := Render(inputs(three))
	for name, modify := range map[string]func(*Inputs){
		"5":         func(in *Inputs) { three(in); in.spec().Replicas = 5 },
		"1, of 3":   left(3),
		"1, at end": left(1),
	} {
		if of3 != Render(inputs(modify)) {
			t.Errorf("%s: a member of 3 is replaced", name)
		}
	}
	if of3.PodSpecHash() == PodSpecHash(inputs()) {
		t.Error("a member that was alone does not learn of the others")
	}
}

// TestGroupsLeaveNobodyBehind: pods stay until the operator says that they may
// go, and the budget with them.
func TestGroupsLeaveNobodyBehind(t *testing.T) {
	for _, c := range []struct {
		in     Inputs
		pods   string
		budget bool
	}{{inputs(three), "3", true}, {inputs(left(3)), "3", true}, {inputs(left(1)), "1", false}, {inputs(), "1", false}} {
		text := string(render(t, All(c.in)))
		if !strings.Contains(text, "replicas: "+c.pods+"\n") || strings.Contains(text, "kind: PodDisruptionBudget") != c.budget {
			t.Errorf("%d wanted: pods are not %s, or a budget is not %t", c.in.spec().Members(), c.pods, c.budget)
		}
	}
}

// TestSpread: an affinity of the user's own is all there is.
func TestSpread(t *testing.T) {
	spread := func(in Inputs) int { return len(podTemplate(in).Spec.TopologySpreadConstraints) }
	own := inputs(three, func(in *Inputs) { in.spec().Scheduling = &v1alpha1.Scheduling{Affinity: &corev1.Affinity{}} })
	nodes := inputs(three, func(in *Inputs) {
		in.spec().Scheduling = &v1alpha1.Scheduling{NodeSelector: map[string]string{"disk": "ssd"}}
	})
	if spread(inputs()) != 0 || spread(inputs(three)) != 1 || spread(nodes) != 1 || spread(own) != 0 {
		t.Errorf("%d %d %d %d", spread(inputs()), spread(inputs(three)), spread(nodes), spread(own))
	}
}

func TestRestartIsNotPartOfTheRevision(t *testing.T) {
	in := inputs(func(in *Inputs) { in.Restart = "monday" })
	text := string(render(t, []Object{StatefulSet(in)}))
	if Render(in) != Render(inputs()) || !strings.Contains(text, v1alpha1.AnnotationRestart+": monday") {
		t.Error("the template does not carry the restart, or the revision does")
	}
}

func TestOrdinals(t *testing.T) {
	names := NamesOf(inputs().Instance)
	var found []int
	for _, pod := range []string{"sessions-0", "sessions-4", "sessions-5", "sessions-01", "sessions-", "sessions-x", "sessions--1", "other-1", "data-sessions-1"} {
		if i, ok := names.Ordinal(pod); ok {
			found = append(found, i)
		}
	}
	if !slices.Equal(found, []int{0, 4}) {
		t.Errorf("pods %v", found)
	}
}
