package lifecycle

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// TestUsersVersion: a member is never given a users file that it does not read.
func TestUsersVersion(t *testing.T) {
	reads := func(versions ...int) func(*scope) {
		return func(s *scope) {
			s.set, s.members = &appsv1.StatefulSet{}, nil
			for _, v := range versions {
				m := instance.Member{Name: "db-0"}
				if v >= 0 {
					m.Status = &adminapi.Status{Credentials: adminapi.Credentials{FileVersion: v}}
				}
				s.members = append(s.members, m)
			}
		}
	}
	written := func(file string) func(*scope) {
		return func(s *scope) { s.server = &corev1.Secret{Data: map[string][]byte{desired.KeyUsers: []byte(file)}} }
	}
	const silent = -1
	for name, c := range map[string]struct {
		modify []func(*scope)
		want   int
	}{
		"before there are pods":               {[]func(*scope){reads(), func(s *scope) { s.set = nil }}, 2},
		"every member reads it":               {[]func(*scope){reads(2, 2)}, 2},
		"a later engine":                      {[]func(*scope){reads(3)}, acl.TokensFileVersion},
		"an engine that does not say":         {[]func(*scope){reads(0)}, 1},
		"one member does not read it":         {[]func(*scope){reads(2, 1)}, 1},
		"one is silent, the file is old":      {[]func(*scope){reads(2, silent), written(`{"version":1}`)}, 1},
		"one is silent, the file is new":      {[]func(*scope){reads(2, silent), written(`{"version":2}`)}, 2},
		"one is silent, another reads less":   {[]func(*scope){reads(1, silent), written(`{"version":2}`)}, 1},
		"one is silent, there is no file":     {[]func(*scope){reads(silent)}, 1},
		"one is silent, the file is of later": {[]func(*scope){reads(silent), written(`{"version":9}`)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := serving(c.modify...).usersVersion(); got != c.want {
				t.Errorf("version %d, want %d", got, c.want)
			}
		})
	}
}

// TestGrantLives: a grant counts for as long as the token that it was made for
// is there and names this database.
func TestGrantLives(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	now := metav1.Now()
	for name, c := range map[string]struct {
		token func(*v1alpha1.AccessToken)
		gone  bool
		lives bool
	}{
		"its token names the database": {lives: true},
		"its token is gone":            {gone: true},
		"another token of that name":   {token: func(a *v1alpha1.AccessToken) { a.UID = "later" }},
		"its token is being deleted": {token: func(a *v1alpha1.AccessToken) {
			a.DeletionTimestamp, a.Finalizers = &now, []string{"example.com/stay"}
		}},
		"its token names another":          {token: func(a *v1alpha1.AccessToken) { a.Spec.TargetRef.Name = "other" }},
		"its token names another kind":     {token: func(a *v1alpha1.AccessToken) { a.Spec.TargetRef.Kind = v1alpha1.TargetJobQueue }},
		"its token names one of elsewhere": {token: func(a *v1alpha1.AccessToken) { a.Spec.TargetRef.Namespace = "billing" }},
	} {
		t.Run(name, func(t *testing.T) {
			token := &v1alpha1.AccessToken{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout", UID: "t"}}
			token.Spec.TargetRef = v1alpha1.TargetRef{Kind: v1alpha1.TargetKVDatabase, Name: "db"}
			if c.token != nil {
				c.token(token)
			}
			b := fake.NewClientBuilder().WithScheme(scheme)
			if !c.gone {
				b = b.WithObjects(token)
			}
			s := serving()
			s.r.Client = b.Build()
			grant := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Annotations: map[string]string{
				v1alpha1.AnnotationToken: "shop/checkout", v1alpha1.AnnotationTokenUID: "t"}}}
			if token, err := s.livingToken(t.Context(), grant); err != nil || (token != nil) != c.lives {
				t.Errorf("the token is %v (%v), want one: %t", token, err, c.lives)
			}
		})
	}
}
