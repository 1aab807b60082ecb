package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestTableIsOfThisTree: every text is found, what takes its place parses, and
// the test exists. That the test notices is `make mutation`'s business.
func TestTableIsOfThisTree(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, s := range safeguards() {
		if names[s.file+s.name] {
			t.Errorf("%s: %s: twice", s.file, s.name)
		}
		names[s.file+s.name] = true
		text, err := os.ReadFile(filepath.Join(root, s.file))
		if err != nil {
			t.Error(err)
			continue
		}
		mutant, err := s.mutate(string(text))
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		if _, err := parser.ParseFile(token.NewFileSet(), s.file, mutant, parser.SkipObjectResolution); err != nil || s.old == s.new {
			t.Errorf("%s: what takes its place is no program, or the same: %v", s.name, err)
		}
		if !hasTest(t, filepath.Join(root, s.pkg()), s.test) {
			t.Errorf("%s: there is no %s in %s", s.name, s.test, s.pkg())
		}
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`(?m)^func ` + name + `\(t \*testing\.T\)`).Match(text) {
			return true
		}
	}
	return false
}
