package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// Steps goes through the steps of a pass until one has an outcome.
func Steps(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stalled is the outcome of a pass that needs somebody to change something. It
// is not retried as an error is: an event wakes it, or the slow look.
type Stalled struct {
	Reason string
	Err    error
}

func (s *Stalled) Error() string { return s.Reason + ": " + s.Err.Error() }

func (s *Stalled) Unwrap() error { return s.Err }

// StalledBy makes an outcome of what only somebody else can change.
func StalledBy(err error) error {
	var foreign *ForeignError
	var refused *RefusedError
	switch {
	case errors.As(err, &foreign):
		return &Stalled{Reason: v1alpha1.ReasonNameTaken, Err: err}
	case errors.As(err, &refused):
		return &Stalled{Reason: v1alpha1.ReasonApplyFailed, Err: err}
	}
	return err
}

// stalledLook is how often a stalled object is looked at again when nothing
// that is watched changes.
const stalledLook = 10 * time.Second

// Result translates an outcome: Stalled is looked at again slowly, anything else
// backs off. nil is for good.
func Result(outcome error) (reconcile.Result, error) {
	var stalled *Stalled
	switch {
	case outcome == nil:
		return reconcile.Result{}, nil
	case errors.As(outcome, &stalled):
		return reconcile.Result{RequeueAfter: stalledLook}, nil
	case apierrors.IsConflict(outcome):
		// The cache was behind: nothing is wrong, and the next look is soon.
		return reconcile.Result{RequeueAfter: 100 * time.Millisecond}, nil
	}
	return reconcile.Result{}, outcome
}

// End is the result of a pass: what went wrong with its report, then with the
// pass itself; else the object is looked at again after rest.
func End(report, outcome error, rest func() time.Duration) (reconcile.Result, error) {
	if report != nil {
		return Result(report)
	}
	if outcome != nil {
		return Result(outcome)
	}
	return reconcile.Result{RequeueAfter: rest()}, nil
}

// Status writes the object's status when it differs from before.
func Status(ctx context.Context, c client.Client, before, after client.Object) error {
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	err := c.Status().Update(ctx, after, client.FieldOwner(FieldOwner))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("write status: %w", err)
	}
	return nil
}
