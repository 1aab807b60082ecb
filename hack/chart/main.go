// Command chart copies what is generated into config/ to the chart's templates:
// CRDs, which Helm upgrades only there, and the operator's roles. So both ways
// of installing come from the same markers. Run it from the repository's root.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	return rewrite(roleSource, filepath.Join(templates, "role.yaml"), roles)
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

// roles puts the release's names into each role's metadata and keeps the rules.
func roles(text string) (string, error) {
	out := "{{- if .Values.rbac.create }}\n"
	for _, document := range strings.Split(strings.TrimPrefix(text, "---\n"), "---\n") {
		head, rules, ok := strings.Cut(document, "rules:\n")
		if !ok {
			return "", fmt.Errorf("a role without rules")
		}
		kind, metadata, ok := strings.Cut(head, "metadata:\n")
		if !ok {
			return "", fmt.Errorf("a role without metadata")
		}
		out += "---\n" + kind + "metadata:\n  name: {{ include \"coffer.operator\" . }}\n"
		if strings.Contains(metadata, "  namespace:") {
			out += "  namespace: {{ .Release.Namespace }}\n"
		}
		out += "  labels:\n    {{- include \"coffer.labels\" . | nindent 4 }}\nrules:\n" + rules
	}
	return out + "{{- end }}\n", nil
}
