package kvdatabase

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/coffer-dev/coffer/controllers/desired"
)

// TestCredentialsAreReadLive: the cache is behind and does not know the secrets
// yet. Were it believed, a password that applications have would be replaced.
func TestCredentialsAreReadLive(t *testing.T) {
	s := serving()
	live := fake.NewClientBuilder()
	for _, name := range []string{s.names.ConnectionSecret(), s.names.ServerSecret(), s.names.PendingSecret(), s.names.MetricsSecret()} {
		live = live.WithObjects(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, Labels: desired.Labels(desired.Inputs{Database: s.db}),
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
