package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// annotationDeliveredAt on a pod is when delivery was last asked for.
const annotationDeliveredAt = v1alpha1.GroupName + "/delivered-at"

// On a pod: the admin port's certificate, the bundle of authorities, the queues file
// and the settings that it should have.
const (
	annotationAdminTLS    = v1alpha1.GroupName + "/admin-tls-revision"
	annotationAuthorities = v1alpha1.GroupName + "/authorities-revision"
	annotationQueues      = v1alpha1.GroupName + "/queues-revision"
	annotationSettings    = v1alpha1.GroupName + "/settings-revision"
)

// redeliver is when to ask again: a kubelet that looked before its own watch
// told it of the new secret delivers the old one, and then waits a minute.
const redeliver = 10 * time.Second

// Problem is what keeps a member from serving, with what to do about it.
type Problem struct {
	Reason, Message string
	// Passing is true for what is expected to end by itself.
	Passing bool
}

// PodProblem says why a pod does not run; nil when it runs and is ready.
func PodProblem(name string, p *corev1.Pod) *Problem {
	if p == nil {
		// A quota, a missing PriorityClass, an admission policy: only the StatefulSet's events tell.
		set := name[:max(strings.LastIndexByte(name, '-'), 0)]
		return &Problem{Reason: v1alpha1.ReasonStarting, Passing: true,
			Message: "Pod " + name + " is being created (if that lasts: `kubectl describe statefulset " + set + "` says why)"}
	}
	if p.DeletionTimestamp != nil {
		return &Problem{Reason: v1alpha1.ReasonRolling, Message: "Pod " + name + " is being replaced", Passing: true}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			if strings.Contains(c.Message, "PersistentVolumeClaim") {
				return &Problem{Reason: v1alpha1.ReasonVolumePending,
					Message: "no volume for pod " + name + " yet: `kubectl describe pvc " + claimOf(p) + "` says why; a wrong spec.storage.storageClassName " +
						"is put right by deleting the database and that claim, and creating the database anew"}
			}
			return &Problem{Reason: v1alpha1.ReasonUnschedulable,
				Message: "no node takes pod " + name + ": " + scheduler(c.Message) + ": check spec.resources, spec.scheduling and the nodes"}
		}
	}
	for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		if problem := containerProblem(name, s); problem != nil {
			return problem
		}
	}
	if !Ready(p) {
		again := ""
		for _, s := range p.Status.ContainerStatuses {
			if end := ended(s); end != "" {
				again = " again: it ended" + end
			}
		}
		return &Problem{Reason: v1alpha1.ReasonStarting, Message: "Pod " + name + " is starting" + again, Passing: true}
	}
	return nil
}

// scheduler keeps of the scheduler's message which nodes lack what, without
// what it goes on to say about preemption.
func scheduler(message string) string {
	for _, noise := range []string{" no new claims to deallocate", " preemption:"} {
		message, _, _ = strings.Cut(message, noise)
	}
	return strings.TrimRight(message, "., ")
}

// claimOf names the claim of a pod's volume.
func claimOf(p *corev1.Pod) string {
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			return v.PersistentVolumeClaim.ClaimName
		}
	}
	return ""
}

// ended says how a container that was started again ended; empty when it was not.
func ended(s corev1.ContainerStatus) string {
	if t := s.LastTerminationState.Terminated; t != nil {
		return fmt.Sprintf(" (exit code %d, %s)", t.ExitCode, t.Reason)
	}
	return ""
}

func containerProblem(name string, s corev1.ContainerStatus) *Problem {
	w := s.State.Waiting
	if w == nil {
		return nil
	}
	switch w.Reason {
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull":
		return &Problem{Reason: v1alpha1.ReasonImagePull,
			Message: fmt.Sprintf("pod %s cannot get image %q: make it available to the node, or correct the operator's --image", name, s.Image)}
	case "CrashLoopBackOff":
		advice := "see `kubectl logs --previous " + name + "`"
		if t := s.LastTerminationState.Terminated; t != nil && t.Reason == "OOMKilled" {
			advice = "it needs more than spec.resources.limits.memory"
		}
		return &Problem{Reason: v1alpha1.ReasonCrashing, Message: fmt.Sprintf("pod %s ends again and again%s: %s", name, ended(s), advice)}
	case "CreateContainerConfigError", "CreateContainerError":
		return &Problem{Reason: v1alpha1.ReasonCrashing, Message: fmt.Sprintf("pod %s cannot be started: %s", name, w.Message)}
	}
	return nil
}

// Ready is the pod's own condition.
func Ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Revisions are what members should have of the secrets that they mount; empty
// for what is not to be delivered now.
type Revisions struct {
	Users         string // of the users file
	TLS           string // fingerprint of the served certificate
	AdminTLS      string // fingerprint of the admin port's certificate
	EncryptionKey string // id of the primary key
	Queues        string // of the queues file
	Settings      string // of the settings; empty where there are to be none

	// Authorities names the bundle of whom to trust, for the members in Distrusting.
	Authorities string
	Distrusting map[string]bool
}

