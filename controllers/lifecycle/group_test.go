package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/membership"
	"github.com/coffer-dev/coffer/controllers/rotation"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// grouped is a pass over a database of three members at which nothing is wrong,
// but for what the modifiers do to it. db-1 leads.
func grouped(t *testing.T, modify ...func(*scope)) *scope {
	t.Helper()
	s := serving(func(s *scope) {
		s.spec().Replicas = 3
		g := adminapi.Group{Leader: "db-1"}
		for i := range 3 {
			g.Members = append(g.Members, adminapi.GroupMember{ID: uint64(i + 1), Name: s.names.Member(i), Voter: true, Match: 90, Active: true}) //nolint:gosec // a handful
		}
		template, claim := s.members[0], s.claims[0]
		s.members, s.claims, s.seen.Members = nil, nil, nil
		for i := range 3 {
			m := template
			m.Name, m.Ordinal, m.Pod = s.names.Member(i), i, template.Pod.DeepCopy()
			m.Pod.Name, m.Pod.Namespace, m.Pod.UID = m.Name, "shop", "u"
			own := g
			own.ID = g.Members[i].ID
			m.Status = &adminapi.Status{Role: "follower", Term: 4, Ready: true, EngineVersion: "1", AppliedIndex: 90, Group: &own}
			if i == 1 {
				m.Status.Role, m.Status.AppliedIndex = "leader", 100
			}
			s.members = append(s.members, m)
			c := *claim.DeepCopy()
			c.Name, c.Namespace, c.Annotations = s.names.Claim(i), "shop", map[string]string{v1alpha1.AnnotationMember: fmt.Sprint(own.ID)}
			s.claims = append(s.claims, c)
			s.seen.Members = append(s.seen.Members, rotation.Member{Name: m.Name, Reported: true, Accepted: []int64{1}})
		}
	})
	for _, m := range modify {
		m(s)
	}
	if err := s.decideGroup(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func down(i int) func(*scope) {
	return func(s *scope) {
		s.members[i].Status, s.members[i].Err = nil, errors.New("timeout")
		s.members[i].Pod.Status.Conditions = nil
		for _, m := range s.members {
			if m.Status != nil {
				m.Status.Group.Members[i].Active = false
			}
		}
	}
}

// TestGroupIsTold: what conditions and the status say of a group.
func TestGroupIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		modify func(*scope)
		want   string // of Ready, Available and Degraded those that are True
		reason string // of Ready
		line   string
		ready  string
		leads  string
	}{
		"as wanted":        {func(*scope) {}, "Ready Available", "Serving", "Serving", "3/3", "db-1"},
		"a follower is up": {down(2), "Available", "Starting", "Pod db-2 is starting", "2/3", "db-1"},
		"the leader is down": {func(s *scope) {
			down(1)(s)
			s.members[2].Status.Group.Leader, s.members[2].Status.Term = "db-2", 5
		}, "", "Electing", "Members are electing a leader", "2/3", "db-2"},
		"a follower crashes": {func(s *scope) {
			down(2)(s)
			s.members[2].Pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
		}, "Available Degraded", "Crashing", "Pod db-2 ends again and again", "2/3", "db-1"},
		"quorum is lost": {func(s *scope) { down(1)(s); down(2)(s) }, "Degraded", "QuorumLost", "Quorum is lost: 1 of 3 members answers", "1/3", "db-1"},
		"one catches up": {func(s *scope) {
			x := &s.members[1].Status.Group.Members[2]
			x.Voter, x.Match, s.members[1].Status.AppliedIndex = false, 120, 4500
			s.members[2].Status.Ready, s.members[2].Pod.Status.Conditions = false, nil
		}, "Available", "CatchingUp", "Member db-2 is catching up (index 120 of 4,500)", "2/3", "db-1"},
		"fewer are wanted": {func(s *scope) { s.spec().Replicas = 1 }, "Available", "MembersChanging", "Members are changing", "1/1", "db-1"},
		"the pod of one that left": {func(s *scope) {
			s.spec().Replicas = 1
			for _, m := range s.members {
				m.Status.Group.Members = m.Status.Group.Members[:1]
			}
			s.members[0].Status.Role, s.members[0].Status.Term = "leader", 5
			for i := range s.claims {
				s.claims[i].Annotations[v1alpha1.AnnotationMemberRemoved] = s.claims[i].Annotations[v1alpha1.AnnotationMember]
			}
			delete(s.claims[0].Annotations, v1alpha1.AnnotationMemberRemoved)
		}, "Available", "MembersChanging", "Member db-1 is leaving", "1/1", "db-0"},
		"full": {func(s *scope) { s.members[1].Status.Storage.Full = true }, "Degraded", "VolumeFull", "Volume of db-1 is full", "3/3", "db-1"},
	} {
		t.Run(name, func(t *testing.T) {
			status := grouped(t, c.modify).status(nil)
			var holds []string
			for _, kind := range []string{"Ready", "Available", "Degraded"} {
				if meta.IsStatusConditionTrue(status.Conditions, kind) {
					holds = append(holds, kind)
				}
			}
			if got := strings.Join(holds, " "); got != c.want {
				t.Errorf("%q are True, want %q", got, c.want)
			}
			if r := meta.FindStatusCondition(status.Conditions, "Ready"); r.Reason != c.reason || !strings.HasPrefix(status.Status, c.line) {
				t.Errorf("%s: %q", r.Reason, status.Status)
			}
			if status.ReadyReplicas != c.ready || status.Primary != c.leads {
				t.Errorf("%s ready, %q leads", status.ReadyReplicas, status.Primary)
			}
		})
	}
}

