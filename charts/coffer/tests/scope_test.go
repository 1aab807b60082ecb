package tests

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// clusterKinds are the kinds of the chart that belong to no namespace.
var clusterKinds = []string{"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}

func namespacedScope(more ...string) []string {
	return append([]string{"--set", "rbac.scope=namespaced,crds.enabled=false,watchNamespaces={shop,coffer-system}"}, more...)
}

// TestANamespacedInstallationTakesNothingOfTheCluster: whoever may write in
// the namespaces alone can install it.
func TestANamespacedInstallationTakesNothingOfTheCluster(t *testing.T) {
	rendered := objects(t, template(t, namespacedScope()...))
	for _, o := range rendered {
		if slices.Contains(clusterKinds, o.GetKind()) {
			t.Errorf("%s %s", o.GetKind(), o.GetName())
		}
	}
	args := operatorArgs(t, rendered)
	// Who asks for metrics can be found out by a right in the cluster only.
	for _, want := range []string{"--watch-namespaces=shop,coffer-system", "--metrics-bind-address=0"} {
		if !slices.Contains(args, want) {
			t.Errorf("%s is not among %q", want, args)
		}
	}
	if strings.Contains(template(t), "--watch-namespaces") {
		t.Error("the operator of the whole cluster is confined")
	}
}

// TestScopesGiveTheSameRights: in a watched namespace the account may do what
// the ClusterRole would let it do, and with clusterResources the rest.
func TestScopesGiveTheSameRights(t *testing.T) {
	var whole, cluster rbacv1.ClusterRole
	find(t, objects(t, template(t)), "ClusterRole", "coffer-operator", &whole)
	rendered := objects(t, template(t, namespacedScope("--set", "rbac.clusterResources=true")...))
	find(t, rendered, "ClusterRole", "coffer-operator", &cluster)
	for _, namespace := range []string{"shop", "coffer-system"} {
		var role rbacv1.Role
		var binding rbacv1.RoleBinding
		in := slices.Collect(func(yield func(unstructured.Unstructured) bool) {
			for _, o := range rendered {
				if o.GetNamespace() == namespace && !yield(o) {
					return
				}
			}
		})
		find(t, in, "Role", "coffer-operator-databases", &role)
		find(t, in, "RoleBinding", "coffer-operator-databases", &binding)
		got := rights(append(slices.Clone(role.Rules), cluster.Rules...))
		if diff := cmp.Diff(rights(whole.Rules), got); diff != "" {
			t.Errorf("%s: run go run ./hack/chart:\n%s", namespace, diff)
		}
		want := []rbacv1.Subject{{Kind: "ServiceAccount", Name: "coffer-operator", Namespace: "coffer-system"}}
		if diff := cmp.Diff(want, binding.Subjects); diff != "" || binding.RoleRef.Name != role.Name || binding.RoleRef.Kind != "Role" {
			t.Errorf("%s binds %v:\n%s", namespace, binding.RoleRef, diff)
		}
	}
	for _, rule := range cluster.Rules {
		for _, resource := range rule.Resources {
			if resource == "secrets" || resource == "pods" {
				t.Errorf("the ClusterRole has %s", resource)
			}
		}
	}
	if args := operatorArgs(t, rendered); !slices.Contains(args, "--metrics-bind-address=:8443") {
		t.Errorf("metrics are off: %q", args)
	}
}

// rights are the rules one by one, sorted.
func rights(rules []rbacv1.PolicyRule) []string {
	var all []string
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					all = append(all, verb+" "+resource+"."+group)
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

func operatorArgs(t *testing.T, rendered []unstructured.Unstructured) []string {
	t.Helper()
	var deployment unstructured.Unstructured
	find(t, rendered, "Deployment", "coffer-operator", &deployment.Object)
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) != 1 {
		t.Fatalf("%d containers, %v", len(containers), err)
	}
	args, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
	if err != nil {
		t.Fatal(err)
	}
	return args
}
