// Package jobqueue is the kind JobQueue: what it has of its own, its queues. All
// that it does as every kind that runs the engine, package lifecycle does.
package jobqueue

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/lifecycle"
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
		case m.Status.Jobs.Error != "":
			return &instance.Problem{Reason: v1alpha1.ReasonQueuesInvalid,
				Message: "member " + m.Name + " goes on by the queues as they were: " + m.Status.Jobs.Error}
		default:
			return &instance.Problem{Reason: v1alpha1.ReasonProgressing, Passing: true, Message: "member " + m.Name + " has not taken up the queues yet"}
		}
	}
	return nil
}
