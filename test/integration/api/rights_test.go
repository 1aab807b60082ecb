package api

import (
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/coffer-dev/coffer/test/fixture/rights"
)

const operatorAccount = "system:serviceaccount:coffer-system:coffer-operator"

// TestRightsOfTheOperator: what the API server says of the account that the
// chart makes, under each scope, is what somebody has looked at. What the
// account may do and why stands in docs/security.md.
func TestRightsOfTheOperator(t *testing.T) {
	for _, ns := range []string{"coffer-system", "watched", "elsewhere"} {
		if err := server.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}); err != nil {
			t.Fatal(err)
		}
	}
	for scope, values := range map[string]string{
		"cluster":    "rbac.scope=cluster",
		"namespaced": "rbac.scope=namespaced,watchNamespaces={watched}",
	} {
		t.Run(scope, func(t *testing.T) {
			install(t, values)
			for _, ns := range []string{"watched", "elsewhere", "coffer-system"} {
				list, err := rights.List(t.Context(), filepath.Join(server.assets, "kubectl"), server.config, operatorAccount, ns)
				if err != nil {
					t.Fatal(err)
				}
				diff, err := rights.Diff(scope+"-"+ns, list)
				if err != nil || diff != "" {
					t.Errorf("in %s (go test ./test/integration/api -run Rights -update-rights writes it): %v\n%s", ns, err, diff)
				}
			}
		})
	}
}

// install applies the chart's roles and takes them away at the test's end.
func install(t *testing.T, values string) {
	t.Helper()
	text := rights.Render(t, filepath.Join(server.assets, "helm"), "coffer-system", values, "crds.enabled=false")
	roles := strings.Builder{}
	for _, document := range strings.Split(text, "\n---\n") {
		if strings.Contains(document, "apiVersion: rbac.authorization.k8s.io/v1\n") {
			roles.WriteString("---\n" + document + "\n")
		}
	}
	for _, verb := range []string{"apply", "delete"} {
		command := func() {
			cmd := exec.Command(filepath.Join(server.assets, "kubectl"), "--kubeconfig", server.config, verb, "-f", "-")
			cmd.Stdin = strings.NewReader(roles.String())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("kubectl %s: %v\n%s", verb, err, out)
			}
		}
		if verb == "apply" {
			command()
		} else {
			t.Cleanup(command)
		}
	}
}

// TestRolesHaveWhatBelongsToANamespace: a Role that gives what belongs to none
// gives nothing. The API server says what does.
func TestRolesHaveWhatBelongsToANamespace(t *testing.T) {
	namespaced := resources(t)
	text := rights.Render(t, filepath.Join(server.assets, "helm"), "coffer-system",
		"rbac.scope=namespaced,watchNamespaces={watched},rbac.clusterResources=true,rbac.aggregateClusterRoles=false,crds.enabled=false")
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	checked := 0
	for {
		var role rbacv1.ClusterRole // a Role has the same rules
		if err := decoder.Decode(&role); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if role.Kind != "Role" && role.Kind != "ClusterRole" {
			continue
		}
		for _, rule := range role.Rules {
			for _, resource := range rule.Resources {
				checked++
				whole, _, _ := strings.Cut(resource, "/") // a subresource is where its resource is
				is, known := namespaced[rule.APIGroups[0]+"/"+whole]
				if !known || is != (role.Kind == "Role") {
					t.Errorf("%s %s has %s of %q (known %t, in a namespace %t): hack/chart parts them", role.Kind, role.Name, resource, rule.APIGroups[0], known, is)
				}
			}
		}
	}
	if checked < 15 {
		t.Errorf("only %d resources were looked at", checked)
	}
}

// resources are those the API server knows, and whether they belong to a namespace.
func resources(t *testing.T) map[string]bool {
	t.Helper()
	_, lists, err := server.discovery.ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, list := range lists {
		group, _, ok := strings.Cut(list.GroupVersion, "/")
		if !ok {
			group = ""
		}
		for _, r := range list.APIResources {
			all[group+"/"+r.Name] = r.Namespaced
		}
	}
	return all
}
