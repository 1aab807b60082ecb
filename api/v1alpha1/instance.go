package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Instance is an object of a kind that runs the engine.
//
// +kubebuilder:object:generate=false
type Instance interface {
	metav1.Object
	runtime.Object
	// InstanceSpec is what is asked for, of what all such kinds share; the
	// object's own, not a copy.
	InstanceSpec() *InstanceSpec
	// InstanceStatus is what is reported alike; the object's own, not a copy.
	InstanceStatus() *InstanceStatus
}

// InstanceSpec is the shared part of the spec.
func (d *KVDatabase) InstanceSpec() *InstanceSpec { return &d.Spec.InstanceSpec }

// InstanceStatus is the shared part of the status.
func (d *KVDatabase) InstanceStatus() *InstanceStatus { return &d.Status.InstanceStatus }

// InstanceSpec is the shared part of the spec.
func (q *JobQueue) InstanceSpec() *InstanceSpec { return &q.Spec.InstanceSpec }

// InstanceStatus is the shared part of the status.
func (q *JobQueue) InstanceStatus() *InstanceStatus { return &q.Status.InstanceStatus }
