// Package kvdatabase is the kind KVDatabase: what it has of its own, its settings. All that it
// does as every kind that runs the engine, package lifecycle does.
package kvdatabase

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/lifecycle"
)

// It follows its own kind and reports on it.
// +kubebuilder:rbac:groups=coffer.dev,resources=kvdatabases,verbs=get;list;watch
// +kubebuilder:rbac:groups=coffer.dev,resources=kvdatabases/status,verbs=get;update
//
// Owner references that block deletion need this where the API server enforces it.
// +kubebuilder:rbac:groups=coffer.dev,resources=kvdatabases/finalizers,verbs=update

// Kind is what the reconciler needs to know of KVDatabases.
func Kind() lifecycle.Kind {
	return lifecycle.Kind{
		Kind:    desired.KindOf(&v1alpha1.KVDatabase{}),
		NewList: func() client.ObjectList { return &v1alpha1.KVDatabaseList{} },
		Own:     settings{},
	}
}
