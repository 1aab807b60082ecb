package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture"
)

// target is what a fault happens to.
type target struct {
	v1alpha1.Instance

	members []corev1.Pod
	leader  *corev1.Pod
	victim  *corev1.Pod // in half of all cases the leader
	other   *corev1.Pod // that does not lead
}

// fault is something that happens, and is undone again.
type fault struct {
	kind string
	do   func(*world, context.Context, target) error
}

// faults are those that there are; all happen equally often.
var faults = []fault{
	{"killed", (*world).kill},
	{"leader killed", func(w *world, ctx context.Context, t target) error { t.victim = t.leader; return w.kill(ctx, t) }},
	{"stopped for a while", (*world).pause},
	{"leader alone", func(w *world, ctx context.Context, t target) error { return w.alone(ctx, t.leader) }},
	{"follower alone", func(w *world, ctx context.Context, t target) error { return w.alone(ctx, t.other) }},
	{"all nodes apart", (*world).apart},
	{"leader unheard", func(w *world, ctx context.Context, t target) error { return w.oneWay(ctx, t.leader, false) }},
	{"leader deaf", func(w *world, ctx context.Context, t target) error { return w.oneWay(ctx, t.leader, true) }},
	{"slow disk", (*world).slowDisk},
	{"full disk", (*world).fullDisk},
	{"pod deleted", (*world).deletePod},
	{"node drained", (*world).drain},
	{"volume lost", (*world).loseVolume},
	{"scaled to 5 and back", (*world).scale},
	{"rolling restart", (*world).restart},
	{"switchover", (*world).switchover},
	{"password rotated", (*world).rotatePassword},
	{"certificate renewed", (*world).renewCertificate},
	{"operator killed", (*world).killOperator},
}

// faultsUntil has each kind of fault happen once, in any order, and again, until
// the time is over. What was broken has healed before the next.
func (w *world) faultsUntil(ctx context.Context) error {
	for end := time.Now().Add(w.Duration); ; {
		for _, i := range w.rng.Perm(len(faults)) {
			if time.Now().After(end) {
				return nil
			}
			if err := sleep(ctx, w.between(0, calmest)); err != nil {
				return err
			}
			if err := w.strike(ctx, faults[i]); err != nil {
				return err
			}
		}
	}
}

// strike has one fault happen and waits until all is well again.
func (w *world) strike(ctx context.Context, f fault) error {
	return w.strikeAt(ctx, f, w.instances()[w.rng.IntN(2)])
}

func (w *world) strikeAt(ctx context.Context, f fault, o v1alpha1.Instance) error {
	t, err := w.aim(ctx, o)
	if err != nil {
		return err
	}
	w.Note("%s · %s of %s", w.report.summary(), f.kind, o.GetName())
	happened := w.report.happens(f.kind, o.GetName())
	err = f.do(w, ctx, t)
	if err == nil {
		err = w.settled(ctx, replicas)
	}
	happened.Until = time.Now()
	if err != nil {
		return fmt.Errorf("%s of %s: %w", f.kind, o.GetName(), err)
	}
	return nil
}

func (w *world) aim(ctx context.Context, o v1alpha1.Instance) (t target, err error) {
	t = target{Instance: o}
	if t.members, err = w.members(ctx, o); err != nil {
		return t, err
	}
	var others []*corev1.Pod
	for i := range t.members {
		if p := &t.members[i]; p.Name == o.InstanceStatus().Primary {
			t.leader = p
		} else {
			others = append(others, p)
		}
	}
	if t.leader == nil || len(others) == 0 {
		return t, fmt.Errorf("%s has no pod %q, or only that one", o.GetName(), o.InstanceStatus().Primary)
	}
	t.other = others[w.rng.IntN(len(others))]
	if t.victim = t.other; w.rng.IntN(2) == 0 {
		t.victim = t.leader
	}
	return t, nil
}

// between is a time that the seed decides.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(most-least)))
}

// kill is as a crash. A container that has ended before is not started again at
// once: then its pod is deleted, as somebody would who does not want to wait.
func (w *world) kill(ctx context.Context, t target) error {
	processes, err := fixture.Processes(t.victim, "coffer-engine")
	if err != nil {
		return err
	}
	for _, p := range processes {
		if err := p.Kill(); err != nil {
			return err
		}
	}
	if fixture.Restarts(t.victim) > 0 {
		return w.remove(ctx, t.victim, 0)
	}
	return sleep(ctx, time.Second) // until it has been noticed
}

