package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/membership"
	"github.com/coffer-dev/coffer/controllers/rotation"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// group is what a pass knows of how members belong together.
type group struct {
	// grouped: members are made for a group, or are to be.
	grouped  bool
	seen     membership.Observed
	decision membership.Decision
	// done is what was carried out; refused is why something was not.
	done    *membership.Act
	refused *instance.Problem
}

// decideGroup asks what is to become of the members.
func (s *scope) decideGroup(context.Context) error {
	g := &s.group
	asked := credentials.Request(s.object, v1alpha1.AnnotationSwitchover)
	recoverFrom := credentials.Request(s.object, v1alpha1.AnnotationRecoverFrom)
	if g.grouped = s.isGrouped(); !g.grouped {
		s.handledSwitchover, s.handledRecovery = asked, recoverFrom // there is nobody else
		return nil
	}
	g.seen = s.groupObserved()
	if asked != s.handledSwitchover {
		g.seen.Switchover = asked
	}
	if recoverFrom != s.handledRecovery {
		g.seen.Recover = recoverFrom
	}
	g.decision = membership.Next(g.seen)
	if g.decision.Switchover != "" {
		s.handledSwitchover = g.decision.Switchover
	}
	if g.decision.Recover != "" {
		s.handledRecovery = g.decision.Recover
	}
	return nil
}

// isGrouped: several members are wanted, or what there is was made for several.
func (s *scope) isGrouped() bool {
	return s.spec().Members() > 1 || s.set != nil && desired.Grouped(s.set.Spec.Template.Spec) ||
		slices.ContainsFunc(s.pods, func(p corev1.Pod) bool { return desired.Grouped(p.Spec) }) ||
		slices.ContainsFunc(s.claims, func(c corev1.PersistentVolumeClaim) bool { return number(c, v1alpha1.AnnotationMember) != 0 })
}

// groupObserved translates members and their claims.
func (s *scope) groupObserved() membership.Observed {
	o := membership.Observed{Wanted: s.spec().Members(), Object: s.r.Kind.Short + " " + s.object.GetName()}
	if s.set != nil && s.set.Spec.Replicas != nil {
		o.Pods = int(*s.set.Spec.Replicas)
	}
	for i := range desired.MaxMembers {
		m := membership.Member{Ordinal: i, Name: s.names.Member(i), Claim: s.claimOf(i)}
		exists := i < o.Wanted || m.Claim.Member != 0
		for _, x := range s.members {
			if x.Ordinal == i {
				m.Pod, m.Status, exists = s.podOf(x), x.Says(), true
			}
		}
		if exists {
			o.Members = append(o.Members, m)
		}
	}
	return o
}

func (s *scope) podOf(m instance.Member) membership.Pod {
	if m.Pod == nil {
		return membership.Pod{}
	}
	claim := s.claim(m.Ordinal)
	older := claim != nil && m.Pod.CreationTimestamp.Time.Before(claim.CreationTimestamp.Time)
	return membership.Pod{Exists: true, Older: older, Ready: instance.Ready(m.Pod), Leaving: m.Pod.DeletionTimestamp != nil, Down: instance.Down(m.Pod), Outdated: instance.Outdated(s.set, m.Pod)}
}

// claim of a member's volume; nil while there is none.
func (s *scope) claim(ordinal int) *corev1.PersistentVolumeClaim {
	for i := range s.claims {
		if s.claims[i].Name == s.names.Claim(ordinal) {
			return &s.claims[i]
		}
	}
	return nil
}

func (s *scope) claimOf(ordinal int) membership.Claim {
	c := s.claim(ordinal)
	if c == nil {
		return membership.Claim{}
	}
	return membership.Claim{Exists: true, Leaving: c.DeletionTimestamp != nil,
		Member: number(*c, v1alpha1.AnnotationMember), Removed: number(*c, v1alpha1.AnnotationMemberRemoved)}
}

