package operator

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers"
	"github.com/coffer-dev/coffer/test/fixture/rights"
)

// give applies the roles that the chart makes for an operator in namespace own.
func give(t *testing.T, own, values string) {
	t.Helper()
	text := rights.Render(t, filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "helm"), own, "crds.enabled=false,rbac.aggregateClusterRoles=false,"+values)
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		o := &unstructured.Unstructured{}
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		if o.GroupVersionKind().Group != "rbac.authorization.k8s.io" {
			continue
		}
		if err := suite.client.Create(t.Context(), o); client.IgnoreAlreadyExists(err) != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = suite.client.Delete(context.Background(), o) })
	}
}

// TestNamespacedOperator has the rights of the chart's Roles and no other, as
// an account that the API server judges.
func TestNamespacedOperator(t *testing.T) {
	own, watched, later, elsewhere := newNamespace(t), newNamespace(t), newNamespace(t), newNamespace(t)
	give(t, own, "rbac.scope=namespaced,watchNamespaces={"+watched+"}")
	config := rest.CopyConfig(suite.config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + own + ":coffer-operator",
		Groups:   []string{"system:serviceaccounts", "system:authenticated"},
	}
	manager, err := controllers.NewManager(config, controllers.Options{
		Image: "coffer:test", Namespace: own, MetricsAddress: "0", WatchNamespaces: []string{watched, later},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()

	db, unseen := database(watched, "seen"), database(elsewhere, "unseen")
	create(t, db, unseen)
	awaitReady(t, db)
	change(t, db, func(db *v1alpha1.KVDatabase) {
		db.Spec.TLS.IssuerRef = &v1alpha1.IssuerRef{Name: "corp", Kind: "ClusterIssuer"}
	})
	awaitProblem(t, db, v1alpha1.ReasonIssuerForbidden, "rbac.clusterResources=true")
	give(t, own, "rbac.scope=namespaced,rbac.clusterResources=true,watchNamespaces={"+watched+"}")
	awaitProblem(t, db, v1alpha1.ReasonIssuerNotFound, `ClusterIssuer "corp" not found`)
	if conditions := current(t, unseen).Status.Conditions; len(conditions) != 0 {
		t.Errorf("a database of a namespace that is not watched has conditions %v", conditions)
	}

	give(t, own, "rbac.scope=namespaced,watchNamespaces={"+later+"}")
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "namespace "+later+" may be watched from now on") {
			t.Errorf("the operator ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("the operator goes on without the namespace that it may watch now")
	}
}

// TestOperatorWithoutAnyNamespaceEnds: no namespace must never come to mean all.
func TestOperatorWithoutAnyNamespaceEnds(t *testing.T) {
	own := newNamespace(t)
	config := rest.CopyConfig(suite.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + own + ":coffer-operator", Groups: []string{"system:authenticated"}}
	_, err := controllers.NewManager(config, controllers.Options{
		Image: "coffer:test", Namespace: own, MetricsAddress: "0", WatchNamespaces: []string{own},
	})
	if err == nil || !strings.Contains(err.Error(), "--watch-namespaces") {
		t.Errorf("got %v", err)
	}
}