// pause is too short to be taken for dead, or long enough.
func (w *world) pause(ctx context.Context, t target) error {
	processes, err := fixture.Processes(t.victim, "coffer-engine")
	if err != nil {
		return err
	}
	length := w.between(100*time.Millisecond, 10*time.Second)
	for _, p := range processes {
		err = errors.Join(err, p.Stop())
	}
	err = errors.Join(err, sleep(ctx, length))
	for _, p := range processes {
		err = errors.Join(err, p.Continue())
	}
	return err
}

func (w *world) slowDisk(ctx context.Context, t target) error {
	dir, err := w.cluster.VolumePath(ctx, t.victim)
	if err != nil {
		return err
	}
	return slow(dir, w.rng, w.between(2*time.Second, 10*time.Second), 3*time.Second)
}

func (w *world) fullDisk(ctx context.Context, t target) error {
	free, err := w.cluster.FillVolume(ctx, t.victim)
	if free == nil {
		return err
	}
	return errors.Join(err, sleep(ctx, w.between(time.Second, 10*time.Second)), free())
}

// deletePod is in good order, or with no time for it.
func (w *world) deletePod(ctx context.Context, t target) error {
	if w.rng.IntN(2) == 0 {
		return w.remove(ctx, t.victim, 0)
	}
	return w.remove(ctx, t.victim, 30)
}

// remove returns when another pod has come.
func (w *world) remove(ctx context.Context, pod *corev1.Pod, grace int64) error {
	if err := client.IgnoreNotFound(w.cluster.Delete(ctx, pod, client.GracePeriodSeconds(grace))); err != nil {
		return err
	}
	return w.replaced(ctx, pod)
}

func (w *world) replaced(ctx context.Context, pods ...*corev1.Pod) error {
	for _, pod := range pods {
		err := await(ctx, "another pod "+pod.Name+" comes", func(ctx context.Context) (string, error) {
			now := &corev1.Pod{}
			err := client.IgnoreNotFound(w.cluster.Get(ctx, client.ObjectKeyFromObject(pod), now))
			return obstacle(now.UID != "" && now.UID != pod.UID, "the one before is there"), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *world) drain(ctx context.Context, t target) error {
	node := t.victim.Spec.NodeName
	_, err := fixture.Kubectl(ctx, "", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout="+patience.String())
	if err == nil {
		err = sleep(ctx, w.between(0, 5*time.Second))
	}
	_, undone := fixture.Kubectl(context.WithoutCancel(ctx), "", "uncordon", node)
	return errors.Join(err, undone)
}

func (w *world) loseVolume(ctx context.Context, t target) error {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: "data-" + t.victim.Name}}
	if err := w.cluster.Delete(ctx, claim); err != nil {
		return err
	}
	return w.remove(ctx, t.victim, 0)
}

func (w *world) scale(ctx context.Context, t target) error {
	for _, n := range []int{5, replicas} {
		_, err := fixture.Kubectl(ctx, "", "patch", kindOf(t), t.GetName(), "-n", w.Namespace, "--type=merge", "-p", fmt.Sprintf(`{"spec":{"replicas":%d}}`, n))
		if err != nil {
			return err
		}
		err = await(ctx, fmt.Sprintf("%s has %d members", t.GetName(), n), func(ctx context.Context) (string, error) {
			return w.trouble(ctx, t.Instance, n)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func kindOf(t target) string {
	if _, ok := t.Instance.(*v1alpha1.JobQueue); ok {
		return "jobqueue"
	}
	return "kvdatabase"
}

func (w *world) killOperator(ctx context.Context, _ target) error {
	pods := &corev1.PodList{}
	if err := w.cluster.List(ctx, pods, client.InNamespace(w.System), client.MatchingLabels{v1alpha1.LabelName: "coffer"}); err != nil {
		return err
	}
	for i := range pods.Items {
		processes, _ := fixture.Processes(&pods.Items[i], "coffer")
		for _, p := range processes {
			if err := p.Kill(); err != nil {
				return err
			}
		}
		if err := client.IgnoreNotFound(w.cluster.Delete(ctx, &pods.Items[i], client.GracePeriodSeconds(0))); err != nil {
			return err
		}
	}
	return nil
}
