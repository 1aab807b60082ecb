package main

import (
	"cmp"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	markersIn   = "controllers"
	security    = "docs/security.md"
	rightsBegin = "<!-- rights: begin. Written by hack/chart from the markers' comments: make generate. -->\n"
	rightsEnd   = "<!-- rights: end -->\n"
)

// a right is a marker's rule with the comment above it.
type right struct{ groups, resources, verbs, where, reason string }

var marker = regexp.MustCompile(`^\+kubebuilder:rbac:(.*)$`)

// reasons writes every rule that the operator asks for into the page about
// security, with its reason: the comment above the marker. A rule without one
// is refused.
func reasons() error {
	var all []right
	err := filepath.WalkDir(markersIn, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, group := range file.Comments {
			var lines []string
			for _, c := range group.List { // Text() would leave the markers out
				lines = append(lines, strings.TrimSpace(strings.TrimPrefix(c.Text, "//")))
			}
			found, err := rightsOf(lines)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			all = append(all, found...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeRights(all)
}

// rightsOf finds the markers of one comment. The reason is the paragraph that
// they end.
func rightsOf(lines []string) (all []right, err error) {
	reason, marked := "", false
	for _, line := range lines {
		m := marker.FindStringSubmatch(line)
		switch {
		case m != nil:
			if reason == "" {
				return nil, fmt.Errorf("no reason stands above %s", line)
			}
			r := right{where: "watched namespaces", reason: reason}
			if err := r.parse(m[1]); err != nil {
				return nil, fmt.Errorf("%s: %w", line, err)
			}
			all, marked = append(all, r), true
		case line == "" || marked:
			reason, marked = line, false
		default:
			reason = strings.TrimSpace(reason + " " + line)
		}
	}
	return all, nil
}

func (r *right) parse(text string) error {
	for _, part := range strings.Split(text, ",") {
		key, value, _ := strings.Cut(part, "=")
		value = strings.ReplaceAll(strings.Trim(value, `"`), ";", " ")
		switch key {
		case "groups":
			r.groups = value
		case "resources":
			r.resources = value
		case "verbs":
			verbs := strings.Fields(value)
			slices.Sort(verbs)
			r.verbs = strings.Join(verbs, " ")
		case "namespace":
			r.where = "its own namespace"
		default:
			return fmt.Errorf("%s: hack/chart does not know how to tell it", key)
		}
	}
	if whole, _, _ := strings.Cut(r.resources, "/"); clusterScoped[r.groups+"/"+whole] {
		r.where = "the cluster"
	}
	return nil
}

func writeRights(all []right) error {
	if len(all) == 0 {
		return fmt.Errorf("no markers in %s: run from the repository's root", markersIn)
	}
	slices.SortFunc(all, func(a, b right) int {
		return strings.Compare(a.where+a.groups+"/"+a.resources, b.where+b.groups+"/"+b.resources)
	})
	table := "| where | group | resources | verbs | why |\n| --- | --- | --- | --- | --- |\n"
	for _, r := range all {
		table += fmt.Sprintf("| %s | %s | `%s` | %s | %s |\n", r.where, cmp.Or(r.groups, "core"), r.resources, r.verbs, r.reason)
	}
	text, err := os.ReadFile(security)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(text), rightsBegin)
	_, tail, closed := strings.Cut(rest, rightsEnd)
	if !ok || !closed {
		return fmt.Errorf("%s has no place for the rights: between %q and %q", security, rightsBegin, rightsEnd)
	}
	return os.WriteFile(security, []byte(head+rightsBegin+table+rightsEnd+tail), 0o644)
}
