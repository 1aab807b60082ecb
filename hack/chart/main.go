// Command chart copies what is generated into config/ to the chart's templates:
// CRDs, which Helm upgrades only there, and the operator's roles. So both ways
// of installing come from the same markers. Into docs/security.md it writes why
// the operator has each right. Run it from the repository's root.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

const (
	crdSource  = "config/crd/bases"
	roleSource = "config/rbac/role.yaml"
	templates  = "charts/coffer/templates"
	mark       = "{{- /* Copied from %s by hack/chart: make generate. */ -}}\n"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "hack/chart:", err)
		os.Exit(1)
	}
}

func run() error {
	sources, err := filepath.Glob(crdSource + "/*.yaml")
	if err != nil {
		return err
	}
	if len(sources) == 0 {
		return fmt.Errorf("no CRDs in %s: run from the repository's root, after controller-gen", crdSource)
	}
	stale, err := filepath.Glob(filepath.Join(templates, "crd-*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range stale {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	for _, source := range sources {
		target := filepath.Join(templates, "crd-"+filepath.Base(source))
		if err := rewrite(source, target, crd); err != nil {
			return err
		}
	}
	if err := rewrite(roleSource, filepath.Join(templates, "role.yaml"), roles); err != nil {
		return err
	}
	return reasons()
}

func rewrite(source, target string, template func(string) (string, error)) error {
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	if bytes.Contains(text, []byte("{{")) {
		return fmt.Errorf("%s holds {{, which Helm would take for a template", source)
	}
	out, err := template(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	return os.WriteFile(target, []byte(fmt.Sprintf(mark, source)+out), 0o644)
}

// crd puts the chart's labels and the keep policy into the metadata.
func crd(text string) (string, error) {
	head, rest, ok := strings.Cut(text, "metadata:\n  annotations:\n")
	if !ok {
		return "", fmt.Errorf("no metadata.annotations where controller-gen writes them")
	}
	return "{{- if .Values.crds.enabled }}\n" + strings.TrimPrefix(head, "---\n") +
		"metadata:\n  labels:\n    {{- include \"coffer.labels\" . | nindent 4 }}\n  annotations:\n" +
		"    {{- if .Values.crds.keep }}\n    helm.sh/resource-policy: keep\n    {{- end }}\n" +
		rest + "{{- end }}\n", nil
}

// clusterScoped are the resources of the rules that belong to no namespace. A
// Role cannot give them; test/integration/api asks an API server whether these
// are all.
var clusterScoped = map[string]bool{
	"authentication.k8s.io/tokenreviews":        true,
	"authorization.k8s.io/subjectaccessreviews": true,
	"cert-manager.io/clusterissuers":            true,
	"/namespaces":                               true,
}

// roles puts the release's names into the roles' metadata and keeps the rules.
// The ClusterRole's are given as such or, with rbac.scope=namespaced, apart:
// in a Role for each watched namespace, what belongs to none in a ClusterRole
// only if it is asked for.
func roles(text string) (string, error) {
	out := "{{- if .Values.rbac.create }}\n"
	for _, document := range strings.Split(strings.TrimPrefix(text, "---\n"), "---\n") {
		var role rbacv1.ClusterRole // a Role has the same rules
		if err := yaml.UnmarshalStrict([]byte(document), &role); err != nil {
			return "", fmt.Errorf("a role: %w", err)
		}
		if role.Namespace != "" {
			own, err := rendered("Role", "coffer.operator", ".Release.Namespace", role.Rules)
			if err != nil {
				return "", err
			}
			out += "---\n" + own
			continue
		}
		watched, cluster := split(role.Rules)
		var part [3]string
		for i, r := range []struct {
			kind, namespace string
			rules           []rbacv1.PolicyRule
		}{{"ClusterRole", "", role.Rules}, {"Role", ".", watched}, {"ClusterRole", "", cluster}} {
			name := "coffer.operator"
			if r.kind == "Role" {
				name = "coffer.databasesRole"
			}
			var err error
			if part[i], err = rendered(r.kind, name, r.namespace, r.rules); err != nil {
				return "", err
			}
		}
		out += "{{- if eq .Values.rbac.scope \"cluster\" }}\n---\n" + part[0] +
			"{{- else }}\n{{- range .Values.watchNamespaces }}\n---\n" + part[1] + "{{- end }}\n" +
			"{{- if .Values.rbac.clusterResources }}\n---\n" + part[2] + "{{- end }}\n{{- end }}\n"
	}
	return out + "{{- end }}\n", nil
}

// rendered is one role of the chart. Inside a range over namespaces the dot is
// the namespace: everything else is reached from the root.
func rendered(kind, name, namespace string, rules []rbacv1.PolicyRule) (string, error) {
	text, err := yaml.Marshal(map[string]any{"rules": rules})
	if err != nil {
		return "", err
	}
	out := "apiVersion: rbac.authorization.k8s.io/v1\nkind: " + kind + "\nmetadata:\n  name: {{ include \"" + name + "\" $ }}\n"
	if namespace != "" {
		out += "  namespace: {{ " + namespace + " }}\n"
	}
	return out + "  labels:\n    {{- include \"coffer.labels\" $ | nindent 4 }}\n" + string(text), nil
}

// split parts rules by whether their resources belong to a namespace.
func split(rules []rbacv1.PolicyRule) (namespaced, cluster []rbacv1.PolicyRule) {
	for _, rule := range rules {
		in, out := rule, rule
		in.Resources, out.Resources = nil, nil
		for _, resource := range rule.Resources {
			whole, _, _ := strings.Cut(resource, "/") // without the subresource
			if clusterScoped[rule.APIGroups[0]+"/"+whole] {
				out.Resources = append(out.Resources, resource)
			} else {
				in.Resources = append(in.Resources, resource)
			}
		}
		if len(in.Resources) > 0 {
			namespaced = append(namespaced, in)
		}
		if len(out.Resources) > 0 {
			cluster = append(cluster, out)
		}
	}
	return namespaced, cluster
}
