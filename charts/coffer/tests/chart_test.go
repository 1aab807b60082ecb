// Package tests renders the chart with Helm itself and looks at what comes out.
package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/coffer-dev/coffer/controllers/desired"
)

var update = flag.Bool("update", false, "write the golden files")

const root = "../../.."

// helm finds Helm: HELM, then the local cluster's, then a build of the pinned one.
func helm(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if program := os.Getenv("HELM"); program != "" {
		return exec.Command(program, args...)
	}
	built := filepath.Join(root, ".cluster", "bin", "helm")
	_, err := os.Stat(built)
	switch {
	case err == nil:
		return exec.Command(built, args...)
	case !errors.Is(err, fs.ErrNotExist):
		t.Fatal(err)
	}
	// go -C moves there: paths must not depend on where it runs. It is built as
	// the cluster's is, and so once for both.
	cmd := exec.Command("go", append([]string{"-C", filepath.Join(root, "hack", "cluster", "components", "helm"), "tool", "helm"}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-trimpath -buildvcs=false")
	return cmd
}

func chart(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func run(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, stderr.String())
	}
	return stdout.String(), nil
}

func template(t *testing.T, args ...string) string {
	t.Helper()
	out, err := run(helm(t, append([]string{"template", "coffer", chart(t), "--namespace", "coffer-system"}, args...)...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func objects(t *testing.T, text string) []unstructured.Unstructured {
	t.Helper()
	var out []unstructured.Unstructured
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		var o unstructured.Unstructured
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Object) > 0 {
			out = append(out, o)
		}
	}
}

func find(t *testing.T, list []unstructured.Unstructured, kind, name string, into any) {
	t.Helper()
	for _, o := range list {
		if o.GetKind() == kind && o.GetName() == name {
			text, err := json.Marshal(o.Object)
			if err == nil {
				err = json.Unmarshal(text, into)
			}
			if err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no %s %s", kind, name)
}

func TestLint(t *testing.T) {
	for _, values := range []string{"", "everything", "bare", "namespaced"} {
		args := []string{"lint", "--strict", chart(t)}
		if values != "" {
			args = append(args, "--values", valuesFile(t, values))
		}
		if _, err := run(helm(t, args...)); err != nil {
			t.Errorf("values %q: %v", values, err)
		}
	}
}

func valuesFile(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name+".values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestGolden(t *testing.T) {
	for name, args := range map[string][]string{
		// CRDs and roles have a source of their own, and tests below.
		"default":    {"--set", "crds.enabled=false,rbac.create=false"},
		"everything": {"--values", valuesFile(t, "everything"), "--set", "rbac.create=false"},
		"bare":       {"--values", valuesFile(t, "bare")},
		"namespaced": {"--values", valuesFile(t, "namespaced"), "--show-only", "templates/networkpolicy.yaml",
			"--show-only", "templates/deployment.yaml", "--show-only", "templates/rolebinding.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			got := template(t, args...)
			path := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("differs from %s (go test ./charts/coffer/tests -update writes it):\n%s", path, diff)
			}
		})
	}
}

func source(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func TestCRDsAreThoseOfConfig(t *testing.T) {
	var want, got apiextensionsv1.CustomResourceDefinition
	source(t, "config/crd/bases/coffer.dev_kvdatabases.yaml", &want)
	find(t, objects(t, template(t)), "CustomResourceDefinition", want.Name, &got)
	if diff := cmp.Diff(want.Spec, got.Spec); diff != "" {
		t.Errorf("run go run ./hack/chart:\n%s", diff)
	}
	const policy = "helm.sh/resource-policy"
	if got.Annotations[policy] != "keep" {
		t.Error("CRDs are not kept by default")
	}
	got = apiextensionsv1.CustomResourceDefinition{}
	find(t, objects(t, template(t, "--set", "crds.keep=false")), "CustomResourceDefinition", want.Name, &got)
	if _, ok := got.Annotations[policy]; ok {
		t.Error("crds.keep=false keeps CRDs")
	}
}

func TestRolesAreThoseOfConfig(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "config/rbac/role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rendered := objects(t, template(t))
	for _, o := range objects(t, string(text)) {
		var want, got rbacv1.ClusterRole // a Role has the same rules
		find(t, []unstructured.Unstructured{o}, o.GetKind(), o.GetName(), &want)
		find(t, rendered, o.GetKind(), "coffer-operator", &got)
		if diff := cmp.Diff(want.Rules, got.Rules); diff != "" {
			t.Errorf("%s: run go run ./hack/chart:\n%s", o.GetKind(), diff)
		}
	}
}

// The databases' network policies select the operator's pods by these labels.
func TestOperatorPodsHaveTheirLabels(t *testing.T) {
	kustomized, err := os.ReadFile(filepath.Join(root, "config/manager/deployment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"default":    template(t),
		"everything": template(t, "--values", valuesFile(t, "everything")),
		"config":     string(kustomized),
	} {
		var deployment unstructured.Unstructured
		find(t, objects(t, text), "Deployment", "coffer-operator", &deployment.Object)
		labels, _, err := unstructured.NestedStringMap(deployment.Object, "spec", "template", "metadata", "labels")
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range desired.OperatorLabels() {
			if labels[k] != v {
				t.Errorf("%s: label %s=%q, want %q", name, k, labels[k], v)
			}
		}
	}
}

// Nobody but the kubelet reaches an operator that was installed without Helm,
// either.
func TestConfigClosesTheOperatorsNetwork(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "config/manager/networkpolicy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var want, got networkingv1.NetworkPolicy
	find(t, objects(t, template(t)), "NetworkPolicy", "coffer-operator", &want)
	find(t, objects(t, string(text)), "NetworkPolicy", "coffer-operator", &got)
	want.Spec.PodSelector.MatchLabels = desired.OperatorLabels()
	if diff := cmp.Diff(want.Spec, got.Spec); diff != "" {
		t.Error(diff)
	}
	var list struct{ Resources []string }
	source(t, "config/manager/kustomization.yaml", &list)
	if !slices.Contains(list.Resources, "networkpolicy.yaml") {
		t.Error("it is not installed")
	}
}

func TestValuesAreRefused(t *testing.T) {
	for set, want := range map[string]string{
		"replicas=2":                                  "additional properties 'replicas' not allowed",
		"image.name=x":                                "additional properties 'name' not allowed",
		"metrics.serviceMonitor.x=1":                  "additional properties 'x' not allowed",
		"replicaCount=many":                           "got string, want integer",
		"image.pullPolicy=Sometimes":                  "value must be one of",
		"image.digest=latest":                         "does not match pattern",
		"replicaCount=2,leaderElection.enabled=false": "replicaCount above 1 needs leaderElection.enabled",
		"rbac.scope=all":                              "value must be one of",
		"watchNamespaces={Shop}":                      "does not match pattern",
		"watchNamespaces={shop,shop}":                 "items at 0 and 1 are equal",
		"rbac.scope=namespaced":                       "rbac.scope=namespaced needs watchNamespaces",
		"rbac.scope=namespaced,watchNamespaces={shop},metrics.serviceMonitor.enabled=true": "metrics.serviceMonitor.enabled needs rbac.scope=cluster",
		"serviceAccount.create=false": "serviceAccount.name is required when serviceAccount.create is false",
	} {
		_, err := run(helm(t, "template", "coffer", chart(t), "--set", set))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--set %s: %v, want %q", set, err, want)
		}
	}
}

// Every level of the schema that has properties has no others, and every value
// has a default.
func TestSchemaIsClosedAndCoversValues(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	source(t, "charts/coffer/values.yaml", &values)
	values["global"] = nil
	var walk func(path string, schema map[string]any, values any)
	walk = func(path string, schema map[string]any, values any) {
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			return
		}
		if schema["additionalProperties"] != false {
			t.Errorf("%s: additionalProperties is not false", path)
		}
		have, _ := values.(map[string]any)
		for name, p := range properties {
			value, ok := have[name]
			if !ok {
				t.Errorf("%s.%s is in the schema and not in values.yaml", path, name)
			}
			walk(path+"."+name, p.(map[string]any), value)
		}
	}
	walk("", schema, values)
}
