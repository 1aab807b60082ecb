// Package apply brings objects to the state that desired describes, by
// server-side apply under one field owner. It sends nothing for an object whose
// owned fields already say what is desired, never touches an object that is not
// the instance's own, and removes what is no longer desired. It also has the
// typed outcomes of a reconciliation and its one status write.
package apply

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// FieldOwner is under which every field that Coffer sets is recorded.
const FieldOwner = "coffer"

// Owner is the instance that objects belong to.
type Owner struct {
	// Labels are on every object of the instance and on no other.
	Labels    map[string]string
	Namespace string
	Name      string
	UID       types.UID
}

// Applier applies for one instance.
type Applier struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Live reads from the API server. An object that the cache does not know is
	// looked up here before it is created: the cache holds labelled ones only.
	Live  client.Reader
	Owner Owner
}

// Change is what happened to one object.
type Change struct {
	Kind, Name string
	Created    bool
}

// ForeignError names an object that has the name of one of ours and is not.
type ForeignError struct {
	Kind, Name string
	// Of is the other object of Coffer's that it belongs to; empty for one that
	// is somebody else's.
	Of string
}

// Foreign says that an object is not ours.
func Foreign(kind string, o client.Object) *ForeignError {
	e := &ForeignError{Kind: kind, Name: o.GetName()}
	if l := o.GetLabels(); l[v1alpha1.LabelManagedBy] == FieldOwner && l[v1alpha1.LabelInstance] != "" {
		e.Of = l[v1alpha1.LabelName] + " " + l[v1alpha1.LabelInstance]
	}
	return e
}

func (e *ForeignError) Error() string {
	if e.Of != "" {
		return fmt.Sprintf("%s %q belongs to %s: choose another name for this object", e.Kind, e.Name, e.Of)
	}
	return fmt.Sprintf("%s %q exists and is not Coffer's: delete or rename it, or choose another name for this object", e.Kind, e.Name)
}

// RefusedError is an object that the API server did not accept as we wrote it.
type RefusedError struct {
	Kind, Name string
	Err        error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s %q was refused: %v", e.Kind, e.Name, e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// All applies the objects in order and returns what changed. It stops at the
// first error: later objects may need the earlier ones.
func (a Applier) All(ctx context.Context, objects []runtime.ApplyConfiguration) ([]Change, error) {
	var changes []Change
	for _, o := range objects {
		c, err := a.One(ctx, o)
		if err != nil {
			return changes, err
		}
		if c != nil {
			changes = append(changes, *c)
		}
	}
	return changes, nil
}

// One applies one object and returns nil when nothing had to be sent.
func (a Applier) One(ctx context.Context, object runtime.ApplyConfiguration) (*Change, error) {
	want, err := parse(object)
	if err != nil {
		return nil, err
	}
	live, err := a.get(ctx, want)
	if err != nil {
		return nil, err
	}
	if live != nil {
		if !a.Owns(live) {
			return nil, Foreign(want.gvk.Kind, live)
		}
		same, err := unchanged(live, want.content)
		if err != nil || same {
			return nil, err
		}
	}
	if err := a.Client.Apply(ctx, object, client.FieldOwner(FieldOwner), client.ForceOwnership); err != nil {
		if refused(err) {
			return nil, &RefusedError{Kind: want.gvk.Kind, Name: want.key.Name, Err: err}
		}
		return nil, fmt.Errorf("apply %s %s: %w", want.gvk.Kind, want.key, err)
	}
	return &Change{Kind: want.gvk.Kind, Name: want.key.Name, Created: live == nil}, nil
}

// refused says whether the API server will say the same to the same object.
func refused(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err)
}

// parsed is an apply configuration as data.
type parsed struct {
	gvk     schema.GroupVersionKind
	key     client.ObjectKey
	content map[string]any
}

func parse(object runtime.ApplyConfiguration) (parsed, error) {
	raw, err := json.Marshal(object)
	if err != nil {
		return parsed{}, fmt.Errorf("marshal %T: %w", object, err)
	}
	var head struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
	}
	var p parsed
	if err := json.Unmarshal(raw, &head); err != nil {
		return p, fmt.Errorf("read back %T: %w", object, err)
	}
	if err := json.Unmarshal(raw, &p.content); err != nil {
		return p, fmt.Errorf("read back %T: %w", object, err)
	}
	p.gvk = head.GroupVersionKind()
	p.key = client.ObjectKey{Namespace: head.Namespace, Name: head.Name}
	return p, nil
}

// get reads the object from the cache, and live when the cache has none.
func (a Applier) get(ctx context.Context, want parsed) (client.Object, error) {
	made, err := a.Client.Scheme().New(want.gvk)
	if err != nil {
		return nil, fmt.Errorf("kind %s is not in the scheme: %w", want.gvk, err)
	}
	object, ok := made.(client.Object)
	if !ok {
		return nil, fmt.Errorf("kind %s is not an object", want.gvk)
	}
	for _, r := range []client.Reader{a.Client, a.Live} {
		err = r.Get(ctx, want.key, object)
		if err == nil {
			return object, nil
		}
		if !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("get %s %s: %w", want.gvk.Kind, want.key, err)
		}
	}
	return nil, nil
}

// Owns is true for an object of this instance: it carries our labels or our
// owner reference, or has been applied by us and lost its labels by hand.
func (a Applier) Owns(o client.Object) bool {
	for _, r := range o.GetOwnerReferences() {
		if r.UID == a.Owner.UID {
			return true
		}
	}
	if hasLabels(o, a.Owner.Labels) {
		return true
	}
	// Another instance may want the same name: db "a" has a Service "a-members",
	// and so does the db "a-members". Without labels, its owner tells.
	_, labelled := o.GetLabels()[v1alpha1.LabelInstance]
	return !labelled && metav1.GetControllerOf(o) == nil && appliedEntry(o) != nil
}

// Lookup reads an object if it is there.
func Lookup[T client.Object](ctx context.Context, r client.Reader, key client.ObjectKey, into T) (T, error) {
	var none T
	err := r.Get(ctx, key, into)
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("get %T %s: %w", into, key, err)
	}
	return into, nil
}

func hasLabels(o client.Object, labels map[string]string) bool {
	for k, v := range labels {
		if o.GetLabels()[k] != v {
			return false
		}
	}
	return len(labels) > 0
}

// OwnerLabels are the labels that make an object an instance's own.
func OwnerLabels(kind, name string) map[string]string {
	return map[string]string{
		v1alpha1.LabelName:      kind,
		v1alpha1.LabelInstance:  name,
		v1alpha1.LabelManagedBy: FieldOwner,
	}
}