// Deliver makes the kubelets deliver mounted secrets now instead of within a
// minute or two, by changing annotations of the pods that lag.
func Deliver(ctx context.Context, c client.Client, now time.Time, members []Member, wanted Revisions) error {
	for _, m := range members {
		if m.Pod == nil || m.Pod.DeletionTimestamp != nil {
			continue
		}
		want := map[string]string{}
		if m.Status != nil && wanted.Users != "" && m.Status.Credentials.Revision != wanted.Users {
			want[v1alpha1.AnnotationUsersRevision] = wanted.Users
		}
		if m.Fingerprint != "" && wanted.TLS != "" && m.Fingerprint != wanted.TLS {
			want[v1alpha1.AnnotationTLSRevision] = wanted.TLS
		}
		if m.AdminFingerprint != "" && wanted.AdminTLS != "" && m.AdminFingerprint != wanted.AdminTLS {
			want[annotationAdminTLS] = wanted.AdminTLS
		}
		// A pod that mounts no keys has none to be delivered.
		if m.Status != nil && wanted.EncryptionKey != "" && m.Status.Encryption.Primary != "" && m.Status.Encryption.Primary != wanted.EncryptionKey {
			want[v1alpha1.AnnotationEncryptionKey] = wanted.EncryptionKey
		}
		if m.Status != nil && m.Status.Jobs != nil && wanted.Queues != "" && m.Status.Jobs.SettingsRevision != wanted.Queues {
			want[annotationQueues] = wanted.Queues
		}
		if m.Status != nil && m.Status.Settings != nil && m.Status.Settings.Revision != wanted.Settings {
			want[annotationSettings] = wanted.Settings
		}
		if wanted.Distrusting[m.Name] {
			want[annotationAuthorities] = wanted.Authorities
		}
		if len(want) == 0 || asked(m, now, want) {
			continue
		}
		want[annotationDeliveredAt] = now.UTC().Format(time.RFC3339)
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": want, "uid": m.Pod.UID}})
		if err != nil {
			return fmt.Errorf("marshal patch: %w", err)
		}
		if err := c.Patch(ctx, m.Pod.DeepCopy(), client.RawPatch(types.MergePatchType, patch)); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("annotate pod %s: %w", m.Name, err)
		}
	}
	return nil
}

// asked says whether this delivery was asked for already and asking again would
// not help: it is too soon, or the member has the files and refuses them.
func asked(m Member, now time.Time, want map[string]string) bool {
	for k, v := range want {
		if m.Pod.Annotations[k] != v {
			return false
		}
	}
	refused := m.Status != nil && (m.Status.Credentials.Error != "" || m.Status.TLS.Error != "" || m.Status.TLS.AuthoritiesError != "" || m.Status.Encryption.Error != "" || m.Status.Settings != nil && m.Status.Settings.Error != "" || m.Status.Jobs != nil && m.Status.Jobs.Error != "")
	at, err := time.Parse(time.RFC3339, m.Pod.Annotations[annotationDeliveredAt])
	return refused || err == nil && now.Sub(at) <= redeliver
}

// Roll replaces at most one pod, of members that are alone, that is of another revision than the template,
// which changes when the user changes what shapes a pod or approves a rollout,
// and not because the operator did. It returns the pod's name.
func Roll(ctx context.Context, c client.Client, set *appsv1.StatefulSet, members []Member) (string, error) {
	if set == nil || set.Status.ObservedGeneration != set.Generation {
		return "", nil // the StatefulSet's controller would make the pod from the old template
	}
	for _, m := range members {
		if m.Pod != nil && m.Pod.DeletionTimestamp != nil {
			return "", nil // one at a time
		}
	}
	for _, m := range members {
		if !Outdated(set, m.Pod) {
			continue
		}
		if err := Replace(ctx, c, m.Pod); err != nil {
			return "", err
		}
		return m.Name, nil
	}
	return "", nil
}

// Outdated says whether a pod is another one than the set's controller, which
// has seen the template, would make.
func Outdated(set *appsv1.StatefulSet, p *corev1.Pod) bool {
	return p != nil && set != nil && set.Status.ObservedGeneration == set.Generation && !current(p, set.Spec.Template.Annotations)
}

// Replace deletes exactly this pod, for the StatefulSet's controller to make it
// anew.
func Replace(ctx context.Context, c client.Client, p *corev1.Pod) error {
	uid := p.UID
	if err := c.Delete(ctx, p, client.Preconditions{UID: &uid}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("replace pod %s: %w", p.Name, err)
	}
	return nil
}

// Down says whether a pod's containers do not run, as far as its node has told.
func Down(p *corev1.Pod) bool {
	for _, s := range p.Status.ContainerStatuses {
		if s.State.Running == nil {
			return true
		}
	}
	return p.Status.Phase == corev1.PodPending || p.Status.Phase == corev1.PodFailed
}

// current says whether a pod is what the template makes. One that was made
// before there were revisions is judged by what the user had asked for.
func current(p *corev1.Pod, template map[string]string) bool {
	if asked := template[v1alpha1.AnnotationRestart]; asked != "" && p.Annotations[v1alpha1.AnnotationRestart] != asked {
		return false
	}
	for _, key := range []string{v1alpha1.AnnotationRevision, v1alpha1.AnnotationPodSpecHash} {
		if has, ok := p.Annotations[key]; ok && template[key] != "" {
			return has == template[key]
		}
	}
	return template[v1alpha1.AnnotationPodSpecHash] == "" // somebody has emptied them: the template is repaired first
}
