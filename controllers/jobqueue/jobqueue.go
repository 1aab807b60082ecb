// Package jobqueue is the kind JobQueue: what it has of its own, its queues. All
// that it does as every kind that runs the engine, package lifecycle does.
package jobqueue

import (
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/lifecycle"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// It follows its own kind and reports on it.
// +kubebuilder:rbac:groups=coffer.dev,resources=jobqueues,verbs=get;list;watch
// +kubebuilder:rbac:groups=coffer.dev,resources=jobqueues/status,verbs=get;update
//
// Owner references that block deletion need this where the API server enforces it.
// +kubebuilder:rbac:groups=coffer.dev,resources=jobqueues/finalizers,verbs=update

// Kind is what the reconciler needs to know of JobQueues.
func Kind() lifecycle.Kind {
	return lifecycle.Kind{
		Kind:    desired.KindOf(&v1alpha1.JobQueue{}),
		NewList: func() client.ObjectList { return &v1alpha1.JobQueueList{} },
		Own:     queues{},
	}
}

// queues are what a JobQueue has beside what all kinds have.
type queues struct{}

// Problem says why members do not go by the queues as they are written.
func (queues) Problem(o v1alpha1.Instance, members []instance.Member) *instance.Problem {
	want, err := desired.Queues(o)
	if err != nil {
		return &instance.Problem{Reason: v1alpha1.ReasonQueuesInvalid, Message: err.Error()}
	}
	for _, m := range members {
		switch {
		case m.Status == nil || m.Status.Jobs != nil && m.Status.Jobs.SettingsRevision == want.Revision:
		case m.Status.Jobs == nil:
			return &instance.Problem{Reason: v1alpha1.ReasonProgressing, Passing: true, Message: "member " + m.Name + " does not serve jobs yet"}
		case refuses(m.Status.Jobs, want.Revision):
			return &instance.Problem{Reason: v1alpha1.ReasonQueuesInvalid,
				Message: "member " + m.Name + " goes on by the queues as they were: " + field(m.Status.Jobs.Error)}
		default:
			return &instance.Problem{Reason: v1alpha1.ReasonProgressing, Passing: true, Message: "member " + m.Name + " has not taken up the queues yet"}
		}
	}
	return nil
}

// refuses says whether a member has looked at that revision and will not have it.
// What it says of an earlier one is over; an engine that does not name one means
// the newest that it knows.
func refuses(jobs *adminapi.Jobs, revision string) bool {
	return jobs.Error != "" && (jobs.ErrorRevision == "" || jobs.ErrorRevision == revision)
}

// field has a member's message name the field as its user wrote it.
func field(message string) string {
	if strings.HasPrefix(message, "queues[") || strings.HasPrefix(message, "schedules[") {
		return "spec." + message
	}
	return message
}