// number of a member that a claim has in an annotation. What is there and is no
// number stands for one that nobody has: it says that there was a member.
func number(c corev1.PersistentVolumeClaim, annotation string) uint64 {
	text, ok := c.Annotations[annotation]
	if !ok {
		return 0
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil && n != 0 {
		return n
	}
	return ^uint64(0)
}

// actGroup carries out the one act that is due.
func (s *scope) actGroup(ctx context.Context) error {
	if s.group.decision.Act == nil {
		return nil
	}
	return s.carryOut(ctx, s.group.decision.Act)
}

// rollGroup replaces pods where nothing else is due.
func (s *scope) rollGroup(ctx context.Context) error {
	if s.group.decision.Act != nil {
		return nil
	}
	act := membership.NextToReplace(s.group.seen)
	if act == nil {
		return nil
	}
	return s.carryOut(ctx, act)
}

func (s *scope) carryOut(ctx context.Context, act *membership.Act) error {
	done, err := true, error(nil)
	switch act.Kind {
	case membership.Mark:
		err = s.noteMember(ctx, act.Ordinal, act.ID, 0)
	case membership.MarkRemoved:
		err = s.noteMember(ctx, act.Ordinal, act.ID, act.ID)
	case membership.DeleteClaim:
		done, err = s.deleteClaim(ctx, act)
	case membership.Replace:
		m := s.memberAt(act.Ordinal)
		s.rolled = m.Name
		err = instance.Replace(ctx, s.r.Client, m.Pod)
	case membership.Ask:
		done, err = s.ask(ctx, act)
	}
	if err != nil {
		return fmt.Errorf("members: %w", err)
	}
	if done {
		s.group.done = act
	}
	if done && act.Switchover != "" {
		s.handledSwitchover = act.Switchover
	}
	if done && act.Recover != "" {
		s.handledRecovery = act.Recover
	}
	return nil
}

func (s *scope) memberAt(ordinal int) instance.Member {
	for _, m := range s.members {
		if m.Ordinal == ordinal {
			return m
		}
	}
	return instance.Member{Name: s.names.Member(ordinal), Ordinal: ordinal}
}

// noteMember writes on a claim whose data its volume holds.
func (s *scope) noteMember(ctx context.Context, ordinal int, id, removed uint64) error {
	claim := s.claim(ordinal)
	notes := map[string]any{v1alpha1.AnnotationMember: strconv.FormatUint(id, 10), v1alpha1.AnnotationMemberRemoved: nil}
	if removed != 0 {
		notes[v1alpha1.AnnotationMemberRemoved] = strconv.FormatUint(removed, 10)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": claim.UID, "annotations": notes}})
	if err != nil {
		return fmt.Errorf("marshal patch: %w", err)
	}
	if err := s.r.Client.Patch(ctx, claim.DeepCopy(), client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("annotate claim %s: %w", claim.Name, err)
	}
	return nil
}

// deleteClaim looks once more, live: what is deleted is what was noted to go.
func (s *scope) deleteClaim(ctx context.Context, act *membership.Act) (bool, error) {
	claim, err := apply.Lookup(ctx, s.r.Live, s.key(s.names.Claim(act.Ordinal)), &corev1.PersistentVolumeClaim{})
	if err != nil || claim == nil || number(*claim, v1alpha1.AnnotationMember) != act.ID || number(*claim, v1alpha1.AnnotationMemberRemoved) != act.ID {
		return false, err
	}
	return true, s.applier.Delete(ctx, claim)
}

// ask has a member change the group. What it does not do now is no error: the
// next pass observes anew.
func (s *scope) ask(ctx context.Context, act *membership.Act) (bool, error) {
	switch act.Change.Operation {
	case adminapi.GroupBegin:
		if once, err := s.everBegun(ctx); err != nil || once {
			return false, err
		}
	case adminapi.GroupRecover:
		if alone, err := s.leftAlone(ctx, act.Ordinal); err != nil || !alone {
			return false, err
		}
	}
	if err := instance.Change(ctx, s.names, s.memberAt(act.Ordinal), s.identity, act.Change); err != nil {
		s.group.refused = &instance.Problem{Reason: v1alpha1.ReasonMembersChanging, Passing: true, Message: err.Error()}
		return false, nil //nolint:nilerr // told in the status
	}
	return true, nil
}

// everBegun reads the claims live: a cache that is behind must not make us begin
// a group in the place of one that there is.
func (s *scope) everBegun(ctx context.Context) (bool, error) {
	claims := &corev1.PersistentVolumeClaimList{}
	err := s.r.Live.List(ctx, claims, client.InNamespace(s.object.GetNamespace()), client.MatchingLabels(desired.Selector(desired.Inputs{Instance: s.object})))
	if err != nil {
		return false, fmt.Errorf("list claims: %w", err)
	}
	return slices.ContainsFunc(claims.Items, func(c corev1.PersistentVolumeClaim) bool { return number(c, v1alpha1.AnnotationMember) != 0 }), nil
}

// restart is the request that pods are made for: the one that is asked, and for
// as long as it stands there. One that was carried out before is not begun again.
func (s *scope) restart() string {
	asked := credentials.Request(s.object, v1alpha1.AnnotationRestart)
	if asked == s.before().LastHandled[v1alpha1.AnnotationRestart] && (s.set == nil || s.set.Spec.Template.Annotations[v1alpha1.AnnotationRestart] != asked) {
		return ""
	}
	return asked
}

// restarted is the request that every pod was made after.
func (s *scope) restarted() string {
	asked := s.inputs.Restart
	for _, m := range s.members {
		if asked == "" || m.Ordinal < s.spec().Members() && (m.Pod == nil || m.Pod.Annotations[v1alpha1.AnnotationRestart] != asked) {
			return ""
		}
	}
	return asked
}

// groupRest is how soon to look again for the members' sake.
func (s *scope) groupRest() time.Duration {
	outdated := slices.ContainsFunc(s.group.seen.Members, func(m membership.Member) bool { return m.Pod.Outdated })
	switch g := s.group; {
	case g.done != nil:
		return rotation.PollQuick
	case g.refused != nil || g.decision.Reason != "" || g.seen.Switchover != "" || outdated:
		return unsettled
	}
	return rest
}
