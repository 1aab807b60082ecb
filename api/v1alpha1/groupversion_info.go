// Package v1alpha1 is the API that users write: group coffer.dev, version
// v1alpha1. Every rule on a field lives in the CRD itself, as a bound or as a
// CEL expression whose message says what to write instead; no webhook is
// needed to refuse bad input.
//
// +kubebuilder:object:generate=true
// +groupName=coffer.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of every kind here.
const GroupName = "coffer.dev"

var (
	// GroupVersion of the kinds in this package.
	GroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}

	// SchemeBuilder collects what AddToScheme adds.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme makes the kinds known to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &KVDatabase{}, &KVDatabaseList{}, &JobQueue{}, &JobQueueList{}, &AccessToken{}, &AccessTokenList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
