package lifecycle

import (
	"context"
	"errors"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/desired"
)

// TestCredentialsAreReadLive: the cache is behind and does not know the secrets
// yet. Were it believed, a password that applications have would be replaced.
func TestCredentialsAreReadLive(t *testing.T) {
	s := serving()
	live := fake.NewClientBuilder()
	for _, name := range []string{s.names.ConnectionSecret(), s.names.ServerSecret(), s.names.PendingSecret(), s.names.MetricsSecret()} {
		live = live.WithObjects(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, Labels: desired.Labels(desired.Inputs{Instance: s.object}),
		}})
	}
	s.r.Client, s.r.Live = fake.NewClientBuilder().Build(), live.Build()
	if err := s.observeSecrets(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]*corev1.Secret{"connection": s.connection, "server": s.server, "pending": s.pending, "metrics": s.metrics} {
		if secret == nil {
			t.Errorf("the %s secret exists and was not seen", name)
		}
	}
}

// TestForeignCredentialsAreLeftAlone: a pending secret that is somebody else's
// would otherwise be taken for spent, and removed.
func TestForeignCredentialsAreLeftAlone(t *testing.T) {
	s := serving()
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: s.names.PendingSecret()}}
	s.r.Client, s.r.Live = fake.NewClientBuilder().Build(), fake.NewClientBuilder().WithObjects(theirs).Build()
	var stalled *apply.Stalled
	if err := s.observeSecrets(t.Context()); !errors.As(err, &stalled) || stalled.Reason != v1alpha1.ReasonNameTaken {
		t.Errorf("got %v, want %s", err, v1alpha1.ReasonNameTaken)
	}
	if s.pending != nil {
		t.Error("it was taken for the instance's own")
	}
}

func TestSuppliedSecretIsJudged(t *testing.T) {
	good := strings.Repeat("p", minPassword)
	watched := map[string]string{v1alpha1.LabelWatch: "true"}
	secret := func(labels map[string]string, password string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "theirs", Labels: labels}, Data: map[string][]byte{desired.KeyPassword: []byte(password)}}
	}
	tests := map[string]struct {
		secret *corev1.Secret
		reason string
		cure   string
	}{
		"good":             {secret: secret(watched, good)},
		"missing":          {reason: v1alpha1.ReasonSecretNotFound, cure: "create it"},
		"not labelled":     {secret: secret(nil, good), reason: v1alpha1.ReasonSecretNotFound, cure: "kubectl label secret theirs coffer.dev/watch=true"},
		"labelled falsely": {secret: secret(map[string]string{v1alpha1.LabelWatch: "false"}, good), reason: v1alpha1.ReasonSecretNotFound, cure: "kubectl label"},
		"empty":            {secret: secret(watched, ""), reason: v1alpha1.ReasonSecretInvalid, cure: "put the password there"},
		"short":            {secret: secret(watched, good[1:]), reason: v1alpha1.ReasonSecretInvalid, cure: "at least 32"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := serving()
			s.spec().Credentials.SecretRef = &v1alpha1.SecretRef{Name: "theirs"}
			live := fake.NewClientBuilder()
			if tt.secret != nil {
				live = live.WithObjects(tt.secret)
			}
			s.r.Client, s.r.Live = fake.NewClientBuilder().Build(), live.Build()
			if err := s.observeSecrets(t.Context()); err != nil {
				t.Fatal(err)
			}
			p := s.supplied.problem
			if tt.reason == "" {
				if p != nil || s.supplied.password != good {
					t.Errorf("problem %+v, password taken %t", p, s.supplied.password == good)
				}
				return
			}
			if p == nil || p.Reason != tt.reason || !strings.Contains(p.Message, tt.cure) {
				t.Errorf("problem %+v, want %s with %q", p, tt.reason, tt.cure)
			}
			if s.supplied.password != "" {
				t.Error("its password was read all the same")
			}
			if p != nil && tt.secret != nil && strings.Contains(p.Message, good[1:]) {
				t.Error("the message shows the password")
			}
		})
	}
}

// TestPruneWaits: until the StatefulSet's controller has seen the template it
// may still make a pod that mounts an older configuration.
func TestPruneWaits(t *testing.T) {
	tests := map[string]struct {
		observed int64
		changes  []apply.Change
		prunes   bool
	}{
		"the template was seen":     {observed: 2, prunes: true},
		"the template was not seen": {observed: 1},
		"something was just sent":   {observed: 2, changes: []apply.Change{{Kind: "StatefulSet", Name: "db"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := serving()
			listed := false
			c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
					listed = true
					return c.List(ctx, list, opts...)
				},
			}).Build()
			s.r.Client, s.applier.Client = c, c
			s.inputs = desired.Inputs{Instance: s.object}
			s.set = &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Status: appsv1.StatefulSetStatus{ObservedGeneration: tt.observed}}
			s.changes = tt.changes
			if err := s.prune(t.Context()); err != nil {
				t.Fatal(err)
			}
			if listed != tt.prunes {
				t.Errorf("looked for what to prune: %t, want %t", listed, tt.prunes)
			}
		})
	}
}
