package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/engine/acl"
)

// TestMountable: a kubelet that misses a secret tries again only after a
// growing pause, so the first pod waits for all that it mounts.
func TestMountable(t *testing.T) {
	whole := func(s *scope) {
		s.inputs = desired.Inputs{Instance: s.object, Server: &desired.Server{}, Metrics: &desired.Metrics{}, Encryption: &desired.Encryption{}}
		s.issued[s.names.ServerTLS()], s.issued[s.names.AdminTLS()] = &corev1.Secret{}, &corev1.Secret{}
	}
	tests := map[string]struct {
		without func(*scope)
		want    bool
	}{
		"all is there":     {func(*scope) {}, true},
		"no users":         {func(s *scope) { s.inputs.Server = nil }, false},
		"no metrics token": {func(s *scope) { s.inputs.Metrics = nil }, false},
		"no keys":          {func(s *scope) { s.inputs.Encryption = nil }, false},
		"keys are wrong":   {func(s *scope) { s.encryption.problem = &instance.Problem{} }, false},
		"nothing encrypted": {func(s *scope) {
			s.inputs.Encryption = nil
			s.spec().Encryption.AtRest = v1alpha1.EncryptionDisabled
		}, true},
		"no certificate":    {func(s *scope) { delete(s.issued, s.names.ServerTLS()) }, false},
		"no admin identity": {func(s *scope) { delete(s.issued, s.names.AdminTLS()) }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := serving(whole, tt.without).mountable(); got != tt.want {
				t.Errorf("mountable %t, want %t", got, tt.want)
			}
			s := serving(whole, tt.without)
			if got := appliesSet(t, s); got != tt.want {
				t.Errorf("the StatefulSet is applied: %t, want %t", got, tt.want)
			}
		})
	}
}

// appliesSet says whether the pass sends a StatefulSet.
func appliesSet(t *testing.T, s *scope) (sent bool) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), certmanagerv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Apply: func(_ context.Context, _ client.WithWatch, o runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
			raw, err := json.Marshal(o)
			if err != nil {
				return err
			}
			var head metav1.TypeMeta
			sent = sent || json.Unmarshal(raw, &head) == nil && head.Kind == "StatefulSet"
			return nil
		},
	}).WithScheme(scheme).Build()
	s.applier.Client, s.applier.Live = c, c
	if err := s.apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sent
}

// TestEditedUsersFileIsNotTrusted: its verifiers could be anybody's.
func TestEditedUsersFileIsNotTrusted(t *testing.T) {
	file := acl.File{Version: acl.TokensFileVersion, Users: []acl.User{{Name: desired.ConnectionUser,
		Verifiers: []acl.Verifier{{Generation: 1, SHA256: "ours"}}}}}
	file.Revision = desired.UsersRevision(file)
	secret := func() *corev1.Secret {
		text, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		return &corev1.Secret{Data: map[string][]byte{desired.KeyUsers: text}}
	}
	if s := parseServer(secret()); len(s.Verifiers) != 1 || s.Revision != file.Revision {
		t.Fatalf("as written: %+v", s)
	}
	file.Users[0].Verifiers = append(file.Users[0].Verifiers, acl.Verifier{Generation: 2, SHA256: "theirs"})
	if s := parseServer(secret()); len(s.Verifiers) != 0 || s.Revision != "" {
		t.Errorf("edited: %+v", s)
	}
}