func TestMembersAreTold(t *testing.T) {
	s := grouped(t, func(s *scope) {
		s.members[1].Status.Group.Members[2].Voter = false
		s.members[0].Status.Group.ID = 1<<8 | 1
	})
	members := s.status(nil).Members
	for i, want := range []v1alpha1.MemberStatus{
		{Name: "db-0", ID: 257, Role: "follower", AppliedIndex: 90, Lag: 10, Version: "1"},
		{Name: "db-1", ID: 2, Role: "leader", AppliedIndex: 100, Version: "1"},
		{Name: "db-2", ID: 3, Role: "learner", AppliedIndex: 90, Lag: 10, Version: "1"},
	} {
		if members[i] != want {
			t.Errorf("%+v, want %+v", members[i], want)
		}
	}
}

// claimsOf is a cluster with the claims of a pass.
func claimsOf(s *scope) client.Client {
	b := fake.NewClientBuilder()
	for _, c := range s.claims {
		c.Labels = s.applier.Owner.Labels
		c.Labels[v1alpha1.LabelComponent] = "engine"
		b = b.WithObjects(c.DeepCopy())
	}
	return b.Build()
}

func TestNotesOnClaims(t *testing.T) {
	s := grouped(t)
	c := claimsOf(s)
	s.r.Client, s.r.Live, s.applier.Client = c, c, c
	read := func() *corev1.PersistentVolumeClaim {
		claim := &corev1.PersistentVolumeClaim{}
		err := c.Get(context.Background(), s.key("data-db-2"), claim)
		if err != nil && client.IgnoreNotFound(err) == nil {
			return nil
		} else if err != nil {
			t.Fatal(err)
		}
		return claim
	}
	do := func(kind membership.Kind, id uint64) {
		t.Helper()
		if err := s.carryOut(t.Context(), &membership.Act{Kind: kind, Ordinal: 2, ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	do(membership.Mark, 259)
	if got := read().Annotations[v1alpha1.AnnotationMember]; got != "259" {
		t.Errorf("noted %q", got)
	}
	if do(membership.DeleteClaim, 259); read() == nil || s.group.done.Kind == membership.DeleteClaim {
		t.Fatal("a claim is deleted that was not noted to go")
	}
	do(membership.MarkRemoved, 259)
	do(membership.Mark, 259)
	if _, noted := read().Annotations[v1alpha1.AnnotationMemberRemoved]; noted {
		t.Error("a member that is wanted again is noted to go")
	}
	do(membership.MarkRemoved, 259)
	if do(membership.DeleteClaim, 3); read() == nil {
		t.Fatal("the claim of another member is deleted")
	}
	if do(membership.DeleteClaim, 259); read() != nil {
		t.Error("the claim of the member that left is still there")
	}
}

// TestGroupIsBegunOnce: the cache is behind and does not show what the claims
// say; or somebody has edited it.
func TestGroupIsBegunOnce(t *testing.T) {
	for _, note := range []string{"1", "0", "none"} {
		s := grouped(t, func(s *scope) {
			for i := range s.claims {
				delete(s.claims[i].Annotations, v1alpha1.AnnotationMember)
				s.members[i].Status, s.members[i].Unopened = nil, &adminapi.Status{Role: instance.RoleBlank, Group: &adminapi.Group{}}
			}
		})
		if act := s.group.decision.Act; act == nil || act.Change.Operation != adminapi.GroupBegin {
			t.Fatalf("decided %+v", act)
		}
		s.claims[2].Annotations[v1alpha1.AnnotationMember] = note
		s.r.Live = claimsOf(s)
		if err := s.actGroup(t.Context()); err != nil || s.group.done != nil || s.group.refused != nil {
			t.Errorf("%s: begun all the same: %v %+v", note, err, s.group.refused)
		}
	}
}

// TestRestart: carried out once, and what it asks for stays while it is asked.
func TestRestart(t *testing.T) {
	ask := func(s *scope) { s.object.SetAnnotations(map[string]string{v1alpha1.AnnotationRestart: "monday"}) }
	handled := func(s *scope) { s.before().LastHandled = map[string]string{v1alpha1.AnnotationRestart: "monday"} }
	made := func(s *scope) {
		s.set = &appsv1.StatefulSet{}
		s.set.Spec.Template.Annotations = map[string]string{v1alpha1.AnnotationRestart: "monday"}
	}
	for name, c := range map[string]struct {
		modify []func(*scope)
		want   string
	}{
		"not asked": {nil, ""}, "asked": {[]func(*scope){ask}, "monday"}, "under way": {[]func(*scope){ask, made}, "monday"},
		"done": {[]func(*scope){ask, made, handled}, "monday"}, "done before": {[]func(*scope){ask, handled}, ""}, "taken back": {[]func(*scope){made, handled}, ""},
	} {
		if got := serving(c.modify...).restart(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	s := grouped(t, ask)
	s.inputs.Restart = "monday"
	for i := range s.members {
		if s.restarted() != "" {
			t.Error("told to be done before every pod was made anew")
		}
		s.members[i].Pod.Annotations = map[string]string{v1alpha1.AnnotationRestart: "monday"}
	}
	if s.restarted() != "monday" {
		t.Error("not told to be done")
	}
}

// TestGroupsAreKnown by what there is: a template, a pod, or a claim that says
// so; what was always alone is none.
func TestGroupsAreKnown(t *testing.T) {
	peers := corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "peers"}}}}}
	for name, c := range map[string]struct {
		modify func(*scope)
		want   bool
	}{
		"alone":    {func(*scope) {}, false},
		"wanted":   {func(s *scope) { s.spec().Replicas = 3 }, true},
		"template": {func(s *scope) { s.set = &appsv1.StatefulSet{}; s.set.Spec.Template.Spec = peers }, true},
		"pod":      {func(s *scope) { s.pods = []corev1.Pod{{Spec: peers}} }, true},
		"claim": {func(s *scope) {
			s.claims[0].ObjectMeta = metav1.ObjectMeta{Name: "data-db-0", Annotations: map[string]string{v1alpha1.AnnotationMember: "1"}}
		}, true},
	} {
		if got := serving(c.modify).isGrouped(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestRefusedChangeIsTold: it ends no pass, and the next one asks again.
func TestRefusedChangeIsTold(t *testing.T) {
	s := grouped(t, func(s *scope) { s.spec().Replicas = 1 })
	s.members[1].Status, s.members[1].Err = nil, errors.New("timeout")
	act := &membership.Act{Kind: membership.Ask, Ordinal: 1, Change: adminapi.GroupChange{Operation: adminapi.GroupRemove, ID: 3}}
	if err := s.carryOut(t.Context(), act); err != nil || s.group.done != nil {
		t.Fatal(err)
	}
	if p := s.groupProblem(); p == nil || p.Message != "timeout" || s.groupRest() != unsettled {
		t.Errorf("%+v", p)
	}
}

// TestWhoIsAsked: those that are wanted, and those of a group that still exist.
func TestWhoIsAsked(t *testing.T) {
	s := grouped(t)
	pods := []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "db-4"}}, {ObjectMeta: metav1.ObjectMeta{Name: "db-0"}}, {ObjectMeta: metav1.ObjectMeta{Name: "db-99"}}}
	pods[0].Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "peers"}}}}
	var names []string
	for _, m := range instance.Members(s.names, 3, pods) {
		names = append(names, fmt.Sprint(m.Name, " ", m.Ordinal, " ", m.Pod != nil))
	}
	if got := strings.Join(names, ", "); got != "db-0 0 true, db-1 1 false, db-2 2 false, db-4 4 true" {
		t.Error(got)
	}
}
