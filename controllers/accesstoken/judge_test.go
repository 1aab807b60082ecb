package accesstoken

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// reading has the pass read these objects.
func reading(t *testing.T, s *scope, objects ...client.Object) *scope {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithIndex(&v1alpha1.AccessToken{}, indexSecret, secretOf).Build()
	s.r.Client, s.r.Live = c, c
	return s
}

// TestConsent: who may name a database of another namespace.
func TestConsent(t *testing.T) {
	byLabel := v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}}
	for name, c := range map[string]struct {
		namespace string
		allowed   v1alpha1.AllowedNamespaces
		may       bool
	}{
		"its own, by default":            {"shop", v1alpha1.AllowedNamespaces{}, true},
		"its own, whatever the labels":   {"shop", byLabel, true},
		"another, by default":            {"billing", v1alpha1.AllowedNamespaces{}, false},
		"another, with Same":             {"billing", v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesSame}, false},
		"another, with All":              {"billing", v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll}, true},
		"another that has the label":     {"billing", byLabel, true},
		"another that has another label": {"guests", byLabel, false},
		"another that is gone":           {"gone", byLabel, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := reading(t, granted(func(s *scope) {
				s.token.Namespace, s.token.Spec.TargetRef.Namespace = c.namespace, "shop"
				s.target.InstanceSpec().AllowedNamespaces = c.allowed
			}), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "billing", Labels: map[string]string{"team": "a"}}},
				&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "guests", Labels: map[string]string{"team": "b"}}})
			problem, err := s.consent(t.Context())
			if err != nil || (problem == nil) != c.may {
				t.Errorf("%+v, %v; may: %t", problem, err, c.may)
			}
		})
	}
}

// TestClaim: one secret is one token's: that of who has it, and else of the oldest.
func TestClaim(t *testing.T) {
	rival := func(created time.Duration, modify ...func(*v1alpha1.AccessToken)) *v1alpha1.AccessToken {
		a := &v1alpha1.AccessToken{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "rival", UID: "r", CreationTimestamp: metav1.NewTime(noon.Add(created))}}
		a.Spec.SecretName = "checkout"
		for _, m := range modify {
			m(a)
		}
		return a
	}
	holding := func(uid types.UID) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout", OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.KindAccessToken, Name: "holder", UID: uid}}}}
	}
	for name, c := range map[string]struct {
		others []client.Object
		may    bool
	}{
		"nobody else wants it":             {nil, true},
		"an older one wants it":            {[]client.Object{rival(-time.Hour)}, false},
		"a younger one wants it":           {[]client.Object{rival(time.Hour)}, true},
		"one as old, later by name":        {[]client.Object{rival(0)}, true},
		"an older one has it":              {[]client.Object{rival(-time.Hour), holding("r")}, false},
		"a younger one has it":             {[]client.Object{rival(time.Hour), holding("r")}, false},
		"it has it, an older one wants it": {[]client.Object{rival(-time.Hour), holding("t")}, true},
		"an older one is being deleted": {[]client.Object{rival(-time.Hour, func(a *v1alpha1.AccessToken) {
			now := metav1.NewTime(noon)
			a.DeletionTimestamp, a.Finalizers = &now, []string{"example.com/stay"}
		})}, true},
		"one of elsewhere wants one of that name": {[]client.Object{rival(-time.Hour, func(a *v1alpha1.AccessToken) { a.Namespace = "billing" })}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := granted(func(s *scope) { s.token.CreationTimestamp = metav1.NewTime(noon) })
			s = reading(t, s, append(c.others, s.token.DeepCopy())...)
			problem, err := s.claim(t.Context())
			if err != nil || (problem == nil) != c.may {
				t.Errorf("%+v, %v; may: %t", problem, err, c.may)
			}
		})
	}
}
